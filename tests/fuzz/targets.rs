//! What must hold for any input, for each kind of external data: the parser returns an error or a valid result, uses
//! bounded memory and time, and does not panic.
//!
//! Used by the fuzz targets (`fuzz_targets/`, guided by coverage, `./tests/fuzz.sh`) and by `tests/tests/fuzz.rs`, which
//! replays the committed inputs on every machine.

use std::io::Cursor;

use gen_core::Latent;
use gen_core::spec::MAX_LATENT;
use trainer::card::Card;
use trainer::config::Config;
use trainer::data::cifar::{self, RECORD, Set};
use trainer::data::{Pictures, read_idx, read_numpy};
use trainer::interchange::import::{Options, import};
use trainer::interchange::{Layout, to_onnx, to_safetensors};
use trainer::quantise::quantise;
use trainer::run::checkpoint::Checkpoint;
use trainer::run::metrics;
use trainer::tensors::{Kind, Tensors};
use trainer::train::Trainer;

// gen-core's own test uses the same function for its mutants.
#[path = "../../gen-core/tests/common/exercise.rs"]
mod exercise;

/// Takes any bytes and returns whether they were valid. Panics if a property that must hold does not.
pub type Target = fn(&[u8]) -> bool;

/// All targets, by name.
pub const TARGETS: [(&str, Target); 15] = [
    ("model", model),
    ("cifar", cifar_batch),
    ("archive", archive),
    ("pickle", pickle),
    ("idx", idx),
    ("numpy", numpy),
    ("picture", picture),
    ("safetensors", safetensors),
    ("npz", npz),
    ("generator", generator),
    ("checkpoint", checkpoint),
    ("config", config),
    ("card", card),
    ("metrics", metrics_lines),
    ("latent", latent),
];

/// Largest number of parameters of a network that a target trains or draws with; larger networks would be slow.
const SMALL: usize = 50_000;

/// The target of this name.
#[allow(dead_code, reason = "the replay goes through all of them")]
pub fn target(name: &str) -> Target {
    TARGETS.iter().find(|(n, _)| *n == name).expect("a target").1
}

/// A model file: a valid one draws a whole picture in the workspace that it requires.
fn model(bytes: &[u8]) -> bool {
    let good = exercise::exercise(bytes);
    // With the length and the checksum corrected, more inputs pass these checks.
    let mut sealed = bytes.to_vec();
    if gen_core::format::seal(&mut sealed).is_ok() {
        exercise::exercise(&sealed);
    }
    good
}

/// Records of CIFAR-10 and CIFAR-100: complete ones with known labels are read, all others are rejected.
fn cifar_batch(bytes: &[u8]) -> bool {
    let mut is_any = false;
    for (set, classes) in [(Set::Ten, 10), (Set::Hundred, 100)] {
        let size = set.record();
        let label = |record: &[u8]| record[size - RECORD];
        let is_good = bytes.len().is_multiple_of(size) && bytes.chunks(size).all(|record| label(record) < classes);
        let read = cifar::read_batch(bytes, "x", set);
        assert_eq!(read.is_ok(), is_good);
        if let Ok(read) = read {
            assert_eq!(read.len(), bytes.len() / size);
            assert_whole(&read);
        }
        is_any |= is_good;
    }
    is_any
}

/// Checks that there are only whole pictures, with a label for each or none at all.
fn assert_whole(pictures: &Pictures) {
    assert_eq!(pictures.pixels.len(), pictures.len() * pictures.shape.len());
    assert!(pictures.labels.is_empty() || pictures.labels.len() == pictures.len());
    assert!(matches!(pictures.shape.channels, 1 | 3));
}

/// The best compression ratio of Deflate is 1:1032.
fn unpacked(bytes: &[u8]) -> usize {
    bytes.len().saturating_mul(1040)
}

