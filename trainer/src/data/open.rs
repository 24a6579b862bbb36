//! Reads a source of pictures of any kind: a folder, a file of many pictures, or the drawn frogs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use gen_core::Shape;
use rayon::prelude::*;

use super::cifar::{Cifar, CifarError, Set};
use super::describe::reasons;
use super::format::{Content, Format};
use super::idx::Idx;
use super::keep::Keeper;
use super::labels::{self, Labelling, Labels, Origin};
use super::numpy::NumPy;
use super::{BUILTIN, CIFAR10_URL, Class, Dataset, Request, folder, frogs, is_all, kinds};
use crate::numbers::grouped;
use crate::store::PictureStore;
use crate::text::Plain;

/// All formats, in the order in which they are tried.
const FORMATS: [&dyn Format; 4] = [&Idx, &NumPy, &Cifar(Set::Ten), &Cifar(Set::Hundred)];

/// Drawn frogs that are drawn before they are kept.
const TOGETHER: usize = 1024;

/// Reads the source at `path`, of any kind. `cache` is the folder for pictures that are too many for memory.
pub(super) fn open(path: &Path, request: &Request, cache: Option<&Path>) -> Result<Dataset> {
    if path == Path::new(BUILTIN) {
        return Ok(Dataset { origin: path.to_owned(), ..builtin(request, cache)? });
    }
    let (dataset, path) = open_pictures(path, request, cache)?;
    // Stored as an absolute path, because the current folder may be another one next time.
    let origin = std::path::absolute(&path).unwrap_or(path);
    Ok(Dataset { origin, ..dataset })
}

/// The pictures, and the folder that they are in: `path`, or for a class a folder below it.
fn open_pictures(path: &Path, request: &Request, cache: Option<&Path>) -> Result<(Dataset, PathBuf)> {
    let shown = Plain::path(path);
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
            "there is nothing at {shown}; --data takes a folder of pictures, CIFAR-10 or CIFAR-100 in the binary or \
             the Python version (folder, file or .tar.gz), IDX or .npz (MNIST), or the word {BUILTIN}"
        ),
        Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
    };
    if !meta.is_dir() {
        return Ok((open_file(path, request, cache)?, path.to_owned()));
    }
    if let Some((format, file)) = find_format(path, true, &[])? {
        return Ok((open_format(format, &file, request, cache)?, file));
    }
    let chosen = match &request.class {
        Class::Asked(name) => subfolder(path, name)?,
        Class::Usual | Class::Noted(_) => path.to_owned(),
    };
    Ok((open_folder(&chosen, request, cache)?, chosen))
}

/// The folder of a class, or `path` itself for `all`.
fn subfolder(path: &Path, class: &str) -> Result<PathBuf> {
    let is_inside = |component: Component<'_>| matches!(component, Component::Normal(_));
    let train = path.join("train");
    if !class.is_empty() && Path::new(class).components().all(is_inside) {
        let found = [path.join(class), train.join(class)].into_iter().find(|folder| folder.is_dir());
        if let Some(found) = found {
            return Ok(found);
        }
    }
    if class.eq_ignore_ascii_case("all") {
        return Ok(path.to_owned());
    }
    let names = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name());
        let mut names: Vec<_> = folders
            .filter(|name| !name.as_encoded_bytes().starts_with(b"."))
            .map(|name| Plain::path(Path::new(&name)).to_string())
            .collect();
        names.sort();
        names
    };
    let (shown, class) = (Plain::path(path), Plain::text(class));
    let (mut found, mut at) = (names(path), String::new());
    let inner = names(&train);
    if !inner.is_empty() {
        (found, at) = (inner, "train in ".into());
    }
    let more = found.len().saturating_sub(20);
    found.truncate(20);
    if more > 0 {
        found.push(format!("{more} more"));
    }
    ensure!(
        !found.is_empty(),
        "{shown} has no subfolder {class}, nor any other: --class chooses a class of CIFAR-10 or a subfolder; \
         leave it out to take all pictures"
    );
    bail!(
        "{shown} has no subfolder {class}: --class takes the name of one, and those of {at}{shown} are {}; leave it \
         out to take all pictures",
        found.join(", ")
    )
}

