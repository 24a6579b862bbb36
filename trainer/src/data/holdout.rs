//! Pictures that are held out: training never sees them, so that they show what the discriminator has memorised.

use anyhow::{Result, ensure};
use rand::seq::SliceRandom as _;

use super::{Dataset, Labels, MIN_PICTURES};
use crate::nn::init::rng;
use crate::numbers::grouped;

/// Distinguishes the random numbers of this module from others with the same seed.
const STREAM: u64 = 0x6865_6C64;

/// Minimum number of pictures that are held out: batch normalisation of a single one has no meaning.
const LEAST: usize = 2;

/// Number of pictures that the recipe's key `holdout` means for a data set of `count`: a share if it is under 1, else a
/// number.
pub fn held_out_count(holdout: f64, count: usize) -> usize {
    // Neither is negative or too large, as the check of the recipe and `split` ensure.
    if holdout < 1.0 { (holdout * count as f64).round() as usize } else { holdout as usize }
}

impl Dataset {
    /// The pictures for training, and those that are held out, if `holdout` is not 0. They are chosen by `seed`: so many
    /// of each class, or of all pictures without classes, as its share says. Both parts keep the order of the pictures.
    ///
    /// Exact copies of a held-out picture are held out too, whatever their class, so there may be a few more.
    ///
    /// # Errors
    /// When fewer than two pictures would be held out, more than half of them, or so many that two are not left; or when
    /// the pictures are in a file that cannot be read.
    pub fn split(&self, holdout: f64, seed: u64) -> Result<(Self, Option<Self>)> {
        if holdout == 0.0 {
            return Ok((self.clone(), None));
        }
        let (all, most) = (self.len(), held_out_count(holdout, self.len()));
        ensure!(
            (LEAST..=all / 2).contains(&most) && all - most >= MIN_PICTURES,
            "holdout = {holdout}: of {} pictures {} would be held out; {LEAST} is the least, and half of them the most",
            grouped(all),
            grouped(most)
        );
        let firsts = self.pictures.firsts()?;
        let class_of = |index: usize| self.labels.as_ref().map_or(0, |labels| usize::from(labels.of[index]));
        let classes = self.labels.as_ref().map_or(1, |labels| labels.names.len());
        // Pictures that are equal are one group, named by its first picture, and are held out together.
        let mut sizes = vec![0; all];
        firsts.iter().for_each(|&first| sizes[first as usize] += 1);
        let mut groups = vec![Vec::new(); classes];
        (0..all).filter(|&index| sizes[index] > 0).for_each(|index| groups[class_of(index)].push(index));
        let mut is_held_out = vec![false; all];
        let (mut passed, mut taken) = (0, 0);
        for (class, mut groups) in groups.into_iter().enumerate() {
            passed += groups.iter().map(|&group| sizes[group]).sum::<usize>();
            groups.shuffle(&mut rng(seed, class as u64, STREAM));
            // The share of all classes so far, so that rounding adds up to the whole number. A class keeps a picture.
            let until = (most as u128 * passed as u128 / all as u128) as usize;
            let count = groups.len().saturating_sub(1);
            for group in groups.into_iter().take(count) {
                if taken >= until {
                    break;
                }
                taken += sizes[group];
                is_held_out[group] = true;
            }
        }
        let part = |held_out: bool| -> Vec<usize> {
            (0..all).filter(|&index| is_held_out[firsts[index] as usize] == held_out).collect()
        };
        let (held_out, training) = (self.part(&part(true))?, self.part(&part(false))?);
        ensure!(
            held_out.len() >= LEAST && training.len() >= MIN_PICTURES,
            "holdout = {holdout}: {} of {} pictures can be held out, because most are copies of each other; {LEAST} is the \
             least",
            held_out.len(),
            grouped(all)
        );
        if let Some(labels) = &training.labels {
            labels.check().map_err(|error| error.context("holdout: the other pictures are copies of held-out ones"))?;
        }
        Ok((training, Some(held_out)))
    }

