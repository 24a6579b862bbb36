//! Shipped models: a folder with a model, its pictures, and a card that records its origin, so that
//! `trainer rebuild` can reproduce it bit for bit.
//!
//! ```text
//! models/NAME/
//!   card.toml               the card for the program: a Card
//!   model.gen               the quantised generator
//!   generator.safetensors   the float generator, recovered from the integers
//!   samples.png             pictures of the first seeds
//!   README.md               the card for people, made from card.toml, with the front matter of a Hugging Face repository
//! ```
//!
//! The folder is a repository of the Hugging Face Hub as it stands.

mod make;
mod readme;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use gen_core::Model;
use gen_core::aligned;
use serde::{Deserialize, Serialize};

use crate::classes::SheetLatents;
use crate::config::Config;
use crate::data::{Dataset, Fitting};
use crate::files::write_atomically;
use crate::grid::{grid, png};
use crate::interchange::{Layout, to_safetensors};
use crate::latents::sample_budget;
use crate::machine::{self, program};
use crate::quantise::compare::likeness;
use crate::quantise::draw::{draw, first_pictures};
use crate::quantise::weight_transforms::{self, PackingPolicy};
use crate::quantise::{FloatModel, QuantModel};
use crate::run::start::Origin;
use crate::text;
pub use make::{CardInput, describe};

/// The oldest version that makes models with the same bits as this one. In 0.2.0 the calibration of int8
/// ranges was corrected, which had used only some of the channels.
const SAME_BITS_SINCE: [u32; 3] = [0, 2, 0];

/// File name of the float generator.
const GENERATOR: &str = "generator.safetensors";

/// Number of pictures in `samples.png`, and in a row of it.
const SAMPLES: u32 = 64;
const COLUMNS: usize = 8;

/// The card of a model. Fields that a later version adds have a default, so
/// that older cards can be read. Unknown fields are ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Name of the model's folder.
    pub name: String,
    /// Short description: what the model draws and what it is for.
    pub about: String,
    /// Name and version of the program that wrote the card.
    #[serde(default)]
    pub program: String,
    /// Identifiers of the licences of the model, as the Hugging Face Hub writes them (`mit`, `apache-2.0`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub license: Vec<String>,
    /// The training pictures.
    pub data: Data,
    /// The training run.
    pub training: Training,
    /// The file `model.gen`.
    pub model: File,
    /// Measurements: any names with numbers or texts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scores: BTreeMap<String, toml::Value>,
    /// The complete recipe with seed and steps, because presets may change later.
    pub config: Config,
}

/// The training pictures of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// Description: contents and source of the pictures.
    pub about: String,
    /// The argument of `--data` that loads them, if it is the same on every computer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<PathBuf>,
    /// Class of CIFAR-10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// How the pictures were brought to the size of the recipe.
    #[serde(default, skip_serializing_if = "Fitting::is_default")]
    pub fitting: Fitting,
    /// Number of pictures, with those that are held out.
    pub count: usize,
    /// Number of held-out pictures, which training never saw.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub held_out: usize,
    /// [`Dataset::fingerprint`].
    pub fingerprint: String,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// The training run of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Training time in minutes.
    pub minutes: f64,
    /// [`machine::arithmetic`] of the training machine. Identical bits are guaranteed for the same kind only.
    pub processor: String,
    /// [`machine::first_steps`] on that machine.
    pub first_steps: String,
    /// The checkpoint that the run started from, if it did not start from nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Origin>,
    /// The teacher of the run, if it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<Origin>,
}

/// The file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Length in bytes.
    pub bytes: usize,
    /// CRC-32 (as in zip) of the file, eight hexadecimal digits.
    pub crc32: String,
    /// Layers with Winograd-transformed weights, as for `trainer quantize --winograd-layers`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fast_layers: Vec<usize>,
}

impl Card {
    /// Parses and checks the text of a `card.toml`.
    ///
    /// # Errors
    /// When the text is not a card or its recipe is invalid; the message names the line or the problem.
    pub fn from_toml(text: &str) -> Result<Self> {
        let card: Self = toml::from_str(text)?;
        card.config.check().context("config")?;
        Ok(card)
    }

