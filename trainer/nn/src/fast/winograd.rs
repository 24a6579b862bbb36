//! Winograd's minimal filtering as a [`Domain`].

use pulp::Simd;

use super::domain::{Domain, Load, Store};
use super::points::{evaluate, interpolate};
use super::transform::{from_points, to_points};

/// Winograd's minimal filtering F(M×M, R×R), `T = M + R − 1`.
#[derive(Debug)]
pub struct Winograd;

impl<const M: usize, const R: usize, const T: usize> Domain<M, R, T> for Winograd {
    const REAL: usize = T * T;

    #[inline(always)]
    fn input<S: Simd>(simd: S, x: &impl Load<S>, to: &mut impl Store<S>) {
        forward::<S, T, T>(simd, &const { interpolate::<T>() }, x, to);
    }

    #[inline(always)]
    fn weights<S: Simd>(simd: S, w: &impl Load<S>, to: &mut impl Store<S>) {
        forward::<S, T, R>(simd, &const { evaluate::<T, R>(true) }, w, to);
    }

    #[inline(always)]
    fn output<S: Simd>(simd: S, y: &impl Load<S>, to: &mut impl Store<S>) {
        backward::<S, T, M>(simd, &const { evaluate::<T, M>(false) }, y, to);
    }

    #[inline(always)]
    fn d_output<S: Simd>(simd: S, dy: &impl Load<S>, to: &mut impl Store<S>) {
        forward::<S, T, M>(simd, &const { evaluate::<T, M>(true) }, dy, to);
    }

    #[inline(always)]
    fn d_weights<S: Simd>(simd: S, dw: &impl Load<S>, to: &mut impl Store<S>) {
        backward::<S, T, R>(simd, &const { evaluate::<T, R>(false) }, dw, to);
    }
}

/// `matrix · x · matrixᵀ`.
#[inline(always)]
fn forward<S: Simd, const T: usize, const N: usize>(
    simd: S,
    matrix: &[[f32; N]; T],
    x: &impl Load<S>,
    to: &mut impl Store<S>,
) {
    let zero = simd.splat_f32s(0.0);
    let mut half = [[zero; N]; T];
    for j in 0..N {
        let mut column = [zero; N];
        for i in 0..N {
            column[i] = x.load(i * N + j);
        }
        let column = to_points::<S, T, N>(simd, matrix, column);
        for i in 0..T {
            half[i][j] = column[i];
        }
    }
    for i in 0..T {
        let row = to_points::<S, T, N>(simd, matrix, half[i]);
        for j in 0..T {
            to.store(i * T + j, row[j]);
        }
    }
}

/// `matrixᵀ · x · matrix`.
#[inline(always)]
fn backward<S: Simd, const T: usize, const N: usize>(
    simd: S,
    matrix: &[[f32; N]; T],
    x: &impl Load<S>,
    to: &mut impl Store<S>,
) {
    let zero = simd.splat_f32s(0.0);
    let mut half = [[zero; T]; N];
    for j in 0..T {
        let mut column = [zero; T];
        for i in 0..T {
            column[i] = x.load(i * T + j);
        }
        let column = from_points::<S, T, N>(simd, matrix, column);
        for i in 0..N {
            half[i][j] = column[i];
        }
    }
    for i in 0..N {
        let row = from_points::<S, T, N>(simd, matrix, half[i]);
        for j in 0..N {
            to.store(i * N + j, row[j]);
        }
    }
}
