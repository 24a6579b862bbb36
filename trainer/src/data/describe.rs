//! Describes a data set for people: log messages, a description, a contact sheet.

use std::fmt::Write as _;

use anyhow::Result;
use gen_core::Shape;
use image::RgbImage;
use log::{info, warn};
use ndarray::{Array4, s};

use super::{Dataset, Skipped};
use crate::numbers::grouped;
use crate::quality;

/// A data set with fewer distinct pictures than this gets a warning.
const SMALL_DATASET: usize = 100;

/// Tells users who have not chosen a data set how to do so.
const HOW_TO_CHOOSE: &str = "another data set: --data PATH (a folder of pictures; CIFAR-10 or CIFAR-100 in the binary or \
     the Python version, as folder, file or .tar.gz; IDX or .npz as of MNIST), --data builtin (drawn frogs), or the \
     environment variable CIFAR10_DIR";

/// Logs which data set is used, what is unusual about it, what was skipped, and how to choose another one if the user
/// has not chosen.
pub fn announce(dataset: &Dataset) {
    info!("data: {}", dataset.name);
    for remark in dataset.remarks() {
        warn!("data: {remark}");
    }
    if !dataset.skipped.is_empty() {
        const TOLD: usize = 3;
        let all =
            if dataset.skipped.len() > TOLD { "; the command `data` lists all, a run in its skipped.txt" } else { "" };
        warn!("data: {} skipped{all}{}", grouped(dataset.skipped.len()), reasons(&dataset.skipped, TOLD));
    }
    how_to_choose(dataset);
}

/// Logs how to choose another data set, if the user has not chosen this one.
pub fn how_to_choose(dataset: &Dataset) {
    if !dataset.chosen {
        info!("{HOW_TO_CHOOSE}");
    }
}

impl Dataset {
    /// Number of pictures that have only one colour.
    fn plain(&self) -> usize {
        let is_plain = |picture: ndarray::ArrayView3<'_, u8>| {
            let first = picture.slice(s![0, 0, ..]);
            picture.rows().into_iter().all(|pixel| pixel == first)
        };
        self.pictures.outer_iter().filter(|picture| is_plain(*picture)).count()
    }

    /// Remarks on unusual properties of the pictures, one a line.
    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        let copies = self.len() - self.distinct();
        if copies > 0 {
            remarks.push(format!(
                "{} of the {} are exact copies of others; quality is measured against the {} distinct ones",
                grouped(copies),
                self.count_in_words("picture"),
                grouped(self.len() - copies)
            ));
        }
        let distinct = self.len() - copies;
        if distinct < quality::MIN_PICTURES {
            remarks.push(format!(
                "quality is not measured: that takes {} distinct pictures, and there are {distinct}",
                quality::MIN_PICTURES
            ));
        }
        if distinct < SMALL_DATASET {
            remarks.push(format!(
                "distinct pictures: {distinct}. So few are memorised and nothing new is drawn; use at least a few hundred"
            ));
        }
        let plain = self.plain();
        if plain > 0 {
            remarks.push(format!("{} of one colour, without anything to see", grouped(plain)));
        }
        if self.enlarged > 0 {
            let shape = self.shape();
            let size = format!("{}x{}", shape.width, shape.height);
            remarks.push(format!("{} smaller than {size} pixels, and enlarged", grouped(self.enlarged)));
        }
        remarks
    }

    /// Mean and standard deviation of each channel, 0 to 255.
    fn colours(&self) -> Vec<(f64, f64)> {
        // Sums of bytes and of their squares stay exact in 64 bits.
        let mut sums = vec![(0_u64, 0_u64); self.shape().channels.into()];
        for pixel in self.pictures.rows() {
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                sum.0 += u64::from(value);
                sum.1 += u64::from(value).pow(2);
            }
        }
        let n = (self.pictures.len() / sums.len().max(1)).max(1) as f64;
        let statistics = sums.into_iter().map(|(sum, squares)| {
            let mean = sum as f64 / n;
            (mean, (squares as f64 / n - mean * mean).max(0.0).sqrt())
        });
        statistics.collect()
    }
}

/// Describes a data set in a few lines: source, number and size, classes or folders, colours, remarks,
/// and all skipped files with the reasons.
pub fn describe(dataset: &Dataset) -> String {
    let mut text = String::new();
    let mut line = |text_of_line: String| _ = writeln!(text, "{text_of_line}");
    line(format!("source       {}", dataset.name));
    let Shape { height, width, channels } = dataset.shape();
    let kind = if channels == 1 { "grey" } else { "RGB" };
    line(format!("pictures     {} of {width}x{height} pixels, {kind}", grouped(dataset.len())));
    const SHOWN_GROUPS: usize = 20;
    for (index, (name, count)) in dataset.groups.iter().take(SHOWN_GROUPS).enumerate() {
        line(format!("{:<12} {:>7}  {name}", if index == 0 { "groups" } else { "" }, grouped(*count)));
    }
    if dataset.groups.len() > SHOWN_GROUPS {
        line(format!("{:<12} and {} more", "", dataset.groups.len() - SHOWN_GROUPS));
    }
    let names: &[&str] = if channels == 1 { &["brightness"] } else { &["red", "green", "blue"] };
    let colours = names.iter().zip(dataset.colours());
    let colours: Vec<_> = colours.map(|(name, (mean, spread))| format!("{name} {mean:.0} ± {spread:.0}")).collect();
    line(format!("colour       {} (mean ± standard deviation, 0 to 255)", colours.join(", ")));
    for remark in dataset.remarks() {
        line(format!("note         {remark}"));
    }
    line(format!("fingerprint  {}", dataset.fingerprint()));
    if dataset.skipped.is_empty() {
        line("skipped      nothing".into());
    } else {
        line(format!("skipped      {}{}", grouped(dataset.skipped.len()), reasons(&dataset.skipped, usize::MAX)));
    }
    text
}

/// A colon and the first `most` of the skipped files, each on its own line. Empty if none was
/// skipped.
pub(super) fn reasons(skipped: &[Skipped], most: usize) -> String {
    if skipped.is_empty() {
        return String::new();
    }
    ":".to_owned() + &listed(skipped.iter().map(ToString::to_string), most)
}

/// The first `most` texts, each on its own line, and the number of the others.
pub(super) fn listed(texts: impl ExactSizeIterator<Item = String>, most: usize) -> String {
    let more = texts.len().saturating_sub(most);
    let mut list: String = texts.take(most).map(|text| format!("\n  {text}")).collect();
    if more > 0 {
        _ = write!(list, "\n  and {} more", grouped(more));
    }
    list
}

/// A sheet of `columns` x `rows` pictures, evenly spaced in the whole set so that every class is likely to
/// appear. Each pixel is drawn as a block of `scale` x `scale`.
///
/// # Errors
/// When the sheet would be too large.
pub fn contact_sheet(dataset: &Dataset, columns: usize, rows: usize, scale: usize) -> Result<RgbImage> {
    let shown = columns.saturating_mul(rows).min(dataset.len());
    let (_, height, width, channels) = dataset.pictures.dim();
    let mut pictures = Array4::zeros((shown, height, width, channels));
    for (index, mut place) in pictures.outer_iter_mut().enumerate() {
        // Even steps: index * len / shown, without overflow for any set that fits in memory.
        let from = (index as u128 * dataset.len() as u128 / shown as u128) as usize;
        place.assign(&dataset.pictures.slice(s![from, .., .., ..]));
    }
    crate::grid::grid(pictures.view(), columns, 2, scale)
}
