//! How far a set of generated pictures is from the real ones, measured without a pretrained network. Measuring is cheap
//! enough to be repeated during training, where the quality score selects the snapshot that is kept.
//!
//! A [`Reference`] is prepared once from the real pictures. [`Reference::score`] then compares any other set with them
//! and returns [`Scores`]:
//!
//! | module | measures | from |
//! |---|---|---|
//! | [`frechet`] | statistics of texture and colour in a fixed random network, [`embedding`] | Heusel et al. 2017, arXiv:1706.08500, with random features |
//! | [`sliced`] | patches on every level of a Laplacian pyramid | Karras et al. 2018, arXiv:1710.10196 |
//! | [`neighbours`] | precision, recall, density, coverage, diversity in the same network | Naeem et al. 2020, arXiv:2002.09797 |
//! | [`classes`] | recall and coverage of each class of the real pictures | as [`neighbours`] |
//! | [`copies`] | memorised training pictures | |
//!
//! [`kinds`] sorts pictures without classes into kinds, by the features of the same network.
//!
//! Results depend only on the two sets, not on time, the number of threads, or earlier
//! measurements. Exact copies among the real pictures count once, because they would make
//! neighbourhoods with a radius of 0. Pictures are `[N, side, side, 3]`, RGB,
//! with sides of [`MIN_SIDE`] pixels or more.

pub mod classes;
pub mod copies;
pub mod embedding;
pub mod frechet;
pub mod kinds;
pub mod neighbours;
pub mod ranks;
pub mod sheet;
pub mod sliced;
pub mod table;

use anyhow::{Result, ensure};
use ndarray::{Array4, ArrayView4, Axis};
use serde::{Deserialize, Serialize};

use self::classes::Classes;
pub use self::classes::{ClassScores, Labelled};
use self::embedding::Embedding;
use self::frechet::Moments;
use self::neighbours::Neighbours;
use self::sliced::Sliced;
use crate::store::PictureStore;

/// Minimum number of pictures in either set, and of distinct real pictures: fewer have no neighbourhoods.
pub const MIN_PICTURES: usize = 8;
/// Shortest side in pixels: the network halves it twice.
pub const MIN_SIDE: usize = 8;
/// Maximum number of real pictures that are used; of more, evenly spaced ones.
pub const MOST_REFERENCES: usize = 5000;
/// Maximum number of pictures of either set that are used for neighbourhoods. Measures that depend on the
/// size of a set are then comparable between sets.
pub const NEIGHBOURHOOD: usize = 1000;

/// The real pictures, prepared for comparisons.
#[derive(Debug)]
pub struct Reference {
    /// Height, width and channels of the pictures.
    shape: [usize; 3],
    embedding: Embedding,
    moments: Moments,
    neighbours: Neighbours,
    /// Classes of the pictures that are used for neighbourhoods, in their order.
    classes: Option<Classes>,
    sliced: Sliced,
}

/// Comparison of a set of pictures with the real ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Number of pictures in the set. Compare only scores of sets of the same size: a smaller set has
    /// larger distances.
    pub pictures: usize,
    /// The score by which snapshots are selected, 0 or more, lower is better: the geometric mean of the Fréchet distance and
    /// of `100 (1 - m)`, with the geometric mean `m` of precision, recall and coverage.
    #[serde(alias = "headline")]
    pub quality_score: f64,
    /// Fréchet distance in the random network, 0 or more, lower is better.
    pub frechet: f64,
    /// Sliced Wasserstein distance times 1000 on each level of the pyramid, finest first; lower is better.
    pub swd: Vec<f64>,
    /// Fraction of the pictures that lie in the neighbourhood of a real one, 0 … 1.
    pub precision: f64,
    /// Fraction of the real pictures that lie in the neighbourhood of one of them, 0 … 1.
    pub recall: f64,
    /// Mean number of real neighbourhoods that a picture lies in, relative to real pictures, whose density is 1.
    pub density: f64,
    /// Fraction of the real pictures whose neighbourhood contains one of them, 0 … 1.
    pub coverage: f64,
    /// Root mean square distance between two of the pictures, divided by that between two real ones. 1: as diverse as
    /// the real pictures; 0: always the same picture.
    pub diversity: f64,
    /// Median distance of a picture to the most similar one of its own set, divided by the same for real pictures. Low
    /// when a few pictures are repeated with small changes.
    #[serde(alias = "apart")]
    pub diversity_ratio: f64,
    /// Recall and coverage of each class of the real pictures that has any, in the order of the classes. Empty if the
    /// real pictures have no classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassScores>,
}