    /// The text of a `card.toml`.
    ///
    /// # Errors
    /// When the path of the pictures cannot be represented in TOML.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).context("the card cannot be written down")
    }

    /// Checks that these are the training pictures of the model.
    ///
    /// # Errors
    /// When they are not; the message says which are needed. When they are in a file that cannot be read.
    pub fn check_data(&self, data: &Dataset) -> Result<()> {
        let found = data.fingerprint()?;
        ensure!(
            found == self.data.fingerprint,
            "other pictures: the model was trained on {} (fingerprint {}), these are {} (fingerprint {found}). \
             Give the right ones with --data PATH; their order and their pixels count",
            self.data.about,
            self.data.fingerprint,
            data.name
        );
        Ok(())
    }

    /// Checks that this is the checkpoint that the model's run started from.
    ///
    /// # Errors
    /// When it is another one, or one is missing or not needed.
    pub fn check_start(&self, found: Option<&Origin>) -> Result<()> {
        match (&self.training.start, found) {
            (None, None) => Ok(()),
            (None, Some(_)) => bail!("the model's run started from nothing: leave out --from"),
            (Some(start), None) => bail!(
                "the model's run started from {}, step {} (CRC-32 {} of its weights): give it with --from",
                start.path.display(),
                start.step,
                start.crc32
            ),
            (Some(start), Some(found)) => start.check(found, "what the model's run started from"),
        }
    }

    /// Checks that this is the teacher of the model's run.
    ///
    /// # Errors
    /// When it is another one.
    pub fn check_teacher(&self, found: Option<&Origin>) -> Result<()> {
        let (Some(before), Some(found)) = (&self.training.teacher, found) else { return Ok(()) };
        before.check(found, "the teacher of the model's run")
    }

    /// A warning if the version that wrote the card makes models whose last bits differ from this version's.
    pub fn version_warning(&self) -> Option<String> {
        let version = self.program.strip_prefix("trainer ")?;
        let mut numbers = version.split('.').map(|number| number.parse::<u32>());
        let [Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch))] = std::array::from_fn(|_| numbers.next()) else {
            return None;
        };
        let [a, b, c] = SAME_BITS_SINCE;
        ([major, minor, patch] < SAME_BITS_SINCE).then(|| {
            format!(
                "the card was written by {}, this is {}: since {a}.{b}.{c} models differ in their last bits, because \
                 the calibration of int8 ranges was corrected. Pictures are all but equal",
                self.program,
                program()
            )
        })
    }

    /// A warning if a model trained on this machine will have other bits, because of the program's version or
    /// because of the machine, which is checked with two training steps.
    ///
    /// # Errors
    /// When a step fails.
    pub fn reproducibility_warning(&self, data: &Dataset) -> Result<Option<String>> {
        let all = [self.version_warning(), self.machine_warning(data)?];
        let all: Vec<_> = all.into_iter().flatten().collect();
        Ok((!all.is_empty()).then(|| all.join("; ")))
    }

    fn machine_warning(&self, data: &Dataset) -> Result<Option<String>> {
        let (training, _) = data.split(self.config.holdout, self.config.seed)?;
        if machine::first_steps(&self.config, &training)? == self.training.first_steps {
            return Ok(None);
        }
        let here = machine::arithmetic(&self.config);
        let why = if here == self.training.processor {
            format!(
                "the kind of processor is the same ({here}), so the likely cause is the size of its caches, by which \
                 sums are cut into parts, or a version of this program that computes otherwise"
            )
        } else {
            format!(
                "the likely cause is the processor: the model was trained on {}, this is {here}",
                self.training.processor
            )
        };
        Ok(Some(format!("the first steps give other bits here; {why}")))
    }
}

/// The folder of a shipped model.
#[derive(Debug, Clone, PartialEq)]
pub struct Shipped {
    /// The card of the model.
    pub card: Card,
    /// The bytes of `model.gen`.
    pub blob: Vec<u8>,
}

impl Shipped {
    /// Reads the card and its model.
    ///
    /// # Errors
    /// When one is missing or damaged, or they do not belong together.
    pub fn open(folder: &Path) -> Result<Self> {
        let (path, model) = (folder.join("card.toml"), folder.join("model.gen"));
        let text = text::read(&path).context("the card of the model")?;
        let card = Card::from_toml(&text).with_context(|| format!("{} is no usable card", path.display()))?;
        let blob = fs::read(&model).with_context(|| format!("cannot read the model {}", model.display()))?;
        let found = File { fast_layers: card.model.fast_layers.clone(), ..File::of(&blob, Vec::new()) };
        ensure!(
            found == card.model,
            "{} is not the model of its card: {} bytes, CRC-32 {}; the card says {} bytes, CRC-32 {}",
            model.display(),
            found.bytes,
            found.crc32,
            card.model.bytes,
            card.model.crc32
        );
        Ok(Self { card, blob })
    }

