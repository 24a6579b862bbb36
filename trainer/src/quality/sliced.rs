//! Sliced Wasserstein distance between patches of a Laplacian pyramid (Karras et al.
//! 2018, arXiv:1710.10196, section 5 and appendix).
//!
//! [`PATCHES`] patches are taken from each picture on every level. The two sets of patches are projected on
//! [`DIRECTIONS`] fixed random directions. In one dimension the Wasserstein distance is the
//! distance between the sorted numbers. Unlike in the paper, both sets are normalised by the mean and
//! standard deviation of the real patches: normalised by its own, a set with too little contrast would
//! not be noticed.

use std::f32::consts::TAU;

use ndarray::{Array2, ArrayView4, Axis, s};
use rand::RngExt as _;
use rayon::prelude::*;

use super::evenly;
use crate::nn::gemm::gemm;
use crate::nn::init::rng;

/// Minimum side of a level, in pixels.
const LEAST_SIDE: usize = 8;
/// Maximum side of a patch, in pixels.
const PATCH: usize = 7;
/// Patches of one picture on one level.
const PATCHES: usize = 16;
/// Number of random directions on one level.
const DIRECTIONS: usize = 128;
/// Number of quantiles at which the two distributions along a direction are compared.
const POINTS: usize = 1024;
/// Maximum number of pictures of a set that are used.
const MAX_PICTURES: usize = 2000;
const SEED: u64 = 0x0000_511C_ED5E;

/// The patches of the real pictures.
#[derive(Debug)]
pub struct Sliced {
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    /// Mean and standard deviation of each channel of the real patches.
    mean: Vec<f32>,
    spread: Vec<f32>,
    /// [`POINTS`] quantiles for each direction, in ascending order.
    points: Vec<Vec<f32>>,
}

impl Sliced {
    /// Prepares the real pictures, `[N, height, width, channels]`: at least one, of 8 pixels or more in both directions.
    pub fn new(pictures: ArrayView4<'_, u8>) -> Self {
        let channels = pictures.dim().3;
        let levels = patches(pictures).into_iter().enumerate().map(|(i, mut patches)| {
            let (mean, spread) = colours(&patches, channels);
            normalise(&mut patches, &mean, &spread);
            Level { mean, spread, points: project(&patches, i) }
        });
        Self { levels: levels.collect() }
    }

    /// The distance on each level, finest first, times 1000 as in the paper. The
    /// pictures must have the size of the real ones.
    pub fn distances(&self, pictures: ArrayView4<'_, u8>) -> Vec<f64> {
        let distance = |(i, (mut patches, level)): (usize, (Array2<f32>, &Level))| {
            normalise(&mut patches, &level.mean, &level.spread);
            let apart = |(a, b): (&Vec<f32>, &Vec<f32>)| -> f64 {
                a.iter().zip(b).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>() / POINTS as f64
            };
            let points = project(&patches, i);
            1000.0 * points.iter().zip(&level.points).map(apart).sum::<f64>() / DIRECTIONS as f64
        };
        patches(pictures).into_iter().zip(&self.levels).enumerate().map(distance).collect()
    }
}

/// The patches of every level, `[patches, (y, x, channel)]`.
fn patches(pictures: ArrayView4<'_, u8>) -> Vec<Array2<f32>> {
    let pictures = evenly(pictures, MAX_PICTURES);
    let (n, height, width, channels) = pictures.dim();
    let halved =
        |size: &[usize; 2]| Some(size.map(|n| n.div_ceil(2))).filter(|half| half.iter().all(|&n| n >= LEAST_SIDE));
    let sizes: Vec<[usize; 2]> = std::iter::successors(Some([height, width]), halved).collect();
    let patch = |size: &[usize; 2]| size.map(|n| n.min(PATCH));
    let len = |size| patch(size).iter().product::<usize>() * channels;
    let mut levels: Vec<_> = sizes.iter().map(|size| Array2::zeros((n * PATCHES, len(size)))).collect();
    // Groups the patches of all levels by picture.
    let mut places: Vec<Vec<_>> =
        levels.iter_mut().map(|level| level.axis_chunks_iter_mut(Axis(0), PATCHES).collect()).collect();
    let mut of_picture: Vec<Vec<_>> = (0..n).map(|_| Vec::new()).collect();
    for level in places.iter_mut().rev() {
        of_picture.iter_mut().rev().for_each(|of| of.extend(level.pop()));
    }
    of_picture.into_par_iter().enumerate().for_each(|(i, mut coarsest_first)| {
        let pixels: Vec<f32> = pictures.slice(s![i, .., .., ..]).iter().map(|&v| f32::from(v)).collect();
        for (k, (map, size)) in pyramid(pixels, &sizes, channels).into_iter().zip(&sizes).enumerate() {
            let [patch_height, patch_width] = patch(size);
            let mut rng = rng(SEED, i as u64, k as u64);
            let Some(mut rows) = coarsest_first.pop() else { return };
            for mut row in rows.rows_mut() {
                let mut place = |free: usize| rng.random_range(0..=free as u32) as usize;
                let (top, left) = (place(size[0] - patch_height), place(size[1] - patch_width));
                let len = patch_width * channels;
                for (y, line) in row.exact_chunks_mut(len).into_iter().enumerate() {
                    let first = ((top + y) * size[1] + left) * channels;
                    line.into_iter().zip(&map[first..first + len]).for_each(|(to, &from)| *to = from);
                }
            }
        }
    });
    levels
}

