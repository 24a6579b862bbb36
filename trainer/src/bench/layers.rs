//! Measures the speed of a network's layers and compares it with the machine's peak: `trainer bench --layers`.
//!
//! The limit of a layer is the time of the multiplications of its chosen algorithm at the rate of a
//! large matrix product on this machine. Layers and that product are timed alternately in short
//! turns, so that other load on the machine affects all of them equally.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;
use gen_core::spec::{Geometry, LayerSpec, Op};
use ndarray::{Array2, Axis};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro128PlusPlus;
use rayon::prelude::*;

use super::count::layer_flop;
use crate::config::Config;
use crate::machine;
use crate::nn::Params;
use crate::nn::bf16::Unit;
use crate::nn::fast::Epilogue;
use crate::nn::gemm::gemm;
use crate::nn::linear::{Kernels, Linear, Task};

/// Sides of the square matrices whose product gives the machine's peak: small enough for the
/// caches, and large enough that the time is that of the multiplications.
const SIDES: [usize; 3] = [1024, 1536, 2048];

/// Minimum number of measured rounds, so that there is a median.
const MIN_ROUNDS: usize = 3;

/// A short call is repeated until this time has passed; the result is the mean.
const TURN: Duration = Duration::from_millis(2);

/// A layer with its inputs, outputs and gradients.
#[derive(Debug)]
pub struct Layer {
    /// The layer with its algorithm.
    pub linear: Linear,
    /// The operation.
    pub op: Op,
    /// Weights; random, like all values.
    pub weights: Params,
    /// Input maps.
    pub x: Array2<f32>,
    /// Output maps, written by [`Task::Forward`].
    pub y: Array2<f32>,
    /// Gradient of the weights, to which [`Task::WeightGradient`] adds.
    pub d_weights: Vec<f32>,
    /// Gradient of the input maps, written by [`Task::InputGradient`].
    pub dx: Array2<f32>,
    /// Gradient of the output maps.
    pub dy: Array2<f32>,
}

impl Layer {
    /// A layer of this shape with the fastest algorithm of these kernels, in bf16 with this unit where that is faster.
    pub fn new(spec: &LayerSpec, geometry: Geometry, batch: usize, kernels: Kernels, unit: Option<Unit>) -> Self {
        let mut rng = Xoshiro128PlusPlus::seed_from_u64(7);
        let mut values = |rows, columns| Array2::from_shape_simple_fn((rows, columns), || rng.random_range(-1.0..1.0));
        let (x, dy): (Array2<f32>, Array2<f32>) =
            (values(batch, geometry.input.len()), values(batch, geometry.output.len()));
        let weights = Params::from(values(1, geometry.weight_count()).into_raw_vec_and_offset().0);
        Self {
            linear: Linear::new(spec, geometry, kernels).with_bf16(unit),
            op: spec.op,
            y: Array2::zeros(dy.dim()),
            dx: Array2::zeros(x.dim()),
            d_weights: vec![0.0; weights.len()],
            weights,
            x,
            dy,
        }
    }

    /// Runs the task once.
    pub fn run(&mut self, task: Task) {
        let (w, x, dy) = (self.weights.weights(0..self.weights.len()), self.x.view(), self.dy.view());
        match task {
            Task::Forward => self.linear.forward(w, x, self.y.view_mut(), Epilogue::Store),
            Task::InputGradient => self.linear.backward(w, None, x, dy, Some(self.dx.view_mut())),
            Task::WeightGradient => self.linear.backward(w, Some(&mut self.d_weights), x, dy, None),
        }
    }
}

/// Short description of a layer.
pub fn describe(op: Op, g: &Geometry) -> String {
    let (input, output) = (g.input, g.output);
    match op {
        Op::Dense { .. } => format!("dense {input} to {output}"),
        Op::Conv { kernel, stride, .. } => format!("conv {kernel}x{kernel} s{stride} {input} to {output}"),
        Op::ConvTranspose { kernel, stride, .. } => {
            format!("transposed {kernel}x{kernel} s{stride} {input} to {output}")
        }
    }
}

