//! Labels: the class of each picture, for models that draw a class on request.
//!
//! Classes come from the subfolders of a folder of pictures, from the labels of CIFAR, IDX and `.npz`, or from the
//! species of the drawn frogs. [`Labelling`] says whether they are used. [`Dataset::with_kinds`] finds kinds by clustering.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use super::Dataset;
use crate::config::ClassSource;
use crate::numbers::grouped;
use crate::quality;
use crate::text::Plain;

/// Maximum number of classes, and maximum length of a name in bytes of UTF-8; longer names are cut.
pub use gen_core::spec::{MAX_CLASS_NAME, MAX_CLASSES};

/// Maximum number of names that an error or a remark lists.
const LISTED: usize = 100;

/// Why a picture of a folder is left out when the others have classes.
pub(super) const OUTSIDE: &str = "it is in no subfolder, so it has no class";

/// Names of folders that divide a data set into parts, each with the same classes. Compared in lower case.
const PARTS: [&str; 9] =
    ["train", "training", "training_set", "test", "testing", "test_set", "val", "valid", "validation"];

/// The class of each picture of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// Names of the classes, 2 to [`MAX_CLASSES`], no two equal. Each has 1 to [`MAX_CLASS_NAME`] bytes and no control
    /// characters.
    pub names: Vec<String>,
    /// The class of each picture, as an index into `names`. Every class has at least one picture.
    pub of: Vec<u8>,
}

impl Labels {
    /// Number of pictures of each class.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.names.len()];
        for &class in &self.of {
            if let Some(count) = counts.get_mut(usize::from(class)) {
                *count += 1;
            }
        }
        counts
    }

    /// The indices of the pictures of a class, in increasing order.
    pub fn pictures(&self, class: usize) -> impl Iterator<Item = usize> + '_ {
        self.of.iter().enumerate().filter(move |(_, of)| usize::from(**of) == class).map(|(index, _)| index)
    }

    /// The class of this name. An exact match is preferred to one that ignores case.
    ///
    /// # Errors
    /// When no class has this name, or several that differ by case. The message lists the right names.
    pub fn find(&self, name: &str) -> Result<usize> {
        find(&self.names.iter().map(String::as_str).collect::<Vec<_>>(), name)
    }

    /// Checks that every class has a picture.
    pub(super) fn check(&self) -> Result<()> {
        match self.counts().iter().position(|count| *count == 0) {
            Some(class) => bail!("there is no picture of the class {}", self.names[class]),
            None => Ok(()),
        }
    }

    /// The first `most` classes with their numbers of pictures, such as `cat 120, dog 80`, and how many others there
    /// are.
    pub fn summary(&self, most: usize) -> String {
        let counts = self.counts();
        enumerate(self.names.iter().zip(&counts).map(|(name, count)| format!("{name} {}", grouped(*count))), most)
    }
}

impl Dataset {
    /// The pictures with as many kinds as [`ClassSource::Auto`] asks for, called `kind 1`, `kind 2` and so on, the largest
    /// first; unchanged for any other source of classes.
    ///
    /// # Errors
    /// The errors of [`kinds`](quality::kinds::kinds).
    pub fn with_kinds(mut self, source: ClassSource) -> Result<Self> {
        if let ClassSource::Auto(count) = source {
            let of = quality::kinds::kinds(&self.pictures, count.into()).context("classes: auto")?;
            let names = (1..=count).map(|number| format!("kind {number}")).collect();
            (self.labels, self.are_kinds) = (Some(Labels { names, of }), true);
        }
        Ok(self)
    }
}

/// Whether and how pictures get labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Labelling {
    /// Nobody asked for labels: a folder gets them if all of its pictures are in 2 to [`MAX_CLASSES`] subfolders. Other
    /// sources get none, and the usual class is loaded.
    #[default]
    FoldersIfAny,
    /// No labels.
    Unlabelled,
    /// The recipe asks for labels: all classes of the source are loaded. Without classes, or with more than
    /// [`MAX_CLASSES`], the pictures are loaded without labels, as usual.
    IfAny,
    /// The user asked for labels: like [`IfAny`](Self::IfAny), but it is an error if there are none.
    Asked,
    /// The user asked for these classes: only their pictures are loaded, and the classes are numbered in this order.
    /// From 2 to [`MAX_CLASSES`] names, no two for the same class.
    Chosen(Vec<String>),
}

