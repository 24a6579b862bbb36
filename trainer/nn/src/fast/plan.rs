//! Computes a correlation, as a whole or in parts, with the vector instructions of this process.

use pulp::Arch;

use super::forward::Epilogue;
use super::fourier::{Fourier, SIDE};
use super::geometry::Correlation;
use super::memory::{Scratch, TransformedWeights};
use super::winograd::Winograd;
use crate::params::Weights;
use crate::vectors::arch;

/// A correlation, as a whole or in parts, each with its transformed weights.
#[derive(Debug)]
pub struct Plan {
    parts: Vec<(Correlation, TransformedWeights)>,
}

impl Plan {
    /// A plan of these parts, which together write the whole output.
    pub fn new(parts: Vec<Correlation>) -> Self {
        Self { parts: parts.into_iter().map(|part| (part, TransformedWeights::default())).collect() }
    }

    /// Name for tables.
    pub fn name(&self) -> String {
        let (first, _) = &self.parts[0];
        let (m, r) = (first.tile, first.taps);
        let apart = if self.parts.len() > 1 { ", pixels apart" } else { "" };
        match m + r - 1 {
            SIDE => format!("Fourier, tiles of {m}x{m}{apart}"),
            _ => format!("Winograd F({m}x{m}, {r}x{r}){apart}"),
        }
    }

    /// The parts.
    pub fn parts(&self) -> impl Iterator<Item = &Correlation> {
        self.parts.iter().map(|(part, _)| part)
    }

    /// Writes the correlation of each map in `x` to `y`.
    pub fn run(
        &mut self,
        params: Weights<'_>,
        x: &[f32],
        y: &mut [f32],
        epilogue: Epilogue<'_>,
        scratch: &mut Scratch,
    ) {
        for (part, weights) in &mut self.parts {
            part.run(params, x, y, epilogue, weights, scratch);
        }
    }

    /// Adds to `d_params` the gradient of the weights, from the input maps `x` and the
    /// gradient `dy` of the output maps.
    pub fn add_gradient(&self, d_params: &mut [f32], x: &[f32], dy: &[f32], scratch: &mut Scratch) {
        for (part, _) in &self.parts {
            part.add_gradient(d_params, x, dy, scratch);
        }
    }
}

impl Correlation {
    /// Writes the correlation of each map in `x` to `y`.
    ///
    /// `weights` keeps the transformed weights for calls with the same version of `params`, unless they are too large.
    pub fn run(
        &self,
        params: Weights<'_>,
        x: &[f32],
        y: &mut [f32],
        epilogue: Epilogue<'_>,
        weights: &mut TransformedWeights,
        scratch: &mut Scratch,
    ) {
        self.run_on(arch(), params, x, y, epilogue, weights, scratch);
    }

    /// Adds to `d_params` the gradient of the weights, from the input maps `x` and the
    /// gradient `dy` of the output maps.
    pub fn add_gradient(&self, d_params: &mut [f32], x: &[f32], dy: &[f32], scratch: &mut Scratch) {
        self.add_gradient_on(arch(), d_params, x, dy, scratch);
    }

    pub(crate) fn run_on(
        &self,
        arch: Arch,
        params: Weights<'_>,
        x: &[f32],
        y: &mut [f32],
        epilogue: Epilogue<'_>,
        weights: &mut TransformedWeights,
        scratch: &mut Scratch,
    ) {
        match (self.tile, self.taps) {
            (2, 2) => self.run_in::<Winograd, 2, 2, 3, 10>(arch, params, x, y, epilogue, weights, scratch),
            (3, 2) => self.run_in::<Winograd, 3, 2, 4, 17>(arch, params, x, y, epilogue, weights, scratch),
            (4, 2) => self.run_in::<Winograd, 4, 2, 5, 25>(arch, params, x, y, epilogue, weights, scratch),
            (2, 3) => self.run_in::<Winograd, 2, 3, 4, 17>(arch, params, x, y, epilogue, weights, scratch),
            (8, 5) => self.run_in::<Fourier, 8, 5, 12, 145>(arch, params, x, y, epilogue, weights, scratch),
            (m, r) => unreachable!("tiles of {m} with {r} taps are never chosen"),
        }
    }

    fn add_gradient_on(&self, arch: Arch, d_params: &mut [f32], x: &[f32], dy: &[f32], scratch: &mut Scratch) {
        match (self.tile, self.taps) {
            (2, 2) => self.add_gradient_in::<Winograd, 2, 2, 3>(arch, d_params, x, dy, scratch),
            (3, 2) => self.add_gradient_in::<Winograd, 3, 2, 4>(arch, d_params, x, dy, scratch),
            (4, 2) => self.add_gradient_in::<Winograd, 4, 2, 5>(arch, d_params, x, dy, scratch),
            (2, 3) => self.add_gradient_in::<Winograd, 2, 3, 4>(arch, d_params, x, dy, scratch),
            (8, 5) => self.add_gradient_in::<Fourier, 8, 5, 12>(arch, d_params, x, dy, scratch),
            (m, r) => unreachable!("tiles of {m} with {r} taps are never chosen"),
        }
    }
}

#[cfg(test)]
mod tests;
