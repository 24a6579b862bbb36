//! Compares the simulation with the integer engine on every activation of every layer.

use std::fmt;

use gen_core::LayerObserver;
use gen_core::kernels::{Kernels, Native};
use gen_core::{Engine, Model, Shape};
use ndarray::{Array3, s};
use rayon::prelude::*;
use serde::Serialize;

use super::model::QuantModel;
use super::pack::QuantError;
use super::simulate::Simulation;
use crate::classes::latent_of;

/// Result of [`verify`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Name of the model.
    pub model: String,
    /// Number of classes, which take turns; 0 for none.
    pub classes: usize,
    /// Name of the engine's kernels.
    pub kernels: &'static str,
    /// Number of latents.
    pub latents: usize,
    /// One for each layer, first to last.
    pub layers: Vec<LayerReport>,
    /// The first difference, in the order of seeds and then of computation.
    pub first: Option<Mismatch>,
}

/// The comparison of one layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerReport {
    /// Shape of the output.
    pub shape: Shape,
    /// Number of compared values, over all latents. Rows that no later layer reads are not
    /// computed by the engine and not compared.
    pub values: u64,
    /// Number of values that differ, including rows that the engine left out or computed twice.
    pub mismatches: u64,
    /// CRC-32 (as in zlib) of the engine's values, rows from top to bottom, one
    /// latent after the other. Two machines with equal checksums computed the same values.
    pub checksum: u32,
}

/// A value that differs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Mismatch {
    /// Seed of the latent.
    pub seed: u32,
    /// Index of the layer.
    pub layer: usize,
    /// Row.
    pub y: usize,
    /// Pixel in the row.
    pub x: usize,
    /// Channel of the pixel.
    pub channel: usize,
    /// Value of the simulation: an int8, or for the last layer a byte.
    pub expected: f64,
    /// Value of the engine; `None` if the engine did not compute the row.
    pub got: Option<f64>,
}

/// Compares simulation and engine, with the kernels of this machine, on the
/// latents of `seeds`. Classes take turns with the seeds.
///
/// # Errors
/// [`QuantError`] when the model cannot be unpacked for the simulation.
/// Differences are not errors: see [`Report::is_exact`].
pub fn verify(model: &Model<'_>, seeds: impl IntoIterator<Item = u32>) -> Result<Report, QuantError> {
    let simulation = Simulation::new(&QuantModel::from_model(model)?)?;
    Ok(compare::<Native>(model, &simulation, seeds))
}

/// Like [`verify`], with chosen kernels and a given simulation.
///
/// The simulation may be of another model. A layer that one of the two lacks, or that
/// has another shape, then differs in every value.
pub fn compare<K: Kernels>(model: &Model<'_>, simulation: &Simulation, seeds: impl IntoIterator<Item = u32>) -> Report {
    let seeds: Vec<u32> = seeds.into_iter().collect();
    let rows = rows_needed(model);
    let run = |&seed: &u32| -> Vec<Comparison> {
        let latent = latent_of(model, seed);
        let simulated = simulation.run(&latent);
        let mut comparer = Comparer { seed, simulated: &simulated, layers: Vec::new() };
        comparer.layers.resize_with(model.layers().len(), Comparison::default);
        let mut workspace = vec![0; model.workspace_plan(&K::LAYOUT).bytes()];
        // The workspace has the length that the model needs, so this does not fail.
        if let Ok(mut engine) = Engine::<K>::with_kernels(model.clone(), &mut workspace) {
            engine.generate_observed(&latent, |_, _| {}, &mut comparer);
        }
        comparer.finish(&rows)
    };
    // Results are collected in the order of the seeds, whatever the number of threads.
    let latents: Vec<_> = seeds.par_iter().map(run).collect();

    let mut layers: Vec<_> = model.layers().iter().map(|l| (l.geometry.output, Comparison::default())).collect();
    let mut first = None;
    for latent in latents {
        let earliest = latent.iter().filter_map(|l| l.first).min_by_key(|&(order, _)| order);
        first = first.or(earliest.map(|(_, mismatch)| mismatch));
        for ((_, sum), layer) in layers.iter_mut().zip(&latent) {
            sum.values += layer.values;
            sum.mismatches += layer.mismatches;
            sum.checksum.combine(&layer.checksum);
        }
    }
    Report {
        model: model.name().into(),
        classes: model.classes().len(),
        kernels: K::NAME,
        latents: seeds.len(),
        layers: layers
            .into_iter()
            .map(|(shape, sum)| LayerReport {
                shape,
                values: sum.values,
                mismatches: sum.mismatches,
                checksum: sum.checksum.finalize(),
            })
            .collect(),
        first,
    }
}

