//! Plots the shipped models: distance to real pictures against multiplications and against bytes.
//!
//! ```sh
//! cargo run --release -p trainer --example frontier -- models/*/ --out docs/frontier.svg
//! ```
//!
//! Distances are read from the cards (`--score`, by default the judge's `fdrich`). A model
//! without that score is left out with a message. Everything else comes from the models themselves.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use gen_core::Model;
use gen_core::aligned;
use plotters::coord::Shift;
use plotters::prelude::*;
use trainer::card::Card;

#[derive(Debug, Parser)]
struct Args {
    /// Folders of shipped models
    #[arg(required = true)]
    models: Vec<PathBuf>,
    /// The score on the vertical axis
    #[arg(long, default_value = "fdrich")]
    score: String,
    /// Where to draw the picture, as SVG
    #[arg(long)]
    out: PathBuf,
}

/// A model in the plot.
struct Point {
    name: String,
    /// Millions of multiply-accumulates for one picture.
    mmac: f64,
    /// Size of `model.gen` in KB.
    kilobytes: f64,
    score: f64,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut points = Vec::new();
    for folder in &args.models {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let card = String::from_utf8(read("card.toml")?).context("card.toml is no text")?;
        let card = Card::from_toml(&card).with_context(|| folder.display().to_string())?;
        let blob = read("model.gen")?;
        let bytes = aligned(&blob);
        let model = Model::parse(&bytes).with_context(|| folder.display().to_string())?;
        let number = |value: &toml::Value| value.as_float().or(value.as_integer().map(|n| n as f64));
        let Some(score) = card.scores.get(&args.score).and_then(number) else {
            println!("{}: its card has no number `{}`, left out", card.name, args.score);
            continue;
        };
        let (mmac, kilobytes) = (model.macs() as f64 / 1e6, blob.len() as f64 / 1e3);
        println!("{}: {} {score}, {mmac:.2} MMAC, {kilobytes:.1} kB", card.name, args.score);
        points.push(Point { name: card.name, mmac, kilobytes, score });
    }
    ensure!(!points.is_empty(), "no model has the score `{}`", args.score);
    let root = SVGBackend::new(&args.out, (900, 380)).into_drawing_area();
    root.fill(&WHITE)?;
    let halves = root.split_evenly((1, 2));
    draw(&halves[0], &points, &args.score, "million multiply-accumulates a picture", |p| p.mmac)?;
    draw(&halves[1], &points, &args.score, "kB of the model", |p| p.kilobytes)?;
    root.present().with_context(|| format!("cannot write {}", args.out.display()))
}

fn draw<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    points: &[Point],
    score: &str,
    cost_name: &str,
    cost: impl Fn(&Point) -> f64,
) -> Result<()>
where
    B::ErrorType: 'static,
{
    let most = |f: &dyn Fn(&Point) -> f64| points.iter().map(f).fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(48)
        // Space for names on the right, and above the highest point.
        .build_cartesian_2d(0.0..1.45 * most(&cost), 0.0..1.15 * most(&|p| p.score))?;
    chart.configure_mesh().x_desc(cost_name).y_desc(score).light_line_style(WHITE).draw()?;
    let green = RGBColor(34, 139, 34);
    chart.draw_series(points.iter().map(|p| Circle::new((cost(p), p.score), 4, green.filled())))?;
    let style = ("sans-serif", 13).into_font().color(&BLACK);
    chart.draw_series(
        points.iter().map(|p| EmptyElement::at((cost(p), p.score)) + Text::new(p.name.clone(), (8, -6), style.clone())),
    )?;
    Ok(())
}
