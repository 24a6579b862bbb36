//! Losses and scores over time: the lines of `metrics.jsonl`, and plots of them.

use std::fs;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context as _, Result};
use log::warn;
use plotters::coord::Shift;
use plotters::coord::types::{RangedCoordf64, RangedCoordu64};
use plotters::prelude::*;
use serde::{Deserialize, Serialize};

use crate::nn::loss::Loss;
use crate::numbers::grouped;
use crate::quality::Scores;
use crate::train::{Logits, Losses};

/// A line of `metrics.jsonl`: means over the steps since the line before.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Steps done.
    pub step: u64,
    /// Seconds of training so far.
    pub seconds: f64,
    /// Real pictures per second, averaged over the whole run.
    pub pictures_per_second: f64,
    /// Mean losses, and the shares that the discriminator classified as real. A nested object, because flattened
    /// numbers cannot be read back if any crate in the build enables serde_json's `arbitrary_precision`.
    pub losses: Losses,
}

/// Another kind of line of `metrics.jsonl`: the quality of the pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Steps done.
    pub step: u64,
    /// Seconds of training so far.
    pub seconds: f64,
    /// Comparison of the generated pictures with the real ones.
    pub scores: Scores,
}

/// The third kind of line of `metrics.jsonl`: what the discriminator says of held-out pictures, beside others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Steps done.
    pub step: u64,
    /// Seconds of training so far.
    pub seconds: f64,
    /// Mean logits of three kinds of pictures.
    pub logits: Logits,
}

/// The lines of `metrics.jsonl`, each kind in the order of the steps.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lines {
    /// Losses.
    pub rows: Vec<Row>,
    /// Quality.
    pub measured: Vec<Measured>,
    /// Logits of held-out pictures.
    pub compared: Vec<Compared>,
}

/// Losses since the last [`Row`].
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Pending {
    count: u32,
    d_loss: f64,
    g_loss: f64,
    d_real: f64,
    d_fake: f64,
    /// Sum and number of the penalties. Older checkpoints have none, so they are stored separately.
    #[serde(skip)]
    pub(super) penalty: (f64, u32),
    /// Sum and number of the distances to a teacher, for the same reason.
    #[serde(skip)]
    pub(super) distance: (f64, u32),
}

impl Pending {
    /// Adds the losses of a step.
    pub fn add(&mut self, losses: &Losses) {
        self.count += 1;
        self.d_loss += losses.d_loss;
        self.g_loss += losses.g_loss;
        self.d_real += losses.d_real;
        self.d_fake += losses.d_fake;
        for (sum, value) in [(&mut self.penalty, losses.penalty), (&mut self.distance, losses.distance)] {
            if let Some(value) = value {
                *sum = (sum.0 + value, sum.1 + 1);
            }
        }
    }

    /// Returns the mean losses of the added steps and resets the sums. Penalty and distance are averaged over the steps
    /// that had one. `None` if no step was added.
    pub fn take(&mut self) -> Option<Losses> {
        let Self { count, d_loss, g_loss, d_real, d_fake, penalty, distance } = std::mem::take(self);
        let n = f64::from(count);
        let [penalty, distance] = [penalty, distance].map(|(sum, count)| (count > 0).then(|| sum / f64::from(count)));
        (count > 0).then(|| Losses {
            d_loss: d_loss / n,
            g_loss: g_loss / n,
            d_real: d_real / n,
            d_fake: d_fake / n,
            penalty,
            distance,
        })
    }
}

/// Reads the lines of all kinds up to `step`. The last line may be incomplete after a crash; other
/// unreadable lines are logged. Without a file there are none.
///
/// # Errors
/// When the file exists but cannot be read.
pub fn load_all(path: &Path, step: u64) -> Result<Lines> {
    if !path.exists() {
        return Ok(Lines::default());
    }
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let (lines, damaged) = parse(&String::from_utf8_lossy(&bytes), step);
    if damaged > 0 {
        warn!("{}: damaged lines, which are left out: {damaged}. Training does not need them", path.display());
    }
    Ok(lines)
}

