//! Matrix product in f32 for ndarray views, with the f32 kernels of the crate `gemm` for the [vector
//! instructions](super::vectors) that are used.
#![allow(unsafe_code)] // the call into `gemm`, whose interface is raw pointers

use gemm_common::Parallelism;
use gemm_common::gemm::gemm_basic_generic;
use gemm_common::simd::{self, MixedSimd};
use gemm_f32::gemm::f32::get_gemm_fn;
use gemm_f32::microkernel;
use ndarray::{ArrayView2, ArrayViewMut2};
use pulp::Arch;

use super::vectors::arch;

/// The operands of a product, column by column as `gemm` has them.
struct Product {
    /// Rows of `a`, columns of `b`, columns of `a`.
    size: [usize; 3],
    /// Whether the product is added to `c`.
    add: bool,
    /// Pointers, each with the distances of columns and of rows.
    a: (*const f32, [isize; 2]),
    b: (*const f32, [isize; 2]),
    c: (*mut f32, [isize; 2]),
}

impl Product {
    /// Computes it. The crate's `get_gemm_fn` chooses the best kernels of the processor. Its functions for others are
    /// private, but not their parts.
    ///
    /// # Safety
    /// The pointers and distances must be those of three live matrices. `c` must not overlap the other two.
    unsafe fn compute(&self, arch: Arch) {
        let ([m, n, k], add) = (self.size, self.add);
        let ((a, [a_column, a_row]), (b, [b_column, b_row]), (c, [c_column, c_row])) = (self.a, self.b, self.c);
        let one_thread = Parallelism::None;
        macro_rules! with_kernels_of {
            ($kind:ident, $simd:ident, $width:literal) => {{
                use microkernel::$kind::f32::{H_M, H_N, H_UKR, MR_DIV_N, NR, UKR};
                let simd = <simd::$simd as MixedSimd<f32, f32, f32, f32>>::try_new().expect("as `arch` says");
                // SAFETY: this function's contract.
                unsafe {
                    gemm_basic_generic::<_, _, $width, { MR_DIV_N * $width }, NR, MR_DIV_N, H_M, H_N>(
                        simd,
                        m,
                        n,
                        k,
                        c,
                        c_column,
                        c_row,
                        add,
                        a,
                        a_column,
                        a_row,
                        b,
                        b_column,
                        b_row,
                        1.0,
                        1.0,
                        false,
                        false,
                        false,
                        |a, b, c| a * b + c,
                        &UKR,
                        &H_UKR,
                        false,
                        one_thread,
                    );
                }
            }};
        }
        match arch {
            Arch::Scalar => with_kernels_of!(scalar, Scalar, 1),
            #[cfg(target_arch = "x86_64")]
            Arch::V3(_) => with_kernels_of!(fma, V3, 8),
            // SAFETY: this function's contract.
            _ => unsafe {
                get_gemm_fn()(
                    m, n, k, c, c_column, c_row, add, a, a_column, a_row, b, b_column, b_row, 1.0, 1.0, false, false,
                    false, one_thread,
                );
            },
        }
    }
}

/// Computes `c = a·b`, or `c += a·b` if `add`, on the calling thread.
///
/// # Panics
/// If the shapes do not fit, or an axis is reversed.
pub fn gemm(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>, c: ArrayViewMut2<'_, f32>, add: bool) {
    gemm_on(arch(), a, b, c, add);
}

/// [`gemm`] with these vector instructions.
pub(crate) fn gemm_on(
    arch: Arch,
    a: ArrayView2<'_, f32>,
    b: ArrayView2<'_, f32>,
    c: ArrayViewMut2<'_, f32>,
    add: bool,
) {
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
    let distances = |strides: &[isize]| [strides[1], strides[0]];
    let product = Product {
        size: [m, n, k],
        add,
        a: (a.as_ptr(), distances(a.strides())),
        b: (b.as_ptr(), distances(b.strides())),
        c: (c.as_mut_ptr(), distances(c.strides())),
    };
    assert!([product.a.1, product.b.1, product.c.1].as_flattened().iter().all(|&d| d >= 0), "a reversed axis");
    // SAFETY: the pointers and strides of three live views, whose shapes were just
    // checked to fit; `c` is borrowed mutably, so it overlaps neither `a` nor `b`.
    unsafe { product.compute(arch) };
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::vectors::archs;

    #[test]
    fn equals_the_triple_sum_for_every_orientation() {
        for (m, k, n) in [(1, 1, 1), (2, 3, 4), (17, 9, 33), (5, 0, 3), (64, 100, 16)] {
            let a = Array2::from_shape_fn((m, k), |(i, j)| ((i * 7 + j * 3) % 11) as f32 - 5.0);
            let b = Array2::from_shape_fn((k, n), |(i, j)| ((i * 5 + j * 2) % 13) as f32 - 6.0);
            let naive = Array2::from_shape_fn((m, n), |(i, j)| (0..k).map(|p| a[(i, p)] * b[(p, j)]).sum::<f32>());
            let at = a.t().as_standard_layout().into_owned();
            let bt = b.t().as_standard_layout().into_owned();
            let pairs = [(a.view(), b.view()), (at.t(), b.view()), (a.view(), bt.t())];
            for (arch, (a, b)) in archs().flat_map(|arch| pairs.map(|pair| (arch, pair))) {
                let mut c = Array2::ones((m, n));
                gemm_on(arch, a, b, c.view_mut(), true);
                assert_eq!(c, &naive + 1.0); // small integers: no rounding
                gemm_on(arch, a, b, c.view_mut(), false);
                assert_eq!(c, naive);
            }
        }
    }
}
