//! Describes a data set for people: log messages, a description, a contact sheet.

use std::fmt::Write as _;

use anyhow::Result;
use gen_core::Shape;
use image::RgbImage;
use log::{info, warn};
use ndarray::{Array4, ArrayView3, Axis, CowArray, Ix4, s};

use super::labels::enumerate;
use super::{Dataset, Labels, Skipped};
use crate::grid::{self, GAP};
use crate::numbers::grouped;
use crate::quality;

/// A data set with fewer distinct pictures than this gets a warning.
const SMALL_DATASET: usize = 100;

/// A class with fewer pictures than this gets a remark.
const SMALL_CLASS: usize = 20;

/// Pixels between the pictures of a sheet.
const GAP_WIDTH: usize = 2;

/// Tells users who have not chosen a data set how to do so.
const HOW_TO_CHOOSE: &str = "another data set: --data PATH (a folder of pictures; CIFAR-10 or CIFAR-100 in the binary or \
     the Python version, as folder, file or .tar.gz; IDX or .npz as of MNIST), --data builtin (drawn frogs), or the \
     environment variable CIFAR10_DIR";

/// Logs which data set is used, what is unusual about it, what was skipped, and how to choose another one if the user
/// has not chosen.
///
/// # Errors
/// When the pictures are in a file that cannot be read.
pub fn announce(dataset: &Dataset) -> Result<()> {
    info!("data: {}", dataset.name);
    if let Some(labels) = &dataset.labels {
        const TOLD: usize = 10;
        let advice = if dataset.labels_by_default {
            "; they come from the subfolders, and --classes none loads the pictures without classes"
        } else {
            ""
        };
        info!("data: classes: {} ({}){advice}", labels.names.len(), labels.summary(TOLD));
    }
    for remark in dataset.remarks()? {
        warn!("data: {remark}");
    }
    if !dataset.skipped.is_empty() {
        const TOLD: usize = 3;
        let all =
            if dataset.skipped.len() > TOLD { "; the command `data` lists all, a run in its skipped.txt" } else { "" };
        warn!("data: {} skipped{all}{}", grouped(dataset.skipped.len()), reasons(&dataset.skipped, TOLD));
    }
    how_to_choose(dataset);
    Ok(())
}

/// Logs how to choose another data set, if the user has not chosen this one.
pub fn how_to_choose(dataset: &Dataset) {
    if !dataset.chosen {
        info!("{HOW_TO_CHOOSE}");
    }
}

impl Dataset {
    /// Number of pictures that have only one colour.
    fn plain(&self) -> Result<usize> {
        let is_plain = |picture: &ArrayView3<'_, u8>| {
            let first = picture.slice(s![0, 0, ..]);
            picture.rows().into_iter().all(|pixel| pixel == first)
        };
        let plain = |part: Result<CowArray<'_, u8, Ix4>>| Ok(part?.outer_iter().filter(is_plain).count());
        self.pictures.some_parts().map(plain).sum()
    }

    /// Remarks on unusual properties of the pictures, one a line.
    fn remarks(&self) -> Result<Vec<String>> {
        let mut remarks = self.notes.clone();
        let copies = self.len() - self.distinct()?;
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
        if let Some(few) = self.labels.as_ref().and_then(small_classes) {
            remarks.push(few);
        }
        let plain = self.plain()?;
        if plain > 0 {
            remarks.push(format!("{} of one colour, without anything to see", grouped(plain)));
        }
        if self.enlarged > 0 {
            let shape = self.shape();
            let size = format!("{}x{}", shape.width, shape.height);
            remarks.push(format!("{} smaller than {size} pixels, and enlarged", grouped(self.enlarged)));
        }
        Ok(remarks)
    }

    /// Mean and standard deviation of each channel, 0 to 255.
    fn colours(&self) -> Result<Vec<(f64, f64)>> {
        // Sums of bytes and of their squares stay exact in 64 bits.
        let mut sums = vec![(0_u64, 0_u64); self.shape().channels.into()];
        for part in self.pictures.some_parts() {
            for pixel in part?.rows() {
                for (sum, &value) in sums.iter_mut().zip(pixel) {
                    sum.0 += u64::from(value);
                    sum.1 += u64::from(value).pow(2);
                }
            }
        }
        let n = (self.pictures.byte_len() / (sums.len() as u64).max(1)).max(1) as f64;
        let statistics = sums.into_iter().map(|(sum, squares)| {
            let mean = sum as f64 / n;
            (mean, (squares as f64 / n - mean * mean).max(0.0).sqrt())
        });
        Ok(statistics.collect())
    }
}

/// A remark on the classes that have too few pictures, if there are any.
fn small_classes(labels: &Labels) -> Option<String> {
    const TOLD: usize = 10;
    let counts = labels.counts();
    let few: Vec<_> = labels.names.iter().zip(counts).filter(|(_, count)| *count < SMALL_CLASS).collect();
    let list = || enumerate(few.iter().map(|(name, count)| format!("{name} {count}")), TOLD);
    (!few.is_empty()).then(|| {
        format!(
            "classes with fewer than {SMALL_CLASS} pictures: {}. So few are memorised; add pictures, or leave these classes \
             out with --classes NAME,NAME",
            list()
        )
    })
}