fn open_folder(path: &Path, request: &Request, cache: Option<&Path>) -> Result<Dataset> {
    let shown = Plain::path(path);
    let labelling = request.labelling();
    let (mut files, skipped) = folder::list(path).with_context(|| format!("cannot read {shown}"))?;
    ensure!(
        !files.is_empty(),
        "{shown} is empty: it holds neither pictures nor data_batch_*.bin{}",
        reasons(&skipped, 5)
    );
    let chosen = labels::choose_files(labelling, path, &mut files)?;
    // Of a source with chosen classes only their files are decoded.
    let options = match &chosen {
        Some(_) => format!("{} {labelling:?}", request.exact),
        None => request.exact.to_string(),
    };
    let keeper = Keeper::new(cache, request.memory(), &request.target, path, &options, &files);
    let sort = |files: &[&Path]| labels::sort(labelling, chosen, files, &shown.to_string());
    let found = folder::read(path, &files, skipped, (&request.target, request.exact), &keeper, sort)?;
    if let Some(other) = found.skipped.iter().find(|skipped| skipped.reason.starts_with(folder::ANOTHER_SIZE)) {
        bail!("{}: {}", Plain::path(&other.path), other.reason);
    }
    ensure!(
        !found.pictures.is_empty(),
        "{shown} holds no picture that can be read (PNG, JPEG, BMP, GIF, WebP or TIFF){}",
        reasons(&found.skipped, 5)
    );
    let mut dataset = Dataset::new(found.pictures);
    dataset.name = format!("{} from the folder {shown}", dataset.count_in_words("picture"));
    (dataset.groups, dataset.files, dataset.skipped) = (found.groups, found.files, found.skipped);
    (dataset.labels, dataset.notes, dataset.enlarged) = (found.labels, found.notes, found.enlarged);
    if let Some(Err(error)) = dataset.labels.as_ref().map(Labels::check) {
        bail!("{shown}: {error} that can be read{}", reasons(&dataset.skipped, 5));
    }
    dataset.labels_by_default = dataset.labels.is_some() && *labelling == Labelling::FoldersIfAny;
    Ok(dataset)
}

fn open_file(path: &Path, request: &Request, cache: Option<&Path>) -> Result<Dataset> {
    let shown = Plain::path(path);
    let mut start = Vec::new();
    let unreadable = || format!("cannot read {shown}");
    let file = File::open(path).with_context(unreadable)?;
    file.take(kinds::START as u64).read_to_end(&mut start).with_context(unreadable)?;
    if let Some((format, file)) = find_format(path, false, &start)? {
        return open_format(format, &file, request, cache);
    }
    if let Some(kind) = kinds::kind(&start, path) {
        bail!("{shown} is {}; {}", kind.name, kind.advice(path));
    }
    ensure!(
        image::guess_format(&start).is_err(),
        "{shown} is a single picture; give the folder that holds it and others"
    );
    bail!(
        "{shown} is neither a folder of pictures nor CIFAR, IDX, .npz or .npy{}",
        if path.to_string_lossy().ends_with("gz") { "; as an archive it is damaged or something else" } else { "" }
    )
}

/// The format of the file or folder at `path`, and the file or folder to read; `None` if it is of none of [`FORMATS`].
///
/// # Errors
/// When a folder holds several data sets, and nothing says which one is meant.
fn find_format(path: &Path, is_folder: bool, start: &[u8]) -> Result<Option<(&'static dyn Format, PathBuf)>> {
    if !is_folder {
        let format = FORMATS.into_iter().find(|format| format.is_file(path, start));
        return Ok(format.map(|format| (format, path.to_owned())));
    }
    let mut all = Vec::new();
    for format in FORMATS {
        all.extend(format.in_folder(path)?.map(|file| (format, file)));
    }
    ensure!(
        all.len() < 2,
        "{} holds several data sets; give one of them with --data: {}",
        Plain::path(path),
        all.iter().map(|(_, file)| Plain::path(file).to_string()).collect::<Vec<_>>().join(", ")
    );
    Ok(all.pop())
}

