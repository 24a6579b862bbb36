//! Losses over time: lines of `metrics.jsonl`, and their picture.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use plotters::prelude::*;
use serde::{Deserialize, Serialize};

use crate::train::Losses;

/// A line of `metrics.jsonl`: means over the steps since the line before.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Steps done.
    pub step: u64,
    /// Seconds of training so far.
    pub seconds: f64,
    /// Real pictures seen a second, over all of the run.
    pub pictures_per_second: f64,
    /// Losses, and what the discriminator took for real. An object of its own: flattened
    /// numbers cannot be read back once any crate in the build asks serde_json for
    /// arbitrary precision.
    pub losses: Losses,
}

/// Losses since the last [`Row`].
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Pending {
    count: u32,
    d_loss: f64,
    g_loss: f64,
    d_real: f64,
    d_fake: f64,
}

impl Pending {
    /// Adds a step.
    pub fn add(&mut self, losses: &Losses) {
        self.count += 1;
        self.d_loss += losses.d_loss;
        self.g_loss += losses.g_loss;
        self.d_real += losses.d_real;
        self.d_fake += losses.d_fake;
    }

    /// Means of what was added; starts anew. `None` when nothing was.
    pub fn take(&mut self) -> Option<Losses> {
        let Self { count, d_loss, g_loss, d_real, d_fake } = std::mem::take(self);
        let n = f64::from(count);
        (count > 0).then(|| Losses { d_loss: d_loss / n, g_loss: g_loss / n, d_real: d_real / n, d_fake: d_fake / n })
    }
}

impl Losses {
    /// How the game stands, in words.
    pub fn words(&self) -> &'static str {
        if self.d_real > 0.97 && self.d_fake < 0.03 {
            "the discriminator is winning clearly"
        } else if self.d_real - self.d_fake > 0.6 {
            "the discriminator is ahead"
        } else if self.d_real - self.d_fake < 0.1 {
            "the generator is ahead"
        } else {
            "both are learning"
        }
    }
}

/// Reads the lines up to `step`. A line that was cut off by a crash ends the list.
///
/// # Errors
/// When the file is there but cannot be read.
pub fn load(path: &Path, step: u64) -> Result<Vec<Row>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let rows = text.lines().map_while(|line| serde_json::from_str::<Row>(line).ok());
    Ok(rows.take_while(|row| row.step <= step).collect())
}

/// The text of `metrics.jsonl`.
pub fn to_jsonl(rows: &[Row]) -> String {
    let line = |row| serde_json::to_string(row).expect("numbers always have a JSON form") + "\n";
    rows.iter().map(line).collect()
}

/// Draws the losses over the steps as SVG.
///
/// # Errors
/// When drawing fails.
pub fn plot(rows: &[Row]) -> Result<String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (900, 420)).into_drawing_area();
        root.fill(&WHITE)?;
        let last = rows.last().map_or(1, |r| r.step.max(1));
        let highest = rows.iter().map(|r| r.losses.d_loss.max(r.losses.g_loss)).filter(|l| l.is_finite());
        let highest = highest.fold(1.0, f64::max) * 1.05;
        let mut chart = ChartBuilder::on(&root)
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(48)
            .build_cartesian_2d(0..last, 0.0..highest)?;
        chart.configure_mesh().x_desc("step").y_desc("loss (nats)").light_line_style(WHITE).draw()?;
        let generator: Vec<_> = rows.iter().map(|r| (r.step, r.losses.g_loss)).collect();
        let discriminator: Vec<_> = rows.iter().map(|r| (r.step, r.losses.d_loss)).collect();
        for (name, colour, points) in
            [("generator", RGBColor(34, 139, 34), generator), ("discriminator", RGBColor(70, 90, 200), discriminator)]
        {
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        }
        chart.configure_series_labels().background_style(WHITE).border_style(BLACK).draw()?;
        root.present()?;
    }
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(step: u64) -> Row {
        let losses = Losses { d_loss: 0.5, g_loss: 1.0, d_real: 0.8, d_fake: 0.2 };
        Row { step, seconds: 1.0, pictures_per_second: 2.0, losses }
    }

    #[test]
    fn lines_after_the_checkpoint_and_half_lines_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        assert_eq!(load(&path, 9).unwrap(), []);
        fs::write(&path, to_jsonl(&[row(10), row(20), row(30)]) + "{\"step\": 4").unwrap();
        assert_eq!(load(&path, 20).unwrap(), [row(10), row(20)]);
        assert_eq!(load(&path, 99).unwrap(), [row(10), row(20), row(30)]);
    }

    #[test]
    fn draws_even_when_there_is_nothing_or_nonsense_to_draw() {
        let mut bad = row(10);
        bad.losses.d_loss = f64::NAN;
        for rows in [&[][..], &[row(10)], &[bad, row(20)]] {
            assert!(plot(rows).unwrap().contains("</svg>"));
        }
    }

    #[test]
    fn means_are_taken_over_what_was_added() {
        let mut pending = Pending::default();
        assert_eq!(pending.take(), None);
        pending.add(&Losses { d_loss: 1.0, ..Losses::default() });
        pending.add(&Losses { d_loss: 2.0, ..Losses::default() });
        assert_eq!(pending.take().unwrap().d_loss, 1.5);
        assert_eq!(pending.take(), None);
    }
}