    /// Writes the folder. The card is written last, because a folder without a card counts as incomplete.
    ///
    /// # Errors
    /// When the folder cannot be written to, or the model is damaged.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let bytes = aligned(&self.blob);
        let model = Model::parse(&bytes).context("model.gen")?;
        let most = sample_budget(model.macs(), SAMPLES.max((model.classes().len() * COLUMNS) as u32));
        let SheetLatents { latents, columns } = SheetLatents::of(&model, COLUMNS, most);
        let samples = png(&grid(draw(&model, &latents).view(), columns, 2, 2)?)?;
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let float = FloatModel::of_integers(&QuantModel::from_model(&model)?);
        write_atomically(&folder.join("model.gen"), &self.blob)?;
        write_atomically(&folder.join(GENERATOR), &to_safetensors(&float, Layout::Oihw)?)?;
        write_atomically(&folder.join("samples.png"), &samples)?;
        write_atomically(&folder.join("README.md"), self.card.readme(&model, folder).as_bytes())?;
        write_atomically(&folder.join("card.toml"), self.card.to_toml()?.as_bytes())
    }

    /// The text of `README.md` in this folder.
    ///
    /// # Errors
    /// When the model is damaged.
    pub fn readme(&self, folder: &Path) -> Result<String> {
        Ok(self.card.readme(&Model::parse(&aligned(&self.blob)).context("model.gen")?, folder))
    }

    /// Compares the model with one that was rebuilt from the card.
    ///
    /// # Errors
    /// When a bit differs. The message says where, how much the pictures differ, and the possible reason in
    /// `warning` if there is one.
    pub fn compare(&self, rebuilt: &[u8], warning: Option<&str>) -> Result<()> {
        let rebuilt = repack(rebuilt, &self.card.model.fast_layers)?;
        if rebuilt == self.blob {
            return Ok(());
        }
        let length = if rebuilt.len() == self.blob.len() {
            String::new()
        } else {
            format!(", {} bytes instead of {}", rebuilt.len(), self.blob.len())
        };
        let same = rebuilt.iter().zip(&self.blob).take_while(|(a, b)| a == b).count();
        let seen = match (Model::parse(&aligned(&self.blob)), Model::parse(&aligned(&rebuilt))) {
            (Ok(a), Ok(b)) if a.output_shape() == b.output_shape() => {
                let close = likeness(first_pictures(&a, SAMPLES).view(), first_pictures(&b, SAMPLES).view());
                format!("their pictures, compared: {close}")
            }
            _ => "they draw pictures of other sizes".into(),
        };
        let why = warning.unwrap_or(
            "the first steps were the same, so another version of this program is the likely cause, or the card was \
             written for a run that was made longer with `resume --steps`",
        );
        bail!("other bits: the models differ from byte {same} on{length}; {seen}; {why}")
    }
}

impl File {
    fn of(blob: &[u8], fast_layers: Vec<usize>) -> Self {
        Self { bytes: blob.len(), crc32: format!("{:08x}", crc32fast::hash(blob)), fast_layers }
    }
}

