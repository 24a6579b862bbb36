//! Arguments of several commands that select training pictures.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use gen_core::Shape;

use super::args::{ClassesChoice, bytes, classes, colour, fit};

use trainer::config::{ClassSource, Config};
use trainer::data::{self, Class, Dataset, Fit, Fitting, Labelling, Target};
use trainer::run::folder::DataRef;

#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// Pictures: a folder of them, CIFAR-10 or CIFAR-100 (folder, file or .tar.gz, binary or Python), MNIST and its
    /// like (IDX, .npz, .npy), or "builtin" for drawn frogs
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
    /// Which pictures: of CIFAR a class, such as frog; of a folder, the subfolder of that name; of IDX and .npz, a
    /// number among the labels; of the drawn frogs, a species; or "all"
    /// [default: frog of CIFAR-10, everything of other sources]
    #[arg(long, value_name = "NAME")]
    pub(crate) class: Option<String>,
    /// Classes of the pictures: "folders" (or "labels") takes all that the data has, at most 64, from subfolders or labels;
    /// "none" takes none; NAME,NAME takes only the pictures of these classes, in this order (a folder with a comma in its
    /// name has to be renamed for this); "auto:10" finds 10 kinds (or any number from 2 to 64) by clustering
    /// [default: the recipe's; without one the subfolders of a folder, if each picture is in one]
    #[arg(long, value_name = "folders|none|NAME,NAME|auto:N", value_parser = classes)]
    pub(crate) classes: Option<ClassesChoice>,
    /// What happens to pictures of other proportions
    #[arg(long, default_value_t = Fit::Crop, value_parser = fit())]
    pub(crate) fit: Fit,
    /// Colour behind transparent pixels and beside padded pictures: white, black, or RRGGBB
    #[arg(long, default_value = "white", value_name = "COLOR", value_parser = colour)]
    pub(crate) background: Background,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
}

/// How much memory pictures may take.
#[derive(Debug, Default, Clone, Copy, Args)]
pub(crate) struct MemoryArgs {
    /// Most memory for the pictures, such as 500M or 2G (MiB, GiB). More pictures are kept in a file in the cache folder,
    /// and results are the same [default: half of the machine's memory]
    #[arg(long = "memory", value_name = "SIZE", allow_negative_numbers = true, value_parser = bytes::<u64>)]
    limit: Option<u64>,
}

/// A colour, red, green and blue.
pub(crate) type Background = [u8; 3];

impl SourceArgs {
    /// Loads the pictures, brought to this shape, with classes from this source unless `--classes` says otherwise, and logs
    /// a description.
    pub(crate) fn load(&self, shape: Shape, classes: ClassSource) -> Result<Dataset> {
        let (source, labelling) = self.labelling(classes, &[]);
        let data = self.load_labelled(shape, source, labelling)?;
        data::announce(&data)?;
        Ok(data)
    }

    /// Loads the pictures, brought to this shape, and logs nothing about them.
    pub(crate) fn load_silently(&self, shape: Shape) -> Result<Dataset> {
        let (source, labelling) = self.labelling(ClassSource::default(), &[]);
        self.load_labelled(shape, source, labelling)
    }

    /// Loads the pictures of a recipe, logs a description, and returns the recipe with the names of their classes.
    pub(crate) fn load_for(&self, config: Config) -> Result<(Config, Dataset)> {
        let (classes, labelling) = self.labelling(config.classes, &config.class_names);
        let data = self.load_labelled(config.picture()?, classes, labelling)?;
        data::announce(&data)?;
        let class_names = data.labels.as_ref().map_or_else(Vec::new, |labels| labels.names.clone());
        let config = Config { classes, class_names, ..config };
        config.check()?;
        Ok((config, data))
    }

    fn load_labelled(&self, shape: Shape, source: ClassSource, labelling: Labelling) -> Result<Dataset> {
        let target = Target { shape, fitting: self.fitting() };
        let class = Class::asked(self.class.clone());
        read(self.data.clone(), class, labelling, target, self.memory)?.with_kinds(source)
    }

    /// Where classes come from, and how pictures are labelled. `--classes` has precedence over what the recipe says.
    fn labelling(&self, source: ClassSource, names: &[String]) -> (ClassSource, Labelling) {
        match &self.classes {
            Some(ClassesChoice::All) => (ClassSource::Labels, Labelling::Asked),
            Some(ClassesChoice::None) => (ClassSource::Off, Labelling::Unlabelled),
            Some(ClassesChoice::Named(names)) => (ClassSource::Labels, Labelling::Chosen(names.clone())),
            Some(ClassesChoice::Auto(count)) => (ClassSource::Auto(*count), Labelling::Unlabelled),
            None => (source, labelling(source, names)),
        }
    }

    /// How pictures are brought to a shape.
    pub(crate) fn fitting(&self) -> Fitting {
        Fitting { fit: self.fit, background: self.background }
    }
}

/// How the pictures of a recipe with these classes are labelled; `names` are empty if it does not name them.
pub(crate) fn labelling(source: ClassSource, names: &[String]) -> Labelling {
    match source {
        ClassSource::Off | ClassSource::Auto(_) => Labelling::Unlabelled,
        _ if !names.is_empty() => Labelling::Chosen(names.to_vec()),
        ClassSource::Folders => Labelling::FoldersIfAny,
        ClassSource::Labels => Labelling::IfAny,
    }
}

/// Loads pictures without labels, and logs a description.
pub(crate) fn load(path: Option<PathBuf>, class: Class, target: Target, memory: MemoryArgs) -> Result<Dataset> {
    let data = read(path, class, Labelling::Unlabelled, target, memory)?;
    data::announce(&data)?;
    Ok(data)
}

fn read(
    path: Option<PathBuf>,
    class: Class,
    labelling: Labelling,
    target: Target,
    memory: MemoryArgs,
) -> Result<Dataset> {
    let memory = memory.limit;
    data::load(&data::Request { path, class, labelling, target, memory, ..data::Request::default() })
}

/// The pictures of a recipe that a run or a card records, labelled as they were when it began, and logs a description.
pub(crate) fn recorded(
    path: Option<PathBuf>,
    class: Option<String>,
    fitting: Fitting,
    config: &Config,
    memory: MemoryArgs,
) -> Result<Dataset> {
    // A run without classes began without labels.
    let source = if config.is_conditional() { config.classes } else { ClassSource::Off };
    let target = Target { shape: config.picture()?, fitting };
    let data = read(path, Class::noted(class), labelling(source, &config.class_names), target, memory)?;
    let data = data.with_kinds(source)?;
    data::announce(&data)?;
    Ok(data)
}

/// The pictures that a run was started with.
pub(crate) fn reload(record: &DataRef, config: &Config, memory: MemoryArgs) -> Result<Dataset> {
    recorded(Some(record.path.clone()), record.class.clone(), record.fitting, config, memory)
}
