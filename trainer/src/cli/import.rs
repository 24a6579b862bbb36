//! `trainer import`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::{ArgGroup, Args};
use gen_core::Model;
use gen_core::aligned;

use super::args::{dense_order, layout, range, seeds};
use super::packing::{PackingArgs, written};
use super::recipe::recipe;
use trainer::config::Range;
use trainer::files::write_atomically;
use trainer::interchange::{
    DenseOrder, Layout,
    import::{self as interchange, Check, Options},
};
use trainer::quantise::{compare, quantise, verify};
use trainer::tensors::Tensors;
use trainer::text::shown;

/// Number of pictures on which int8 and float are compared.
const COMPARED: u32 = 128;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("network").args(["preset", "config"]).required(true))]
pub(crate) struct ImportArgs {
    /// A .safetensors or .npz file; docs/interchange.md describes its contents
    weights: PathBuf,
    /// The preset whose network the weights belong to; see `trainer presets`
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// A network of your own, in the form that `trainer presets NAME` prints
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Order of the axes in the file: hwio from Keras, oihw from PyTorch [default: what its header says, else the
    /// only one that all shapes fit]
    #[arg(long, value_parser = layout())]
    layout: Option<Layout>,
    /// Order of a dense layer's outputs [default: what its header says, else hwc with hwio, chw with oihw]
    #[arg(long, value_parser = dense_order())]
    dense: Option<DenseOrder>,
    /// Use only arrays whose names have this prefix, such as "generator."
    #[arg(long, default_value = "", hide_default_value = true)]
    prefix: String,
    /// Names of the layers without ".weight" and so on, first to last, if numbers in the names do not give the order
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    layers: Vec<String>,
    /// What batch normalisation adds to the variance: 1e-5 in PyTorch, 1e-3 in Keras
    #[arg(long, default_value_t = 1e-5)]
    bn_epsilon: f64,
    /// Layers without a bias in the file have none (bias=False)
    #[arg(long)]
    zero_bias: bool,
    /// Name of the array of class vectors [classes, width], if the generator reads one behind its latent and the array is
    /// not called "class_embedding"
    #[arg(long, value_name = "NAME")]
    class_embedding: Option<String>,
    /// Names of its classes, in the order of their numbers [default: those of the network, else what the file's header
    /// says, else their numbers]
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    class_names: Vec<String>,
    /// Range of its pictures, instead of the network's
    #[arg(long, value_parser = range())]
    range: Option<Range>,
    #[command(flatten)]
    packing: PackingArgs,
    /// Where to write the model
    #[arg(short, long, default_value = "model.gen")]
    output: PathBuf,
}

pub(crate) fn import(args: &ImportArgs) -> Result<ExitCode> {
    let mut config = recipe(args.preset.as_deref().unwrap_or_default(), args.config.as_deref())?;
    config.range = args.range.unwrap_or(config.range);
    config.check()?;
    let options = Options {
        layout: args.layout,
        dense: args.dense,
        prefix: args.prefix.clone(),
        layers: args.layers.clone(),
        bn_epsilon: args.bn_epsilon,
        zero_bias: args.zero_bias,
        class_embedding: args.class_embedding.clone(),
        class_names: args.class_names.clone(),
    };
    let imported = interchange::import(&Tensors::read(&args.weights)?, &config, &options)?;
    let float = &imported.model;
    println!("layout: {}, {}", imported.format, imported.evidence);
    println!("generator: {}, {} layers fit", float.name, float.layers.len());
    if let Some(classes) = &float.classes {
        println!("classes: {} ({}), {} numbers each", classes.len(), shown(&classes.names.join(", ")), classes.width());
    }
    if imported.normalisations > 0 {
        let (count, epsilon) = (imported.normalisations, options.bn_epsilon);
        println!("batch normalisation: {count} folded into weights, epsilon {epsilon} (--bn-epsilon)");
    }
    match imported.check {
        Some(Check { pictures, worst, tolerance }) => println!(
            "against the pictures in the file: {worst:.2e} is the largest difference over {pictures} pictures \
             (allowed: {tolerance:.0e})"
        ),
        None => println!("against the pictures in the file: it has none, so nothing shows that it was read rightly"),
    }
    let mut quantised = quantise(float)?;
    args.packing.apply(&mut quantised)?;
    let blob = quantised.to_blob()?;
    let bytes = aligned(&blob);
    let model = Model::parse(&bytes).context("the quantised model")?;
    println!("int8 against float: {}", compare::int8_with_float(float, &model, COMPARED));
    let proof = verify::verify(&model, seeds(0, 8)?)?;
    println!("{proof}");
    ensure!(proof.is_exact(), "the model is not exact");
    write_atomically(&args.output, &blob)?;
    written(&args.output, &quantised, &blob);
    Ok(ExitCode::SUCCESS)
}
