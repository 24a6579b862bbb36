//! Where a correlation is a product: what the two fast forms have in common.

use pulp::Simd;

use super::fourier;
use super::points::{evaluate, interpolate};
use super::transform::{from_points, to_points};

/// Where a transform reads its values; `at` counts them row by row.
pub trait Load<S: Simd> {
    /// The value at a place.
    fn load(&self, at: usize) -> S::f32s;
}

/// Where a transform writes its values.
pub trait Store<S: Simd> {
    /// A real number; `at` is its place, counted row by row.
    fn store(&mut self, at: usize, value: S::f32s);

    /// A complex number, that of the complex point `point`, counted from 0.
    fn store_complex(&mut self, point: usize, re: S::f32s, im: S::f32s);
}

/// Transforms of tiles such that `output(input(x) · weights(w))` is the correlation of
/// `T × T` inputs with `R × R` weights at `M × M` places, `M + R − 1 ≤ T`.
///
/// There are `T²` values at the points: [`REAL`](Self::REAL) real ones, then real and
/// imaginary parts in turn.
pub trait Domain<const M: usize, const R: usize, const T: usize>: Sync {
    /// Points whose values are real numbers; they come first.
    const REAL: usize;

    /// Of the inputs: `T × T` values.
    fn input<S: Simd>(simd: S, x: &impl Load<S>, to: &mut impl Store<S>);

    /// Of the weights: `R × R` values.
    fn weights<S: Simd>(simd: S, w: &impl Load<S>, to: &mut impl Store<S>);

    /// Back to `M × M` outputs.
    fn output<S: Simd>(simd: S, y: &impl Load<S>, to: &mut impl Store<S>);

    /// Of the gradients of the `M × M` outputs, such that their product with the inputs
    /// is the gradient of the weights.
    fn d_output<S: Simd>(simd: S, dy: &impl Load<S>, to: &mut impl Store<S>);

    /// Back to the gradient of the `R × R` weights.
    fn d_weights<S: Simd>(simd: S, dw: &impl Load<S>, to: &mut impl Store<S>);
}

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

/// The Fourier transform of 12×12 inputs: 8×8 outputs of a 5x5 kernel.
///
/// A correlation is the product with conjugated weights. The factor 1/144 that the
/// way back lacks is given to the weights, or to their gradient: they are fewest.
#[derive(Debug)]
pub struct Fourier;

impl Domain<8, 5, { fourier::SIDE }> for Fourier {
    const REAL: usize = fourier::REAL;

    #[inline(always)]
    fn input<S: Simd>(simd: S, x: &impl Load<S>, to: &mut impl Store<S>) {
        fourier::to_points::<S, 12>(simd, x, to);
    }

    #[inline(always)]
    fn weights<S: Simd>(simd: S, w: &impl Load<S>, to: &mut impl Store<S>) {
        fourier::to_points::<S, 5>(simd, &Scaled { simd, values: w }, &mut Conjugated { simd, to });
    }

    #[inline(always)]
    fn output<S: Simd>(simd: S, y: &impl Load<S>, to: &mut impl Store<S>) {
        fourier::from_points::<S, 8>(simd, y, to);
    }

    #[inline(always)]
    fn d_output<S: Simd>(simd: S, dy: &impl Load<S>, to: &mut impl Store<S>) {
        fourier::to_points::<S, 8>(simd, dy, &mut Conjugated { simd, to });
    }

    #[inline(always)]
    fn d_weights<S: Simd>(simd: S, dw: &impl Load<S>, to: &mut impl Store<S>) {
        fourier::from_points::<S, 5>(simd, dw, &mut Scaled { simd, values: to });
    }
}

/// Values over 144.
struct Scaled<S, V> {
    simd: S,
    values: V,
}

impl<S: Simd, L: Load<S>> Load<S> for Scaled<S, &L> {
    #[inline(always)]
    fn load(&self, at: usize) -> S::f32s {
        self.simd.mul_f32s(self.simd.splat_f32s(1.0 / 144.0), self.values.load(at))
    }
}

impl<S: Simd, W: Store<S>> Store<S> for Scaled<S, &mut W> {
    #[inline(always)]
    fn store(&mut self, at: usize, value: S::f32s) {
        self.values.store(at, self.simd.mul_f32s(self.simd.splat_f32s(1.0 / 144.0), value));
    }

    #[inline(always)]
    fn store_complex(&mut self, _: usize, _: S::f32s, _: S::f32s) {
        unreachable!("taps are real");
    }
}

struct Conjugated<'a, S, W> {
    simd: S,
    to: &'a mut W,
}

impl<S: Simd, W: Store<S>> Store<S> for Conjugated<'_, S, W> {
    #[inline(always)]
    fn store(&mut self, at: usize, value: S::f32s) {
        self.to.store(at, value);
    }

    #[inline(always)]
    fn store_complex(&mut self, point: usize, re: S::f32s, im: S::f32s) {
        // Not `neg`, which pulp calls as a function.
        self.to.store_complex(point, re, self.simd.sub_f32s(self.simd.splat_f32s(0.0), im));
    }
}
