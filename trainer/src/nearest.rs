//! Finds the pictures of a set that are nearest to given ones, pixel by pixel. This shows whether a
//! generator has learnt what frogs look like or has memorised frogs.
//!
//! The distance of two pictures is the root mean square difference of their values,
//! 0 … 1 (black against white). The reference is compared as it is and mirrored left to right, and the
//! smaller distance counts, because training uses both.
//!
//! With `‖a − b‖² = ‖a‖² + ‖b‖² − 2 a·b` all distances are computed with matrix products.
//! Two methods make this fast and exact:
//!
//! 1. Both orientations at the cost of one. For each pair of pixels that mirroring
//!    exchanges, with values `l` and `r`, let `e = l + r` and `o = l − r`. Then
//!    `2 a·b = e·e' + o·o'`, and with `b` mirrored `2 a·b = e·e' − o·o'`.
//! 2. No rounding. Values are centred to −128 … 127, so `e` and `o` are integers of at
//!    most 256, and a sum of [`EXACT`] of their products is an integer of at most 2²⁴,
//!    which f32 represents exactly in any order of summation. These partial sums are added in
//!    f64. The result is therefore the same on every processor and with any number of threads.

use std::{fmt, iter};

use anyhow::Result;
use ndarray::{Array2, Array4, ArrayView2, ArrayView3, ArrayView4, Axis, s};
use rayon::prelude::*;

use crate::nn::gemm::gemm;
use crate::numbers::median;
use crate::store::PictureStore;

/// Number of products of two integers of at most 2⁸ whose sum f32 represents exactly, up to 2²⁴.
const EXACT: usize = 256;
/// Pictures and references in one matrix product, whose result fits into a core's cache.
const PICTURES: usize = 128;
const REFERENCES: usize = 512;

/// Number of values of either set that are converted to floats at the same time: 64 MB each.
const AT_ONCE: usize = 16 << 20;

/// A reference picture and its distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// Index of the reference.
    pub index: usize,
    /// Whether the reference is nearer when mirrored left to right.
    pub mirrored: bool,
    /// Root mean square difference per value, 0 … 1.
    pub distance: f32,
}

/// The nearest of `references` for each of `pictures`, both `[N, height, width, channels]`.
///
/// Of references with equal distances the first is chosen, and unmirrored before
/// mirrored. Without references the result is empty.
///
/// # Errors
/// When the references are in a file that cannot be read.
///
/// # Panics
/// When the two have pictures of different shapes.
pub fn nearest(pictures: ArrayView4<'_, u8>, references: impl Into<PictureStore>) -> Result<Vec<Neighbour>> {
    Ok(nearest_few(pictures, references, 1)?.into_iter().flatten().collect())
}

/// Like [`nearest`], but returns the `count` nearest references of each picture, nearest first; fewer if there are
/// not that many. No reference is in a list twice.
///
/// # Errors
/// When the references are in a file that cannot be read.
///
/// # Panics
/// When the two have pictures of different shapes.
pub fn nearest_few(
    pictures: ArrayView4<'_, u8>,
    references: impl Into<PictureStore>,
    count: usize,
) -> Result<Vec<Vec<Neighbour>>> {
    let references = references.into();
    let (_, height, width, channels) = references.dim();
    assert_eq!(pictures.shape()[1..], [height, width, channels], "pictures and references differ in shape");
    let values = pictures.shape()[1..].iter().product::<usize>().max(1);
    let to_neighbour = |Found { squared, index, mirrored }| Neighbour {
        index,
        mirrored,
        distance: ((squared / values as f64).sqrt() / 255.0) as f32,
    };
    let mut all = Vec::with_capacity(pictures.dim().0);
    // As floats a set takes four times its memory and more, so only a part of each is converted at a time.
    for some in pictures.axis_chunks_iter(Axis(0), part(values, PICTURES)) {
        let some = EvenOdd::new(some);
        let mut lists = vec![Vec::new(); some.squares.len()];
        let length = part(values, REFERENCES);
        for (i, others) in references.parts(length).enumerate() {
            let others = EvenOdd::new(others?.view());
            // Chunks are small enough that every thread has one. The sums are exact in any order.
            let size = lists.len().div_ceil(rayon::current_num_threads()).clamp(1, PICTURES);
            let chunks = lists.par_chunks_mut(size).enumerate();
            chunks.for_each(|(chunk, lists)| few(&some, chunk * size, &others, i * length, count, lists));
        }
        all.extend(lists.into_iter().map(|list| list.into_iter().map(to_neighbour).collect()));
    }
    Ok(all)
}