/// Parses the lines of all kinds up to `step`, and counts the complete lines that are none of these.
pub fn parse(text: &str, step: u64) -> (Lines, usize) {
    let (Lines { mut rows, mut measured, mut compared }, mut damaged) = (Lines::default(), 0);
    for line in text.split_inclusive('\n') {
        if let Ok(row) = serde_json::from_str::<Row>(line) {
            rows.push(row);
        } else if let Ok(line) = serde_json::from_str::<Measured>(line) {
            measured.push(line);
        } else if let Ok(line) = serde_json::from_str::<Compared>(line) {
            compared.push(line);
        } else if line.ends_with('\n') {
            damaged += 1;
        }
    }
    rows.retain(|row| row.step <= step);
    measured.retain(|line| line.step <= step);
    compared.retain(|line| line.step <= step);
    (Lines { rows, measured, compared }, damaged)
}

/// Encodes lines of one kind for `metrics.jsonl`.
pub fn to_jsonl<T: Serialize>(lines: &[T]) -> String {
    let line = |line| serde_json::to_string(line).expect("numbers always have a JSON form") + "\n";
    lines.iter().map(line).collect()
}

/// The text of `metrics.jsonl`: lines of all kinds in the order of their steps.
pub fn to_jsonl_all(Lines { rows, measured, compared }: &Lines) -> String {
    let one = |line: &Compared| to_jsonl(std::slice::from_ref(line));
    let mut texts: Vec<(u64, String)> =
        rows.iter().map(|line| (line.step, to_jsonl(std::slice::from_ref(line)))).collect();
    texts.extend(compared.iter().map(|line| (line.step, one(line))));
    texts.extend(measured.iter().map(|line| (line.step, to_jsonl(std::slice::from_ref(line)))));
    // Stable: of one step the losses come first, as they are written.
    texts.sort_by_key(|(step, _)| *step);
    texts.into_iter().map(|(_, text)| text).collect()
}

/// Width and height of a plot in pixels, and the font of its labels.
const PLOT: (u32, u32) = (900, 360);
const LABELS: (&str, u32) = ("sans-serif", 16);
/// Space for the numbers at the axes, in pixels.
const LEFT: u32 = 64;
const BELOW: u32 = 44;

const GREEN: RGBColor = RGBColor(34, 139, 34);
const BLUE: RGBColor = RGBColor(70, 90, 200);
const RED: RGBColor = RGBColor(200, 60, 50);
const GREY: RGBColor = RGBColor(120, 120, 120);

/// Formats a step with commas between thousands.
fn step_label(step: &u64) -> String {
    grouped(*step).to_string()
}

/// Formats a number without needless digits: `0.5`, `2`, `350`, `8,000`.
fn short(value: &f64) -> String {
    if *value >= 1000.0 {
        return grouped(value.round() as u64).to_string();
    }
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

/// Draws the losses over the steps as SVG. `loss` is the recipe's loss function, which determines the axis.
///
/// # Errors
/// When drawing fails.
pub fn plot(rows: &[Row], loss: Loss) -> Result<String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, PLOT).into_drawing_area();
        root.fill(&WHITE)?;
        let last = rows.last().map_or(1, |r| r.step.max(1));
        let all = rows.iter().flat_map(|r| [r.losses.d_loss, r.losses.g_loss]).filter(|l| l.is_finite());
        let (lowest, highest) = all.fold((0.0, 1.0), |(low, high): (f64, f64), l| (low.min(l), high.max(l)));
        let margin = 0.05 * (highest - lowest);
        let lowest = if lowest < 0.0 { lowest - margin } else { 0.0 };
        // The legend is above the curves, where it hides none of them.
        let (head, body) = root.split_vertically(30);
        let mut chart = axes(&body, last, lowest..highest + margin, loss.axis_label())?;
        let points = |of: fn(&Losses) -> f64| {
            let points = rows.iter().map(move |r| (r.step, of(&r.losses)));
            points.filter(|(_, loss)| loss.is_finite()).collect::<Vec<_>>()
        };
        let lines = [("generator", GREEN, points(|l| l.g_loss)), ("discriminator", BLUE, points(|l| l.d_loss))];
        for (i, (name, colour, points)) in lines.into_iter().enumerate() {
            draw_line(&mut chart, &head, i, (name, colour), points)?;
        }
        root.present()?;
    }
    Ok(svg)
}

/// A drawing area that becomes SVG.
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A chart over the steps.
type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordu64, RangedCoordf64>>;

