//! Indexing and division that link no panic into a program for a chip.
//!
//! The parser proves that every index is in range and that no divisor is 0, but the compiler cannot see that.
//! For `list[i]` and `a / b` it therefore links panic code, which costs flash and cannot run. The
//! inference path uses the functions of this module instead. An argument that breaks their rule is a bug in
//! this crate, or in kernels from outside of it. The effect depends on the machine:
//!
//! | machine | effect |
//! |---|---|
//! | a host, in any build | panics, so that a wrong picture is never taken for a right one |
//! | a chip (`target_os = "none"`) with debug assertions | panics |
//! | a chip without debug assertions | reads zeros, writes nothing out of bounds, and draws a wrong picture; no panic is linked |
//!
//! `tests/tests/panics.rs` checks that no other panic is linked. Only the portable kernels use ordinary
//! indexing: without it they take 14 to 33 % more instructions. No Cortex-M needs them, and no RV32IM.

use core::slice::SliceIndex;

/// Whether a broken rule panics.
pub(crate) const STRICT: bool = cfg!(any(debug_assertions, not(target_os = "none")));

/// Asserts a condition if [`STRICT`], and does nothing otherwise.
macro_rules! invariant {
    ($condition:expr $(, $message:literal)?) => {
        assert!(!$crate::no_panic::STRICT || $condition $(, $message)?)
    };
}
pub(crate) use invariant;

/// `n`, which is not 0: a divisor.
#[inline(always)]
#[track_caller]
pub(crate) const fn nonzero(n: usize) -> usize {
    invariant!(n > 0);
    if n > 1 { n } else { 1 }
}

/// `n / divisor`; `None` if the divisor is 0. Armv6-M has no instruction for it; the function of the compiler's library takes
/// some 250 instructions, this one 10 for each bit of the result.
#[inline(always)]
pub(crate) const fn checked_quotient(n: usize, divisor: usize) -> Option<usize> {
    if !cfg!(kernels = "armv6m") {
        n.checked_div(divisor)
    } else if divisor == 0 {
        None
    } else {
        Some(long_division(n, divisor))
    }
}

/// `n / divisor` and `n % divisor`, where the divisor is not 0.
#[inline(always)]
#[track_caller]
pub(crate) const fn divide(n: usize, divisor: usize) -> (usize, usize) {
    let divisor = nonzero(divisor);
    if cfg!(kernels = "armv6m") {
        let quotient = long_division(n, divisor);
        (quotient, n - quotient * divisor)
    } else {
        (n / divisor, n % divisor)
    }
}

/// `n / divisor` rounded up, where the divisor is not 0.
#[inline(always)]
#[track_caller]
pub(crate) const fn rounded_up_quotient(n: usize, divisor: usize) -> usize {
    if cfg!(kernels = "armv6m") {
        long_division(n + divisor - 1, nonzero(divisor))
    } else {
        n.div_ceil(nonzero(divisor))
    }
}

/// `n / divisor`, bit by bit.
const fn long_division(n: usize, divisor: usize) -> usize {
    // Strides and blocks.
    match divisor {
        1 => return n,
        2 => return n / 2,
        4 => return n / 4,
        8 => return n / 8,
        _ => {}
    }
    let (mut rest, mut step, mut bit, mut result) = (n, divisor, 1, 0);
    while step <= n / 2 {
        step *= 2;
        bit *= 2;
    }
    while bit > 0 {
        if rest >= step {
            rest -= step;
            result += bit;
        }
        step /= 2;
        bit /= 2;
    }
    result
}

/// `i`, which is below `len`: an index.
#[inline(always)]
#[track_caller]
pub(crate) const fn clamp_index(len: usize, i: usize) -> usize {
    invariant!(i < len);
    if i < len { i } else { len - 1 }
}

/// `list[i]`
#[inline(always)]
#[track_caller]
pub(crate) fn get_or_default<T: Copy + Default>(list: &[T], i: usize) -> T {
    invariant!(i < list.len());
    list.get(i).copied().unwrap_or_default()
}

/// `list[i] = value`
#[inline(always)]
#[track_caller]
pub(crate) fn write<T>(list: &mut [T], i: usize, value: T) {
    invariant!(i < list.len());
    if let Some(to) = list.get_mut(i) {
        *to = value;
    }
}

/// `&list[range]`
#[inline(always)]
#[track_caller]
pub(crate) fn subslice<T>(list: &[T], range: impl SliceIndex<[T], Output = [T]>) -> &[T] {
    let part = list.get(range);
    invariant!(part.is_some());
    part.unwrap_or_default()
}

/// `&mut list[range]`
#[inline(always)]
#[track_caller]
pub(crate) fn subslice_mut<T>(list: &mut [T], range: impl SliceIndex<[T], Output = [T]>) -> &mut [T] {
    let part = list.get_mut(range);
    invariant!(part.is_some());
    part.unwrap_or_default()
}

/// `list.split_at_mut(at)`
#[inline(always)]
#[track_caller]
pub(crate) fn split_at_mut<T>(list: &mut [T], at: usize) -> (&mut [T], &mut [T]) {
    let parts = list.split_at_mut_checked(at);
    invariant!(parts.is_some());
    parts.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn valid_arguments_pass() {
        let mut list = [1, 2, 3];
        write(&mut list, 2, 4);
        subslice_mut(&mut list, ..1)[0] = 5;
        split_at_mut(&mut list, 1).1[0] = 6;
        assert_eq!((list, get_or_default(&list, 2), subslice(&list, 1..)), ([5, 6, 4], 4, &[6, 4][..]));
        assert_eq!((nonzero(1), nonzero(7), clamp_index(3, 0), clamp_index(3, 2)), (1, 7, 0, 2));
    }

    #[test]
    fn long_division_divides() {
        for n in (0..300).chain([4095, 4096, 65_537, usize::MAX - 1, usize::MAX]) {
            for divisor in (1..40).chain([255, 256, 65_536, usize::MAX / 2, usize::MAX / 2 + 1, usize::MAX]) {
                assert_eq!(long_division(n, divisor), n / divisor, "{n} / {divisor}");
            }
        }
    }

    /// In a release build too: `cargo test --release -p gen-core`.
    #[test]
    fn hosts_panic_on_invalid_arguments() {
        let wrong: [fn(); 7] = [
            || _ = nonzero(0),
            || _ = clamp_index(3, 3),
            || _ = get_or_default(&[1, 2, 3], 3),
            || write(&mut [1, 2, 3], 3, 4),
            || _ = subslice(&[1, 2, 3], 2..4),
            || _ = subslice_mut(&mut [1, 2, 3], 4..),
            || _ = split_at_mut(&mut [1, 2, 3], 4),
        ];
        for (i, wrong) in wrong.into_iter().enumerate() {
            assert!(catch_unwind(wrong).is_err(), "function {i}");
        }
    }
}
