//! The valid seeds of the fuzz targets: one or two small files of each kind.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use anyhow::Result;
use gen_core::Model;
use gen_core::aligned;
use image::{ImageFormat, RgbImage, RgbaImage};
use ndarray::{Array1, Array4, ArrayD, IxDyn, ShapeBuilder as _};
use trainer::config::Config;
use trainer::cost::Core;
use trainer::data::cifar::RECORD;
use trainer::quantise::QuantModel;
use trainer::quantise::weight_transforms::{self, PackingPolicy};
use trainer::run::checkpoint::Checkpoint;
use trainer::store::PictureStore;
use trainer::train::Trainer;

use crate::{models, targets};

/// Writes all seeds, each into the folder of its target.
pub fn write(folder: &Path) -> Result<()> {
    let write = |target: &str, name: &str, bytes: &[u8]| -> Result<()> {
        fs::create_dir_all(folder.join(target))?;
        Ok(fs::write(folder.join(target).join(name), bytes)?)
    };
    write("model", "good.gen", &models::tiny()?)?;
    let mut winograd = QuantModel::from_model(&Model::parse(&aligned(models::tiny()?))?)?;
    weight_transforms::choose(&mut winograd, &PackingPolicy::Layers(vec![1, 2, 3]), Core::Dsp)?;
    write("model", "good-winograd.gen", &winograd.to_blob()?)?;
    write("model", "good-classes.gen", &models::conditional_32(&["cat", "лягушка"])?)?;

    write("latent", "good.txt", b"e2fe190a80")?;
    write("latent", "good-upper.txt", b"E2FE190A807F")?;

    write("cifar", "good.bin", &records())?;
    write("cifar", "good-hundred.bin", &[&[3, 99][..], &records()[1..RECORD]].concat())?;
    write("archive", "good.tar", &tar()?)?;
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut gz, &tar()?)?;
    write("archive", "good.tar.gz", &gz.finish()?)?;
    // The seeds of `pickle`, and the one in `good-python.tar.gz`, are Python's own. `good-python2.pkl` is as Python 2 wrote
    // the official files.

    let grey = [&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3][..], &[7; 12]].concat();
    write("idx", "good.idx", &grey)?;
    let rgb = [&[0, 0, 8, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3][..], &[9; 12]].concat();
    write("idx", "good-rgb.idx", &rgb)?;
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut gz, &grey)?;
    write("idx", "good.idx.gz", &gz.finish()?)?;
    for (name, bytes) in arrays()? {
        write("numpy", name, &bytes)?;
    }

    let opaque = RgbImage::from_fn(12, 9, |x, y| image::Rgb([(20 * x) as u8, (25 * y) as u8, 7]));
    let clear = RgbaImage::from_fn(9, 12, |x, y| image::Rgba([(20 * x) as u8, 90, 7, (20 * y) as u8]));
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    for format in [Png, Jpeg, Bmp, Gif, WebP, Tiff] {
        let (mut a, mut b) = (Cursor::new(Vec::new()), Cursor::new(Vec::new()));
        opaque.write_to(&mut a, format)?;
        let extension = format.extensions_str()[0];
        write("picture", &format!("good.{extension}"), a.get_ref())?;
        if format != Jpeg {
            clear.write_to(&mut b, format)?;
            write("picture", &format!("good-alpha.{extension}"), b.get_ref())?;
        }
    }

    let layers: [(&str, &[usize]); 7] = [
        ("generator.0.bias", &[8]),
        ("generator.0.norm.weight", &[2]),
        ("generator.0.norm.bias", &[2]),
        ("generator.0.norm.running_mean", &[2]),
        ("generator.0.norm.running_var", &[2]),
        ("generator.1.weight", &[2, 3, 4, 4]),
        ("generator.1.bias", &[3]),
    ];
    let with = |others: &[(&'static str, &'static [usize])]| safetensors(&[others, &layers].concat());
    write("generator", "good.safetensors", &with(&[("generator.0.weight", &[8, 2])])?)?;
    let classes = with(&[("generator.0.weight", &[8, 5]), ("class_embedding", &[2, 3])])?;
    write("generator", "good-classes.safetensors", &classes)?;
    write("safetensors", "good.safetensors", &safetensors(&[("a", &[2, 3]), ("b", &[])])?)?;
    write("npz", "good.npz", &npz(false)?)?;
    write("npz", "good-packed.npz", &npz(true)?)?;

    let config = small();
    let mut trainer = Trainer::new(config.clone())?;
    let pictures = Array4::from_shape_fn((3, 4, 4, 3), |(n, y, x, c)| (50 * n + 9 * y + 5 * x + c) as u8);
    trainer.step(&PictureStore::from(pictures))?;
    let checkpoint = Checkpoint {
        config: config.clone(),
        state: trainer.state,
        pending: Default::default(),
        seconds: 0.5,
        data: "7".into(),
        health: Default::default(),
    };
    write("checkpoint", "good.ckpt", &checkpoint.encode()?)?;
    write("config", "good.toml", config.to_toml().as_bytes())?;
    for preset in ["pocket", "tutorial"] {
        write("config", &format!("good-{preset}.toml"), Config::preset(preset)?.to_toml().as_bytes())?;
    }
    write("card", "good.toml", include_bytes!("../../../models/pocket-drawn/card.toml"))?;
    write("metrics", "good.jsonl", METRICS.as_bytes())
}