/// Reads a file or folder that holds many pictures as numbers.
fn open_format(format: &dyn Format, path: &Path, request: &Request, cache: Option<&Path>) -> Result<Dataset> {
    let shown = Plain::path(path);
    let target = &request.target;
    let unreadable = || format!("cannot read {shown}");
    let files = format.files(path).with_context(unreadable)?;
    let keeper = Keeper::new(cache, request.memory(), target, path, "", &files);
    let (mut pictures, mut content) = match keeper.reuse::<Content>() {
        Some(kept) => kept,
        None => {
            let mut collector = keeper.collect();
            let content = format.read(path, &mut collector).map_err(|error| match error.is::<CifarError>() {
                // It has the path already, or is about another file.
                true => error,
                false if collector.has_failed() => error,
                false => error.context(unreadable()),
            })?;
            (collector.finish(&content)?, content)
        }
    };
    if let Some(order) = &content.order {
        pictures = pictures.keep(&order.iter().map(|&place| place as usize).collect::<Vec<_>>())?;
    }
    ensure!(!pictures.is_empty(), "{shown} holds no pictures");
    ensure!(
        content.labels.is_empty() || content.labels.len() == pictures.len(),
        "{shown} has {} pictures and {} labels",
        pictures.len(),
        content.labels.len()
    );
    let usual = content.classes.usual.clone();
    let single = match &request.class {
        Class::Asked(class) if !is_all(class) => Some(class.as_str()),
        // What was noted for another source is ignored.
        Class::Noted(class) if !is_all(class) && content.has_class(class) => Some(class.as_str()),
        _ => None,
    };
    let is_all = request.class.name().is_some_and(is_all);
    let mut notes = Vec::new();
    let labels = match single {
        Some(_) if !request.labelling().is_asked() => None,
        _ => {
            let (kept, labels) = label(pictures, &mut content, request.labelling(), &shown.to_string(), &mut notes)?;
            pictures = kept;
            labels
        }
    };
    let class = single.or_else(|| usual.as_deref().filter(|_| !is_all)).filter(|_| labels.is_none());
    let class = match class {
        None => None,
        Some(class) => {
            let number = content.find(class, path)?;
            pictures = content.keep(pictures, |label| label == number)?;
            Some(content.classes.name(number))
        }
    };
    let (counts, classes) = (content.counts(), content.classes);
    let from = format.shape(path).with_context(unreadable)?;
    let is_enlarged = target.enlarges((from.width.into(), from.height.into()));
    let mut dataset = Dataset::new(pictures);
    dataset.name = match (&classes.set, &class) {
        (Some(set), Some(class)) => format!("{set}, {} {class} pictures, from {shown}", grouped(dataset.len())),
        (Some(set), None) => {
            let of = match (&request.labelling, &labels) {
                (Labelling::Chosen(_), Some(labels)) => labels.names.len().to_string(),
                _ => "all".into(),
            };
            format!("{set}, {} pictures of {of} classes, from {shown}", grouped(dataset.len()))
        }
        (None, Some(class)) => format!("{} of class {class} from {shown}", dataset.count_in_words("picture")),
        (None, None) => format!("{} from {shown}", dataset.count_in_words("picture")),
    };
    dataset.groups = match &labels {
        Some(labels) => labels.names.iter().cloned().zip(labels.counts()).collect(),
        None => counts.into_iter().map(|(number, count)| (classes.name(number), count)).collect(),
    };
    dataset.enlarged = if is_enlarged { dataset.len() } else { 0 };
    dataset.class = class.or_else(|| usual.map(|_| "all".into()));
    (dataset.labels, dataset.notes) = (labels, notes);
    Ok(dataset)
}

/// The labels of the pictures in a file, and these pictures without those of classes that are not used.
///
/// # Errors
/// When the user asked for labels, and there are none, too many, or not those.
fn label(
    mut pictures: PictureStore,
    content: &mut Content,
    labelling: &Labelling,
    at: &str,
    notes: &mut Vec<String>,
) -> Result<(PictureStore, Option<Labels>)> {
    // A file may give a class an empty name.
    let name = |number: u32| match content.classes.name(number) {
        name if name.is_empty() => number.to_string(),
        name => name,
    };
    let known = content.counts().into_keys().map(|number| (number, name(number))).collect();
    let Some(plan) = labels::plan(labelling, known, Origin::Labels, at, notes)? else { return Ok((pictures, None)) };
    if matches!(labelling, Labelling::Chosen(_)) {
        pictures = content.keep(pictures, |number| plan.class(&number).is_some())?;
    }
    let labels = plan.labels(content.labels.iter())?;
    Ok((pictures, Some(labels)))
}

