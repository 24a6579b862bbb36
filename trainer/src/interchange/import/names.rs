//! Which arrays of a file belong to which layer, by their names.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Result, bail, ensure};
use ndarray::ArrayD;

use super::super::{CHECK_CLASS, CHECK_IMAGE, CHECK_LATENT};
use super::Options;
use crate::tensors::Tensors;

/// The role of an array in its layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Leaf {
    /// Weights, or gamma of a batch normalisation.
    Weight,
    /// Biases, or beta of a batch normalisation.
    Bias,
    Mean,
    Variance,
}

impl Leaf {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "weight" | "kernel" | "gamma" => Self::Weight,
            "bias" | "beta" => Self::Bias,
            "running_mean" | "moving_mean" => Self::Mean,
            "running_var" | "moving_variance" => Self::Variance,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::Bias => "bias",
            Self::Mean => "running_mean",
            Self::Variance => "running_var",
        }
    }
}

/// An array and its full name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    pub(super) array: &'a ArrayD<f64>,
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of the shape {:?}", self.name, self.array.shape())
    }
}

/// Arrays whose names differ only in the last part: those of a layer.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) stem: &'a str,
    pub(super) arrays: BTreeMap<Leaf, Named<'a>>,
}

impl<'a> Group<'a> {
    pub(super) fn get(&self, leaf: Leaf) -> Option<Named<'a>> {
        self.arrays.get(&leaf).copied()
    }

    /// Whether this is a batch normalisation: its weight is a vector, that of other layers a matrix or kernels.
    pub(super) fn is_norm(&self) -> bool {
        let has = |leaf| self.arrays.contains_key(&leaf);
        has(Leaf::Mean) || has(Leaf::Variance) || self.get(Leaf::Weight).is_some_and(|w| w.array.ndim() < 2)
    }
}

/// The arrays of the generator's layers, first layer first, and problems with their names. `embedding` is the name of the
/// array of class vectors, which belongs to no layer.
pub(super) fn groups<'a>(
    tensors: &'a Tensors,
    options: &'a Options,
    embedding: Option<&str>,
) -> Result<(Vec<Group<'a>>, Vec<String>)> {
    parametrised(tensors, options)?;
    let (mut groups, mut strange) = (Vec::<Group<'_>>::new(), Vec::new());
    for stem in &options.layers {
        ensure!(!groups.iter().any(|g| g.stem == stem), "--layers has \"{stem}\" twice");
        groups.push(Group { stem, arrays: BTreeMap::new() });
    }
    for (name, array) in &tensors.map {
        let Some(rest) = name.strip_prefix(&options.prefix) else { continue };
        let (stem, leaf) = rest.rsplit_once(['.', '/']).unwrap_or(("", rest));
        // Names of TensorFlow end with the number of an output.
        let leaf = leaf.trim_end_matches(":0");
        let is_check = [CHECK_LATENT, CHECK_IMAGE, CHECK_CLASS].contains(&name.as_str());
        if is_check || embedding == Some(name) || leaf == "num_batches_tracked" {
            continue;
        }
        let group = match groups.iter_mut().position(|g| g.stem == stem) {
            Some(at) => &mut groups[at],
            None if options.layers.is_empty() => groups.push_mut(Group { stem, arrays: BTreeMap::new() }),
            None => continue,
        };
        let named = Named { name, array };
        match Leaf::of(leaf) {
            None => strange.push(format!(
                "{named} is left over: its name ends in none of weight, kernel, gamma, bias, beta, running_mean, \
                 moving_mean, running_var, moving_variance"
            )),
            Some(leaf) => {
                if let Some(first) = group.arrays.insert(leaf, named) {
                    strange.push(format!("{named} and {first} are the same thing of one layer"));
                }
            }
        }
    }
    if groups.is_empty() {
        let names: Vec<_> = tensors.map.keys().map(String::as_str).collect();
        strange.push(format!("no name begins with \"{}\"; there are: {}", options.prefix, names.join(", ")));
    }
    if options.layers.is_empty() {
        groups.retain(|g| !g.arrays.is_empty());
        groups.sort_by(|a, b| by_number(a.stem, b.stem).unwrap_or_else(|| a.stem.cmp(b.stem)));
        if groups.windows(2).any(|pair| by_number(pair[0].stem, pair[1].stem).is_none()) {
            let stems: Vec<_> = groups.iter().map(|g| g.stem).collect();
            bail!(
                "{}: the order of its layers does not follow from numbers in their names; list the generator's from \
                 the first to the last with --layers. There are: {}",
                tensors.source,
                stems.join(",")
            );
        }
    }
    Ok((groups, strange))
}

/// Refuses weights with a parametrisation, as of spectral or weight normalisation.
fn parametrised(tensors: &Tensors, options: &Options) -> Result<()> {
    const FORMS: [(&str, &str, &str); 4] = [
        ("weight_orig", "spectral", "torch.nn.utils.remove_spectral_norm(layer)"),
        ("weight_g", "weight", "torch.nn.utils.remove_weight_norm(layer)"),
        (
            "parametrizations.weight.original",
            "spectral",
            "torch.nn.utils.parametrize.remove_parametrizations(layer, \"weight\")",
        ),
        (
            "parametrizations.weight.original0",
            "weight",
            "torch.nn.utils.parametrize.remove_parametrizations(layer, \"weight\")",
        ),
    ];
    for (end, kind, remove) in FORMS {
        let is_one = |name: &str| {
            let stem = name.strip_prefix(&options.prefix).and_then(|rest| rest.strip_suffix(end));
            let stem = stem.filter(|stem| stem.is_empty() || stem.ends_with(['.', '/']));
            // If layers are listed, the others do not matter.
            let is_listed = |stem: &str| options.layers.iter().any(|layer| layer == stem.trim_end_matches(['.', '/']));
            stem.is_some_and(|stem| options.layers.is_empty() || is_listed(stem))
        };
        let mut found = tensors.map.keys().filter(|name| is_one(name));
        if let Some(first) = found.next() {
            bail!(
                "{}: {} of its layers have {kind} normalisation ({first}), from which their weights are yet to be \
                 computed. trainer/interop/pytorch_to_safetensors.py does that; or call {remove} for each of them before \
                 they are saved",
                tensors.source,
                1 + found.count()
            );
        }
    }
    Ok(())
}

/// The order of two names whose first difference is a number, or of which one is a prefix of the other. `None` for
/// other names.
fn by_number(a: &str, b: &str) -> Option<Ordering> {
    let is_digit = |c: &u8| c.is_ascii_digit();
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        let (Some(first_a), Some(first_b)) = (a.first(), b.first()) else { return Some(a.len().cmp(&b.len())) };
        if is_digit(first_a) && is_digit(first_b) {
            let number = |s: &mut &[u8]| {
                let digits = s.iter().take_while(|c| is_digit(c)).count();
                let (number, rest) = s.split_at(digits);
                *s = rest;
                let zeros = number.iter().take_while(|&&c| c == b'0').count();
                number[zeros..].to_vec()
            };
            let (number_a, number_b) = (number(&mut a), number(&mut b));
            // Without leading zeros, a longer number is larger.
            let order = number_a.len().cmp(&number_b.len()).then_with(|| number_a.cmp(&number_b));
            if order.is_ne() {
                return Some(order);
            }
        } else if first_a != first_b {
            return None;
        } else {
            (a, b) = (&a[1..], &b[1..]);
        }
    }
}