impl Scores {
    /// The class that is drawn least: the one with the lowest recall, of several the one with the lowest coverage, then
    /// the first. `None` without classes.
    pub fn missing(&self) -> Option<&ClassScores> {
        let order =
            |a: &&ClassScores, b: &&ClassScores| a.recall.total_cmp(&b.recall).then(a.coverage.total_cmp(&b.coverage));
        self.classes.iter().min_by(order)
    }
}

/// The score by which snapshots are selected, lower is better: the geometric mean of the Fréchet distance and of
/// `100 (1 - m)`, with the geometric mean `m` of precision, recall and coverage. If one of the three is 0, the Fréchet
/// distance is added to the second factor, because only it distinguishes such sets.
///
/// The two factors err on different sides. The Fréchet distance is most sensitive to a small common shift of brightness or
/// contrast, and rises in long runs although the pictures get better. The neighbourhoods count masses and colours, and do
/// not see bad details. The order of the mean agrees better with that of a trained network than either; `docs/quality.md`
/// has the figures.
fn quality_score(near: &neighbours::Figures, frechet: f64) -> f64 {
    let mean = (near.precision * near.recall * near.coverage).cbrt();
    let missed = 100.0 * (1.0 - mean) + if mean > 0.0 { 0.0 } else { frechet };
    (missed * frechet).sqrt()
}

impl Reference {
    /// Prepares real pictures without classes.
    ///
    /// # Errors
    /// When too few of them are distinct, or they are too small.
    pub fn new(pictures: impl Into<PictureStore>) -> Result<Self> {
        Self::with_classes(pictures, None)
    }

    /// Prepares the real pictures. If they have classes, two of them or more, [`score`](Self::score) also returns
    /// [`Scores::classes`]. The pictures that are used of a large set are then chosen within each class, in proportion to
    /// its size, but at least [`classes::LEAST`] of each. Of exact copies, the class of the first one counts.
    ///
    /// # Errors
    /// When too few pictures are distinct, they are too small, or the classes do not belong to them: another number of
    /// them, or a class without a name. When the pictures are in a file that cannot be read.
    pub fn with_classes(pictures: impl Into<PictureStore>, classes: Option<Labelled<'_>>) -> Result<Self> {
        let pictures = pictures.into();
        check(pictures.dim(), "the real pictures")?;
        let classes = classes.map(|labels| Classes::new(labels, pictures.len())).transpose()?;
        let distinct = pictures.distinct()?;
        ensure!(
            distinct.len() >= MIN_PICTURES,
            "quality cannot be measured: of {} real pictures {} are distinct, and {MIN_PICTURES} is the least",
            pictures.len(),
            distinct.len()
        );
        // With a single class, its scores would be those of the whole set.
        let classes = classes.map(|classes| classes.select(&distinct)).filter(|classes| classes.present() > 1);
        let used = places(classes.as_ref(), distinct.len(), MOST_REFERENCES);
        let classes = classes.map(|classes| classes.select(&used));
        let indices: Vec<_> = used.into_iter().map(|place| distinct[place]).collect();
        let chosen = pictures.select(&indices)?;
        let embedding = Embedding::new(chosen.view())?;
        let features = embedding.features(chosen.view());
        let moments = Moments::of(features.view());
        let compared = places(classes.as_ref(), features.nrows(), NEIGHBOURHOOD);
        let neighbours = Neighbours::new(features.select(Axis(0), &compared));
        let classes = classes.map(|classes| classes.select(&compared));
        let sliced = Sliced::new(chosen.view());
        Ok(Self { shape: shape_of(chosen.view()), embedding, moments, neighbours, classes, sliced })
    }

    /// Compares pictures with the real ones.
    ///
    /// # Errors
    /// When there are fewer than [`MIN_PICTURES`], or they do not have the size of the real ones.
    pub fn score(&self, pictures: ArrayView4<'_, u8>) -> Result<Scores> {
        check(pictures.dim(), "the pictures")?;
        let (n, found) = (pictures.dim().0, shape_of(pictures));
        ensure!(
            found == self.shape,
            "the pictures are {}, the real ones {}; they can only be compared at one size and in the same colours",
            in_words(found),
            in_words(self.shape)
        );
        let features = self.embedding.features(pictures);
        let moments = Moments::of(features.view());
        let frechet = self.moments.distance(&moments);
        let swd = self.sliced.distances(pictures);
        let near = self.neighbours.compare(evenly_rows(&features, NEIGHBOURHOOD).view());
        Ok(Scores {
            pictures: n,
            quality_score: quality_score(&near, frechet),
            frechet,
            swd,
            precision: near.precision,
            recall: near.recall,
            density: near.density,
            coverage: near.coverage,
            diversity: (moments.total_variance() / self.moments.total_variance().max(f64::MIN_POSITIVE)).sqrt(),
            diversity_ratio: near.diversity_ratio,
            classes: self.classes.as_ref().map_or_else(Vec::new, |classes| classes.scores(&near)),
        })
    }
}

