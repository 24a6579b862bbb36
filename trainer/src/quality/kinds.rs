//! Sorts pictures without classes into kinds of pictures that are alike.
//!
//! The features of [`embedding`](super::embedding) are clustered by k-means: Lloyd's iteration (Lloyd 1982, doi
//! 10.1109/TIT.1982.1056489) from centres that are chosen by k-means++ (Arthur & Vassilvitskii 2007, "k-means++: the
//! advantages of careful seeding"). Of several such clusterings, the one with the lowest inertia is kept: the lowest sum
//! of squared distances of pictures to their centre.

use std::cmp::Reverse;
use std::ops::RangeInclusive;

use anyhow::{Context as _, Result, ensure};
use ndarray::{Array2, ArrayView2, Axis, s};
use rand::RngExt as _;
use rand_xoshiro::Xoshiro128PlusPlus;
use rayon::prelude::*;

use super::embedding::Embedding;
use super::{check_shape, even_places};
use crate::nn::gemm::gemm;
use crate::nn::init::rng;
use crate::store::PictureStore;

/// Numbers of kinds that can be asked for.
pub const COUNTS: RangeInclusive<usize> = 2..=gen_core::spec::MAX_CLASSES;
/// Maximum number of pictures that are clustered; of more, evenly spaced ones. The others go to the nearest centre.
const CLUSTERED: usize = 20_000;
/// Maximum number of pictures over which features are standardised, evenly spaced.
const NORMALISED: usize = 1000;
/// Clusterings from different centres.
const STARTS: u64 = 8;
/// Maximum number of Lloyd's steps.
const STEPS: usize = 60;
/// Largest magnitude of a feature, in standard deviations. Without a limit, a few very unusual pictures, for example
/// white ones, become a kind of their own.
const LIMIT: f32 = 3.0;
/// Pictures whose features are computed at a time.
const BATCH: usize = 1024;
/// Seed of the random numbers. It is fixed, so that every command finds the same kinds.
const SEED: u64 = 0;
/// Distinguishes the random numbers of this module from others with the same seed.
const STREAM: u64 = 0x006B_696E_6473;

/// The kind of each picture, below `count`. Kinds are numbered by size, the largest is 0; of two of the same size, the one
/// whose first picture comes first. Every kind has at least one picture, and exact copies are of the same kind. The
/// result depends only on the arguments, not on the number of threads.
///
/// `pictures` are `[N, height, width, channels]`, grey or RGB, with sides of [`MIN_SIDE`](super::MIN_SIDE) pixels or more.
/// 5,000 pictures of 32x32 take a few seconds.
///
/// # Errors
/// When `count` is not in [`COUNTS`], fewer than `count` pictures are distinct, the pictures are too small, or they are in
/// a file that cannot be read.
pub fn kinds(pictures: impl Into<PictureStore>, count: usize) -> Result<Vec<u8>> {
    let pictures = &pictures.into();
    check_shape(pictures.dim(), "the pictures")?;
    ensure!(
        COUNTS.contains(&count),
        "{count} kinds: pictures can be sorted into {} to {} kinds",
        COUNTS.start(),
        COUNTS.end()
    );
    let distinct = pictures.distinct()?;
    ensure!(
        distinct.len() >= count,
        "{count} kinds are too many: of {} pictures {} are distinct, and each kind needs one",
        pictures.len(),
        distinct.len()
    );
    let choose = |most| even_places(distinct.len(), most).into_iter().map(|place| distinct[place]).collect::<Vec<_>>();
    let embedding = Embedding::new(pictures.select(&choose(NORMALISED))?.view())?;
    let clustered = even_places(distinct.len(), CLUSTERED);
    let features = features(&embedding, pictures, &choose(CLUSTERED))?;
    let starts = (0..STARTS).into_par_iter().map(|start| {
        let mut rng = rng(SEED, start, STREAM);
        Clustering::new(features.view(), count, &mut rng)
    });
    let starts: Vec<_> = starts.collect();
    // Of equal ones, the first.
    let best = starts.into_iter().min_by(|a, b| a.inertia.total_cmp(&b.inertia)).context("there is a start")?;

    let mut of_distinct = vec![None; distinct.len()];
    clustered.iter().zip(&best.of).for_each(|(&place, &cluster)| of_distinct[place] = Some(cluster));
    let others: Vec<usize> = (0..distinct.len()).filter(|&place| of_distinct[place].is_none()).collect();
    for batch in others.chunks(BATCH) {
        let places: Vec<_> = batch.iter().map(|&place| distinct[place]).collect();
        let (nearest, _) = nearest(self::features(&embedding, pictures, &places)?.view(), best.centres.view());
        batch.iter().zip(nearest).for_each(|(&place, cluster)| of_distinct[place] = Some(cluster));
    }
    let mut of = vec![0; pictures.len()];
    distinct.iter().zip(of_distinct).for_each(|(&index, cluster)| of[index] = cluster.unwrap_or(0));
    // A copy is of the kind of the first picture that is equal, which comes before it.
    for (index, &first) in pictures.firsts()?.iter().enumerate() {
        of[index] = of[first as usize];
    }
    Ok(by_size(&of, count))
}

