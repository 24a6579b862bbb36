//! Winograd's minimal filtering as a [`Domain`].

use pulp::Simd;

use super::domain::{Domain, Load, Store};
use super::points::{evaluate, interpolate};
use super::transform::{multiply, multiply_transposed};

/// Winograd's minimal filtering F(M×M, R×R), `T = M + R − 1`.
#[derive(Debug)]
pub struct Winograd;

impl<const M: usize, const R: usize, const T: usize> Domain<M, R, T> for Winograd {
    const REAL: usize = T * T;

    #[inline(always)]
    fn input<S: Simd>(simd: S, x: &impl Load<S>, to: &mut impl Store<S>) {
        transform::<S, T, T>(simd, &const { interpolate::<T>() }, x, to);
    }

    #[inline(always)]
    fn weights<S: Simd>(simd: S, w: &impl Load<S>, to: &mut impl Store<S>) {
        transform::<S, T, R>(simd, &const { evaluate::<T, R>(true) }, w, to);
    }

    #[inline(always)]
    fn output<S: Simd>(simd: S, y: &impl Load<S>, to: &mut impl Store<S>) {
        inverse_transform::<S, T, M>(simd, &const { evaluate::<T, M>(false) }, y, to);
    }

    #[inline(always)]
    fn d_output<S: Simd>(simd: S, dy: &impl Load<S>, to: &mut impl Store<S>) {
        transform::<S, T, M>(simd, &const { evaluate::<T, M>(true) }, dy, to);
    }

    #[inline(always)]
    fn d_weights<S: Simd>(simd: S, dw: &impl Load<S>, to: &mut impl Store<S>) {
        inverse_transform::<S, T, R>(simd, &const { evaluate::<T, R>(false) }, dw, to);
    }
}

/// Transforms columns, then rows: `matrix · x · matrixᵀ`.
#[inline(always)]
fn transform<S: Simd, const T: usize, const N: usize>(
    simd: S,
    matrix: &[[f32; N]; T],
    x: &impl Load<S>,
    to: &mut impl Store<S>,
) {
    let zero = simd.splat_f32s(0.0);
    let mut columns = [[zero; N]; T];
    for j in 0..N {
        let mut column = [zero; N];
        for i in 0..N {
            column[i] = x.load(i * N + j);
        }
        let column = multiply::<S, T, N>(simd, matrix, column);
        for i in 0..T {
            columns[i][j] = column[i];
        }
    }
    for i in 0..T {
        let row = multiply::<S, T, N>(simd, matrix, columns[i]);
        for j in 0..T {
            to.store(i * T + j, row[j]);
        }
    }
}

/// Transforms columns, then rows, back from the points: `matrixᵀ · x · matrix`.
#[inline(always)]
fn inverse_transform<S: Simd, const T: usize, const N: usize>(
    simd: S,
    matrix: &[[f32; N]; T],
    x: &impl Load<S>,
    to: &mut impl Store<S>,
) {
    let zero = simd.splat_f32s(0.0);
    let mut columns = [[zero; T]; N];
    for j in 0..T {
        let mut column = [zero; T];
        for i in 0..T {
            column[i] = x.load(i * T + j);
        }
        let column = multiply_transposed::<S, T, N>(simd, matrix, column);
        for i in 0..N {
            columns[i][j] = column[i];
        }
    }
    for i in 0..N {
        let row = multiply_transposed::<S, T, N>(simd, matrix, columns[i]);
        for j in 0..N {
            to.store(i * N + j, row[j]);
        }
    }
}