/// Number of pictures with `values` values that are converted to floats at a time: a multiple of `of` unless it is
/// smaller.
fn part(values: usize, of: usize) -> usize {
    match (AT_ONCE / values).max(1) {
        few if few < of => few,
        many => many - many % of,
    }
}

impl fmt::Display for Neighbour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, mirrored, distance } = self;
        write!(f, "{distance:.3} (picture {index}{})", if *mirrored { ", mirrored" } else { "" })
    }
}

/// The pictures of a sheet: each picture is followed by its neighbours, mirrored if they were compared so. All lists
/// must have the length of the first.
///
/// # Errors
/// When the references are in a file that cannot be read, or a list has an index that no reference has.
///
/// # Panics
/// When the two have pictures of different shapes.
pub fn with_neighbours(
    pictures: ArrayView4<'_, u8>,
    references: impl Into<PictureStore>,
    lists: &[Vec<Neighbour>],
) -> Result<Array4<u8>> {
    let references = references.into();
    let (_, height, width, channels) = pictures.dim();
    let group = lists.first().map_or(0, Vec::len) + 1;
    let mut sheet = Array4::zeros((lists.len() * group, height, width, channels));
    let groups = sheet.axis_chunks_iter_mut(Axis(0), group);
    for ((mut places, picture), list) in groups.zip(pictures.outer_iter()).zip(lists) {
        places.index_axis_mut(Axis(0), 0).assign(&picture);
        for (mut place, found) in places.outer_iter_mut().skip(1).zip(list) {
            let reference = references.select(&[found.index])?;
            let mut reference = reference.index_axis(Axis(0), 0);
            if found.mirrored {
                reference.invert_axis(Axis(1));
            }
            place.assign(&reference);
        }
    }
    Ok(sheet)
}

/// Summary of the distances of pictures to their nearest references.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Index and distance of the picture that is nearest to a reference.
    pub closest: Option<(usize, f32)>,
    /// Median distance of pictures to their nearest reference.
    pub median: f32,
    /// Median distance of some references to their nearest other reference: the usual distance between
    /// pictures that are not copies.
    pub usual: f32,
}

impl Summary {
    /// Summarises the result of [`nearest_few`] with these `references`.
    ///
    /// # Errors
    /// When the references are in a file that cannot be read.
    pub fn new(lists: &[Vec<Neighbour>], references: &PictureStore) -> Result<Self> {
        // This many are enough for a median.
        let some = references.first(256)?;
        // The first neighbour is the reference itself, so two are needed.
        let among = nearest_few(some.view(), references, 2)?;
        let distances = lists.iter().filter_map(|list| list.first().map(|found| found.distance));
        let closest = distances.clone().enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
        let usual = among.iter().filter_map(|list| list.get(1).map(|found| found.distance));
        Ok(Self { closest, median: median(distances) as f32, usual: median(usual) as f32 })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((_, distance)) = self.closest {
            write!(f, "closest: {distance:.3}, median: {:.3}", self.median)?;
        }
        write!(f, "; between pictures of the data the median is {:.3}, a copy would have 0", self.usual)
    }
}

/// A [`Neighbour`] with the squared distance, which is an integer.
#[derive(Clone, Copy)]
struct Found {
    squared: f64,
    index: usize,
    mirrored: bool,
}

/// Searches the nearest references of the pictures from `first` on, one for each of `lists`. `references` are those
/// from index `offset` on.
fn few(pictures: &EvenOdd, first: usize, references: &EvenOdd, offset: usize, count: usize, lists: &mut [Vec<Found>]) {
    let here = first..first + lists.len();
    for start in (0..references.squares.len()).step_by(REFERENCES) {
        let there = start..references.squares.len().min(start + REFERENCES);
        let product = |a: &Array2<f32>, b: &Array2<f32>| {
            exact_product(a.slice(s![here.clone(), ..]), b.slice(s![there.clone(), ..]))
        };
        let even = product(&pictures.even, &references.even);
        let odd = product(&pictures.odd, &references.odd);
        for (i, list) in lists.iter_mut().enumerate() {
            for (j, (&even, &odd)) in iter::zip(even.row(i), odd.row(i)).enumerate() {
                let squares = pictures.squares[first + i] + references.squares[start + j];
                let index = offset + start + j;
                let found = Found { squared: squares - even - odd.abs(), index, mirrored: odd < 0.0 };
                insert(list, found, count);
            }
        }
    }
}

/// Inserts into a sorted list of the `count` nearest. Of equal distances the earlier one stays first.
fn insert(list: &mut Vec<Found>, found: Found, count: usize) {
    if list.len() >= count && list.last().is_none_or(|last| last.squared <= found.squared) {
        return;
    }
    let place = list.partition_point(|other| other.squared <= found.squared);
    list.insert(place, found);
    list.truncate(count);
}