/// The archive of CIFAR: the result consists of whole pictures, and not more than the archive can contain.
fn archive(bytes: &[u8]) -> bool {
    let Ok(pictures) = cifar::read_archive(bytes, "x") else { return false };
    assert_whole(&pictures);
    assert!(pictures.labels.iter().all(|label| (*label as usize) < pictures.classes.names.len()));
    assert!(pictures.pixels.len() <= unpacked(bytes));
    true
}

/// A pickle of CIFAR: whole pictures, each with a label, and not more than the file has.
fn pickle(bytes: &[u8]) -> bool {
    let Ok(pictures) = cifar::read_python(bytes, "x") else { return false };
    assert_whole(&pictures);
    assert_eq!(pictures.labels.len(), pictures.len());
    assert!(pictures.pixels.len() <= bytes.len());
    true
}

/// Limit of the pictures in bytes that a target reads.
const MAX_PIXELS: u64 = 1 << 24;

/// IDX, compressed or not: whole pictures, not more than the limit, and not more than the file can contain.
fn idx(bytes: &[u8]) -> bool {
    let Ok(pictures) = read_idx(bytes, MAX_PIXELS) else { return false };
    assert_whole(&pictures);
    assert!(pictures.pixels.len() <= unpacked(bytes).min(MAX_PIXELS as usize));
    true
}

/// Pictures in `.npy` or `.npz`, of any type of numbers: as for IDX.
fn numpy(bytes: &[u8]) -> bool {
    let Ok(pictures) = read_numpy(Cursor::new(bytes), MAX_PIXELS) else { return false };
    assert_whole(&pictures);
    assert!(!pictures.is_empty() && pictures.pixels.len() <= unpacked(bytes).min(MAX_PIXELS as usize));
    true
}

/// A picture file of any format: a valid one becomes a square picture of the requested side.
fn picture(bytes: &[u8]) -> bool {
    match trainer::data::picture(Cursor::new(bytes), 32) {
        Ok(picture) => assert_eq!(picture.dimensions(), (32, 32)),
        Err(reason) => {
            assert!(!reason.is_empty());
            return false;
        }
    }
    true
}

fn tensors(kind: Kind, bytes: &[u8]) -> Option<Tensors> {
    let tensors = Tensors::parse(kind, Cursor::new(bytes), "x").ok()?;
    for (name, array) in &tensors.map {
        assert!(tensors.shaped(name, array.shape()).is_ok());
    }
    Some(tensors)
}

/// A safetensors file with named arrays.
fn safetensors(bytes: &[u8]) -> bool {
    let Some(read) = tensors(Kind::Safetensors, bytes) else { return false };
    // Each number takes at least one byte of the file.
    assert!(read.map.values().map(|array| array.len()).sum::<usize>() <= bytes.len());
    true
}

/// NumPy's archive (npz) with named arrays.
fn npz(bytes: &[u8]) -> bool {
    tensors(Kind::Npz, bytes).is_some()
}

/// A generator of another program: one that can be imported can be exported again, also as ONNX (which is not read back),
/// and one that can be quantised can draw.
fn generator(bytes: &[u8]) -> bool {
    let Some(tensors) = tensors(Kind::Safetensors, bytes) else { return false };
    let Ok(imported) = import(&tensors, &importable(), &Options::default()) else { return false };
    let model = imported.model;
    assert!(!to_onnx(&model).is_empty());
    // Quantisation rejects weights so large that sums overflow.
    let Ok(written) = to_safetensors(&model, Layout::Oihw) else { return true };
    let again = Tensors::parse(Kind::Safetensors, Cursor::new(&written), "x").expect("just written");
    let options = Options { layout: Some(Layout::Oihw), ..Options::default() };
    assert_eq!(import(&again, &importable(), &options).expect("just written").model, model);
    if let Ok(blob) = quantise(&model).and_then(|model| Ok(model.to_blob()?)) {
        assert!(exercise::exercise(&blob));
    }
    true
}

