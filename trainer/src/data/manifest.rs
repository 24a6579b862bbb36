//! A list of all pictures of a run with checksums, so that a message can name those that have changed.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use super::Dataset;
use super::describe::listed;
use crate::text::{self, Plain};

/// Maximum number of changes that are listed individually.
const TOLD: usize = 5;

/// The list: one line for each picture, with a checksum of its pixels and its file. `None` if the
/// pictures are not in separate files.
///
/// # Errors
/// When the pictures are in a file that cannot be read.
pub fn list(data: &Dataset) -> Result<Option<String>> {
    if data.files.is_empty() {
        return Ok(None);
    }
    entries(data).map(|entry| entry.map(|(name, sum)| format!("{sum:08x} {name}\n"))).collect::<Result<_>>().map(Some)
}

/// Describes what has changed since the list `before` was made, as text that can follow a sentence. Empty
/// if that is unknown.
///
/// # Errors
/// When the pictures are in a file that cannot be read.
pub fn changes(before: &str, data: &Dataset) -> Result<String> {
    let before: BTreeMap<&str, &str> =
        before.lines().filter_map(|line| line.split_once(' ')).map(|(sum, name)| (name, sum)).collect();
    if before.is_empty() || data.files.is_empty() {
        return Ok(String::new());
    }
    let now = entries(data).map(|entry| entry.map(|(name, sum)| (name, format!("{sum:08x}"))));
    let now: BTreeMap<String, String> = now.collect::<Result<_>>()?;
    let skipped: BTreeMap<String, &str> = data
        .skipped
        .iter()
        .filter_map(|skipped| {
            let path = std::path::absolute(&skipped.path).ok()?;
            Some((shown(path.strip_prefix(&data.origin).ok()?), skipped.reason.as_str()))
        })
        .collect();
    let gone = before.keys().filter(|&&name| !now.contains_key(name)).map(|&name| {
        let reason = skipped.get(name).copied().unwrap_or("it is gone");
        format!("{}: {}", text::shown(name), text::shown(reason))
    });
    let other = now.iter().filter_map(|(name, sum)| match before.get(name.as_str()) {
        None => Some(format!("{name}: it is new")),
        Some(before) => (before != sum).then(|| format!("{name}: it has changed")),
    });
    let all: Vec<_> = gone.chain(other).collect();
    Ok(listed(all.into_iter(), TOLD))
}

/// The held-out pictures, a line for each: its file, or its place among all pictures, counted from 0, if several share a
/// file. `held_out` are some of the pictures of `data`.
///
/// # Errors
/// When the pictures are in a file that cannot be read.
pub fn held_out(data: &Dataset, held_out: &Dataset) -> Result<String> {
    if !held_out.files.is_empty() {
        return Ok(held_out.files.iter().map(|file| shown(file) + "\n").collect());
    }
    let places = held_out.pictures.indices_in(&data.pictures)?;
    Ok(places.into_iter().map(|place| format!("{place}\n")).collect())
}

fn entries(data: &Dataset) -> impl Iterator<Item = Result<(String, u32)>> {
    let mut buffer = Vec::new();
    data.files
        .iter()
        .enumerate()
        .map(move |(index, file)| Ok((shown(file), crc32fast::hash(data.pictures.picture(index, &mut buffer)?))))
}

/// A file name without line breaks, so that every picture is one line.
fn shown(file: &Path) -> String {
    Plain::path(file).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::PictureStore;
    use std::path::PathBuf;

    fn data(pictures: &[(&str, u8)]) -> Dataset {
        let pixels = pictures.iter().flat_map(|&(_, value)| [value; 8 * 8 * 3]).collect();
        let mut data = Dataset::new(PictureStore::in_memory(gen_core::Shape::new(8, 8, 3), pixels).unwrap());
        data.origin = "/x".into();
        data.files = pictures.iter().map(|(name, _)| PathBuf::from(name)).collect();
        data
    }

    #[test]
    fn every_change_has_the_name_of_its_file() {
        let before = list(&data(&[("a.png", 1), ("b c.png", 2), ("d/e.png", 3)])).unwrap().unwrap();
        assert_eq!(before.lines().count(), 3);
        assert_eq!(changes(&before, &data(&[("a.png", 1), ("b c.png", 2), ("d/e.png", 3)])).unwrap(), "");
        let now = changes(&before, &data(&[("a.png", 1), ("b c.png", 9), ("f.png", 3)])).unwrap();
        assert_eq!(now, "\n  d/e.png: it is gone\n  b c.png: it has changed\n  f.png: it is new");
        let mut skipped = data(&[("a.png", 1), ("b c.png", 2)]);
        // A skipped file of the same name in another folder is not meant.
        skipped.skipped = ["/x/y/d/e.png", "/x/d/e.png"]
            .map(|path| super::super::Skipped { path: path.into(), reason: format!("corrupt {}", path.len()) })
            .into();
        assert_eq!(changes(&before, &skipped).unwrap(), "\n  d/e.png: corrupt 10");
    }

    #[test]
    fn a_name_cannot_break_the_list() {
        let odd = data(&[("a\nb.png", 1), ("a\x1b[2J.png", 2), ("a\u{202e}gnp.exe", 3)]);
        let before = list(&odd).unwrap().unwrap();
        assert_eq!(before.lines().count(), 3, "{before}");
        assert!(!before.contains(['\x1b', '\u{202e}']), "{before}");
        assert_eq!(changes(&before, &odd).unwrap(), "");
        let now = changes(&before, &data(&[("a\nb.png", 4)])).unwrap();
        assert!(now.contains("a\\u{a}b.png: it has changed") && now.contains("a\\u{1b}[2J.png: it is gone"), "{now}");
    }

    #[test]
    fn only_a_few_changes_are_told_and_none_where_nothing_is_known() {
        let names: Vec<_> = (0..9).map(|i| format!("{i}.png")).collect();
        let many = data(&names.iter().map(|name| (name.as_str(), 0)).collect::<Vec<_>>());
        assert!(changes("00000000 x.png\n", &many).unwrap().ends_with("and 5 more"));
        assert_eq!(changes("", &many).unwrap(), "");
        assert_eq!(list(&data(&[])).unwrap(), None);
    }
}