/// The axes and the grid of a chart from step 0 to step `last`.
fn axes<'a>(body: &Area<'a>, last: u64, values: Range<f64>, label: &str) -> Result<Chart<'a>> {
    let mut chart = ChartBuilder::on(body)
        .margin(12)
        .margin_top(0)
        .x_label_area_size(BELOW)
        .y_label_area_size(LEFT)
        .build_cartesian_2d(0..last, values)?;
    chart
        .configure_mesh()
        .x_desc("step")
        .y_desc(label)
        .label_style(LABELS)
        .x_label_formatter(&step_label)
        .y_label_formatter(&short)
        .light_line_style(WHITE)
        .draw()?;
    Ok(chart)
}

/// Draws line `i` of a chart, and its name and colour above the chart.
fn draw_line(
    chart: &mut Chart<'_>,
    head: &Area<'_>,
    i: usize,
    (name, colour): (&str, RGBColor),
    points: Vec<(u64, f64)>,
) -> Result<()> {
    chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
    let left = LEFT as i32 + 20 + 140 * i as i32;
    head.draw(&PathElement::new([(left, 15), (left + 24, 15)], colour.stroke_width(3)))?;
    head.draw(&Text::new(name, (left + 30, 8), LABELS))?;
    Ok(())
}

/// Draws the mean logits of training pictures, held-out and generated ones over the steps as SVG.
///
/// # Errors
/// When drawing fails.
pub fn plot_logits(compared: &[Compared]) -> Result<String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (PLOT.0, 290)).into_drawing_area();
        root.fill(&WHITE)?;
        let points = |of: fn(&Logits) -> f64| {
            let points = compared.iter().map(move |line| (line.step, of(&line.logits)));
            points.filter(|(_, logit)| logit.is_finite()).collect::<Vec<_>>()
        };
        let lines = [
            ("training", BLUE, points(|l| l.training)),
            ("held out", RED, points(|l| l.held_out)),
            ("generated", GREEN, points(|l| l.generated)),
        ];
        let last = compared.last().map_or(1, |line| line.step.max(1));
        let all = lines.iter().flat_map(|(.., points)| points.iter().map(|p| p.1));
        let (lowest, highest) = all.fold((-1.0, 1.0), |(low, high): (f64, f64), l| (low.min(l), high.max(l)));
        let margin = 0.05 * (highest - lowest);
        let (head, body) = root.split_vertically(30);
        let mut chart = axes(&body, last, lowest - margin..highest + margin, "mean logit of the discriminator")?;
        for (i, (name, colour, points)) in lines.into_iter().enumerate() {
            // A single point is no line.
            chart.draw_series(points.iter().map(|&point| Circle::new(point, 2, colour.filled())))?;
            draw_line(&mut chart, &head, i, (name, colour), points)?;
        }
        root.present()?;
    }
    Ok(svg)
}