/// Calls `f(name, specification, geometry, batch)` for each layer of both networks. Layers with
/// the same shape are visited once, under their first name; `seen` stores the shapes.
///
/// # Errors
/// When the configuration is invalid.
pub fn for_each_layer(
    config: &Config,
    seen: &mut Vec<(Op, Geometry, usize)>,
    mut f: impl FnMut(String, &LayerSpec, Geometry, usize),
) -> Result<()> {
    let (generator, discriminator) = config.networks()?;
    // The discriminator gets the real and the generated batch one after the other, not as one batch.
    for (player, network) in [("G", generator), ("D", discriminator)] {
        for (i, block) in network.blocks().iter().enumerate() {
            let (spec, geometry) = (block.spec().layer, *block.geometry());
            let key = (spec.op, geometry, config.batch);
            if !seen.contains(&key) {
                seen.push(key);
                f(format!("{player}{i} {}", describe(spec.op, &geometry)), &spec, geometry, config.batch);
            }
        }
    }
    Ok(())
}

/// Two square matrices and memory for their product.
struct Square([Array2<f32>; 3]);

impl Square {
    fn new(side: usize) -> Self {
        Self([0.5, 0.25, 0.0].map(|value| Array2::from_elem((side, side), value)))
    }

    /// Time of the product in seconds; each thread computes a band of its rows.
    fn seconds(&mut self) -> f64 {
        let [a, b, c] = &mut self.0;
        let rows = a.nrows().div_ceil(rayon::current_num_threads());
        let started = Instant::now();
        let bands = a.axis_chunks_iter(Axis(0), rows).into_par_iter().zip(c.axis_chunks_iter_mut(Axis(0), rows));
        bands.for_each(|(a, c)| gemm(a, b.view(), c, false));
        started.elapsed().as_secs_f64()
    }
}

/// Measured times of a task.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    layer: String,
    task: Task,
    way: String,
    /// Multiplications and additions, by definition and as really computed.
    flop: [u64; 2],
    /// Share of the computed ones that are for padding: channels or outputs that only fill up blocks.
    empty: f64,
    /// Seconds of each round; never empty; sorted by [`Limits::measure`].
    seconds: Vec<f64>,
}

/// Times of the layers of some networks, and their limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    processor: String,
    threads: usize,
    /// Side of the matrices whose product was fastest, and its multiplications and additions per second.
    peak: (usize, f64),
    networks: Vec<(String, usize, Vec<Row>)>,
}

