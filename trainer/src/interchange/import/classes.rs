//! The class vectors of a conditional generator.

use anyhow::{Context as _, Result, anyhow, ensure};
use gen_core::spec::MAX_CLASSES;
use ndarray::{Array2, Axis, Ix2};

use super::super::{CHECK_CLASS, CLASS_EMBEDDING, HEADER_CLASSES};
use super::names::Named;
use super::{Options, Reader};
use crate::config::{Config, MAX_CLASS_EMBEDDING};
use crate::tensors::Tensors;

/// The class vectors of a file, and the names of the classes.
#[derive(Debug)]
pub(super) struct Embedding<'a> {
    /// Name of the array.
    pub(super) name: &'a str,
    /// The vectors as the file has them; `[classes, width]`.
    pub(super) vectors: Array2<f32>,
    /// The name of each class.
    pub(super) names: Vec<String>,
}

impl Embedding<'_> {
    /// The configuration with these classes.
    pub(super) fn configured(&self, config: &Config) -> Config {
        // `embedding` has checked that the width is one that a recipe can have.
        let class_embedding = u8::try_from(self.vectors.ncols()).unwrap_or(u8::MAX);
        Config { class_names: self.names.clone(), class_embedding, ..config.clone() }
    }
}

/// Result of [`embedding`].
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// The generator has no classes.
    None,
    /// The class vectors.
    Embedding(Embedding<'a>),
    /// What is wrong, and the name of the array, if there is one.
    Problem(String, Option<&'a str>),
}

impl<'a> Found<'a> {
    /// Name of the array of class vectors.
    pub(super) fn name(&self) -> Option<&'a str> {
        match self {
            Self::None => None,
            Self::Embedding(embedding) => Some(embedding.name),
            Self::Problem(_, name) => *name,
        }
    }
}

/// Finds the class vectors. The number of classes and the width come from the array.
///
/// # Errors
/// When there are names of classes, but neither the file nor the configuration has classes.
pub(super) fn embedding<'a>(tensors: &'a Tensors, config: &Config, options: &Options) -> Result<Found<'a>> {
    let wanted = options.class_embedding.as_deref().unwrap_or(CLASS_EMBEDDING);
    // PyTorch stores the table of `self.embed = nn.Embedding(...)` as `embed.weight`.
    let spellings = [&*options.prefix, ""]
        .into_iter()
        .flat_map(|prefix| ["", ".weight"].map(|end| tensors.map.get_key_value(&format!("{prefix}{wanted}{end}"))));
    let Some((name, array)) = spellings.flatten().next() else {
        let width = config.class_embedding;
        let problem = match (config.class_names.len(), &options.class_embedding) {
            (0, None) => {
                ensure!(
                    options.class_names.is_empty(),
                    "{}: --class-names names the classes of a generator, and the file has no array \"{CLASS_EMBEDDING}\" \
                     of class vectors; --class-embedding says which array that is",
                    tensors.source
                );
                return Ok(Found::None);
            }
            (_, Some(_)) => format!("there is no array \"{wanted}\", which --class-embedding names"),
            (count, None) => format!(
                "{wanted} is missing: the {count} classes of the configuration need [{count}, {width}] (classes, numbers \
                 of each); --class-embedding, if it has another name"
            ),
        };
        return Ok(Found::Problem(problem, None));
    };
    Ok(match read(Named { name, array }, tensors, config, options) {
        Ok(embedding) => Found::Embedding(embedding),
        Err(reason) => Found::Problem(format!("{reason:#}"), Some(name)),
    })
}

/// The class vectors of this array.
///
/// # Errors
/// When it is no table of class vectors, or the names do not fit it.
fn read<'a>(named: Named<'a>, tensors: &Tensors, config: &Config, options: &Options) -> Result<Embedding<'a>> {
    let Named { name, array } = named;
    let vectors = array.view().into_dimensionality::<Ix2>();
    let vectors = vectors
        .map_err(|_| anyhow!("{named} is no table of class vectors, [classes, numbers of each]"))?
        .mapv(|v| v as f32);
    let wrong = vectors.iter().filter(|v| !v.is_finite()).count();
    ensure!(wrong == 0, "{name}: {wrong} of its {} values are not finite", vectors.len());
    let (count, width) = vectors.dim();
    let most = usize::from(MAX_CLASS_EMBEDDING);
    ensure!((1..=most).contains(&width), "{named}: 1 to {most} numbers for a class are possible, not {width}");
    ensure!((2..=MAX_CLASSES).contains(&count), "{named}: 2 to {MAX_CLASSES} classes are possible, not {count}");
    let (names, origin) = names(tensors, config, options, count);
    let found = names.len();
    ensure!(found == count, "{named} has the vectors of {count} classes, and {origin} names {found}");
    let embedding = Embedding { name, vectors, names };
    embedding.configured(config).check_classes().with_context(|| named.to_string())?;
    Ok(embedding)
}

/// Names of `count` classes, and where they come from.
fn names(tensors: &Tensors, config: &Config, options: &Options, count: usize) -> (Vec<String>, &'static str) {
    if !options.class_names.is_empty() {
        return (options.class_names.clone(), "--class-names");
    }
    if config.is_conditional() {
        return (config.class_names.clone(), "the configuration");
    }
    match tensors.header.get(HEADER_CLASSES) {
        Some(names) => (names.split('\n').map(str::to_owned).collect(), "the header of the file"),
        None => ((0..count).map(|class| class.to_string()).collect(), "nothing"),
    }
}

impl Reader<'_> {
    /// The vectors of the classes of the check latents, `[count, width]`; `None` if there is a problem with these.
    pub(super) fn vectors(
        &mut self,
        embedding: &Embedding<'_>,
        classes: Named<'_>,
        count: usize,
    ) -> Option<Array2<f32>> {
        if !self.fits(classes, &[count], "the class of each picture", "the generator") {
            return None;
        }
        let known = embedding.names.len();
        let is_class = |&v: &f64| v >= 0.0 && v < known as f64 && v.fract() == 0.0;
        if let Some(wrong) = classes.array.iter().find(|v| !is_class(v)) {
            self.problems.push(format!("{CHECK_CLASS}: {wrong} is none of the classes 0 to {}", known - 1));
            return None;
        }
        let rows: Vec<usize> = classes.array.iter().map(|&v| v as usize).collect();
        Some(embedding.vectors.select(Axis(0), &rows))
    }
}