/// `a · bᵀ` without rounding; the values must be integers of at most 2⁸.
fn exact_product(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Array2<f64> {
    let dim = (a.nrows(), b.nrows());
    let (mut sum, mut part) = (Array2::zeros(dim), Array2::zeros(dim));
    for (a, b) in iter::zip(a.axis_chunks_iter(Axis(1), EXACT), b.axis_chunks_iter(Axis(1), EXACT)) {
        gemm(a, b.t(), part.view_mut(), false);
        sum.zip_mut_with(&part, |sum, &part| *sum += f64::from(part));
    }
    sum
}

/// Pictures as sums and differences of the values that mirroring exchanges.
struct EvenOdd {
    /// `[N, sums]`. A middle column, which mirroring does not move, is doubled, so that
    /// its products are doubled like all others.
    even: Array2<f32>,
    /// `[N, differences]`.
    odd: Array2<f32>,
    /// `‖a‖²` of each picture, centred.
    squares: Vec<f64>,
}

impl EvenOdd {
    fn new(pictures: ArrayView4<'_, u8>) -> Self {
        let (count, height, width, channels) = pictures.dim();
        let pairs = height * (width / 2) * channels;
        let middle = 2 * height * (width % 2) * channels;
        let mut even = Array2::zeros((count, pairs + middle));
        let mut odd = Array2::zeros((count, pairs));
        let rows = iter::zip(even.outer_iter_mut(), odd.outer_iter_mut());
        let squares = iter::zip(pictures.outer_iter(), rows)
            .map(|(picture, (even, odd))| split(picture, even.into_iter(), odd.into_iter()))
            .collect();
        Self { even, odd, squares }
    }
}

/// Writes a row of `even` and `odd` of [`EvenOdd`]; returns the picture's sum of squares.
fn split<'a>(
    picture: ArrayView3<'_, u8>,
    mut even: impl Iterator<Item = &'a mut f32>,
    mut odd: impl Iterator<Item = &'a mut f32>,
) -> f64 {
    let centred = |value: &u8| f32::from(*value) - 128.0;
    let width = picture.dim().1;
    let mut squares = 0.0;
    for row in picture.outer_iter() {
        for x in 0..width.div_ceil(2) {
            let is_middle = 2 * x + 1 == width;
            for (l, r) in iter::zip(row.row(x), row.row(width - 1 - x)) {
                let (l, r) = (centred(l), centred(r));
                let sums = if is_middle { [l, l] } else { [l + r, 0.0] };
                let used = if is_middle { 2 } else { 1 };
                iter::zip(even.by_ref().take(used), sums).for_each(|(place, sum)| *place = sum);
                squares += f64::from(l * l);
                if !is_middle {
                    squares += f64::from(r * r);
                    odd.by_ref().take(1).for_each(|place| *place = l - r);
                }
            }
        }
    }
    squares
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;
    use rand::{Rng as _, SeedableRng as _};
    use rand_xoshiro::Xoshiro128PlusPlus;

    use super::*;

    fn pictures(seed: u64, dim: (usize, usize, usize, usize)) -> Array4<u8> {
        let mut rng = Xoshiro128PlusPlus::seed_from_u64(seed);
        // Extreme values are frequent, because they make the largest sums.
        Array4::from_shape_simple_fn(dim, || match rng.next_u32() {
            draw if draw & 1 == 0 => (draw >> 8) as u8,
            draw => 255 * (draw >> 31) as u8,
        })
    }

    fn naive(pictures: ArrayView4<'_, u8>, references: ArrayView4<'_, u8>) -> Vec<Vec<Neighbour>> {
        let of_one = |picture: ArrayView3<'_, u8>| {
            let mut all = Vec::new();
            for (index, reference) in references.outer_iter().enumerate() {
                let squared = |reference: ArrayView3<'_, u8>| -> u64 {
                    iter::zip(&picture, &reference).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum()
                };
                let (plain, mirrored) = (squared(reference), squared(reference.slice(s![.., ..;-1, ..])));
                all.push((plain.min(mirrored), index, mirrored < plain));
            }
            all.sort_unstable();
            let to_neighbour = |(squared, index, mirrored): (u64, usize, bool)| {
                let mean = squared as f64 / picture.len() as f64;
                Neighbour { index, mirrored, distance: (mean.sqrt() / 255.0) as f32 }
            };
            all.into_iter().map(to_neighbour).collect()
        };
        pictures.outer_iter().map(of_one).collect()
    }

    #[test]
    fn equals_the_naive_search_to_the_last_bit() {
        // Odd widths, several chunks of pictures, of references and of values, several parts of references.
        for (n, m, height, width, channels) in [
            (3, 5, 4, 4, 3),
            (2, 7, 3, 5, 3),
            (PICTURES + 1, 20, 2, 1, 1),
            (4, REFERENCES + 9, 8, 9, 3),
            (5, 6, 32, 32, 3),
            (2, part(256 * 256 * 3, REFERENCES) + 3, 256, 256, 3),
        ] {
            let (a, b) = (pictures(1, (n, height, width, channels)), pictures(2, (m, height, width, channels)));
            let all = naive(a.view(), b.view());
            assert_eq!(nearest_few(a.view(), b.view(), m + 1).unwrap(), all, "{height}x{width}x{channels}");
            let first: Vec<_> = all.iter().map(|list| list[0]).collect();
            assert_eq!(nearest(a.view(), b.view()).unwrap(), first);
        }
    }

    #[test]
    fn copies_are_found_and_the_first_plain_one_wins() {
        let a = pictures(3, (3, 6, 6, 3));
        let mirrored = a.slice(s![.., .., ..;-1, ..]);
        let both = ndarray::concatenate![Axis(0), mirrored, a, a];
        for (i, found) in nearest(a.view(), both.view()).unwrap().into_iter().enumerate() {
            assert_eq!(found, Neighbour { index: i, mirrored: true, distance: 0.0 });
        }
        let few = &nearest_few(a.view(), both.view(), 3).unwrap()[1];
        assert_eq!(few.iter().map(|f| (f.index, f.mirrored)).collect::<Vec<_>>(), [(1, true), (4, false), (7, false)]);
        // A picture that is its own mirror image counts as not mirrored.
        let grey = Array4::from_elem((1, 4, 4, 3), 9);
        assert!(!nearest(grey.view(), grey.view()).unwrap()[0].mirrored);
    }

    #[test]
    fn black_and_white_are_1_apart() {
        let (black, white) = (Array4::zeros((1, 32, 32, 3)), Array4::from_elem((1, 32, 32, 3), 255));
        assert_eq!(nearest(black.view(), white.view()).unwrap()[0].distance, 1.0);
    }

    #[test]
    fn a_sheet_shows_neighbours_as_they_were_compared() {
        let references = pictures(7, (4, 6, 5, 3));
        let mirrored = references.slice(s![1..2, .., ..;-1, ..]);
        let lists = nearest_few(mirrored, references.view(), 2).unwrap();
        let sheet = with_neighbours(mirrored, references.view(), &lists).unwrap();
        assert_eq!(sheet.dim(), (3, 6, 5, 3));
        assert_eq!(sheet.index_axis(Axis(0), 0), sheet.index_axis(Axis(0), 1), "a copy, though mirrored");
        let mut second = references.index_axis(Axis(0), lists[0][1].index);
        if lists[0][1].mirrored {
            second.invert_axis(Axis(1));
        }
        assert_eq!(sheet.index_axis(Axis(0), 2), second);
        let summary = Summary::new(&lists, &references.view().into()).unwrap();
        assert_eq!((summary.closest, summary.median), (Some((0, 0.0)), 0.0));
        assert!(summary.usual > 0.1 && summary.to_string().contains("closest: 0.000"), "{summary}");
    }

    #[test]
    fn nothing_is_nearest_to_nothing() {
        let (some, none) = (pictures(1, (2, 4, 4, 3)), Array4::zeros((0, 4, 4, 3)));
        assert_eq!(nearest(some.view(), none.view()).unwrap(), []);
        assert_eq!(nearest(none.view(), some.view()).unwrap(), []);
        assert_eq!(nearest_few(some.view(), some.view(), 0).unwrap(), [[], []]);
    }

    #[test]
    fn threads_change_nothing() {
        let (a, b) = (pictures(5, (300, 8, 8, 3)), pictures(6, (700, 8, 8, 3)));
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| nearest_few(a.view(), b.view(), 3).unwrap())
        };
        assert_eq!(with(1), with(3));
    }

    #[test]
    #[ignore = "a measurement: cargo test --release -p trainer --lib nearest -- --ignored --nocapture"]
    fn speed() {
        let (a, b) = (pictures(5, (2000, 32, 32, 3)), pictures(6, (5000, 32, 32, 3)));
        let start = std::time::Instant::now();
        nearest(a.view(), b.view()).unwrap();
        println!("2,000 against 5,000: {:.2} s", start.elapsed().as_secs_f64());
    }
}