/// Height, width and channels of the pictures at [`Request::path`], if its format says so. The pictures of a folder may
/// have any sizes.
///
/// # Errors
/// When the file is damaged or holds no pictures.
pub fn own_shape(path: &Path) -> Result<Option<Shape>> {
    let Ok(meta) = fs::metadata(path) else { return Ok(None) }; // `load` says why
    let mut start = Vec::new();
    if !meta.is_dir() {
        let unreadable = || format!("cannot read {}", Plain::path(path));
        let file = File::open(path).with_context(unreadable)?;
        file.take(kinds::START as u64).read_to_end(&mut start).with_context(unreadable)?;
    }
    let found = find_format(path, meta.is_dir(), &start)?;
    let shape = |(format, file): (&dyn Format, PathBuf)| {
        format.shape(&file).with_context(|| format!("cannot read {}", Plain::path(&file)))
    };
    found.map(shape).transpose()
}

/// Draws the frogs.
fn builtin(request: &Request, cache: Option<&Path>) -> Result<Dataset> {
    let labelling = request.labelling();
    let single = match &request.class {
        Class::Asked(class) if !is_any_frog(class) => Some(species(class)?),
        Class::Noted(class) if !labelling.is_asked() => species(class).ok(),
        _ => None,
    };
    let labelling = if single.is_some() { &Labelling::Unlabelled } else { labelling };
    let shape = request.target.shape;
    let mut notes = Vec::new();
    let mut plan = |is_known: &dyn Fn(usize) -> bool| {
        let names = frogs::species_names().map(str::to_owned).enumerate().filter(|(species, _)| is_known(*species));
        labels::plan(labelling, names.collect(), Origin::Labels, BUILTIN, &mut notes)
    };
    // Pictures of some species are drawn from the same sequence as those of all, without the others.
    let of = |index: &u64| frogs::species_of(request.seed, *index);
    let drawn = |is_drawn: &dyn Fn(usize) -> bool| -> Vec<u64> {
        (0..).filter(|index| is_drawn(of(index))).take(request.drawn).collect()
    };
    let (plan, indices) = match (labelling, single) {
        (Labelling::Chosen(_), _) => {
            let plan = plan(&|_| true)?;
            let indices = drawn(&|species| plan.as_ref().is_none_or(|plan| plan.class(&species).is_some()));
            (plan, indices)
        }
        (_, Some(single)) => (None, drawn(&|species| species == single)),
        _ => {
            let indices = drawn(&|_| true);
            let shown: BTreeSet<_> = indices.iter().map(of).collect();
            (plan(&|species| shown.contains(&species))?, indices)
        }
    };
    let species: Vec<_> = indices.iter().map(of).collect();
    let labels = plan.map(|plan| plan.labels(species.iter())).transpose()?;
    let options = format!("{} {} {single:?} {labelling:?}", request.seed, request.drawn);
    let keeper = Keeper::new(cache, request.memory(), &request.target, Path::new(BUILTIN), &options, &[]);
    let (pictures, groups) = match keeper.reuse::<BTreeMap<String, usize>>() {
        Some(kept) => kept,
        None => {
            let (mut collector, mut groups) = (keeper.collect(), BTreeMap::new());
            for some in indices.chunks(TOGETHER) {
                let drawn = some.par_iter().map(|&index| {
                    let (height, width) = (shape.height.into(), shape.width.into());
                    let (picture, kind) = frogs::picture(request.seed, index, height, width)?;
                    Some((request.target.channels_of(picture), kind))
                });
                let drawn: Option<Vec<_>> = drawn.collect();
                for (pixels, kind) in drawn.context("frogs of this size cannot be drawn")? {
                    collector.add_fitted(&pixels)?;
                    *groups.entry(kind.to_owned()).or_insert(0) += 1;
                }
            }
            (collector.finish(&groups)?, groups)
        }
    };
    let mut dataset = Dataset::new(pictures);
    dataset.name = format!("the built-in frogs, {} of seed {}", dataset.count_in_words("drawing"), request.seed);
    dataset.groups = groups.into_iter().collect();
    if let Some(species) = single.and_then(|species| frogs::species_names().nth(species)) {
        dataset.name += &format!(", all of the species {species}");
        dataset.class = Some(species.into());
    }
    (dataset.labels, dataset.notes) = (labels, notes);
    Ok(dataset)
}

/// Whether a class stands for all drawn frogs.
fn is_any_frog(class: &str) -> bool {
    is_all(class) || class.trim().eq_ignore_ascii_case("frog")
}

/// The species of this name, as a position in the list of all.
fn species(class: &str) -> Result<usize> {
    let names: Vec<_> = frogs::species_names().collect();
    labels::find(&names, class).with_context(|| {
        format!(
            "the built-in data set has frogs only, no {}; give CIFAR-10 with --data PATH, from {CIFAR10_URL}",
            Plain::text(class)
        )
    })
}