impl Labelling {
    /// Whether the user asked for labels.
    pub(super) fn is_asked(&self) -> bool {
        matches!(self, Self::Asked | Self::Chosen(_))
    }
}

/// Where the classes of a source come from, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Subfolders,
    Labels,
}

/// The classes of a source that are used. `K` identifies a class in the source: the number of a label or the name of a
/// folder.
#[derive(Debug)]
pub(super) struct Plan<K> {
    /// The classes, in the order of their numbers.
    pub(super) keys: Vec<K>,
    names: Vec<String>,
}

impl<K> Plan<K> {
    /// The number of a class; `None` if its pictures are not used.
    pub(super) fn class<Q: PartialEq + ?Sized>(&self, key: &Q) -> Option<u8>
    where
        K: Borrow<Q>,
    {
        self.keys.iter().position(|known| known.borrow() == key).and_then(|class| u8::try_from(class).ok())
    }

    /// Labels for pictures with these keys; those of other classes are left out.
    ///
    /// # Errors
    /// When a class has no picture.
    pub(super) fn labels<'a>(self, keys: impl Iterator<Item = &'a K>) -> Result<Labels>
    where
        K: PartialEq + 'a,
    {
        let labels = Labels { of: keys.filter_map(|key| self.class(key)).collect(), names: self.names };
        labels.check()?;
        Ok(labels)
    }
}

/// Decides which classes of a source are used. `known` has all that occur, in their order, with their names, which are
/// [`Plain`]; `at` is the path of the source for messages. Remarks for the user are appended to `notes`.
///
/// # Errors
/// When the user asked for labels, and there are none, too many, or not those. When two classes have equal names.
pub(super) fn plan<K>(
    labelling: &Labelling,
    known: Vec<(K, String)>,
    from: Origin,
    at: &str,
    notes: &mut Vec<String>,
) -> Result<Option<Plan<K>>> {
    let is_asked = labelling.is_asked();
    let (what, few) = match from {
        Origin::Subfolders => ("subfolders", "its pictures are not in subfolders, one for each class"),
        Origin::Labels => ("different labels", "it has no labels"),
    };
    match labelling {
        Labelling::Unlabelled => return Ok(None),
        Labelling::FoldersIfAny if from != Origin::Subfolders => return Ok(None),
        _ => {}
    }
    let known = match (labelling, known.len()) {
        (_, 0) if is_asked => bail!("{at} has no classes: {few}; give --classes none to use its pictures without"),
        (Labelling::Chosen(asked), _) => choose(known, asked, at)?,
        (_, 0) => {
            if *labelling == Labelling::IfAny {
                notes.push(format!("the recipe asks for classes, and {few}: the model will draw none on request"));
            }
            return Ok(None);
        }
        (_, 1) if is_asked => bail!(
            "{at} has only one class, {}, and at least 2 are needed; give --classes none to use its pictures without \
             classes{}",
            known[0].1,
            if from == Origin::Subfolders {
                ", or, if it has subfolders for classes, its path with --data"
            } else {
                ""
            }
        ),
        (_, 1) => {
            if *labelling == Labelling::IfAny {
                let class = &known[0].1;
                notes.push(format!("the recipe asks for classes, and there is only one, {class}: it is not used"));
            }
            return Ok(None);
        }
        (_, count) if count > MAX_CLASSES => {
            let advice = "choose some with --classes NAME,NAME";
            ensure!(
                !is_asked,
                "{at} has {count} {what}, and a model has at most {MAX_CLASSES} classes; {advice}, or give --classes \
                 none to use its pictures without classes"
            );
            notes.push(format!(
                "{count} {what} are not used as classes, because a model has at most {MAX_CLASSES}; {advice}"
            ));
            return Ok(None);
        }
        _ => known,
    };
    let (keys, long): (Vec<K>, Vec<String>) = known.into_iter().unzip();
    let names: Vec<_> = long.iter().map(|name| cut(name).to_owned()).collect();
    let mut seen = BTreeSet::new();
    if let Some(same) = names.iter().find(|name| !seen.insert(*name)) {
        let problem = format!(
            "{at} has two classes of the same name, {same} (names are cut after {MAX_CLASS_NAME} bytes); rename one, or \
             give --classes none to use its pictures without classes"
        );
        ensure!(*labelling == Labelling::FoldersIfAny, "{problem}");
        notes.push(format!("subfolders are not used as classes: {problem}"));
        return Ok(None);
    }
    let shortened: Vec<_> = names.iter().zip(&long).filter(|(name, long)| *name != *long).map(|(n, _)| n).collect();
    if !shortened.is_empty() {
        notes.push(format!(
            "names of classes are cut after {MAX_CLASS_NAME} bytes: {}",
            enumerate(shortened.iter().map(ToString::to_string), 10)
        ));
    }
    Ok(Some(Plan { keys, names }))
}

