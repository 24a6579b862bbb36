//! What holds for every model that was parsed, though the compiler cannot know it.
//!
//! Where it says `list[i]` or `a / b`, and the compiler sees no reason why that should go well, a
//! firmware has the machinery of panics inside, for cases that do not exist. The functions here
//! are for the inference path instead. Whatever is not as they take it to be is an error in this
//! crate, or in kernels from outside it. What happens then depends on the machine:
//!
//! | | |
//! |---|---|
//! | a host, in any build | panics: a wrong picture must not pass for a right one |
//! | a chip (`target_os = "none"`) with debug assertions | panics |
//! | a chip without debug assertions | nothing is read or written out of bounds, no panic is linked, and the picture is wrong |
//!
//! `tests/tests/panics.rs` sees to it that nothing else is left. Only the kernels in plain Rust, which
//! no Cortex-M3 or larger needs, index as usual: there it costs from 14 to 33 % more instructions
//! to do without.

use core::slice::SliceIndex;

/// Whether what is not as it should be panics.
pub(crate) const STRICT: bool = cfg!(any(debug_assertions, not(target_os = "none")));

/// Panics if [`STRICT`] and the condition does not hold.
macro_rules! certain {
    ($condition:expr $(, $message:literal)?) => {
        assert!(!$crate::certain::STRICT || $condition $(, $message)?)
    };
}
pub(crate) use certain;

/// `n`, which is not 0: what is divided by.
#[inline(always)]
#[track_caller]
pub(crate) const fn positive(n: usize) -> usize {
    certain!(n > 0);
    if n > 1 { n } else { 1 }
}

/// `i`, which is below `len`: an index of an array.
#[inline(always)]
#[track_caller]
pub(crate) const fn below(len: usize, i: usize) -> usize {
    certain!(i < len);
    if i < len { i } else { len - 1 }
}

/// `list[i]`
#[inline(always)]
#[track_caller]
pub(crate) fn at<T: Copy + Default>(list: &[T], i: usize) -> T {
    certain!(i < list.len());
    list.get(i).copied().unwrap_or_default()
}

/// `list[i] = value`
#[inline(always)]
#[track_caller]
pub(crate) fn set<T>(list: &mut [T], i: usize, value: T) {
    certain!(i < list.len());
    if let Some(to) = list.get_mut(i) {
        *to = value;
    }
}

/// `&list[range]`
#[inline(always)]
#[track_caller]
pub(crate) fn part<T>(list: &[T], range: impl SliceIndex<[T], Output = [T]>) -> &[T] {
    let part = list.get(range);
    certain!(part.is_some());
    part.unwrap_or_default()
}

/// `&mut list[range]`
#[inline(always)]
#[track_caller]
pub(crate) fn part_mut<T>(list: &mut [T], range: impl SliceIndex<[T], Output = [T]>) -> &mut [T] {
    let part = list.get_mut(range);
    certain!(part.is_some());
    part.unwrap_or_default()
}

/// `list.split_at_mut(at)`
#[inline(always)]
#[track_caller]
pub(crate) fn split_mut<T>(list: &mut [T], at: usize) -> (&mut [T], &mut [T]) {
    let parts = list.split_at_mut_checked(at);
    certain!(parts.is_some());
    parts.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn what_holds_goes_through() {
        let mut list = [1, 2, 3];
        set(&mut list, 2, 4);
        part_mut(&mut list, ..1)[0] = 5;
        split_mut(&mut list, 1).1[0] = 6;
        assert_eq!((list, at(&list, 2), part(&list, 1..)), ([5, 6, 4], 4, &[6, 4][..]));
        assert_eq!((positive(1), positive(7), below(3, 0), below(3, 2)), (1, 7, 0, 2));
    }

    /// In a release build too: `cargo test --release -p gen-core`.
    #[test]
    fn hosts_notice_what_does_not_hold() {
        let wrong: [fn(); 7] = [
            || _ = positive(0),
            || _ = below(3, 3),
            || _ = at(&[1, 2, 3], 3),
            || set(&mut [1, 2, 3], 3, 4),
            || _ = part(&[1, 2, 3], 2..4),
            || _ = part_mut(&mut [1, 2, 3], 4..),
            || _ = split_mut(&mut [1, 2, 3], 4),
        ];
        for (i, wrong) in wrong.into_iter().enumerate() {
            assert!(catch_unwind(wrong).is_err(), "function {i}");
        }
    }
}
