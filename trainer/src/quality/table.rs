//! The tables of `trainer eval`.

use std::fmt;

use serde::Serialize;

use super::Scores;
use super::copies::Copies;
use crate::text::Plain;

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
quality score, frechet, swd: distances, 0 is best (swd on each level, finest first); two sets of real frogs have a
quality score of 5. precision, recall, density, coverage: higher is better. diversity (of all pictures), div. ratio
(distance of each picture to the one most like it): 1 is like real pictures. memorised: fraction of the pictures that
are copies of training pictures, up to 0.1 is noise. nearest: smallest distance of a picture to a training picture, 0 is
the same";

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

/// Recall and coverage by class of one set, a line for each class; empty without classes. Also in the report of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ByClass<'a>(pub &'a Scores);

/// Explanation of the columns of [`ByClass`].
pub const CLASS_LEGEND: &str = "\
recall: fraction of the real pictures of the class that lie in the neighbourhood of a generated picture. coverage: fraction
of them whose neighbourhood contains one. pictures: number of real pictures from which these are computed; of 20, a single
one changes them by 0.05. least drawn: the class with the lowest recall";

impl fmt::Display for ByClass<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(least) = self.0.missing() else { return Ok(()) };
        let names: Vec<_> = self.0.classes.iter().map(|class| Plain::text(&class.name).to_string()).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(5);
        write!(f, "{:width$}  pictures  recall  coverage", "class")?;
        for (class, name) in self.0.classes.iter().zip(names) {
            write!(f, "\n{name:width$}  {:>8}  {:>6.3}  {:>8.3}", class.pictures, class.recall, class.coverage)?;
            if std::ptr::eq(class, least) {
                write!(f, "  least drawn")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality::ClassScores;

    #[test]
    fn the_least_drawn_class_is_marked() {
        let class = |name: &str, recall| ClassScores { name: name.into(), pictures: 100, recall, coverage: 0.5 };
        let mut scores = Scores {
            pictures: 1000,
            quality_score: 50.0,
            frechet: 20.0,
            swd: vec![1.0],
            precision: 0.5,
            recall: 0.4,
            density: 0.5,
            coverage: 0.5,
            diversity: 1.0,
            diversity_ratio: 1.0,
            classes: vec![],
        };
        assert_eq!((ByClass(&scores).to_string().as_str(), scores.missing()), ("", None));
        scores.classes = vec![class("airplane", 0.7), class("c\x1bat", 0.12), class("dog", 0.12)];
        let expected = "\
class      pictures  recall  coverage
airplane        100   0.700     0.500
c\\u{1b}at       100   0.120     0.500  least drawn
dog             100   0.120     0.500";
        assert_eq!(ByClass(&scores).to_string(), expected);
    }
}
