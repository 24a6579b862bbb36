//! The table of `trainer eval`.

use std::fmt;

use serde::Serialize;

use super::Scores;
use super::copies::Copies;

/// One set of pictures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// For people: the path that it came from.
    pub name: String,
    /// How it compares with the real pictures.
    pub scores: Scores,
    /// What was learnt by heart, if there are enough training pictures to tell.
    pub copies: Option<Copies>,
}

/// One row a set.
#[derive(Debug, Clone, PartialEq)]
pub struct Table(pub Vec<Row>);

/// What the columns mean, for below the table.
pub const LEGEND: &str = "\
quality, frechet, swd: distances, 0 is best (swd on each level, finest first); real frogs have a quality of 7. precision, recall, density,
coverage: higher is better. diversity, apart: 1 is like real pictures. copied: share learnt by heart, up to 0.1 is
noise. nearest: distance of the picture that is most like a training picture, 0 is the same";

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).max(11);
        let levels = self.0.iter().map(|row| row.scores.swd.len()).max().unwrap_or(0);
        let swd = 6 * levels.max(1);
        write!(
            f,
            "{:width$}  pictures   quality  frechet  {:>swd$}  precision  recall  density",
            "pictures of", "swd"
        )?;
        write!(f, "  coverage  diversity  apart  copied  nearest")?;
        for Row { name, scores: s, copies } in &self.0 {
            let levels: String = s.swd.iter().map(|d| format!("{d:>6.0}")).collect();
            write!(f, "\n{name:width$}  {:>8}  {:>8.2}  {:>7.2}  {levels:>swd$}", s.pictures, s.headline, s.frechet)?;
            write!(f, "  {:>9.3}  {:>6.3}  {:>7.3}  {:>8.3}", s.precision, s.recall, s.density, s.coverage)?;
            write!(f, "  {:>9.3}  {:>5.3}", s.diversity, s.apart)?;
            match copies {
                Some(copies) => write!(f, "  {:>6.2}  {:>7.3}", copies.copied, copies.nearest)?,
                None => write!(f, "  {:>6}  {:>7}", "?", "?")?,
            }
        }
        Ok(())
    }
}
