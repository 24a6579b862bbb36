//! Checks whether fast convolutions affect training. Small networks are trained on drawn
//! frogs with several seeds, each once with Winograd and Fourier kernels and once with direct
//! ones, from the same initial weights and with the same random numbers.
//!
//! ```sh
//! cargo run --release -p trainer --example kernel_curves -- --out docs/curves.svg
//! ```
//!
//! Both compute the same sums in another order, so the first losses agree except for rounding. With `--bf16` the same check
//! compares `precision = "bf16"` with float32, on `pocket` instead of the narrow `tutorial`.
//!
//! Adversarial training is chaotic, so differences grow. But neither kind of kernel may be
//! systematically better by more than the difference between seeds.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Parser;
use plotters::prelude::*;
use trainer::bench::pictures;
use trainer::config::{Config, Precision};
use trainer::nn::linear::Kernels;
use trainer::train::{Losses, Trainer};

#[derive(Debug, Parser)]
struct Args {
    /// Steps of every training
    #[arg(long, default_value_t = 300)]
    steps: u64,
    /// Trainings of each network with each kind of kernel
    #[arg(long, default_value_t = 4)]
    seeds: u64,
    /// Steps that a line of the table is the mean of
    #[arg(long, default_value_t = 100)]
    window: usize,
    /// Where to draw the curves, as SVG
    #[arg(long)]
    out: Option<PathBuf>,
    /// Direct kernels in both, but one weight of the first begins 2e-7 larger
    #[arg(long)]
    nudge: bool,
    /// Compare bf16 with float32, instead of fast with direct kernels
    #[arg(long, conflicts_with = "nudge")]
    bf16: bool,
}

