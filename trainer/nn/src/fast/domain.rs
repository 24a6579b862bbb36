//! The interface of the Winograd and Fourier transforms. In the transform domain, a correlation is one product for each
//! point.

use pulp::Simd;

/// The source of a transform's values, which are numbered row by row.
pub trait Load<S: Simd> {
    /// The value with this number.
    fn load(&self, at: usize) -> S::f32s;
}

/// The destination of a transform's values, which are numbered row by row.
pub trait Store<S: Simd> {
    /// Stores the real value with the number `at`.
    fn store(&mut self, at: usize, value: S::f32s);

    /// Stores the complex value of a point; `point` counts the complex points from 0.
    fn store_complex(&mut self, point: usize, re: S::f32s, im: S::f32s);
}

/// Transforms of tiles. `output(input(x) · weights(w))` is the correlation of a tile of `T × T` inputs with `R × R`
/// weights: `M × M` outputs, with `M + R − 1 ≤ T`.
///
/// A transformed tile has `T²` values: those of the [`REAL`](Self::REAL) real points, then the real and the imaginary
/// part of each complex point.
pub trait Domain<const M: usize, const R: usize, const T: usize>: Sync {
    /// Number of points whose values are real. They come first.
    const REAL: usize;

    /// Transforms a tile of `T × T` inputs.
    fn input<S: Simd>(simd: S, x: &impl Load<S>, to: &mut impl Store<S>);

    /// Transforms `R × R` weights.
    fn weights<S: Simd>(simd: S, w: &impl Load<S>, to: &mut impl Store<S>);

    /// The inverse transform of the products, to `M × M` outputs.
    fn output<S: Simd>(simd: S, y: &impl Load<S>, to: &mut impl Store<S>);

    /// Transforms the gradient of `M × M` outputs. Its product with the transformed inputs is the transformed gradient
    /// of the weights.
    fn d_output<S: Simd>(simd: S, dy: &impl Load<S>, to: &mut impl Store<S>);

    /// The inverse transform of that product, to the gradient of `R × R` weights.
    fn d_weights<S: Simd>(simd: S, dw: &impl Load<S>, to: &mut impl Store<S>);
}