/// The number, height, width and channels of pictures.
type Dim = (usize, usize, usize, usize);

fn check(dim @ (n, ..): Dim, what: &str) -> Result<()> {
    check_shape(dim, what)?;
    ensure!(n >= MIN_PICTURES, "{what} are too few to measure: {n}, and {MIN_PICTURES} is the least");
    Ok(())
}

fn check_shape((_, height, width, channels): Dim, what: &str) -> Result<()> {
    ensure!(
        height.min(width) >= MIN_SIDE && matches!(channels, 1 | 3),
        "{what} are {}; grey and RGB ones of {MIN_SIDE}x{MIN_SIDE} pixels or more can be measured",
        in_words([height, width, channels])
    );
    Ok(())
}

fn shape_of(pictures: ArrayView4<'_, u8>) -> [usize; 3] {
    let (_, height, width, channels) = pictures.dim();
    [height, width, channels]
}

/// Width, height and colours, for people.
fn in_words([height, width, channels]: [usize; 3]) -> String {
    match channels {
        1 => format!("{width}x{height} in grey"),
        3 => format!("{width}x{height} in RGB"),
        _ => format!("{width}x{height} with {channels} channels"),
    }
}

/// At most `most` evenly spaced indices below `n`, the same every time.
pub(crate) fn even_places(n: usize, most: usize) -> Vec<usize> {
    let count = n.min(most);
    (0..count).map(|i| (i as u128 * n as u128 / count as u128) as usize).collect()
}

/// At most `most` indices below `n`: evenly spaced, or chosen by class.
fn places(classes: Option<&Classes>, n: usize, most: usize) -> Vec<usize> {
    classes.map_or_else(|| even_places(n, most), |classes| classes.places(most))
}

/// At most `most` of the pictures, evenly spaced.
pub fn evenly(pictures: ArrayView4<'_, u8>, most: usize) -> Array4<u8> {
    pictures.select(Axis(0), &even_places(pictures.dim().0, most))
}

fn evenly_rows(features: &ndarray::Array2<f32>, most: usize) -> ndarray::Array2<f32> {
    features.select(Axis(0), &even_places(features.nrows(), most))
}

/// Pictures for the tests of this module: blobs of varied colour, position and size on
/// varied backgrounds, with fine texture.
#[cfg(test)]
pub(crate) fn blobs(seed: u64, count: usize, side: usize) -> Array4<u8> {
    use rand::RngExt as _;
    let mut pictures = Array4::zeros((count, side, side, 3));
    for (i, mut picture) in pictures.outer_iter_mut().enumerate() {
        let mut rng = crate::nn::init::rng(seed, i as u64, 99);
        let mut colour = || -> [f32; 3] { std::array::from_fn(|_| rng.random_range(40.0..210.0)) };
        let (front, back) = (colour(), colour());
        let size = side as f32;
        let (x0, y0) = (rng.random_range(0.2..0.8) * size, rng.random_range(0.2..0.8) * size);
        let radius = rng.random_range(0.15..0.4) * size;
        for ((y, x, c), value) in picture.indexed_iter_mut() {
            let distance = (x as f32 - x0).hypot(y as f32 - y0) / radius;
            let inside = (1.5 - distance).clamp(0.0, 1.0);
            let texture = rng.random_range(-12.0..12.0);
            *value = (front[c] * inside + back[c] * (1.0 - inside) + texture).clamp(0.0, 255.0) as u8;
        }
    }
    pictures
}

#[cfg(test)]
mod tests {
    use ndarray::s;

    use super::*;

    fn noisy(pictures: &Array4<u8>, strength: i32) -> Array4<u8> {
        use rand::RngExt as _;
        let mut rng = crate::nn::init::rng(5, 5, 5);
        pictures.mapv(|v| (i32::from(v) + rng.random_range(-strength..=strength)).clamp(0, 255) as u8)
    }

    fn blurred(pictures: &Array4<u8>) -> Array4<u8> {
        let side = pictures.dim().1;
        Array4::from_shape_fn(pictures.dim(), |(n, y, x, c)| {
            let at = |y: usize, x: usize| u32::from(pictures[[n, y.min(side - 1), x.min(side - 1), c]]);
            ((at(y, x) + at(y + 1, x) + at(y, x + 1) + at(y + 1, x + 1)) / 4) as u8
        })
    }