/// The limited features of the pictures at these places; `[places, features]`.
fn features(embedding: &Embedding, pictures: &PictureStore, places: &[usize]) -> Result<Array2<f32>> {
    let mut all = Array2::zeros((0, 0));
    for (batch, first) in places.chunks(BATCH).zip((0..).step_by(BATCH)) {
        let features = embedding.features(pictures.select(batch)?.view());
        if first == 0 {
            all = Array2::zeros((places.len(), features.ncols()));
        }
        all.slice_mut(s![first..first + batch.len(), ..]).assign(&features);
    }
    all.mapv_inplace(|value| value.clamp(-LIMIT, LIMIT));
    Ok(all)
}

/// Result of one start. Everything in it is computed on one thread, in a fixed order.
#[derive(Debug)]
struct Clustering {
    /// `[cluster, features]`
    centres: Array2<f32>,
    /// Cluster of each vector.
    of: Vec<usize>,
    /// Sum of the squared distances of the vectors to their centre.
    inertia: f64,
}

impl Clustering {
    /// Clusters `vectors`, `[N, features]`, of which there are at least `count`. No cluster is empty.
    fn new(vectors: ArrayView2<'_, f32>, count: usize, rng: &mut Xoshiro128PlusPlus) -> Self {
        let mut centres = vectors.select(Axis(0), &first_centres(vectors, count, rng));
        let mut of = Vec::new();
        for _ in 0..STEPS {
            let (mut next, mut squares) = nearest(vectors, centres.view());
            fill_empty(&mut next, &mut squares, count);
            if next == of {
                break;
            }
            of = next;
            centres = means(vectors, &of, count);
        }
        let rows = vectors.rows().into_iter().zip(&of);
        let inertia = rows.map(|(row, &cluster)| f64::from(squared_distance(row, centres.row(cluster)))).sum();
        Self { centres, of, inertia }
    }
}

/// Places of the first centres, by k-means++: each further one is drawn with a probability in proportion to its squared
/// distance to the nearest of those before it.
fn first_centres(vectors: ArrayView2<'_, f32>, count: usize, rng: &mut Xoshiro128PlusPlus) -> Vec<usize> {
    let mut chosen = vec![rng.random_range(0..vectors.nrows() as u32) as usize];
    let mut squares = vec![f32::INFINITY; vectors.nrows()];
    while chosen.len() < count {
        let last = vectors.row(chosen[chosen.len() - 1]);
        for (square, row) in squares.iter_mut().zip(vectors.rows()) {
            *square = square.min(squared_distance(row, last));
        }
        let total: f64 = squares.iter().map(|&square| f64::from(square)).sum();
        let target = rng.random::<f64>() * total;
        let mut sum = 0.0;
        let drawn = squares.iter().position(|&square| {
            sum += f64::from(square);
            sum > target
        });
        // All vectors are equal to a centre: the cluster is filled later.
        chosen.push(drawn.unwrap_or(0));
    }
    chosen
}

