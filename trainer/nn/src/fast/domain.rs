//! What the Winograd and the Fourier form have in common: transforms to a domain where a correlation is a product
//! at each point.

use pulp::Simd;

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