impl Limits {
    /// Times all layers of these networks and the matrix product alternately, for at least `time` and at least
    /// three rounds.
    ///
    /// # Errors
    /// When a configuration is invalid.
    pub fn measure(configs: &[Config], time: Duration) -> Result<Self> {
        let (mut seen, mut networks, mut layers) = (Vec::new(), Vec::new(), Vec::new());
        for config in configs {
            let mut rows = Vec::new();
            for_each_layer(config, &mut seen, |name, spec, geometry, batch| {
                let layer = Layer::new(spec, geometry, batch, config.kernels, config.bf16());
                rows.extend(Task::ALL.map(|task| Row {
                    layer: name.clone(),
                    task,
                    way: layer.linear.algorithm(task),
                    flop: [layer_flop(&geometry, batch), 2 * layer.linear.multiplications(task, batch)],
                    empty: layer.linear.padding_fraction(task),
                    seconds: Vec::new(),
                }));
                layers.push(layer);
            })?;
            networks.push((config.name.clone(), config.batch, rows));
        }
        let (mut squares, mut peak) = (SIDES.map(Square::new), (0, 0.0));
        let (started, mut rounds) = (Instant::now(), 0);
        while rounds < MIN_ROUNDS || started.elapsed() < time {
            let rows = networks.iter_mut().flat_map(|(_, _, rows)| rows.chunks_exact_mut(Task::ALL.len()));
            for (i, (rows, layer)) in rows.zip(&mut layers).enumerate() {
                for row in rows {
                    // The first call is not timed, because the caches then contain other data.
                    layer.run(row.task);
                    let (started, mut calls) = (Instant::now(), 0);
                    while calls == 0 || started.elapsed() < TURN {
                        layer.run(row.task);
                        calls += 1;
                    }
                    row.seconds.push(started.elapsed().as_secs_f64() / f64::from(calls));
                }
                let (at, side) = (i % SIDES.len(), SIDES[i % SIDES.len()]);
                let rate = 2.0 * (side as f64).powi(3) / squares[at].seconds();
                if rate > peak.1 {
                    peak = (side, rate);
                }
            }
            rounds += 1;
        }
        for row in networks.iter_mut().flat_map(|(_, _, rows)| rows) {
            row.seconds.sort_by(f64::total_cmp);
        }
        Ok(Self { processor: machine::processor(), threads: rayon::current_num_threads(), peak, networks })
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (side, peak) = self.peak;
        writeln!(
            f,
            "processor: {}\nthreads: {}\npeak of the machine: {:.1} GFLOP/s, the fastest product of two matrices of {side}x{side}",
            self.processor,
            self.threads,
            peak / 1e9
        )?;
        for (name, batch, rows) in &self.networks {
            let width = rows.iter().map(|row| row.layer.len()).max().unwrap_or(0);
            writeln!(f, "\n{name}, batch {batch}\n")?;
            writeln!(
                f,
                "{:width$} {:7} {:21} {:>9} {:>9} {:>10} {:>8} {:>6} {:>10} {:>8} {:>6}",
                "", "", "", "ms", "ms", "GFLOP by", "GFLOP", "empty", "GFLOP/s by", "GFLOP/s", "of"
            )?;
            writeln!(
                f,
                "{:width$} {:7} {:21} {:>9} {:>9} {:>10} {:>8} {:>6} {:>10} {:>8} {:>6}",
                "layer", "pass", "form", "median", "min", "definition", "needed", "", "definition", "really", "peak"
            )?;
            for row in rows {
                let (min, median) = (row.seconds[0], row.seconds[row.seconds.len() / 2]);
                let [definition, needed] = row.flop.map(|flop| flop as f64 / 1e9);
                let name = if row.task == Task::Forward { row.layer.as_str() } else { "" };
                writeln!(
                    f,
                    "{name:width$} {:7} {:21} {:>9.3} {:>9.3} {definition:>10.3} {needed:>8.3} {:>4.0} % {:>10.1} \
                     {:>8.1} {:>4.0} %",
                    row.task.name(),
                    row.way,
                    median * 1e3,
                    min * 1e3,
                    row.empty * 100.0,
                    definition / min,
                    needed / min,
                    needed / min / (peak / 1e9) * 100.0
                )?;
            }
        }
        write!(
            f,
            "\nGFLOP needed are those of the products in the form that was chosen; transforms, patches and sums are not\n\
             counted, but take time. \"empty\" is the share of them for channels and outputs that are padding, because\n\
             channels are multiplied in groups of 16 and outputs in tiles. Rates are of the fastest round, as the peak is.\n\
             Transformed weights are kept where a training step keeps them, and layers of one shape are listed once."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_layers_are_measured_once_and_rated_against_the_peak() {
        let config = Config { batch: 2, ..Config::preset("reference-pocket").unwrap() };
        let rows = |limits: &Limits| limits.networks.iter().map(|(_, _, rows)| rows.len()).collect::<Vec<_>>();
        let limits = Limits::measure(&[config.clone(), config], Duration::ZERO).unwrap();
        // Five layers and four, and all of them again.
        assert_eq!(rows(&limits), [3 * 9, 0]);
        assert!(limits.peak.1 > 0.0);
        let all = limits.networks.iter().flat_map(|(_, _, rows)| rows);
        for Row { seconds, flop, .. } in all {
            assert!(seconds.len() == MIN_ROUNDS && seconds.is_sorted() && seconds[0] > 0.0);
            assert!(flop[0] > 0 && flop[1] > 0);
        }
    }

    #[test]
    fn the_table_has_both_rates_and_the_share_of_the_peak() {
        let row = Row {
            layer: "D2 conv".into(),
            task: Task::Forward,
            way: "Winograd F(2x2, 2x2)".into(),
            flop: [8_000_000_000, 4_500_000_000],
            empty: 0.25,
            seconds: vec![0.05, 0.1, 0.2],
        };
        let limits = Limits {
            processor: "an abacus".into(),
            threads: 2,
            peak: (1024, 200e9),
            networks: vec![("mine".into(), 64, vec![row])],
        };
        let text = limits.to_string();
        for expected in [
            "200.0 GFLOP/s, the fastest product of two matrices of 1024x1024",
            "mine, batch 64",
            "D2 conv forward Winograd F(2x2, 2x2)    100.000    50.000      8.000    4.500   25 %      160.0     90.0   45 %",
        ] {
            assert!(text.contains(expected), "no {expected} in {text}");
        }
    }
}