/// The trainings of one network.
struct Curves {
    name: String,
    /// Names of the two kinds of training.
    kinds: [&'static str; 2],
    /// Losses of each seed, of both kinds.
    seeds: Vec<[Vec<Losses>; 2]>,
}

type Loss = fn(&Losses) -> f64;

/// The compared losses.
const LOSSES: [(&str, Loss); 2] = [("D", |l| l.d_loss), ("G", |l| l.g_loss)];

fn main() -> Result<()> {
    let args = Args::parse();
    let preset = |name: &str, batch| Config::preset(name).map(|config| Config { batch, ..config });
    let second = if args.bf16 {
        ("pocket, batch 16", preset("pocket", 16)?)
    } else {
        ("tutorial, channels / 16, batch 16", preset("tutorial", 16)?.narrowed(16))
    };
    let configs = [("reference-pocket, batch 16", preset("reference-pocket", 16)?), second];
    let kinds = if args.bf16 { ["bf16", "float32"] } else { ["fast", "direct"] };
    let pool = rayon::ThreadPoolBuilder::new().build()?;
    let mut all = Vec::new();
    for (name, config) in configs {
        let data = pictures(&config)?.pictures;
        let train = |seed, second: bool| -> Result<Vec<Losses>> {
            let mut config = Config { seed, steps: args.steps, precision: Precision::Float32, ..config.clone() };
            if args.bf16 {
                config.precision = if second { Precision::Float32 } else { Precision::Bf16 };
                ensure!(config.bf16().is_some() || second, "this processor has no instructions for bf16");
            } else if second || args.nudge {
                config.kernels = Kernels::Direct;
            }
            let mut trainer = Trainer::new(config)?;
            if !second && args.nudge {
                trainer.state.generator[5] *= 1.0 + 2e-7;
            }
            (0..args.steps).map(|_| trainer.step(&data)).collect()
        };
        let both = |seed| Ok([train(seed, false)?, train(seed, true)?]);
        let seeds = pool.install(|| (1..=args.seeds).map(both).collect::<Result<_>>())?;
        let curves = Curves { name: name.to_owned(), kinds, seeds };
        curves.print(args.window.max(1));
        all.push(curves);
    }
    if let Some(path) = &args.out {
        std::fs::write(path, draw(&all)?)?;
        println!("{}", path.display());
    }
    Ok(())
}

impl Curves {
    /// Prints a line for every window of steps and each loss.
    fn print(&self, window: usize) {
        println!("{}, {} seeds; losses in nats", self.name, self.seeds.len());
        for (loss, of) in LOSSES {
            let first = self.seeds.iter().map(|[first, second]| (of(&first[0]) - of(&second[0])).abs());
            println!("  {loss}: the first step differs by {:.1e} at most", first.fold(0.0, f64::max));
        }
        let [first, second] = self.kinds;
        println!("  steps       {first:>7}  {second:>7}    spread  {first} - {second}");
        for start in (0..self.seeds[0][0].len()).step_by(window) {
            for (loss, of) in LOSSES {
                let part = |losses: &[Losses]| {
                    let part = &losses[start..(start + window).min(losses.len())];
                    part.iter().map(of).sum::<f64>() / part.len() as f64
                };
                let means: Vec<_> = self.seeds.iter().map(|[first, second]| (part(first), part(second))).collect();
                let first: Vec<_> = means.iter().map(|m| m.0).collect();
                let second: Vec<_> = means.iter().map(|m| m.1).collect();
                let differences: Vec<_> = means.iter().map(|m| m.0 - m.1).collect();
                let spread = ((deviation(&first).powi(2) + deviation(&second).powi(2)) / 2.0).sqrt();
                let difference = mean(&differences);
                println!(
                    "  {:>3} - {:<4}  {loss} {:7.4}  {:7.4}   {spread:7.4}  {difference:+8.4}  {}",
                    start + 1,
                    (start + window).min(self.seeds[0][0].len()),
                    mean(&first),
                    mean(&second),
                    if difference.abs() <= spread { "within the spread" } else { "MORE THAN THE SPREAD" }
                );
            }
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Sample standard deviation.
fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (squares / (values.len() as f64 - 1.0).max(1.0)).sqrt()
}

/// Plots the means of ten steps, with a row for each network and a column for each loss.
fn draw(all: &[Curves]) -> Result<String> {
    const STEP: usize = 10;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (900, 320 * all.len() as u32)).into_drawing_area();
        root.fill(&WHITE)?;
        let panels = root.split_evenly((all.len(), 2));
        for (panel, (curves, (loss, of))) in panels.iter().zip(all.iter().flat_map(|c| LOSSES.map(|l| (c, l)))) {
            let points = |losses: &[Losses]| -> Vec<(f64, f64)> {
                let mean = |part: &[Losses]| part.iter().map(of).sum::<f64>() / part.len() as f64;
                losses.chunks(STEP).enumerate().map(|(i, part)| (((i + 1) * STEP) as f64, mean(part))).collect()
            };
            let lines: Vec<_> = curves.seeds.iter().map(|pair| pair.each_ref().map(|losses| points(losses))).collect();
            let highest = lines.iter().flatten().flatten().map(|p| p.1).filter(|l| l.is_finite()).fold(0.1, f64::max);
            let last = lines[0][0].last().map_or(1.0, |p| p.0);
            let mut chart = ChartBuilder::on(panel)
                .margin(10)
                .caption(format!("{}: {loss}", curves.name), ("sans-serif", 15))
                .x_label_area_size(32)
                .y_label_area_size(44)
                .build_cartesian_2d(0.0..last, 0.0..highest * 1.05)?;
            chart.configure_mesh().x_desc("step").y_desc("loss (nats)").light_line_style(WHITE).draw()?;
            let colours = [(RGBColor(34, 139, 34), 3), (RGBColor(70, 90, 200), 1)];
            for (kind, (name, (colour, width))) in curves.kinds.into_iter().zip(colours).enumerate() {
                for (i, line) in lines.iter().enumerate() {
                    let series = chart.draw_series(LineSeries::new(line[kind].clone(), colour.stroke_width(width)))?;
                    if i == 0 {
                        series
                            .label(name)
                            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(width)));
                    }
                }
            }
            chart.configure_series_labels().background_style(WHITE).border_style(BLACK).draw()?;
        }
        root.present()?;
    }
    Ok(svg)
}