/// The recipe whose generator is imported, small enough for many trials.
pub fn importable() -> Config {
    const LAYERS: &str = r#"layers = [
        { op = "dense", size = [2, 2], channels = 2, batch_norm = true, activation = "relu" },
        { op = "conv_transpose", channels = 3, kernel = 4, stride = 2, activation = "tanh" },
    ]"#;
    let mut config = Config::preset("pocket").expect("it is built in");
    config.latent = 2;
    config.generator.layers = toml::from_str::<toml::Table>(LAYERS)
        .and_then(|table| table["layers"].clone().try_into())
        .expect("it is written above");
    config
}

/// A checkpoint: a valid one is written back unchanged, and training continues from it or returns an error.
fn checkpoint(bytes: &[u8]) -> bool {
    let mut sealed = bytes.to_vec();
    if let Some((content, crc)) = sealed.split_last_chunk_mut::<4>() {
        *crc = crc32fast::hash(content).to_le_bytes();
    }
    let mut goes_on = false;
    for bytes in [bytes, &sealed] {
        let Ok(read) = Checkpoint::decode(bytes) else { continue };
        let written = read.encode().expect("it was read");
        let again = Checkpoint::decode(&written).expect("just written");
        // Compared as bytes, because NaN is not equal to itself.
        assert_eq!(again.encode().expect("it was read"), written);
        if is_small(&read.config) {
            goes_on |= Trainer::with_state(read.config, read.state).is_ok();
        }
    }
    goes_on
}

/// Whether a network is small enough to be created quickly.
fn is_small(config: &Config) -> bool {
    let Ok((generator, discriminator)) = config.networks() else { return true };
    let parameters = generator.parameter_count() + discriminator.parameter_count();
    parameters <= SMALL && config.batch * generator.output().len() <= SMALL
}

/// A recipe: an accepted one is the same after writing and reading, and its networks can be created.
fn config(bytes: &[u8]) -> bool {
    let text = trainer::text::decode(bytes.to_vec());
    let Some(config) = text.ok().and_then(|text| Config::from_toml(&text).ok()) else {
        return false;
    };
    assert_eq!(Config::from_toml(&config.to_toml()).expect("it was accepted"), config);
    let (resolved, _) = config.resolve_for(100);
    resolved.networks().expect("it was accepted");
    if is_small(&resolved) {
        Trainer::new(resolved).expect("it was accepted");
    }
    true
}

/// The card of a shipped model.
fn card(bytes: &[u8]) -> bool {
    let Some(card) = std::str::from_utf8(bytes).ok().and_then(|text| Card::from_toml(text).ok()) else {
        return false;
    };
    if let Ok(text) = card.to_toml() {
        Card::from_toml(&text).expect("just written");
    }
    true
}

/// Lines of `metrics.jsonl`: valid ones can be plotted, and are the same after writing and reading.
fn metrics_lines(bytes: &[u8]) -> bool {
    let (lines, _) = metrics::parse(&String::from_utf8_lossy(bytes), 1_000_000);
    metrics::plot(&lines.rows, trainer::nn::loss::Loss::Bce).expect("a picture");
    metrics::plot_quality(&lines.measured, lines.measured.last().map(|m| m.step)).expect("a picture");
    metrics::plot_logits(&lines.compared).expect("a picture");
    let (again, damaged) = metrics::parse(&metrics::to_jsonl_all(&lines), 1_000_000);
    let lengths = |lines: &metrics::Lines| [lines.rows.len(), lines.measured.len(), lines.compared.len()];
    assert_eq!((lengths(&again), damaged), (lengths(&lines), 0));
    !lines.rows.is_empty()
}

/// The text of a latent, as it is typed: an accepted one is what the latent is written as, but for the case of letters.
fn latent(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let found = (0..=MAX_LATENT + 1).filter_map(|len| Latent::from_hex(text, len).ok());
    let texts: Vec<_> = found.map(|latent| latent.hex().to_string()).collect();
    assert!(texts.iter().all(|written| written.eq_ignore_ascii_case(text)));
    !texts.is_empty()
}