    /// The pictures with these indices. What is said of the whole source stays as it is.
    fn part(&self, indices: &[usize]) -> Result<Self> {
        let labels = self.labels.as_ref().map(|Labels { names, of }| Labels {
            names: names.clone(),
            of: indices.iter().map(|&index| of[index]).collect(),
        });
        let files = indices.iter().filter_map(|&index| self.files.get(index).cloned()).collect();
        Ok(Self { pictures: self.pictures.subset(indices)?, labels, files, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use gen_core::Shape;

    use super::*;
    use crate::store::PictureStore;

    /// Pictures with these values; those with the same value are equal.
    fn data(values: &[u8], classes: Option<&[u8]>) -> Dataset {
        let pixels = values.iter().flat_map(|&value| [value; 3]).collect();
        let mut data = Dataset::new(PictureStore::in_memory(Shape::new(1, 1, 3), pixels).unwrap());
        data.files = (0..values.len()).map(|i| format!("{i}.png").into()).collect();
        data.labels = classes.map(|of| {
            let names = (0..=of.iter().copied().max().unwrap()).map(|class| class.to_string()).collect();
            Labels { names, of: of.to_vec() }
        });
        data
    }

    fn values(data: &Dataset) -> Vec<u8> {
        data.pictures.to_array().unwrap().iter().copied().step_by(3).collect()
    }

    #[test]
    fn both_parts_are_all_pictures_and_the_seed_chooses() {
        let all = data(&(0..100).collect::<Vec<_>>(), None);
        let (training, held_out) = all.split(0.2, 1).unwrap();
        let held_out = held_out.unwrap();
        assert_eq!((training.len(), held_out.len()), (80, 20));
        let mut both = [values(&training), values(&held_out)].concat();
        assert!(values(&held_out).is_sorted() && !both.is_sorted());
        both.sort_unstable();
        assert_eq!(both, values(&all));
        assert_eq!(held_out.files[3].to_str().unwrap(), format!("{}.png", values(&held_out)[3]));
        let again = |holdout, seed| values(&all.split(holdout, seed).unwrap().1.unwrap());
        assert_eq!(again(0.2, 1), values(&held_out));
        assert_eq!(again(20.0, 1), values(&held_out), "a number");
        assert_ne!(again(0.2, 2), values(&held_out));
        assert!(all.split(0.0, 1).unwrap().1.is_none());
    }

    #[test]
    fn each_class_gives_its_share() {
        let of: Vec<u8> = (0..200)
            .map(|i| {
                if i < 140 {
                    0
                } else if i < 197 {
                    1
                } else {
                    2
                }
            })
            .collect();
        let all = data(&(0..200).collect::<Vec<_>>(), Some(&of));
        let (training, held_out) = all.split(0.1, 3).unwrap();
        let held_out = held_out.unwrap().labels.unwrap();
        assert_eq!(held_out.counts(), [14, 5, 1]);
        assert_eq!(training.labels.unwrap().counts(), [126, 52, 2]);
    }

    #[test]
    fn copies_are_on_the_same_side() {
        let all = data(&(0..100).map(|i| i / 4).collect::<Vec<_>>(), None);
        let (training, held_out) = all.split(0.3, 5).unwrap();
        let held_out = values(&held_out.unwrap());
        assert_eq!(held_out.len(), 32, "whole groups of four");
        assert!(values(&training).iter().all(|value| !held_out.contains(value)));
        let same = data(&[7; 100], None);
        assert!(same.split(0.3, 5).unwrap_err().to_string().contains("copies of each other"));
    }

    #[test]
    fn too_few_and_too_many_are_refused() {
        let all = data(&(0..20).collect::<Vec<_>>(), None);
        for holdout in [0.01, 1.0, 11.0, 1e9] {
            let error = all.split(holdout, 0).unwrap_err().to_string();
            assert!(error.starts_with("holdout = ") && error.contains("half of them the most"), "{error}");
        }
        assert_eq!(all.split(0.5, 0).unwrap().1.unwrap().len(), 10);
    }
}
