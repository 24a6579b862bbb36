//! The table of `trainer eval`.

use std::fmt;

use serde::Serialize;

use super::Scores;
use super::copies::Copies;

/// One set of pictures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Name for people: the path of the set.
    pub name: String,
    /// Comparison with the real pictures.
    pub scores: Scores,
    /// Estimate of memorised pictures; `None` if there are too few training pictures.
    pub copies: Option<Copies>,
}

/// The table, one row for each set.
#[derive(Debug, Clone, PartialEq)]
pub struct Table(pub Vec<Row>);

/// Explanation of the columns, printed below the table.
pub const LEGEND: &str = "\
quality score, frechet, swd: distances, 0 is best (swd on each level, finest first); real frogs have a quality score of
7. precision, recall, density, coverage: higher is better. diversity (of all pictures), div. ratio (distance of each
picture to the one most like it): 1 is like real pictures. memorised: fraction of the pictures that are copies of training
pictures, up to 0.1 is noise. nearest: smallest distance of a picture to a training picture, 0 is the same";

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).max(11);
        let levels = self.0.iter().map(|row| row.scores.swd.len()).max().unwrap_or(0);
        let swd = 6 * levels.max(1);
        write!(
            f,
            "{:width$}  pictures  quality score  frechet  {:>swd$}  precision  recall  density",
            "pictures of", "swd"
        )?;
        write!(f, "  coverage  diversity  div. ratio  memorised  nearest")?;
        for Row { name, scores: s, copies } in &self.0 {
            let levels: String = s.swd.iter().map(|d| format!("{d:>6.0}")).collect();
            write!(
                f,
                "\n{name:width$}  {:>8}  {:>13.2}  {:>7.2}  {levels:>swd$}",
                s.pictures, s.quality_score, s.frechet
            )?;
            write!(f, "  {:>9.3}  {:>6.3}  {:>7.3}  {:>8.3}", s.precision, s.recall, s.density, s.coverage)?;
            write!(f, "  {:>9.3}  {:>10.3}", s.diversity, s.diversity_ratio)?;
            match copies {
                Some(copies) => write!(f, "  {:>9.2}  {:>7.3}", copies.memorised_fraction, copies.nearest)?,
                None => write!(f, "  {:>9}  {:>7}", "?", "?")?,
            }
        }
        Ok(())
    }
}