/// Draws the quality score over the steps as SVG; `kept` is the step of the best snapshot.
///
/// # Errors
/// When drawing fails.
pub fn plot_quality(measured: &[Measured], kept: Option<u64>) -> Result<String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (PLOT.0, 290)).into_drawing_area();
        root.fill(&WHITE)?;
        let points: Vec<_> =
            measured.iter().map(|m| (m.step, m.scores.quality_score)).filter(|p| p.1.is_finite()).collect();
        let last = points.last().map_or(1, |p| p.0.max(1));
        // The scores of the first pictures are so high that the scale would hide all differences between later ones.
        let mut sorted: Vec<f64> = points.iter().map(|p| p.1).collect();
        sorted.sort_by(f64::total_cmp);
        let highest = sorted.get(sorted.len() * 9 / 10).map_or(1.0, |h| h.max(1e-6)) * 1.2;
        let (head, body) = root.split_vertically(30);
        let mut chart = axes(&body, last, 0.0..highest, "quality score (0 is best)")?;
        let shown: Vec<_> = points.iter().map(|&(step, quality)| (step, quality.min(highest))).collect();
        chart.draw_series(LineSeries::new(shown.iter().copied(), GREEN.stroke_width(2)))?;
        let lowest = points.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1));
        let circles = [(lowest.map(|p| p.0), 7, GREY.stroke_width(2), "the lowest"), (kept, 5, GREEN.filled(), "kept")];
        for (i, (step, size, style, name)) in circles.into_iter().enumerate() {
            chart.draw_series(shown.iter().filter(|p| Some(p.0) == step).map(|&p| Circle::new(p, size, style)))?;
            if step.is_some() {
                let left = LEFT as i32 + 20 + 140 * i as i32;
                head.draw(&Circle::new((left, 15), size, style))?;
                head.draw(&Text::new(name, (left + 14, 8), LABELS))?;
            }
        }
        root.present()?;
    }
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(step: u64) -> Row {
        let losses = Losses { d_loss: 0.5, g_loss: 1.0, d_real: 0.8, d_fake: 0.2, ..Losses::default() };
        Row { step, seconds: 1.0, pictures_per_second: 2.0, losses }
    }

    fn measured(step: u64) -> Measured {
        let scores = Scores {
            pictures: 9,
            quality_score: 41.5,
            frechet: 41.5,
            swd: vec![1.0, 2.5],
            precision: 0.5,
            recall: 0.5,
            density: 0.5,
            coverage: 0.5,
            diversity: 0.5,
            diversity_ratio: 0.5,
            classes: vec![],
        };
        Measured { step, seconds: 1.0, scores }
    }

    fn compared(step: u64) -> Compared {
        Compared { step, seconds: 1.0, logits: Logits { training: 2.5, held_out: 0.5, generated: -3.0 } }
    }

    #[test]
    fn lines_after_the_checkpoint_and_half_lines_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let load = |step| load_all(&path, step).unwrap().rows;
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
        assert_eq!(load_all(&path, 99).unwrap().rows, [row(10), row(20)]);
        assert_eq!(parse(&String::from_utf8_lossy(&fs::read(&path).unwrap()), 99).1, 2);
    }

    #[test]
    fn numbers_come_back_to_the_last_bit() {
        let mut random = crate::nn::init::rng(1, 2, 3);
        let mut number = || f64::from_bits(rand::Rng::next_u64(&mut random) >> 2);
        let losses = || Losses {
            d_loss: number(),
            g_loss: number(),
            d_real: number(),
            d_fake: number(),
            penalty: Some(number()),
            distance: None,
        };
        let rows: Vec<_> = std::iter::repeat_with(losses).map(|losses| Row { losses, ..row(1) }).take(200).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        fs::write(&path, to_jsonl(&rows)).unwrap();
        assert_eq!(load_all(&path, 1).unwrap().rows, rows);
    }

    #[test]
    fn lines_of_all_kinds_are_kept_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let all = Lines {
            rows: vec![row(10), row(20), row(30)],
            measured: vec![measured(5), measured(20), measured(40)],
            compared: vec![compared(20), compared(35)],
        };
        let text = to_jsonl_all(&all);
        let steps = text.lines().map(|line| line.split(['"', ':', ',']).nth(3).unwrap()).collect::<Vec<_>>();
        assert_eq!(steps, ["5", "10", "20", "20", "20", "30", "35", "40"]);
        let of_20 = text.lines().skip(2).map(|line| ["losses", "logits", "scores"].map(|word| line.contains(word)));
        assert_eq!(
            of_20.take(3).collect::<Vec<_>>(),
            [[true, false, false], [false, true, false], [false, false, true]],
            "as a run writes them"
        );
        fs::write(&path, &text).unwrap();
        let expected = Lines {
            rows: vec![row(10), row(20)],
            measured: vec![measured(5), measured(20)],
            compared: vec![compared(20)],
        };
        assert_eq!(load_all(&path, 20).unwrap(), expected);
        assert_eq!(load_all(&path, 99).unwrap(), all);
        assert!(plot_quality(&all.measured, Some(20)).unwrap().contains("<circle"));
        assert!(plot_quality(&[], None).unwrap().contains("</svg>"));
    }

    #[test]
    fn the_plot_of_logits_has_three_curves() {
        let mut odd = compared(60);
        odd.logits.held_out = f64::NAN;
        for lines in [&[][..], &[compared(20)], &[compared(20), compared(40), odd]] {
            let svg = plot_logits(lines).unwrap();
            assert!(["training", "held out", "generated", "mean logit"].iter().all(|word| svg.contains(word)), "{svg}");
        }
        assert_eq!(heights(&plot_logits(&[compared(20), compared(40)]).unwrap()).len(), 6);
    }

    #[test]
    fn draws_even_when_there_is_nothing_or_nonsense_to_draw() {
        let mut bad = row(10);
        bad.losses.d_loss = f64::NAN;
        for rows in [&[][..], &[row(10)], &[bad, row(20)]] {
            assert!(plot(rows, Loss::Bce).unwrap().contains("</svg>"));
        }
    }

    /// Vertical positions of a curve's points in pixels; 0 is the upper edge.
    fn heights(svg: &str) -> Vec<f64> {
        let lines = svg.lines().filter(|line| line.contains("<polyline") && line.contains("stroke-width=\"2\""));
        let points = lines.filter_map(|line| line.split("points=\"").nth(1)?.split('"').next());
        let points = points.flat_map(|points| points.split_whitespace());
        points.filter_map(|point| point.split_once(',')?.1.parse().ok()).collect()
    }

    #[test]
    fn losses_below_0_are_on_the_plot_and_axes_say_what_they_are() {
        let mut low = row(20);
        low.losses.g_loss = -7.5;
        let svg = plot(&[row(10), low, row(3000)], Loss::Hinge).unwrap();
        let heights = heights(&svg);
        assert_eq!(heights.len(), 6, "{svg}");
        let lowest = heights.iter().copied().fold(0.0, f64::max);
        assert!(lowest < f64::from(PLOT.1 - BELOW - 12), "{lowest}: it lies outside");
        assert!(svg.contains("hinge loss") && !svg.contains("nats"), "{svg}");
        assert!(svg.contains("3,000") || svg.contains("2,000") || svg.contains("1,000"), "{svg}");
        assert!(!plot(&[row(10)], Loss::Relativistic).unwrap().contains("nats"));
        assert!(plot(&[row(10)], Loss::Bce).unwrap().contains("cross-entropy (nats)"));
        for (value, text) in [(350.0, "350"), (0.5, "0.5"), (-0.0, "0"), (-2.25, "-2.25"), (8000.0, "8,000")] {
            assert_eq!(short(&value), text);
        }
    }

    #[test]
    fn lines_without_a_penalty_are_read() {
        let line = r#"{"step":7,"seconds":1.0,"pictures_per_second":2.0,"losses":{"d_loss":0.5,"g_loss":1.0,"d_real":0.8,"d_fake":0.2}}"#;
        let (lines, damaged) = parse(&format!("{line}\n"), 9);
        assert_eq!((lines.rows.as_slice(), damaged), (&[row(7)][..], 0));
        assert_eq!(to_jsonl(&lines.rows), format!("{line}\n"), "and one that has none is written without");
        let mut penalised = row(8);
        penalised.losses.penalty = Some(0.25);
        assert!(to_jsonl(&[penalised]).contains("\"penalty\":0.25"));
    }

    #[test]
    fn scores_by_class_are_kept_and_lines_without_them_are_as_before() {
        let mut with = measured(7);
        let line = to_jsonl(&[with.clone()]);
        assert!(line.ends_with("\"diversity_ratio\":0.5}}\n"), "{line}");
        assert_eq!(parse(&line, 9).0.measured, [with.clone()]);
        with.scores.classes =
            vec![crate::quality::ClassScores { name: "cat \"1\"".into(), pictures: 100, recall: 0.12, coverage: 0.3 }];
        let lines = Lines { measured: vec![with.clone()], ..Lines::default() };
        assert_eq!(parse(&to_jsonl(&[with]), 9), (lines, 0));
    }

    #[test]
    fn means_are_taken_over_what_was_added() {
        let mut pending = Pending::default();
        assert_eq!(pending.take(), None);
        pending.add(&Losses { d_loss: 1.0, ..Losses::default() });
        pending.add(&Losses { d_loss: 2.0, ..Losses::default() });
        assert_eq!(pending.take().unwrap().d_loss, 1.5);
        pending.add(&Losses { penalty: Some(3.0), ..Losses::default() });
        pending.add(&Losses::default());
        assert_eq!(pending.take().unwrap().penalty, Some(3.0), "over the steps that had one");
        assert_eq!(pending.take(), None);
    }
}
