//! Where a correlation is a product: what the two fast forms have in common.

use pulp::Simd;

use super::fourier;
use super::points::{evaluate, interpolate};
use super::transform::{from_points, to_points};

/// Transforms of tiles such that `output(input(x) · weights(w))` is the correlation of
/// `T × T` inputs with `R × R` weights at `M × M` places, `M + R − 1 ≤ T`.
pub trait Domain<const M: usize, const R: usize, const T: usize>: Sync {
    /// Values of a transform that are real numbers; after them real and imaginary parts alternate.
    const REAL: usize;

    /// Of the inputs.
    fn input<S: Simd>(simd: S, x: &[[S::f32s; T]; T]) -> [[S::f32s; T]; T];

    /// Of the weights.
    fn weights<S: Simd>(simd: S, w: &[[S::f32s; R]; R]) -> [[S::f32s; T]; T];

    /// Back to outputs.
    fn output<S: Simd>(simd: S, y: &[[S::f32s; T]; T]) -> [[S::f32s; M]; M];

    /// Of the outputs' gradients, such that their product with the inputs is the
    /// weights' gradient.
    fn d_output<S: Simd>(simd: S, dy: &[[S::f32s; M]; M]) -> [[S::f32s; T]; T];

    /// Back to the gradient of the weights.
    fn d_weights<S: Simd>(simd: S, dw: &[[S::f32s; T]; T]) -> [[S::f32s; R]; R];
}

/// Winograd's minimal filtering F(M×M, R×R), `T = M + R − 1`.
#[derive(Debug)]
pub struct Winograd;

impl<const M: usize, const R: usize, const T: usize> Domain<M, R, T> for Winograd {
    const REAL: usize = T * T;

    #[inline(always)]
    fn input<S: Simd>(simd: S, x: &[[S::f32s; T]; T]) -> [[S::f32s; T]; T] {
        forward::<S, T, T>(simd, &const { interpolate::<T>() }, x)
    }

    #[inline(always)]
    fn weights<S: Simd>(simd: S, w: &[[S::f32s; R]; R]) -> [[S::f32s; T]; T] {
        forward::<S, T, R>(simd, &const { evaluate::<T, R>(true) }, w)
    }

    #[inline(always)]
    fn output<S: Simd>(simd: S, y: &[[S::f32s; T]; T]) -> [[S::f32s; M]; M] {
        backward::<S, T, M>(simd, &const { evaluate::<T, M>(false) }, y)
    }

    #[inline(always)]
    fn d_output<S: Simd>(simd: S, dy: &[[S::f32s; M]; M]) -> [[S::f32s; T]; T] {
        forward::<S, T, M>(simd, &const { evaluate::<T, M>(true) }, dy)
    }

    #[inline(always)]
    fn d_weights<S: Simd>(simd: S, dw: &[[S::f32s; T]; T]) -> [[S::f32s; R]; R] {
        backward::<S, T, R>(simd, &const { evaluate::<T, R>(false) }, dw)
    }
}

/// `matrix · x · matrixᵀ`.
#[inline(always)]
fn forward<S: Simd, const T: usize, const N: usize>(
    simd: S,
    matrix: &[[f32; N]; T],
    x: &[[S::f32s; N]; N],
) -> [[S::f32s; T]; T] {
    let zero = simd.splat_f32s(0.0);
    let mut half = [[zero; N]; T];
    for j in 0..N {
        let mut column = [zero; N];
        for i in 0..N {
            column[i] = x[i][j];
        }
        let column = to_points::<S, T, N>(simd, matrix, column);
        for i in 0..T {
            half[i][j] = column[i];
        }
    }
    let mut y = [[zero; T]; T];
    for i in 0..T {
        y[i] = to_points::<S, T, N>(simd, matrix, half[i]);
    }
    y
}

/// `matrixᵀ · x · matrix`.
#[inline(always)]
fn backward<S: Simd, const T: usize, const N: usize>(
    simd: S,
    matrix: &[[f32; N]; T],
    x: &[[S::f32s; T]; T],
) -> [[S::f32s; N]; N] {
    let zero = simd.splat_f32s(0.0);
    let mut half = [[zero; T]; N];
    for j in 0..T {
        let mut column = [zero; T];
        for i in 0..T {
            column[i] = x[i][j];
        }
        let column = from_points::<S, T, N>(simd, matrix, column);
        for i in 0..N {
            half[i][j] = column[i];
        }
    }
    let mut y = [[zero; N]; N];
    for i in 0..N {
        y[i] = from_points::<S, T, N>(simd, matrix, half[i]);
    }
    y
}

/// The Fourier transform of 12×12 inputs: 8×8 outputs of a 5x5 kernel.
#[derive(Debug)]
pub struct Fourier;

impl Domain<8, 5, { fourier::SIDE }> for Fourier {
    const REAL: usize = fourier::REAL;

    #[inline(always)]
    fn input<S: Simd>(simd: S, x: &[[S::f32s; 12]; 12]) -> [[S::f32s; 12]; 12] {
        fourier::to_points::<S>(simd, x, false)
    }

    #[inline(always)]
    fn weights<S: Simd>(simd: S, w: &[[S::f32s; 5]; 5]) -> [[S::f32s; 12]; 12] {
        fourier::to_points::<S>(simd, &scaled_into_tile::<S, 5>(simd, w), true)
    }

    #[inline(always)]
    fn output<S: Simd>(simd: S, y: &[[S::f32s; 12]; 12]) -> [[S::f32s; 8]; 8] {
        corner::<S, 8>(simd, &fourier::from_points::<S>(simd, y))
    }

    #[inline(always)]
    fn d_output<S: Simd>(simd: S, dy: &[[S::f32s; 8]; 8]) -> [[S::f32s; 12]; 12] {
        fourier::to_points::<S>(simd, &scaled_into_tile::<S, 8>(simd, dy), true)
    }

    #[inline(always)]
    fn d_weights<S: Simd>(simd: S, dw: &[[S::f32s; 12]; 12]) -> [[S::f32s; 5]; 5] {
        corner::<S, 5>(simd, &fourier::from_points::<S>(simd, dw))
    }
}

/// A tile that is 0 but for one corner; with the factor 1/144 that the way back lacks.
#[inline(always)]
fn scaled_into_tile<S: Simd, const N: usize>(simd: S, x: &[[S::f32s; N]; N]) -> [[S::f32s; 12]; 12] {
    let scale = simd.splat_f32s(1.0 / 144.0);
    let mut tile = [[simd.splat_f32s(0.0); 12]; 12];
    for i in 0..N {
        for j in 0..N {
            tile[i][j] = simd.mul_f32s(scale, x[i][j]);
        }
    }
    tile
}

#[inline(always)]
fn corner<S: Simd, const N: usize>(simd: S, tile: &[[S::f32s; 12]; 12]) -> [[S::f32s; N]; N] {
    let mut x = [[simd.splat_f32s(0.0); N]; N];
    for i in 0..N {
        x[i].copy_from_slice(&tile[i][..N]);
    }
    x
}