/// The classes that the user named, in that order.
fn choose<K>(known: Vec<(K, String)>, asked: &[String], at: &str) -> Result<Vec<(K, String)>> {
    check(asked)?;
    let mut known: Vec<_> = known.into_iter().map(Some).collect();
    let names: Vec<_> = known.iter().flatten().map(|(_, name)| name.clone()).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let mut chosen = Vec::new();
    for name in asked {
        let class = find(&names, name).map_err(|error| error.context(format!("--classes of {at}")))?;
        let Some(class) = known.get_mut(class).and_then(Option::take) else {
            bail!("--classes names the class {} twice", names.get(class).unwrap_or(&""))
        };
        chosen.push(class);
    }
    Ok(chosen)
}

/// Checks the names of classes that the user chose, without looking at the source.
///
/// # Errors
/// When there are fewer than 2 or more than [`MAX_CLASSES`], or a name is empty or occurs twice.
pub(super) fn check(asked: &[String]) -> Result<()> {
    ensure!(asked.len() >= 2, "--classes needs at least 2 names, as in cat,dog; --class NAME takes a single class");
    ensure!(
        asked.len() <= MAX_CLASSES,
        "--classes has {} names, and a model has at most {MAX_CLASSES} classes",
        asked.len()
    );
    let mut seen = BTreeSet::new();
    for name in asked {
        ensure!(
            !name.trim().is_empty(),
            "--classes has an empty name; names are separated by one comma, as in cat,dog"
        );
        ensure!(seen.insert(name), "--classes names the class {} twice", Plain::text(name));
    }
    Ok(())
}

/// The position of a name. An exact match is preferred to one that ignores case.
///
/// # Errors
/// When there is none, or several that differ by case; the message lists the right names.
pub(super) fn find(names: &[&str], asked: &str) -> Result<usize> {
    // `names` are escaped. What the user gives may be the name itself, or copied from a message, and a recipe has names as
    // they are in a model: cut.
    let same = |asked: &str| {
        let escaped = Plain::text(asked).to_string();
        let exact = names.iter().position(|name| *name == escaped || *name == asked);
        exact.or_else(|| {
            let mut cut_alike = (0..names.len()).filter(|&i| cut(names[i]) == cut(&escaped));
            cut_alike.next().filter(|_| cut_alike.next().is_none())
        })
    };
    // A folder may begin or end with white space.
    if let Some(class) = same(asked).or_else(|| same(asked.trim())) {
        return Ok(class);
    }
    let escaped = Plain::text(asked.trim()).to_string();
    let lower = escaped.to_lowercase();
    let mut alike = names.iter().enumerate().filter(|(_, name)| name.to_lowercase() == lower);
    match (alike.next(), alike.next()) {
        (Some((class, _)), None) => Ok(class),
        (Some((_, one)), Some((_, other))) => bail!("{escaped} can be {one} or {other}; write it as it is"),
        (None, _) => bail!(
            "there is no class {escaped}; the classes are {}",
            enumerate(names.iter().map(ToString::to_string), LISTED)
        ),
    }
}

/// The first `most` texts, separated by commas, and the number of the others.
pub(super) fn enumerate(texts: impl ExactSizeIterator<Item = String>, most: usize) -> String {
    let more = texts.len().saturating_sub(most);
    let mut text = texts.take(most).collect::<Vec<_>>().join(", ");
    if more > 0 {
        _ = write!(text, " and {more} more");
    }
    text
}

/// The beginning of a name, at most [`MAX_CLASS_NAME`] bytes, cut between two characters.
fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_CLASS_NAME)]
}

