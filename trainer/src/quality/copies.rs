//! Estimates whether the generator memorised training pictures.
//!
//! A memorised picture is much nearer to one training picture than to all others, while a picture with little detail is
//! near to many. The test statistic is therefore the distance to the nearest training picture divided by the distance to
//! the [`COMPARED`]-th nearest. Its usual values come from the training pictures themselves, each compared with all
//! others, so that no picture has to be held out.

use anyhow::Result;
use ndarray::{ArrayView4, Axis};
use serde::{Deserialize, Serialize};

use super::{NEIGHBOURHOOD, even_places};
use crate::nearest::{Neighbour, nearest_few};
use crate::numbers::median;
use crate::store::PictureStore;

/// The rank of the neighbour that the nearest one is compared with. It is higher than 2 because data sets contain
/// near-duplicates: a copy of such a picture has two very near neighbours.
const COMPARED: usize = 5;
/// Fraction of the real pictures that count as unusually near to another real picture.
const EXCEPTIONAL: f64 = 0.05;
/// Maximum number of real pictures from which the usual values are estimated.
const NORMAL: usize = 500;

/// Result of [`find`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Copies {
    /// Estimated fraction of the pictures that are copies of training pictures: 0 none, 1 all. Up to 0.1 either way is
    /// noise.
    #[serde(alias = "copied")]
    pub memorised_fraction: f64,
    /// Median distance to the nearest training picture, divided by the same for real pictures.
    /// It is below 1 for pictures with little detail, and above 1 for noise.
    #[serde(alias = "nearness")]
    pub nn_distance_ratio: f64,
    /// Smallest distance of any picture to a training picture: root mean square
    /// difference per value, 0 … 1. It is 0 for the same picture or its mirror image.
    pub nearest: f32,
}

/// Searches for copies of `references` among at most [`NEIGHBOURHOOD`] of the `pictures`. Both are
/// `[N, side, side, 3]` with the same side. Also returns the nearest reference of each picture used, in order.
///
/// Exact copies among the references count once: otherwise each would be the other's nearest neighbour, at
/// distance 0. `None` if there are too few references to estimate the usual values.
///
/// # Errors
/// When the references are in a file that cannot be read.
pub fn find(
    pictures: ArrayView4<'_, u8>,
    references: impl Into<PictureStore>,
) -> Result<Option<(Copies, Vec<Neighbour>)>> {
    let references = references.into();
    let distinct = references.distinct()?;
    if distinct.len() == references.len() {
        return find_among(pictures, &references);
    }
    let mut found = find_among(pictures, &references.subset(&distinct)?)?;
    if let Some((_, neighbours)) = &mut found {
        neighbours.iter_mut().for_each(|neighbour| neighbour.index = distinct[neighbour.index]);
    }
    Ok(found)
}

/// Like [`find`], for references without exact copies.
fn find_among(pictures: ArrayView4<'_, u8>, references: &PictureStore) -> Result<Option<(Copies, Vec<Neighbour>)>> {
    let n = references.len();
    if n <= COMPARED || pictures.is_empty() {
        return Ok(None);
    }
    let looked_at = pictures.select(Axis(0), &even_places(pictures.dim().0, NEIGHBOURHOOD));
    let found = nearest_few(looked_at.view(), references, COMPARED)?;
    let places = even_places(n, NORMAL);
    let reals = references.select(&places)?;
    let mut among = nearest_few(reals.view(), references, COMPARED + 1)?;
    for (list, place) in among.iter_mut().zip(places) {
        // Removes the picture itself. If exact copies displaced it from the list, one of them is removed instead.
        let own = list.iter().position(|neighbour| neighbour.index == place).unwrap_or(0);
        list.remove(own);
    }
    let mut normal: Vec<f32> = among.iter().filter_map(|list| ratio(list)).collect();
    normal.sort_unstable_by(f32::total_cmp);
    let Some(&limit) = normal.get((normal.len() as f64 * EXCEPTIONAL) as usize) else { return Ok(None) };
    let ratios: Vec<f32> = found.iter().filter_map(|list| ratio(list)).collect();
    let share = ratios.iter().filter(|&&r| r < limit).count() as f64 / ratios.len().max(1) as f64;
    let distances =
        |lists: &[Vec<Neighbour>]| lists.iter().filter_map(|l| Some(l.first()?.distance)).collect::<Vec<_>>();
    let (of_pictures, of_reals) = (distances(&found), distances(&among));
    let copies = Copies {
        memorised_fraction: (share - EXCEPTIONAL) / (1.0 - EXCEPTIONAL),
        nn_distance_ratio: median(of_pictures.iter().copied()) / median(of_reals).max(1e-6),
        nearest: of_pictures.iter().copied().fold(f32::INFINITY, f32::min),
    };
    Ok(Some((copies, found.into_iter().filter_map(|list| list.into_iter().next()).collect())))
}