/// The files that a run of a few steps writes.
const METRICS: &str = r#"{"step":7,"seconds":0.5,"pictures_per_second":448.0,"losses":{"d_loss":0.6,"g_loss":0.8,"d_real":0.7,"d_fake":0.4}}
{"step":8,"seconds":0.6,"scores":{"pictures":20,"headline":90.5,"frechet":31.0,"swd":[5.0,4.5],"precision":0.1,"recall":0.1,"density":0.2,"coverage":0.1,"diversity":0.5,"apart":0.4}}
{"step":14,"seconds":0.9,"pictures_per_second":497.0,"losses":{"d_loss":0.5,"g_loss":0.9,"d_real":0.8,"d_fake":0.3}}
"#;

/// The generator that can be imported, with the smallest discriminator.
fn small() -> Config {
    let mut config = targets::importable();
    config.discriminator.layers.drain(..3);
    (config.augment, config.small_dataset, config.batch) = (Default::default(), None, 2);
    config
}

fn records() -> Vec<u8> {
    let record = |label: u8| [label].into_iter().chain((1..RECORD).map(move |i| (i / 7) as u8 ^ label));
    record(6).chain(record(2)).collect()
}

fn tar() -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let records = records();
    for (name, bytes) in [("a/readme.html", &b"about"[..]), ("a/data_batch_1.bin", &records)] {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, bytes)?;
    }
    Ok(tar.into_inner()?)
}

/// Pictures as arrays: bytes, planes of floats, Fortran's order, and with labels in an archive.
fn arrays() -> Result<Vec<(&'static str, Vec<u8>)>> {
    use ndarray_npy::WriteNpyExt as _;
    let pictures = Array4::from_shape_fn((2, 4, 5, 3), |(n, y, x, c)| (100 * n + 20 * y + 3 * x + c) as u8);
    let floats = pictures.view().permuted_axes([0, 3, 1, 2]).mapv(|value| f32::from(value) / 255.0);
    let mut fortran = Array4::zeros(pictures.dim().f());
    fortran.assign(&pictures);
    let mut files = vec![("good.npy", Vec::new()), ("good-planes.npy", Vec::new()), ("good-fortran.npy", Vec::new())];
    pictures.write_npy(&mut files[0].1)?;
    floats.as_standard_layout().write_npy(&mut files[1].1)?;
    fortran.write_npy(&mut files[2].1)?;
    let mut npz = ndarray_npy::NpzWriter::new_compressed(Cursor::new(Vec::new()));
    npz.add_array("x_train", &pictures)?;
    npz.add_array("y_train", &Array1::from_vec(vec![3i64, 9]))?;
    files.push(("good.npz", npz.finish()?.into_inner()));
    Ok(files)
}

/// Values in the range of usual weights.
fn numbers(shape: &[usize]) -> ArrayD<f32> {
    let flat: Array1<f32> = (0..shape.iter().product()).map(|i: usize| 0.1 + 0.2 * (i as f32).sin()).collect();
    flat.into_shape_with_order(IxDyn(shape)).expect("as many numbers as the shape has")
}

fn safetensors(arrays: &[(&str, &[usize])]) -> Result<Vec<u8>> {
    use safetensors::tensor::{Dtype, TensorView};
    let raw: Vec<Vec<u8>> =
        arrays.iter().map(|(_, shape)| numbers(shape).iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
    let views = arrays
        .iter()
        .zip(&raw)
        .map(|((name, shape), bytes)| Ok((*name, TensorView::new(Dtype::F32, shape.to_vec(), bytes)?)))
        .collect::<Result<Vec<_>>>()?;
    Ok(safetensors::serialize(views, None)?)
}

fn npz(packed: bool) -> Result<Vec<u8>> {
    let file = Cursor::new(Vec::new());
    let mut npz = if packed { ndarray_npy::NpzWriter::new_compressed(file) } else { ndarray_npy::NpzWriter::new(file) };
    npz.add_array("a", &numbers(&[2, 3]))?;
    npz.add_array("count", &ndarray::arr0(20_000i64))?;
    Ok(npz.finish()?.into_inner())
}