/// Compares names as people sort them: the digits in them as numbers, everything else by character.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a, b);
    loop {
        let (number_a, after_a) = rest_a.split_at(digits(rest_a));
        let (number_b, after_b) = rest_b.split_at(digits(rest_b));
        let order = if number_a.is_empty() || number_b.is_empty() {
            let (char_a, char_b) = (rest_a.chars().next(), rest_b.chars().next());
            let Some(length) = char_a.filter(|_| char_a == char_b).map(char::len_utf8) else {
                // Names such as 7 and 07 are equal up to here.
                return char_a.cmp(&char_b).then_with(|| a.cmp(b));
            };
            (rest_a, rest_b) = (&rest_a[length..], &rest_b[length..]);
            Ordering::Equal
        } else {
            (rest_a, rest_b) = (after_a, after_b);
            let value = |number: &'_ str| number.trim_start_matches('0').to_owned();
            let (value_a, value_b) = (value(number_a), value(number_b));
            value_a.len().cmp(&value_b.len()).then_with(|| value_a.cmp(&value_b))
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Number of digits with which a text begins.
fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// The classes of the pictures of a folder.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    pub(super) names: Vec<String>,
    /// The class of each picture. `None`: the picture is in no subfolder, and is left out. Empty if no picture has a
    /// label.
    pub(super) of: Vec<Option<u8>>,
    /// Remarks for the user.
    pub(super) notes: Vec<String>,
}

/// The classes of a folder that the user chose, before its pictures are decoded.
#[derive(Debug)]
pub(super) struct Chosen {
    level: Level,
    plan: Plan<OsString>,
    /// Remarks for the user.
    notes: Vec<String>,
}

/// Which component of a path is the class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// The first one below the root.
    Root,
    /// The first one below `train`, `test` and the like.
    Parts,
}

impl Level {
    /// The level on which all folders at the root are: parts of a data set, or classes.
    fn of<'a>(files: impl Iterator<Item = &'a Path>) -> Self {
        let mut folders = files.filter_map(|file| Self::Root.class(file)).peekable();
        if folders.peek().is_some() && folders.all(is_part) { Self::Parts } else { Self::Root }
    }

    /// The folder that is the class of a file, whose path is relative to the root.
    fn class(self, file: &Path) -> Option<&OsStr> {
        let mut folders = file.parent()?.components().filter_map(|component| match component {
            Component::Normal(name) => Some(name),
            _ => None,
        });
        match self {
            Self::Root => folders.next(),
            Self::Parts => folders.next().filter(|part| is_part(part)).and(folders.next()),
        }
    }

    /// The classes of these files by name, numbers in the order of their values.
    fn classes<'a>(self, files: impl Iterator<Item = &'a Path>) -> Vec<(OsString, String)> {
        let folders: BTreeSet<&OsStr> = files.filter_map(|file| self.class(file)).collect();
        let name = |folder: &OsStr| (folder.to_owned(), Plain::path(Path::new(folder)).to_string());
        let mut classes: Vec<_> = folders.into_iter().map(name).collect();
        classes.sort_by(|a, b| natural(&a.1, &b.1));
        classes
    }
}

/// Whether a folder is a part of a data set, such as `train`.
fn is_part(folder: &OsStr) -> bool {
    folder.to_str().is_some_and(|name| PARTS.contains(&name.to_lowercase().as_str()))
}

/// Resolves the names of [`Labelling::Chosen`] and removes the files of other classes, so that they are not decoded.
/// `None` for any other labelling.
///
/// # Errors
/// When a name is not that of a subfolder with files, or occurs twice.
pub(super) fn choose_files(labelling: &Labelling, root: &Path, files: &mut Vec<PathBuf>) -> Result<Option<Chosen>> {
    let Labelling::Chosen(asked) = labelling else { return Ok(None) };
    let at = Plain::path(root).to_string();
    let below = || files.iter().map(|file| relative(root, file));
    let at_root = Level::Root.classes(below());
    let in_parts = Level::Parts.classes(below());
    let has_all = |classes: &[(OsString, String)]| {
        let names: Vec<_> = classes.iter().map(|(_, name)| name.as_str()).collect();
        asked.iter().all(|name| find(&names, name).is_ok())
    };
    let is_divided = Level::of(below()) == Level::Parts;
    let is_below = !has_all(&at_root) && (has_all(&in_parts) || is_divided && !in_parts.is_empty());
    let (level, known) = if is_below { (Level::Parts, in_parts) } else { (Level::Root, at_root) };
    let mut notes = Vec::new();
    let Some(plan) = plan(labelling, known, Origin::Subfolders, &at, &mut notes)? else { return Ok(None) };
    files.retain(|file| level.class(relative(root, file)).is_none_or(|folder| plan.class(folder).is_some()));
    if level == Level::Parts {
        // A folder beside the parts is none of the classes.
        files.retain(|file| Level::Root.class(relative(root, file)).is_none_or(is_part));
    }
    Ok(Some(Chosen { level, plan, notes }))
}

