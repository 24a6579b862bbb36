//! Arguments of `sample`, `walk` and `like`: the generator, and the sheet that is written.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use gen_core::Latent;
use ndarray::{Array4, ArrayView4};

use super::args::whole;
use super::model_file::{load_checkpoint, parse, read_model};
use trainer::classes::{ClassTable, find_class};
use trainer::files::write_atomically;
use trainer::grid::sheet_png;
use trainer::grid::{self, png_name};
use trainer::quantise::FloatModel;
use trainer::quantise::draw::draw;
use trainer::terminal::quoted;
use trainer::text::Plain;

/// Which generator to draw with.
#[derive(Debug, Args)]
pub(crate) struct GeneratorArgs {
    /// A model, or the folder of a run or of a shipped model; the one in the firmware if not given
    model: Option<PathBuf>,
    /// Draw with the float generator of this checkpoint instead
    #[arg(long, value_name = "CHECKPOINT", conflicts_with = "model")]
    float: Option<PathBuf>,
}

impl GeneratorArgs {
    /// The arguments as the user would type them.
    pub(crate) fn as_typed(&self) -> String {
        match (&self.model, &self.float) {
            (_, Some(path)) => format!(" --float {}", quoted(path)),
            (Some(path), None) => format!(" {}", quoted(path)),
            (None, None) => String::new(),
        }
    }

    /// Draws pictures. `latents` gets a description of the generator and returns the latents.
    pub(crate) fn draw(&self, latents: impl FnOnce(&Facts) -> Result<Vec<Latent>>) -> Result<Array4<u8>> {
        let facts = |latent, classes: Option<ClassTable>| Facts {
            latent,
            classes: classes.map_or(Vec::new(), |classes| classes.names),
        };
        Ok(match &self.float {
            Some(path) => {
                let checkpoint = load_checkpoint(path)?;
                let model = FloatModel::fold(&checkpoint.config, &checkpoint.state.average)?;
                let latents = latents(&facts(model.latent, model.classes.clone()))?;
                model.pictures(model.input().batch(latents).view())
            }
            None => {
                let blob = read_model(self.model.as_deref())?;
                let model = parse(&blob, self.model.as_deref())?;
                draw(&model, &latents(&facts(model.latent_len(), ClassTable::of(&model)))?)
            }
        })
    }
}

/// What the latents of a generator depend on.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Length of a latent.
    pub(crate) latent: usize,
    /// Names of the classes; none if it has no classes.
    pub(crate) classes: Vec<String>,
}

impl Facts {
    /// The latent of a seed, for a class.
    pub(crate) fn latent(&self, seed: u32, class: u8) -> Latent {
        Latent::from_seed(seed, self.latent).with_class(class)
    }

    /// The numbers of these classes.
    ///
    /// # Errors
    /// When there is no such class; the message lists all.
    pub(crate) fn find(&self, asked: &[String]) -> Result<Vec<u8>> {
        asked.iter().map(|name| find_class(&self.classes, name)).collect()
    }

    /// The name of a class in a sentence: `, class cat`. Empty if there are no classes.
    pub(crate) fn in_words(&self, class: u8) -> String {
        let name = self.classes.get(usize::from(class));
        name.map_or_else(String::new, |name| format!(", class {}", Plain::text(name)))
    }
}

/// Options of the sheet of pictures.
#[derive(Debug, Args)]
pub(crate) struct SheetArgs {
    /// Where to write the grid of all pictures [default: the name of the command, as in sample.png]
    #[arg(long, value_name = "PNG", value_parser = png_name)]
    out: Option<PathBuf>,
    /// Enlargement of the pictures [default: 2, in an animation 8]
    #[arg(long, allow_negative_numbers = true, value_parser = |t: &str| whole::<u32>(t, 1..=16))]
    scale: Option<u32>,
}

/// Enlargement of the pictures on a sheet and in an animation, unless the user gives another.
const SHEET_SCALE: u32 = 2;
const ANIMATION_SCALE: u32 = 8;

impl SheetArgs {
    /// Enlargement of the pictures in an animation.
    pub(crate) fn animation_scale(&self) -> usize {
        self.scale.unwrap_or(ANIMATION_SCALE) as usize
    }

    /// Writes the sheet and prints what it shows.
    pub(crate) fn write(
        &self,
        pictures: ArrayView4<'_, u8>,
        columns: usize,
        group: usize,
        name: &str,
        what: &str,
    ) -> Result<()> {
        let out = self.out.clone().unwrap_or_else(|| format!("{name}.png").into());
        let layout = grid::Layout { columns, pad: 2, scale: self.scale.unwrap_or(SHEET_SCALE) as usize, group };
        write_atomically(&out, &sheet_png(&layout.sheet(pictures)?)?)?;
        println!("grid: {} ({what})", out.display());
        Ok(())
    }
}
