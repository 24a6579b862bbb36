//! Packing of a model: arguments of `quantize` and `import`, and what they print.

use std::path::Path;

use anyhow::{Result, ensure};
use clap::Args;
use gen_core::WeightTransform;

use super::args::{CoreArg, bytes};
use trainer::cost::Core;
use trainer::inspect::CODE_FLASH;
use trainer::numbers::grouped;
use trainer::quantise::QuantModel;
use trainer::quantise::weight_transforms::{self, PackingPolicy};

/// Options that use more flash for fewer instructions. The pictures are the same to the last bit.
#[derive(Debug, Args)]
pub(crate) struct PackingArgs {
    /// Store weights transformed by Winograd's method in each layer where that saves instructions on the processor of
    /// --core: more flash, fewer multiplications, the same pictures; `inspect` shows how much [default: no layer]
    #[arg(long, alias = "fast", conflicts_with_all = ["winograd_layers", "flash"])]
    winograd: bool,
    /// Store transformed weights in these layers only, numbered as in the output of `inspect`
    #[arg(long, alias = "fast-layers", value_delimiter = ',', value_name = "LAYERS", conflicts_with = "flash")]
    winograd_layers: Vec<usize>,
    #[arg(long, value_name = "SIZE", value_parser = bytes::<usize>, help = format!("The same for the layers that save \
        most within a model file of this many bytes, such as 200K or 2M (KiB, MiB); the chip's flash also has to hold \
        the program, for which {} KiB are allowed",
        CODE_FLASH / 1024))]
    flash: Option<usize>,
    /// Processor on which --winograd and --flash save instructions; that of `cargo frog` is a Cortex-M3 [default: cortex-m4]
    #[arg(long, value_enum, conflicts_with = "winograd_layers")]
    core: Option<CoreArg>,
}

impl PackingArgs {
    pub(crate) fn apply(&self, model: &mut QuantModel) -> Result<()> {
        let policy = match (self.winograd, self.flash) {
            (true, _) => PackingPolicy::Fast,
            (_, Some(size)) => PackingPolicy::Flash(size),
            _ if !self.winograd_layers.is_empty() => PackingPolicy::Layers(self.winograd_layers.clone()),
            _ => PackingPolicy::Small,
        };
        ensure!(
            self.core.is_none() || matches!(policy, PackingPolicy::Fast | PackingPolicy::Flash(_)),
            "--core selects the processor whose instructions count: give it with --winograd or --flash"
        );
        let core = self.core.map_or(Core::Dsp, CoreArg::core);
        weight_transforms::choose(model, &policy, core)?;
        if policy != PackingPolicy::Small && model.layers.iter().all(|layer| layer.transform == WeightTransform::None) {
            println!("no layer is packed for speed: none that fits gains on a {}", core.name());
        }
        Ok(())
    }
}

/// Prints where a model was written, and which of its layers have Winograd-transformed weights.
pub(crate) fn written(path: &Path, model: &QuantModel, blob: &[u8]) {
    let fast = model.layers.iter().enumerate().filter(|(_, layer)| layer.transform == WeightTransform::Winograd);
    let fast: Vec<_> = fast.map(|(i, _)| i.to_string()).collect();
    let layers = if fast.is_empty() { String::new() } else { format!(", Winograd layers {}", fast.join(",")) };
    println!("model: {} ({} bytes{layers})", path.display(), grouped(blob.len()));
}