/// The nearest centre of each vector, of several the first, and the squared distance to it.
fn nearest(vectors: ArrayView2<'_, f32>, centres: ArrayView2<'_, f32>) -> (Vec<usize>, Vec<f32>) {
    let lengths: Vec<f32> = centres.rows().into_iter().map(|row| row.dot(&row)).collect();
    let mut products = Array2::zeros((vectors.nrows(), centres.nrows()));
    gemm(vectors, centres.t(), products.view_mut(), false);
    let nearest = products.rows().into_iter().zip(vectors.rows()).map(|(products, vector)| {
        // The squared distance without the length of the vector, which is the same for all centres.
        let squares = products.iter().zip(&lengths).map(|(product, length)| length - 2.0 * product).enumerate();
        let (cluster, square) = squares.fold((0, f32::INFINITY), |best, new| if new.1 < best.1 { new } else { best });
        (cluster, (square + vector.dot(&vector)).max(0.0))
    });
    nearest.unzip()
}

/// Moves into each empty cluster the vector that is farthest from its centre, of several the first. A vector that is
/// alone in its cluster stays there. `squares` are the squared distances to the centres.
fn fill_empty(of: &mut [usize], squares: &mut [f32], count: usize) {
    let mut sizes = vec![0usize; count];
    of.iter().for_each(|&cluster| sizes[cluster] += 1);
    for empty in 0..count {
        if sizes[empty] > 0 {
            continue;
        }
        let movable = (0..of.len()).filter(|&i| sizes[of[i]] > 1);
        let farthest = movable.fold(None, |best: Option<usize>, i| match best {
            Some(best) if squares[best] >= squares[i] => Some(best),
            _ => Some(i),
        });
        let Some(moved) = farthest else { return };
        sizes[of[moved]] -= 1;
        sizes[empty] = 1;
        (of[moved], squares[moved]) = (empty, 0.0);
    }
}

/// Mean vector of each cluster; `[cluster, features]`.
fn means(vectors: ArrayView2<'_, f32>, of: &[usize], count: usize) -> Array2<f32> {
    let mut sums = Array2::<f64>::zeros((count, vectors.ncols()));
    let mut sizes = vec![0u32; count];
    for (row, &cluster) in vectors.rows().into_iter().zip(of) {
        sums.row_mut(cluster).zip_mut_with(&row, |sum, &value| *sum += f64::from(value));
        sizes[cluster] += 1;
    }
    for (mut row, &size) in sums.rows_mut().into_iter().zip(&sizes) {
        row /= f64::from(size.max(1));
    }
    sums.mapv(|mean| mean as f32)
}