/// The Laplacian pyramid (Burt & Adelson 1983): the detail that each halving removes, and the smallest picture.
/// `sizes` are height and width of each level, finest first.
fn pyramid(pixels: Vec<f32>, sizes: &[[usize; 2]], channels: usize) -> Vec<Vec<f32>> {
    let mut levels = Vec::with_capacity(sizes.len());
    let mut map = pixels;
    for pair in sizes.windows(2) {
        let smaller = halve(&map, pair[0], pair[1], channels);
        let back = enlarge(&smaller, pair[1], pair[0], channels);
        map.iter_mut().zip(back).for_each(|(v, back)| *v -= back);
        levels.push(std::mem::replace(&mut map, smaller));
    }
    levels.push(map);
    levels
}

/// Weights of a pixel and its two neighbours on each side.
const BLUR: [f32; 5] = [1.0 / 16.0, 4.0 / 16.0, 6.0 / 16.0, 4.0 / 16.0, 1.0 / 16.0];

/// `i` mirrored at the edges of `0 … n − 1`. `i` may be outside of them by at most `n`.
fn mirrored(i: isize, n: usize) -> usize {
    let last = n as isize - 1;
    let i = if i < 0 { -i } else { i };
    (if i > last { 2 * last - i } else { i }).clamp(0, last) as usize
}

/// Blurs and takes every other pixel. `map` is `[height, width, channels]` of the size `from`.
fn halve(map: &[f32], from: [usize; 2], to: [usize; 2], channels: usize) -> Vec<f32> {
    let taps = |length: usize| {
        move |out: usize| std::array::from_fn(|k| (mirrored(2 * out as isize + k as isize - 2, length), BLUR[k]))
    };
    let narrow = along(map, from[1], channels, to[1], taps(from[1]));
    along(&narrow, from[0], to[1] * channels, to[0], taps(from[0]))
}

/// Inserts zeros between pixels and blurs with twice the weights on each axis.
fn enlarge(map: &[f32], from: [usize; 2], to: [usize; 2], channels: usize) -> Vec<f32> {
    let taps = |half: usize| {
        move |out: usize| {
            std::array::from_fn(|k| {
                let at = mirrored(out as isize + k as isize - 2, 2 * half - 1);
                if at.is_multiple_of(2) { (at / 2, 2.0 * BLUR[k]) } else { (0, 0.0) }
            })
        }
    };
    let wide = along(map, from[1], channels, to[1], taps(from[1]));
    along(&wide, from[0], to[1] * channels, to[0], taps(from[0]))
}

/// Filters along one axis of `[outer, n, inner]`; each output is a weighted sum of five inputs.
fn along(map: &[f32], n: usize, inner: usize, outputs: usize, taps: impl Fn(usize) -> [(usize, f32); 5]) -> Vec<f32> {
    let taps: Vec<_> = (0..outputs).map(taps).collect();
    let mut out = Vec::with_capacity(map.len() / n * outputs);
    for block in map.chunks_exact(n * inner) {
        for taps in &taps {
            let first = out.len();
            out.resize(first + inner, 0.0);
            for &(at, weight) in taps {
                let from = &block[at * inner..(at + 1) * inner];
                out[first..].iter_mut().zip(from).for_each(|(to, &from)| *to += weight * from);
            }
        }
    }
    out
}

/// Mean and standard deviation of each channel over all patches.
fn colours(patches: &Array2<f32>, channels: usize) -> (Vec<f32>, Vec<f32>) {
    let mut sums = vec![[0f64; 2]; channels];
    for pixel in patches.as_slice().unwrap_or_default().chunks_exact(channels) {
        for (sum, &v) in sums.iter_mut().zip(pixel) {
            sum[0] += f64::from(v);
            sum[1] += f64::from(v) * f64::from(v);
        }
    }
    let n = (patches.len() / channels).max(1) as f64;
    let spread = |&[sum, square]: &[f64; 2]| (square / n - (sum / n).powi(2)).max(1e-6).sqrt() as f32;
    (sums.iter().map(|[sum, _]| (sum / n) as f32).collect(), sums.iter().map(spread).collect())
}