/// Number of output rows of each layer that the picture depends on. A strided convolution
/// may not read the last rows of its input.
fn rows_needed(model: &Model<'_>) -> Vec<usize> {
    let layers = model.layers();
    let mut rows = vec![0; layers.len()];
    let mut needed = usize::from(model.output_shape().height);
    for (i, layer) in layers.iter().enumerate().rev() {
        rows[i] = needed;
        let ends = (0..needed).map(|o| {
            let w = layer.geometry.y.window(o);
            w.start + w.taps as isize
        });
        needed = ends.max().unwrap_or(0).clamp(0, layer.geometry.input.height as isize) as usize;
    }
    rows
}

/// Comparison of one layer for one latent.
#[derive(Debug, Default)]
struct Comparison {
    rows: usize,
    values: u64,
    mismatches: u64,
    checksum: crc32fast::Hasher,
    /// The first difference, and the number of rows of all layers that were compared before it.
    first: Option<(usize, Mismatch)>,
}

impl Comparison {
    fn differs(&mut self, order: usize, mismatch: Mismatch) {
        self.mismatches += 1;
        self.first.get_or_insert((order, mismatch));
    }
}

/// Observes the engine's rows and compares them with the simulation.
#[derive(Debug)]
struct Comparer<'a> {
    seed: u32,
    simulated: &'a [Array3<f64>],
    layers: Vec<Comparison>,
}

impl Comparer<'_> {
    /// Counts the rows that the engine should have computed and did not.
    fn finish(mut self, rows: &[usize]) -> Vec<Comparison> {
        let order = self.order();
        for (layer, (found, &needed)) in self.layers.iter_mut().zip(rows).enumerate() {
            for y in found.rows..needed {
                let expected = self.simulated.get(layer).and_then(|map| map.get((y, 0, 0)));
                let expected = expected.copied().unwrap_or(f64::NAN);
                found.differs(order, Mismatch { seed: self.seed, layer, y, x: 0, channel: 0, expected, got: None });
            }
        }
        self.layers
    }

    fn order(&self) -> usize {
        self.layers.iter().map(|l| l.rows).sum()
    }
}

impl LayerObserver for Comparer<'_> {
    fn row(&mut self, layer: usize, y: usize, row: &[i8]) {
        let order = self.order();
        let is_last = layer + 1 == self.layers.len();
        let found = &mut self.layers[layer];
        let bytes: Vec<u8> = row.iter().map(|v| v.cast_unsigned()).collect();
        found.checksum.update(&bytes);
        found.values += row.len() as u64;
        let in_order = found.rows == y;
        found.rows += 1;

        let map = self.simulated.get(layer).filter(|map| y < map.dim().0);
        let (_, _, channels) = map.map_or((0, 0, 1), |map| map.dim());
        let expected = map.map(|map| map.slice(s![y, .., ..]));
        let mut expected = expected.iter().flat_map(|row| row.iter()).copied();
        for (i, &got) in row.iter().enumerate() {
            let got = if is_last { f64::from(got.cast_unsigned()) } else { f64::from(got) };
            let expected = expected.next().unwrap_or(f64::NAN);
            // Values without a counterpart in the simulation are NaN, so they count as different.
            if expected != got || !in_order {
                let (x, channel) = (i / channels, i % channels);
                found.differs(order, Mismatch { seed: self.seed, layer, y, x, channel, expected, got: Some(got) });
            }
        }
    }
}

impl Report {
    /// Whether all values were equal.
    pub fn is_exact(&self) -> bool {
        self.first.is_none()
    }

    /// Number of values compared.
    pub fn values(&self) -> u64 {
        self.layers.iter().map(|l| l.values).sum()
    }

    /// Number of values that differ.
    pub fn mismatches(&self) -> u64 {
        self.layers.iter().map(|l| l.mismatches).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes = if self.classes == 0 { String::new() } else { format!(", {} classes in turn", self.classes) };
        let Self { model, kernels, latents, .. } = self;
        writeln!(f, "{model}: simulation against engine ({kernels} kernels), {latents} latents{classes}")?;
        writeln!(f, "{:>5}  {:<14} {:>14} {:>10}  crc-32", "layer", "output", "values", "differ")?;
        for (i, l) in self.layers.iter().enumerate() {
            let shape = l.shape.to_string();
            writeln!(f, "{i:>5}  {shape:<14} {:>14} {:>10}  {:08x}", l.values, l.mismatches, l.checksum)?;
        }
        match self.first {
            None => write!(f, "all {} values are equal", self.values()),
            Some(m) => {
                writeln!(f, "{} of {} values differ; the first:", self.mismatches(), self.values())?;
                write!(f, "  {m}")
            }
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, layer, y, x, channel, expected, got } = self;
        write!(f, "seed {seed}, layer {layer}, row {y}, pixel {x}, channel {channel}: expected {expected}, ")?;
        match got {
            Some(got) => write!(f, "got {got}"),
            None => f.write_str("the engine left the row out"),
        }
    }
}
