//! Matrix product in f32 for ndarray views, with the f32 kernels of the crate `gemm` (AVX-512, AVX2 or NEON, chosen at run
//! time).
#![allow(unsafe_code)] // the call into `gemm`, whose interface is raw pointers

use gemm_common::Parallelism;
use gemm_f32::gemm::f32::get_gemm_fn;
use ndarray::{ArrayView2, ArrayViewMut2};

/// Computes `c = a·b`, or `c += a·b` if `add`, on the calling thread.
///
/// # Panics
/// If the shapes do not fit, or an axis is reversed.
pub fn gemm(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>, c: ArrayViewMut2<'_, f32>, add: bool) {
    let ((m, k), n) = (a.dim(), b.ncols());
    assert!(b.nrows() == k && c.dim() == (m, n), "product of {m}x{k} and {:?} into {:?}", b.dim(), c.dim());
    if m == 0 || n == 0 {
        return;
    }
    // The kernels want the result column by column; cᵀ = bᵀ·aᵀ.
    let (a, b, mut c) = if c.strides()[1] < c.strides()[0] {
        (b.reversed_axes(), a.reversed_axes(), c.reversed_axes())
    } else {
        (a, b, c)
    };
    let ((m, k), n) = (a.dim(), b.ncols());
    let strides = [a.strides(), b.strides(), c.strides()];
    assert!(strides.iter().all(|s| s.iter().all(|&stride| stride >= 0)), "a reversed axis");
    // SAFETY: the pointers and strides of three live views, whose shapes were just
    // checked to fit; `c` is borrowed mutably, so it overlaps neither `a` nor `b`.
    unsafe {
        get_gemm_fn()(
            m,
            n,
            k,
            c.as_mut_ptr(),
            c.strides()[1],
            c.strides()[0],
            add,
            a.as_ptr(),
            a.strides()[1],
            a.strides()[0],
            b.as_ptr(),
            b.strides()[1],
            b.strides()[0],
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn equals_the_triple_sum_for_every_orientation() {
        for (m, k, n) in [(1, 1, 1), (2, 3, 4), (17, 9, 33), (5, 0, 3), (64, 100, 16)] {
            let a = Array2::from_shape_fn((m, k), |(i, j)| ((i * 7 + j * 3) % 11) as f32 - 5.0);
            let b = Array2::from_shape_fn((k, n), |(i, j)| ((i * 5 + j * 2) % 13) as f32 - 6.0);
            let naive = Array2::from_shape_fn((m, n), |(i, j)| (0..k).map(|p| a[(i, p)] * b[(p, j)]).sum::<f32>());
            let at = a.t().as_standard_layout().into_owned();
            let bt = b.t().as_standard_layout().into_owned();
            for (a, b) in [(a.view(), b.view()), (at.t(), b.view()), (a.view(), bt.t())] {
                let mut c = Array2::ones((m, n));
                gemm(a, b, c.view_mut(), true);
                assert_eq!(c, &naive + 1.0); // small integers: no rounding
                gemm(a, b, c.view_mut(), false);
                assert_eq!(c, naive);
            }
        }
    }
}