fn squared_distance(a: ndarray::ArrayView1<'_, f32>, b: ndarray::ArrayView1<'_, f32>) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Numbers the clusters by size, largest first; of the same size, the one with the first member first.
fn by_size(of: &[usize], count: usize) -> Vec<u8> {
    let mut sizes = vec![0usize; count];
    let mut first = vec![usize::MAX; count];
    for (i, &cluster) in of.iter().enumerate() {
        sizes[cluster] += 1;
        first[cluster] = first[cluster].min(i);
    }
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|&cluster| (Reverse(sizes[cluster]), first[cluster]));
    let mut numbers = vec![0u8; count];
    order.into_iter().zip(0..).for_each(|(cluster, number)| numbers[cluster] = number);
    of.iter().map(|&cluster| numbers[cluster]).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array4, ArrayView4, concatenate};

    use super::*;
    use crate::quality::blobs;

    /// Noisy pictures of one pattern each; `patterns` lists the pattern of each picture.
    fn patterned(patterns: &[usize], seed: u64) -> Array4<u8> {
        let mut rng = rng(seed, 0, 0);
        Array4::from_shape_fn((patterns.len(), 16, 16, 3), |(n, y, x, c)| {
            let base = match patterns[n] {
                0 => 60,
                1 => 190,
                2 => 90 + 80 * u8::from(c == 0),
                3 => 60 + 120 * u8::from(x % 4 < 2),
                _ => 60 + 120 * u8::from(y % 4 < 2),
            };
            base + rng.random_range(0..12u8)
        })
    }

    #[test]
    fn clear_kinds_are_found_exactly() {
        // The sizes differ, so the patterns are numbered by size.
        let patterns: Vec<usize> = (0..150).map(|i| [0, 1, 0, 2, 1, 0, 3, 2, 0, 1, 4, 3, 2, 1, 0][i % 15]).collect();
        let expected: Vec<u8> = patterns.iter().map(|&pattern| pattern as u8).collect();
        for seed in 0..4 {
            assert_eq!(kinds(patterned(&patterns, seed).view(), 5).unwrap(), expected, "seed {seed}");
        }
    }

    #[test]
    fn the_number_of_threads_changes_no_kind() {
        let pictures = blobs(1, 200, 16);
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| kinds(pictures.view(), 7).unwrap())
        };
        let one = run(1);
        assert_eq!(one, run(2));
        assert_eq!(one, run(5));
        let mut sizes = [0; 7];
        one.iter().for_each(|&kind| sizes[usize::from(kind)] += 1);
        assert!(sizes.is_sorted_by(|a, b| a >= b) && sizes[6] > 0, "{sizes:?}");
    }

    #[test]
    fn copies_are_of_one_kind_and_do_not_count_as_distinct() {
        let few = blobs(1, 6, 8);
        let often = concatenate![Axis(0), few, few, few];
        let found = kinds(often.view(), 6).unwrap();
        assert_eq!((&found[..6], &found[..6]), (&found[6..12], &found[12..]));
        assert_eq!(found[..6], [0, 1, 2, 3, 4, 5], "all of one size, so by their first member");
        let error = kinds(often.view(), 7).unwrap_err().to_string();
        assert!(error.contains("7 kinds are too many: of 18 pictures 6 are distinct"), "{error}");
    }

    #[test]
    fn pictures_with_the_same_features_still_fill_every_kind() {
        // A point that is far from the edges, at places which every layer treats alike.
        let pictures = Array4::from_shape_fn((20, 40, 40, 1), |(n, y, x, _)| {
            if (y, x) == (12 + 4 * (n / 5), 12 + 4 * (n % 5)) { 200 } else { 100 }
        });
        for count in [2, 9, 12] {
            let found = kinds(pictures.view(), count).unwrap();
            assert!((0..count).all(|kind| found.contains(&(kind as u8))), "{count}: {found:?}");
        }
        // Three clusters of equal vectors, one of which has to be divided.
        let equal = Array2::zeros((5, 2));
        let clustering = Clustering::new(equal.view(), 3, &mut rng(1, 0, 0));
        assert!((0..3).all(|cluster| clustering.of.contains(&cluster)), "{clustering:?}");
        assert_eq!(clustering.inertia, 0.0);
    }

    #[test]
    fn an_empty_cluster_gets_the_farthest_vector() {
        let (mut of, mut squares) = (vec![0, 0, 2, 0], vec![1.0, 4.0, 9.0, 4.0]);
        fill_empty(&mut of, &mut squares, 4);
        assert_eq!(of, [0, 1, 2, 3], "the third is alone in its cluster");
    }

    #[test]
    fn what_has_no_kinds_is_refused_in_words() {
        let pictures = blobs(1, 10, 16);
        let error = |pictures: ArrayView4<'_, u8>, count| kinds(pictures, count).unwrap_err().to_string();
        for count in [0, 1, 65] {
            let error = error(pictures.view(), count);
            assert!(error.contains("2 to 64 kinds"), "{error}");
        }
        assert!(error(pictures.slice(s![.., ..4, .., ..]), 2).contains("16x4"));
        assert!(error(pictures.slice(s![..0, .., .., ..]), 2).contains("of 0 pictures 0 are distinct"));
    }
}