/// Packs a model again with Winograd-transformed weights in these layers. A run transforms none.
fn repack(blob: &[u8], fast_layers: &[usize]) -> Result<Vec<u8>> {
    if fast_layers.is_empty() {
        return Ok(blob.to_vec());
    }
    let mut model = QuantModel::from_model(&Model::parse(&aligned(blob)).context("the rebuilt model")?)?;
    weight_transforms::choose(&mut model, &PackingPolicy::Layers(fast_layers.to_vec()), crate::cost::Core::Dsp)?;
    Ok(model.to_blob()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{self, BUILTIN, Request};

    const BLOB: &[u8] = include_bytes!("../../models/pocket-drawn/model.gen");

    fn example() -> (Shipped, Dataset) {
        let request = Request { path: Some(BUILTIN.into()), drawn: 40, ..Request::default() };
        let data = data::load(&request).unwrap();
        let config = Config::preset("pocket").unwrap().narrowed(16);
        let card = Card {
            name: "frog".into(),
            about: "Frogs".into(),
            license: vec!["mit".into()],
            program: "a test".into(),
            data: Data {
                about: "drawn frogs".into(),
                source: Some(BUILTIN.into()),
                class: None,
                fitting: Fitting::default(),
                count: data.len(),
                held_out: 0,
                fingerprint: data.fingerprint().unwrap(),
            },
            training: Training {
                minutes: 1.5,
                processor: machine::arithmetic(&config),
                first_steps: machine::first_steps(&config, &data.pictures).unwrap(),
                start: None,
                teacher: None,
            },
            model: File::of(BLOB, Vec::new()),
            scores: [("recall".to_owned(), 0.5.into()), ("judge".to_owned(), "none".into())].into(),
            config,
        };
        (Shipped { card, blob: BLOB.to_vec() }, data)
    }

    #[test]
    fn survives_the_way_through_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (shipped, _) = example();
        shipped.write(folder.path()).unwrap();
        assert_eq!(Shipped::open(folder.path()).unwrap(), shipped);
        assert!(folder.path().join(GENERATOR).is_file());
        let page = shipped.readme(folder.path()).unwrap();
        assert!(page.starts_with("---\nlicense:\n- mit\nlibrary_name: ribbit\n"), "{page}");
        assert_eq!(
            fs::read_to_string(folder.path().join("README.md")).unwrap(),
            shipped.readme(folder.path()).unwrap()
        );
    }

    #[test]
    fn cards_of_other_versions_are_read() {
        let (Shipped { card, .. }, _) = example();
        let text = card.to_toml().unwrap();
        assert_eq!(Card::from_toml(&format!("mood = \"good\"\n{text}")).unwrap(), card);
        let older = Card { program: String::new(), ..card };
        assert_eq!(Card::from_toml(&text.replace("program = \"a test\"\n", "")).unwrap(), older);
    }

    #[test]
    fn says_why_a_rebuilt_model_would_differ() {
        let (Shipped { mut card, .. }, mut data) = example();
        assert_eq!(card.reproducibility_warning(&data).unwrap(), None);
        card.training.first_steps = "0".into();
        assert!(card.reproducibility_warning(&data).unwrap().unwrap().contains("the kind of processor is the same"));
        card.training.processor = "an abacus".into();
        assert!(card.reproducibility_warning(&data).unwrap().unwrap().contains("trained on an abacus"));
        card.check_data(&data).unwrap();
        let mut other = data.pictures.to_array().unwrap();
        other[[0, 0, 0, 0]] ^= 1;
        data.pictures = other.into();
        assert!(card.check_data(&data).unwrap_err().to_string().contains("other pictures"));
    }

    #[test]
    fn a_card_of_a_version_with_other_bits_says_so() {
        let (Shipped { mut card, .. }, data) = example();
        let [major, minor, patch] = SAME_BITS_SINCE;
        for (version, is_other) in [
            ("0.1.0".to_owned(), true),
            ("0.1.99".into(), true),
            (format!("{major}.{minor}.{patch}"), false),
            (format!("{major}.{}.0", minor + 1), false),
            (env!("CARGO_PKG_VERSION").into(), false),
        ] {
            card.program = format!("trainer {version}");
            let warning = card.reproducibility_warning(&data).unwrap();
            assert_eq!(warning.is_some(), is_other, "{version}: {warning:?}");
            let text = warning.unwrap_or_default();
            assert!(!is_other || text.contains(&format!("written by trainer {version}, this is trainer")), "{text}");
        }
        // Text that is not a version counts as an unknown version.
        for program in ["", "trainer", "trainer x.y.z", "a test"] {
            card.program = program.into();
            assert_eq!(card.version_warning(), None, "{program}");
        }
        // If there are two reasons, the message has both.
        (card.program, card.training.first_steps) = ("trainer 0.1.0".into(), "0".into());
        let text = card.reproducibility_warning(&data).unwrap().unwrap();
        assert!(text.contains("last bits") && text.contains("the first steps give other bits"), "{text}");
    }

    #[test]
    fn models_are_compared_to_the_bit_in_the_form_that_is_shipped() {
        let (mut shipped, _) = example();
        shipped.compare(BLOB, None).unwrap();
        shipped.card.model.fast_layers = vec![1, 3];
        shipped.blob = repack(BLOB, &[1, 3]).unwrap();
        assert!(shipped.blob.len() > BLOB.len());
        shipped.compare(BLOB, None).unwrap();

        let (shipped, _) = example();
        let text = shipped.compare(&repack(BLOB, &[1]).unwrap(), Some("it is Monday")).unwrap_err().to_string();
        assert!(text.contains("instead of") && text.contains("equal in every pixel; it is Monday"), "{text}");
    }
}