/// Describes a data set in a few lines: source, number and size, classes or folders, colours, remarks,
/// and all skipped files with the reasons.
///
/// # Errors
/// When the pictures are in a file that cannot be read.
pub fn describe(dataset: &Dataset) -> Result<String> {
    let mut text = String::new();
    let mut line = |text_of_line: String| _ = writeln!(text, "{text_of_line}");
    line(format!("source       {}", dataset.name));
    let Shape { height, width, channels } = dataset.shape();
    let kind = if channels == 1 { "grey" } else { "RGB" };
    line(format!("pictures     {} of {width}x{height} pixels, {kind}", grouped(dataset.len())));
    let mut list = |what: &str, counts: &[(&str, usize)]| {
        for (index, (name, count)) in counts.iter().enumerate() {
            line(format!("{:<12} {:>7}  {name}", if index == 0 { what } else { "" }, grouped(*count)));
        }
    };
    const SHOWN_GROUPS: usize = 20;
    let classes: Vec<_> =
        dataset.labels.iter().flat_map(|l| l.names.iter().map(String::as_str).zip(l.counts())).collect();
    list("classes", &classes);
    // If each class is one group, the groups would say the same again.
    let groups: Vec<_> = match dataset.groups.len() == classes.len() {
        true => Vec::new(),
        false => dataset.groups.iter().map(|(name, count)| (name.as_str(), *count)).collect(),
    };
    list("groups", &groups[..groups.len().min(SHOWN_GROUPS)]);
    if groups.len() > SHOWN_GROUPS {
        line(format!("{:<12} and {} more", "", groups.len() - SHOWN_GROUPS));
    }
    let names: &[&str] = if channels == 1 { &["brightness"] } else { &["red", "green", "blue"] };
    let colours = names.iter().zip(dataset.colours()?);
    let colours: Vec<_> = colours.map(|(name, (mean, spread))| format!("{name} {mean:.0} ± {spread:.0}")).collect();
    line(format!("colour       {} (mean ± standard deviation, 0 to 255)", colours.join(", ")));
    for remark in dataset.remarks()? {
        line(format!("note         {remark}"));
    }
    line(format!("fingerprint  {}", dataset.fingerprint()?));
    if dataset.skipped.is_empty() {
        line("skipped      nothing".into());
    } else {
        line(format!("skipped      {}{}", grouped(dataset.skipped.len()), reasons(&dataset.skipped, usize::MAX)));
    }
    Ok(text)
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

/// A sheet of pictures. Each pixel is drawn as a block of `scale` x `scale`.
///
/// Without labels there are `rows` rows of `columns` pictures, evenly spaced in the whole set so that every class is likely
/// to appear. With labels, each row has evenly spaced pictures of one class, in the order of [`sheet_rows`]; a class of
/// fewer than `columns` pictures leaves places free.
///
/// # Errors
/// When the sheet would be too large, or the pictures are in a file that cannot be read.
pub fn contact_sheet(dataset: &Dataset, columns: usize, rows: usize, scale: usize) -> Result<RgbImage> {
    let (_, height, width, channels) = dataset.pictures.dim();
    let shown: Vec<Option<usize>> = match &dataset.labels {
        Some(labels) => {
            let row = |class| {
                let pictures: Vec<_> = labels.pictures(class).collect();
                let places = spaced(pictures.len(), columns);
                let mut row: Vec<_> = places.map(|place| Some(pictures[place])).collect();
                row.resize(columns, None);
                row
            };
            (0..sheet_rows(dataset).len()).flat_map(row).collect()
        }
        None => spaced(dataset.len(), columns.saturating_mul(rows)).map(Some).collect(),
    };
    let mut pictures = Array4::zeros((shown.len(), height, width, channels));
    for (from, mut place) in shown.into_iter().zip(pictures.outer_iter_mut()) {
        match from {
            Some(from) => place.assign(&dataset.pictures.select(&[from])?.index_axis(Axis(0), 0)),
            None => {
                place.rows_mut().into_iter().for_each(|mut pixel| pixel.iter_mut().zip(GAP.0).for_each(|(p, g)| *p = g))
            }
        }
    }
    grid::grid(pictures.view(), columns, GAP_WIDTH, scale)
}

/// The classes that [`contact_sheet`] shows, one in each row from above. All of them, unless the pictures are so large that
/// only the first ones fit. Empty without labels.
pub fn sheet_rows(dataset: &Dataset) -> &[String] {
    let names = dataset.labels.as_ref().map_or(&[][..], |labels| &labels.names);
    let height = usize::from(dataset.shape().height);
    &names[..names.len().min((grid::MAX_SIDE - GAP_WIDTH) / (height + GAP_WIDTH))]
}

/// At most `most` positions in `0..count`, evenly spaced.
fn spaced(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let shown = most.min(count);
    // Even steps: index * count / shown, without overflow for any set that fits in memory.
    (0..shown).map(move |index| (index as u128 * count as u128 / shown as u128) as usize)
}
