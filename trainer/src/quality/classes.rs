//! Recall and coverage of each class of the real pictures: shows which classes a generator leaves out.
//!
//! The measures are those of [`neighbours`](super::neighbours), as shares of the real pictures of one class. The
//! neighbourhoods are those of the whole sets, so generated pictures need no classes.

use std::fmt;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::even_places;
use super::neighbours::Figures;
use crate::text::Plain;

/// Pictures of a class that are used at least, if it has so many. Fewer only if there are so many classes that this
/// many of each would be too many pictures.
pub const LEAST: usize = 20;

/// The class of each real picture, an index into the names, and the names of the classes.
pub type Labelled<'a> = (&'a [u8], &'a [String]);

/// How well a set of pictures shows one class of the real pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassScores {
    /// Name of the class.
    pub name: String,
    /// Number of real pictures of this class from which the shares below are computed, at least 1. There are at most
    /// [`NEIGHBOURHOOD`](super::NEIGHBOURHOOD) of all classes together.
    pub pictures: usize,
    /// Fraction of these that lie in the neighbourhood of a generated picture, 0 … 1.
    pub recall: f64,
    /// Fraction of these whose neighbourhood contains a generated picture, 0 … 1.
    pub coverage: f64,
}

/// For the log: name and recall.
impl fmt::Display for ClassScores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, recall {:.2}", Plain::text(&self.name), self.recall)
    }
}

/// Classes of real pictures.
#[derive(Debug)]
pub(super) struct Classes {
    names: Vec<String>,
    /// Class of each picture. Every one has a name.
    of: Vec<u8>,
}

impl Classes {
    /// The classes of `pictures` pictures.
    ///
    /// # Errors
    /// When there are more or fewer classes than pictures, or a class has no name.
    pub(super) fn new((of, names): Labelled<'_>, pictures: usize) -> Result<Self> {
        ensure!(of.len() == pictures, "{} classes are given for {pictures} real pictures", of.len());
        let last = usize::from(of.iter().copied().max().context("there are no real pictures")?);
        ensure!(last < names.len(), "a real picture has class {last}, counted from 0, but {} have names", names.len());
        Ok(Self { names: names.to_vec(), of: of.to_vec() })
    }

    /// The classes of the pictures at these places.
    pub(super) fn select(&self, places: &[usize]) -> Self {
        Self { names: self.names.clone(), of: places.iter().map(|&place| self.of[place]).collect() }
    }

    /// Number of classes that have pictures.
    pub(super) fn present(&self) -> usize {
        self.members().iter().filter(|members| !members.is_empty()).count()
    }

    /// Places of the pictures of each class, in ascending order.
    fn members(&self) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); self.names.len()];
        self.of.iter().enumerate().for_each(|(place, &class)| members[usize::from(class)].push(place));
        members
    }

    /// Places of at most `most` pictures, in ascending order: evenly spaced ones of each class, in proportion to its size,
    /// but at least [`LEAST`] of each or all that it has.
    pub(super) fn places(&self, most: usize) -> Vec<usize> {
        let members = self.members();
        let least = LEAST.min(most / self.present().max(1));
        let mut counts: Vec<_> = members.iter().map(|members| members.len().min(least)).collect();
        let left = most.min(self.of.len()).saturating_sub(counts.iter().sum());
        // Each further picture is one of the class of which the smallest share was taken so far.
        for _ in 0..left {
            let open = (0..counts.len()).filter(|&class| counts[class] < members[class].len());
            // Compares counts[a] / size of a with counts[b] / size of b.
            let share = |&a: &usize, &b: &usize| (counts[a] * members[b].len()).cmp(&(counts[b] * members[a].len()));
            let Some(class) = open.min_by(share) else { break };
            counts[class] += 1;
        }
        let chosen = members
            .iter()
            .zip(counts)
            .flat_map(|(members, count)| even_places(members.len(), count).into_iter().map(|place| members[place]));
        let mut places: Vec<_> = chosen.collect();
        places.sort_unstable();
        places
    }

    /// Recall and coverage of each class that has pictures; `near` compares these pictures.
    pub(super) fn scores(&self, near: &Figures) -> Vec<ClassScores> {
        let of_class = |(name, members): (&String, Vec<usize>)| {
            let share = |values: &[bool]| {
                members.iter().filter(|&&place| values[place]).count() as f64 / members.len().max(1) as f64
            };
            (!members.is_empty()).then(|| ClassScores {
                name: name.clone(),
                pictures: members.len(),
                recall: share(&near.recalled),
                coverage: share(&near.covered),
            })
        };
        self.names.iter().zip(self.members()).filter_map(of_class).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|i| format!("class {i}")).collect()
    }

    fn counts(classes: &Classes, places: &[usize]) -> Vec<usize> {
        classes.select(places).members().iter().map(Vec::len).collect()
    }

    #[test]
    fn every_class_is_chosen_in_proportion_but_not_too_few_of_any() {
        let of = [vec![0; 3000], vec![1; 1500], vec![2; 60], vec![4; 7]].concat();
        let classes = Classes::new((&of, &names(5)), of.len()).unwrap();
        let places = classes.places(1000);
        assert!(places.is_sorted_by(|a, b| a < b), "in order, and each once");
        let [a, b, c, none, few] = counts(&classes, &places)[..] else { panic!("five classes") };
        assert_eq!((a + b + c + none + few, c, none, few), (1000, 20, 0, 7));
        assert!(a.abs_diff(2 * b) <= 2, "{a} {b}");
        assert!(places.contains(&0) && places.iter().any(|place| (2900..3000).contains(place)), "evenly spaced");
        assert_eq!(classes.places(9999), (0..of.len()).collect::<Vec<_>>());
        assert_eq!(classes.present(), 4);
    }

    #[test]
    fn many_classes_share_what_there_is() {
        let of: Vec<u8> = (0..=255).cycle().take(256 * 30).collect();
        let classes = Classes::new((&of, &names(256)), of.len()).unwrap();
        let places = classes.places(1000);
        assert_eq!(places.len(), 1000);
        assert!(counts(&classes, &places).iter().all(|count| (3..=4).contains(count)));
        assert_eq!(classes.places(100).len(), 100, "fewer than there are classes");
    }

    #[test]
    fn classes_that_do_not_belong_to_the_pictures_are_refused() {
        let error = |of: &[u8], count| Classes::new((of, &names(2)), count).unwrap_err().to_string();
        assert!(error(&[0, 1], 3).contains("2 classes are given for 3 real pictures"));
        assert!(error(&[0, 2, 1], 3).contains("class 2, counted from 0, but 2 have names"));
        assert!(error(&[], 0).contains("no real pictures"));
    }

    #[test]
    fn scores_are_shares_of_a_class() {
        let classes = Classes::new((&[0, 2, 2, 0, 2, 2], &names(3)), 6).unwrap();
        let near = Figures {
            precision: 1.0,
            recall: 0.5,
            density: 1.0,
            coverage: 0.5,
            diversity_ratio: 1.0,
            recalled: vec![true, true, false, true, false, false],
            covered: vec![false, true, true, true, true, true],
        };
        let scores =
            |name: &str, pictures, recall, coverage| ClassScores { name: name.into(), pictures, recall, coverage };
        assert_eq!(classes.scores(&near), [scores("class 0", 2, 1.0, 0.5), scores("class 2", 4, 0.25, 1.0)]);
        assert_eq!(classes.scores(&near)[1].to_string(), "class 2, recall 0.25");
    }
}
