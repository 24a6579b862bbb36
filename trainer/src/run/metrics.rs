//! Losses over time: lines of `metrics.jsonl`, and their picture.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use log::warn;
use plotters::prelude::*;
use serde::{Deserialize, Serialize};

use crate::quality::Scores;
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

/// The other kind of line of `metrics.jsonl`: how good the pictures were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Steps done.
    pub step: u64,
    /// Seconds of training so far.
    pub seconds: f64,
    /// How the pictures compare with real ones.
    pub scores: Scores,
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

/// Reads the lines of both kinds up to `step`. The last one may have been cut off by a crash; others
/// that cannot be read are logged.
///
/// # Errors
/// When the file is there but cannot be read.
pub fn load_all(path: &Path, step: u64) -> Result<(Vec<Row>, Vec<Measured>)> {
    if !path.exists() {
        return Ok((Vec::new(), Vec::new()));
    }
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let (rows, measured, damaged) = parse(&String::from_utf8_lossy(&bytes), step);
    if damaged > 0 {
        warn!("{}: damaged lines, which are left out: {damaged}. Training does not need them", path.display());
    }
    Ok((rows, measured))
}

/// The lines of both kinds up to `step`, and how many whole lines are neither.
pub fn parse(text: &str, step: u64) -> (Vec<Row>, Vec<Measured>, usize) {
    let (mut rows, mut measured, mut damaged) = (Vec::new(), Vec::new(), 0);
    for line in text.split_inclusive('\n') {
        if let Ok(row) = serde_json::from_str::<Row>(line) {
            rows.push(row);
        } else if let Ok(line) = serde_json::from_str::<Measured>(line) {
            measured.push(line);
        } else if line.ends_with('\n') {
            damaged += 1;
        }
    }
    rows.retain(|row| row.step <= step);
    measured.retain(|line| line.step <= step);
    (rows, measured, damaged)
}

/// Lines of `metrics.jsonl`.
pub fn to_jsonl<T: Serialize>(lines: &[T]) -> String {
    let line = |line| serde_json::to_string(line).expect("numbers always have a JSON form") + "\n";
    lines.iter().map(line).collect()
}

/// The text of `metrics.jsonl`: lines of both kinds in the order of their steps.
pub fn to_jsonl_all(rows: &[Row], measured: &[Measured]) -> String {
    let mut measured = measured.iter().peekable();
    let mut text = String::new();
    for row in rows {
        while let Some(line) = measured.next_if(|line| line.step < row.step) {
            text += &to_jsonl(std::slice::from_ref(line));
        }
        text += &to_jsonl(std::slice::from_ref(row));
    }
    measured.for_each(|line| text += &to_jsonl(std::slice::from_ref(line)));
    text
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

/// Draws the headline over the steps as SVG; `best` is the step of the best one.
///
/// # Errors
/// When drawing fails.
pub fn plot_quality(measured: &[Measured], best: Option<u64>) -> Result<String> {
    const GREEN: RGBColor = RGBColor(34, 139, 34);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (900, 260)).into_drawing_area();
        root.fill(&WHITE)?;
        let points: Vec<_> = measured.iter().map(|m| (m.step, m.scores.headline)).filter(|p| p.1.is_finite()).collect();
        let last = points.last().map_or(1, |p| p.0.max(1));
        // The first pictures are so far from real ones that nothing else could be seen.
        let mut sorted: Vec<f64> = points.iter().map(|p| p.1).collect();
        sorted.sort_by(f64::total_cmp);
        let highest = sorted.get(sorted.len() * 9 / 10).map_or(1.0, |h| h.max(1e-6)) * 1.2;
        let mut chart = ChartBuilder::on(&root)
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(48)
            .build_cartesian_2d(0..last, 0.0..highest)?;
        chart.configure_mesh().x_desc("step").y_desc("headline (lower is better)").light_line_style(WHITE).draw()?;
        let shown = points.iter().map(|&(step, headline)| (step, headline.min(highest)));
        chart.draw_series(LineSeries::new(shown, GREEN.stroke_width(2)))?;
        let best = points.iter().filter(|p| Some(p.0) == best);
        chart.draw_series(best.map(|&p| Circle::new(p, 5, GREEN.filled())))?;
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

    fn measured(step: u64) -> Measured {
        let scores = Scores {
            pictures: 9,
            headline: 41.5,
            frechet: 41.5,
            swd: vec![1.0, 2.5],
            precision: 0.5,
            recall: 0.5,
            density: 0.5,
            coverage: 0.5,
            diversity: 0.5,
            apart: 0.5,
        };
        Measured { step, seconds: 1.0, scores }
    }

    #[test]
    fn lines_after_the_checkpoint_and_half_lines_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let load = |step| load_all(&path, step).unwrap().0;
        assert_eq!(load(9), []);
        fs::write(&path, to_jsonl(&[row(10), row(20), row(30)]) + "{\"step\": 4").unwrap();
        assert_eq!(load(20), [row(10), row(20)]);
        assert_eq!(load(99), [row(10), row(20), row(30)]);
    }

    #[test]
    fn damaged_lines_are_left_out_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let garbage =
            [&to_jsonl(&[row(10)]).into_bytes()[..], b"\xff\0\n{}\n", to_jsonl(&[row(20)]).as_bytes()].concat();
        fs::write(&path, garbage).unwrap();
        assert_eq!(load_all(&path, 99).unwrap().0, [row(10), row(20)]);
        assert_eq!(parse(&String::from_utf8_lossy(&fs::read(&path).unwrap()), 99).2, 2);
    }

    #[test]
    fn numbers_come_back_to_the_last_bit() {
        let mut random = crate::nn::init::rng(1, 2, 3);
        let mut number = || f64::from_bits(rand::Rng::next_u64(&mut random) >> 2);
        let losses = || Losses { d_loss: number(), g_loss: number(), d_real: number(), d_fake: number() };
        let rows: Vec<_> = std::iter::repeat_with(losses).map(|losses| Row { losses, ..row(1) }).take(200).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        fs::write(&path, to_jsonl(&rows)).unwrap();
        assert_eq!(load_all(&path, 1).unwrap().0, rows);
    }

    #[test]
    fn lines_of_both_kinds_are_kept_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let text = to_jsonl_all(&[row(10), row(20), row(30)], &[measured(5), measured(20), measured(40)]);
        fs::write(&path, &text).unwrap();
        let load = |step| load_all(&path, step).unwrap();
        let (rows, scores) = load(20);
        assert_eq!((rows.as_slice(), scores.as_slice()), (&[row(10), row(20)][..], &[measured(5), measured(20)][..]));
        let (rows, scores) = load(99);
        assert_eq!(to_jsonl_all(&rows, &scores), text);
        assert!(plot_quality(&scores, Some(20)).unwrap().contains("<circle"));
        assert!(plot_quality(&[], None).unwrap().contains("</svg>"));
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