    #[test]
    fn the_same_pictures_are_at_no_distance() {
        let real = blobs(1, 60, 16);
        let scores = Reference::new(real.view()).unwrap().score(real.view()).unwrap();
        assert!(scores.frechet < 1e-6 && scores.quality_score < 1e-6, "{scores:?}");
        assert!(scores.swd.iter().all(|&d| d == 0.0), "{scores:?}");
        assert_eq!((scores.precision, scores.recall, scores.coverage), (1.0, 1.0, 1.0), "{scores:?}");
        assert!((scores.diversity - 1.0).abs() < 1e-9 && (scores.diversity_ratio - 1.0).abs() < 1e-6, "{scores:?}");
    }

    #[test]
    fn every_flaw_raises_what_it_should() {
        let reference = Reference::new(blobs(1, 300, 32).view()).unwrap();
        let score = |pictures: &Array4<u8>| reference.score(pictures.view()).unwrap();
        let good = blobs(2, 300, 32);
        let clean = score(&good);
        assert!(clean.diversity > 0.9 && clean.diversity < 1.1, "{clean:?}");
        for (name, bad) in [("noise", noisy(&good, 30)), ("blur", blurred(&good))] {
            let scores = score(&bad);
            assert!(
                scores.quality_score > 1.1 * clean.quality_score && scores.frechet > 1.5 * clean.frechet,
                "{name}: {scores:?}\n{clean:?}"
            );
            assert!(scores.swd[0] > 1.3 * clean.swd[0], "{name}: {scores:?}\n{clean:?}");
        }
        // Less noise gives a lower score.
        assert!(score(&noisy(&good, 8)).quality_score < score(&noisy(&good, 30)).quality_score);

        let one = Array4::from_shape_fn(good.dim(), |(_, y, x, c)| good[[0, y, x, c]]);
        let collapsed = score(&one);
        assert!(collapsed.diversity < 0.1 && collapsed.recall < 0.05 && collapsed.coverage < 0.2, "{collapsed:?}");
        assert!(
            collapsed.quality_score > 80.0 && collapsed.quality_score > 1.5 * clean.quality_score,
            "{collapsed:?}\n{clean:?}"
        );
        // Noise adds some diversity, but not much.
        let collapsed = score(&noisy(&one, 2));
        assert!(collapsed.diversity < 0.3 && collapsed.recall < 0.05 && collapsed.coverage < 0.2, "{collapsed:?}");

        let few = Array4::from_shape_fn(good.dim(), |(n, y, x, c)| good[[n % 20, y, x, c]]);
        let repeated = score(&noisy(&few, 1));
        assert!(repeated.diversity > 0.6 && repeated.diversity_ratio < 0.4, "{repeated:?}");
        assert!(repeated.recall < clean.recall && repeated.coverage < clean.coverage, "{repeated:?}");
    }

    #[test]
    fn copies_among_the_real_pictures_change_nothing() {
        let (real, other) = (blobs(1, 60, 16), blobs(2, 40, 16));
        let score = |real: ArrayView4<'_, u8>| Reference::new(real).unwrap().score(other.view()).unwrap();
        let once = score(real.view());
        let often = Array4::from_shape_fn((300, 16, 16, 3), |(n, y, x, c)| real[[n % 60, y, x, c]]);
        assert_eq!(score(often.view()), once);
        let beside = Array4::from_shape_fn((180, 16, 16, 3), |(n, y, x, c)| real[[n / 3, y, x, c]]);
        assert_eq!(score(beside.view()), once);
        assert_eq!(PictureStore::from(beside.view()).distinct().unwrap(), (0..60).map(|i| 3 * i).collect::<Vec<_>>());

        let few = often.slice(s![..7, .., .., ..]);
        let few = ndarray::concatenate![Axis(0), few, few];
        let error = Reference::new(few.view()).unwrap_err().to_string();
        assert!(error.contains("of 14 real pictures 7 are distinct, and 8 is the least"), "{error}");
        let eight = Array4::from_shape_fn((24, 16, 16, 3), |(n, y, x, c)| real[[n % 8, y, x, c]]);
        assert!(score(eight.view()).diversity_ratio.is_finite());
    }

    /// Pictures of two classes in turn, whose names are `dark` and `bright`.
    fn two_classes(count: usize) -> (Array4<u8>, Vec<u8>, [String; 2]) {
        let mut pictures = blobs(1, count, 16);
        for mut picture in pictures.outer_iter_mut().step_by(2) {
            picture.mapv_inplace(|v| v / 3);
        }
        (pictures, (0..count).map(|i| (i % 2) as u8).collect(), ["dark".into(), "bright".into()])
    }