/// Distance of the first neighbour divided by that of the last; 0 … 1.
fn ratio(list: &[Neighbour]) -> Option<f32> {
    let (first, last) = (list.first()?, list.last()?);
    Some(if last.distance > 0.0 { first.distance / last.distance } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use ndarray::{Array4, concatenate, s};

    use super::*;
    use crate::quality::blobs;

    #[test]
    fn copies_are_found_and_others_are_not() {
        let training = blobs(1, 400, 16);
        let (fresh, neighbours) = find(blobs(2, 300, 16).view(), training.view()).unwrap().unwrap();
        assert!(fresh.memorised_fraction.abs() < 0.12 && (fresh.nn_distance_ratio - 1.0).abs() < 0.2, "{fresh:?}");
        assert_eq!(neighbours.len(), 300);

        // Copies that are mirrored and slightly changed.
        let copied = training.slice(s![..100, .., ..;-1, ..]).mapv(|v| v.saturating_add(2));
        let (all, neighbours) = find(copied.view(), training.view()).unwrap().unwrap();
        assert!(all.memorised_fraction > 0.95 && all.nearest < 0.02 && all.nn_distance_ratio < 0.3, "{all:?}");
        assert!(neighbours.iter().enumerate().all(|(i, n)| n.index == i && n.mirrored));
        let half = concatenate![Axis(0), copied, blobs(2, 100, 16)];
        let (half, _) = find(half.view(), training.view()).unwrap().unwrap();
        assert!((half.memorised_fraction - 0.5).abs() < 0.1, "{half:?}");
    }

    #[test]
    fn copies_among_the_references_change_nothing() {
        let (training, pictures) = (blobs(1, 100, 16), blobs(2, 60, 16));
        let (once, neighbours) = find(pictures.view(), training.view()).unwrap().unwrap();
        let often = Array4::from_shape_fn((600, 16, 16, 3), |(n, y, x, c)| training[[n / 6, y, x, c]]);
        let (found, places) = find(pictures.view(), often.view()).unwrap().unwrap();
        assert_eq!(found, once);
        assert!(places.iter().zip(&neighbours).all(|(a, b)| a.index == 6 * b.index && a.distance == b.distance));
    }

    #[test]
    fn pictures_without_detail_are_no_copies() {
        let training = blobs(1, 400, 16);
        // The means of other pictures: the mean of a training picture may be nearest to that picture.
        let others = blobs(2, 200, 16);
        let mean = |n: usize, c: usize| others.slice(s![n, .., .., c]).mapv(u32::from).sum() / 256;
        let plain = Array4::from_shape_fn((200, 16, 16, 3), |(n, _, _, c)| mean(n, c) as u8);
        let (plain, _) = find(plain.view(), training.view()).unwrap().unwrap();
        assert!(plain.memorised_fraction < 0.2, "{plain:?}");
    }

    #[test]
    fn a_few_references_say_nothing() {
        assert!(find(blobs(1, 9, 16).view(), blobs(2, 5, 16).view()).unwrap().is_none());
    }
}