/// The path of a file relative to the root.
fn relative<'a>(root: &Path, file: &'a Path) -> &'a Path {
    file.strip_prefix(root).unwrap_or(file)
}

/// The classes of the pictures of a folder. `files` are their paths relative to the root, and `at` is the path of the
/// root for messages.
///
/// # Errors
/// When the user asked for labels, and there are none or too many, or two classes have equal names.
pub(super) fn sort(labelling: &Labelling, chosen: Option<Chosen>, files: &[&Path], at: &str) -> Result<Sorted> {
    let (level, plan, notes) = match chosen {
        Some(Chosen { level, plan, notes }) => (level, Some(plan), notes),
        None => {
            let level = Level::of(files.iter().copied());
            let is_outside = |file: &&Path| level.class(file).is_none();
            if !labelling.is_asked() && files.iter().any(is_outside) {
                let outside = files.iter().filter(|file| is_outside(file)).count();
                let note = format!(
                    "subfolders are not used as classes, because {} of the {} pictures are in none; --classes folders leaves \
                     these out",
                    grouped(outside),
                    grouped(files.len())
                );
                let notes = if *labelling == Labelling::IfAny { vec![note] } else { Vec::new() };
                return Ok(Sorted { notes, ..Sorted::default() });
            }
            let known = level.classes(files.iter().copied());
            let mut notes = Vec::new();
            (level, plan(labelling, known, Origin::Subfolders, at, &mut notes)?, notes)
        }
    };
    let Some(plan) = plan else { return Ok(Sorted { notes, ..Sorted::default() }) };
    let class = |file: &&Path| plan.class(level.class(file)?);
    Ok(Sorted { of: files.iter().map(class).collect(), names: plan.names, notes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_between_characters() {
        let name = "ä".repeat(40);
        assert_eq!(cut(&name), "ä".repeat(32));
        assert_eq!(cut(&["a", &name].concat()), ["a", &"ä".repeat(31)].concat());
        assert_eq!(cut("frog"), "frog");
    }

    #[test]
    fn numbers_in_names_are_sorted_by_value() {
        let sorted = ["", "007", "7", "07a", "2", "10", "a", "a2", "a10", "a10b", "b", "ä", "蛙"];
        let mut names = sorted;
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["", "2", "007", "7", "07a", "10", "a", "a2", "a10", "a10b", "b", "ä", "蛙"]);
        for a in sorted {
            for b in sorted {
                assert_eq!(natural(a, b), natural(b, a).reverse());
                assert_eq!(natural(a, b).is_eq(), a == b);
            }
        }
    }

    #[test]
    fn an_exact_name_is_preferred() {
        assert_eq!(find(&["Cat", "cat"], "cat").unwrap(), 1);
        assert_eq!(find(&["Cat", "dog"], " CAT ").unwrap(), 0);
        assert!(find(&["Cat", "cat"], "CAT").unwrap_err().to_string().contains("can be Cat or cat"));
        assert!(find(&["Cat", "dog"], "cow").unwrap_err().to_string().contains("the classes are Cat, dog"));
        assert_eq!(find(&[r"a\u{1b}"], "a\u{1b}").unwrap(), 0);
        assert_eq!(find(&[r"a\u{1b}"], r"a\u{1b}").unwrap(), 0);
    }

    #[test]
    fn the_class_is_the_folder_below_the_root_or_its_parts() {
        let level = |files: &[&str]| Level::of(files.iter().map(Path::new));
        assert_eq!(level(&["train/a/1", "test/a/1"]), Level::Parts);
        assert_eq!(level(&["Training/a/1", "1"]), Level::Parts);
        assert_eq!(level(&["train/1", "car/1", "bus/1"]), Level::Root);
        assert_eq!(level(&["1", "2"]), Level::Root);
        assert_eq!(Level::Root.class(Path::new("a/b/1")), Some(OsStr::new("a")));
        assert_eq!(Level::Parts.class(Path::new("train/b/c/1")), Some(OsStr::new("b")));
        assert_eq!(Level::Parts.class(Path::new("train/1")), None);
        assert_eq!(Level::Parts.class(Path::new("notes/b/1")), None);
        assert_eq!(Level::Root.class(Path::new("1")), None);
    }
}
