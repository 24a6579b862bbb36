//! Checks whether the scores rank sets of pictures in the same order as another measure.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context as _, Result, ensure};

use super::Scores;
use super::table::Row;

/// Minimum number of sets for a rank correlation.
const MIN_SETS: usize = 3;

/// Spearman's rank correlation of every score with another measure over several sets.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranks {
    /// Name of the other measure.
    pub by: String,
    /// Number of sets for which both values are known.
    pub sets: usize,
    /// Score and correlation, -1 ... 1.
    pub correlations: Vec<(&'static str, f64)>,
}

type Score = fn(&Scores) -> f64;

const SCORES: [(&str, Score); 8] = [
    ("quality_score", |s| s.quality_score),
    ("frechet", |s| s.frechet),
    ("swd, finest", |s| s.swd.first().copied().unwrap_or(f64::NAN)),
    ("precision", |s| s.precision),
    ("recall", |s| s.recall),
    ("coverage", |s| s.coverage),
    ("diversity", |s| s.diversity),
    ("diversity_ratio", |s| s.diversity_ratio),
];

/// Reads lines of JSON such as `{"samples": "a.npy", "fdrich_test": 41.5}`: the number called `by` of each set.
///
/// # Errors
/// When a line has another form; the message names it.
pub fn parse(text: &str, by: &str) -> Result<BTreeMap<String, f64>> {
    let mut all = BTreeMap::new();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = || format!("line {}", i + 1);
        let value: serde_json::Value = serde_json::from_str(line).with_context(place)?;
        let name = value["samples"].as_str().context("no text called \"samples\"").with_context(place)?;
        let number = value[by].as_f64().with_context(|| format!("no number called \"{by}\"")).with_context(place)?;
        all.insert(name.to_owned(), number);
    }
    Ok(all)
}

impl Ranks {
    /// Correlates the scores in `rows` with the other measure's values. Sets are matched by file name.
    ///
    /// # Errors
    /// When fewer than three sets have both values.
    pub fn of(rows: &[Row], others: &BTreeMap<String, f64>, by: &str) -> Result<Self> {
        let file = |row: &Row| row.name.rsplit('/').next().unwrap_or_default().to_owned();
        let known: Vec<_> = rows.iter().filter_map(|row| Some((&row.scores, *others.get(&file(row))?))).collect();
        ensure!(
            known.len() >= MIN_SETS,
            "only {} of the sets have a number in the other measure's file, by their file names; {MIN_SETS} are needed",
            known.len()
        );
        let other: Vec<f64> = known.iter().map(|(_, other)| *other).collect();
        let correlations = SCORES.map(|(name, score)| {
            let ours: Vec<f64> = known.iter().map(|(scores, _)| score(scores)).collect();
            (name, spearman(&ours, &other))
        });
        Ok(Self { by: by.to_owned(), sets: known.len(), correlations: correlations.to_vec() })
    }
}

impl fmt::Display for Ranks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spearman's rank correlation with {} over {} sets:", self.by, self.sets)?;
        self.correlations.iter().try_for_each(|(name, r)| write!(f, "\n  {name:<12} {r:>6.2}"))
    }
}

/// Pearson's correlation of the ranks (Spearman 1904); equal values share the mean of their ranks.
fn spearman(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() as f64 - 1.0) / 2.0;
    let product = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean)).sum::<f64>();
    product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt()
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let count = |keep: &dyn Fn(&f64) -> bool| values.iter().filter(|v| keep(v)).count() as f64;
    values.iter().map(|v| count(&|w| w < v) + (count(&|w| w == v) - 1.0) / 2.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlation_of_ranks() {
        assert_eq!(spearman(&[1.0, 5.0, 90.0], &[0.1, 0.2, 0.3]), 1.0);
        assert_eq!(spearman(&[1.0, 5.0, 90.0], &[3.0, 2.0, 1.0]), -1.0);
        // Calculated by hand: ranks 0, 1.5, 1.5, 3 and 0, 2, 1, 3.
        assert!((spearman(&[1.0, 2.0, 2.0, 9.0], &[1.0, 7.0, 5.0, 8.0]) - 4.5 / 22.5f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn lines_are_read_and_wrong_ones_named() {
        let text = "{\"samples\": \"a.npy\", \"x\": 2, \"y\": \"no\"}\n\n{\"samples\": \"b.npy\", \"x\": 1.5}\n";
        assert_eq!(parse(text, "x").unwrap(), [("a.npy".into(), 2.0), ("b.npy".into(), 1.5)].into());
        let error = |by| format!("{:#}", parse(text, by).unwrap_err());
        assert!(error("y").contains("line 1") && error("y").contains("\"y\""), "{}", error("y"));
        assert!(format!("{:#}", parse("a\n", "x").unwrap_err()).contains("line 1"));
    }
}