    #[test]
    fn a_class_that_is_not_drawn_is_named() {
        let (real, of, names) = two_classes(200);
        let plain = Reference::new(real.view()).unwrap();
        let by_class = Reference::with_classes(real.view(), Some((&of, &names))).unwrap();
        let dark = two_classes(400).0.slice(s![200..;2, .., .., ..]).to_owned();
        let scores = by_class.score(dark.view()).unwrap();
        let missing = scores.missing().unwrap();
        assert_eq!((missing.name.as_str(), missing.pictures), ("bright", 100));
        assert!(missing.recall < 0.1 && scores.classes[0].recall > 0.6, "{scores:?}");
        assert!(missing.coverage < 0.1 && scores.classes[0].coverage > 0.6, "{scores:?}");
        let mean = scores.classes.iter().map(|class| class.recall).sum::<f64>() / 2.0;
        assert!((mean - scores.recall).abs() < 1e-9, "the classes have the same size: {scores:?}");
        // All pictures are used, so the other scores are the same without classes.
        let without = plain.score(dark.view()).unwrap();
        assert_eq!(Scores { classes: vec![], ..scores }, without);
        assert_eq!(without.missing(), None);
    }

    #[test]
    fn classes_stay_with_their_pictures() {
        let (real, of, names) = two_classes(60);
        // Copies of 41 pictures come first, with the same classes.
        let real = ndarray::concatenate![Axis(0), real.slice(s![..41, .., .., ..]), real];
        let of = [&of[..41], &of].concat();
        let dark = real.slice(s![41..;2, .., .., ..]);
        let scores =
            |of: &[u8], names: &[String]| Reference::with_classes(real.view(), Some((of, names)))?.score(dark.view());
        let found = scores(&of, &names).unwrap().classes;
        assert_eq!(found.iter().map(|class| class.pictures).collect::<Vec<_>>(), [30, 30]);
        assert!(found[0].recall == 1.0 && found[1].recall < 0.2, "{found:?}");
        assert_eq!(scores(&vec![1; of.len()], &names).unwrap().classes, [], "a single class is not measured by itself");
        assert!(scores(&of[1..], &names).unwrap_err().to_string().contains("100 classes are given for 101"));
        assert!(scores(&of, &names[..1]).unwrap_err().to_string().contains("1 have names"));
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let (real, other) = (blobs(1, 50, 20), blobs(3, 40, 20));
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Reference::new(real.view()).unwrap().score(other.view()).unwrap())
        };
        assert_eq!(run(1), run(2));
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn what_cannot_be_measured_is_refused_in_words() {
        let real = blobs(1, 10, 16);
        let error = |pictures: ArrayView4<'_, u8>| Reference::new(pictures).unwrap_err().to_string();
        assert!(error(real.slice(s![..7, .., .., ..])).contains("too few"));
        assert!(error(real.slice(s![.., .., .., ..2])).contains("16x16 with 2 channels"));
        assert!(error(real.slice(s![.., ..7, ..7, ..])).contains("8x8"));
        let reference = Reference::new(real.view()).unwrap();
        let error = reference.score(blobs(1, 10, 8).view()).unwrap_err().to_string();
        assert!(error.contains("8x8") && error.contains("16x16"), "{error}");
    }

    #[test]
    fn rectangles_and_grey_are_measured() {
        let (real, other) = (blobs(1, 60, 20), blobs(9, 60, 20));
        for (rows, channels) in [(12, 3), (20, 1), (9, 1)] {
            let part = |pictures: &Array4<u8>| pictures.slice(s![.., ..rows, .., ..channels]).to_owned();
            let reference = Reference::new(part(&real).view()).unwrap();
            let [own, others] = [&real, &other].map(|set| reference.score(part(set).view()).unwrap());
            assert!(own.frechet < 1e-3 && own.swd.iter().all(|&d| d == 0.0), "{own:?}");
            assert!(others.frechet > 100.0 * own.frechet, "{others:?}");
            let error = reference.score(real.view()).unwrap_err().to_string();
            assert!(error.contains("20x20 in RGB") && error.contains(&format!("20x{rows}")), "{error}");
        }
    }

    #[test]
    fn even_steps_reach_over_all() {
        assert_eq!(even_places(10, 4), [0, 2, 5, 7]);
        assert_eq!(even_places(3, 9), [0, 1, 2]);
        assert_eq!(even_places(0, 9), [0usize; 0]);
    }
}