fn normalise(patches: &mut Array2<f32>, mean: &[f32], spread: &[f32]) {
    for pixel in patches.as_slice_mut().unwrap_or_default().chunks_exact_mut(mean.len()) {
        for ((value, mean), spread) in pixel.iter_mut().zip(mean).zip(spread) {
            *value = (*value - mean) / spread;
        }
    }
}

/// Projects the patches on each direction of a level; [`POINTS`] quantiles for each direction.
fn project(patches: &Array2<f32>, level: usize) -> Vec<Vec<f32>> {
    let directions = directions(patches.ncols(), level);
    // `[direction, patch]`: the values of a direction are contiguous.
    let mut along = Array2::zeros((DIRECTIONS, patches.nrows()));
    gemm(directions.view(), patches.t(), along.view_mut(), false);
    let quantiles = |row: ndarray::ArrayViewMut1<'_, f32>| {
        let mut values = row.to_vec();
        values.sort_unstable_by(f32::total_cmp);
        (0..POINTS).map(|i| values[(2 * i + 1) * values.len() / (2 * POINTS)]).collect()
    };
    along.axis_iter_mut(Axis(0)).into_par_iter().map(quantiles).collect()
}

/// Random unit vectors, the same every time; `[direction, dimensions]`.
fn directions(dimensions: usize, level: usize) -> Array2<f32> {
    let mut rng = rng(SEED, u64::MAX, level as u64);
    let mut directions = Array2::from_shape_simple_fn((DIRECTIONS, dimensions), || {
        // Box–Muller; the second number of each pair is not needed.
        (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt() * (TAU * rng.random::<f32>()).cos()
    });
    for mut direction in directions.rows_mut() {
        let length = direction.dot(&direction).sqrt();
        direction /= length;
    }
    directions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality::blobs;

    #[test]
    fn a_pyramid_adds_up_to_the_picture() {
        let squares = [&[[16, 16], [8, 8]][..], &[[17, 17], [9, 9]], &[[32, 32], [16, 16], [8, 8]]];
        let others = [&[[33, 16], [17, 8]][..], &[[16, 40], [8, 20]]];
        for (sizes, channels) in squares.into_iter().chain(others).flat_map(|sizes| [(sizes, 3), (sizes, 1)]) {
            let [height, width] = sizes[0];
            let pixels: Vec<f32> = (0..height * width * channels).map(|i| ((i * 37) % 251) as f32).collect();
            let levels = pyramid(pixels.clone(), sizes, channels);
            assert_eq!(levels.len(), sizes.len());
            let mut sum = levels[sizes.len() - 1].clone();
            for (i, pair) in sizes.windows(2).enumerate().rev() {
                sum = enlarge(&sum, pair[1], pair[0], channels);
                sum.iter_mut().zip(&levels[i]).for_each(|(s, l)| *s += l);
            }
            let worst = sum.iter().zip(&pixels).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-3, "{sizes:?}: {worst}");
        }
    }

    #[test]
    fn a_constant_picture_is_in_the_coarsest_level_only() {
        let levels = pyramid(vec![100.0; 32 * 32 * 3], &[[32, 32], [16, 16], [8, 8]], 3);
        for level in &levels[..2] {
            assert!(level.iter().all(|v| v.abs() < 1e-3), "{:?}", &level[..6]);
        }
        assert!(levels[2].iter().all(|v| (v - 100.0).abs() < 1e-3));
    }

    #[test]
    fn each_level_sees_what_is_its_own() {
        let real = blobs(1, 100, 32);
        let sliced = Sliced::new(real.view());
        assert_eq!(sliced.distances(real.view()), [0.0, 0.0, 0.0]);
        // A checkerboard changes fine detail; brightness does not.
        let chequered = ndarray::Array4::from_shape_fn(real.dim(), |(n, y, x, c)| {
            real[[n, y, x, c]].saturating_add(if (x + y) % 2 == 0 { 30 } else { 0 })
        });
        let [fine, middle, _] = sliced.distances(chequered.view())[..] else { panic!("three levels") };
        assert!(fine > 5.0 * middle, "{fine} {middle}");
        let brighter = real.mapv(|v| v.saturating_add(30));
        let [fine, _, coarse] = sliced.distances(brighter.view())[..] else { panic!("three levels") };
        assert!(coarse > 5.0 * fine, "{fine} {coarse}");
    }

    #[test]
    fn directions_have_length_1() {
        for direction in directions(147, 1).rows() {
            assert!((direction.dot(&direction) - 1.0).abs() < 1e-5);
        }
    }
}
