//! The card as a page for people.

use std::path::Path;

use gen_core::Model;

use super::Card;
use crate::numbers::grouped;
use crate::run::start::Origin;
use crate::terminal::quoted;

impl Card {
    /// The text of `README.md` in this folder, made from the card and its model.
    pub(super) fn readme(&self, model: &Model<'_>, folder: &Path) -> String {
        let Self { name, about, license, program, data, training, model: file, scores, config } = self;
        let mut rows = vec![
            (
                "network".to_owned(),
                format!(
                    "{}: a latent of {} values, {} layers, {} multiply-accumulates, a picture of {} values",
                    config.name,
                    model.latent_len(),
                    config.generator.layers.len(),
                    grouped(model.macs()),
                    model.output_shape()
                ),
            ),
            ("classes".into(), config.class_names.join(", ")),
            ("file".into(), format!("`model.gen`, {} bytes, CRC-32 {}", grouped(file.bytes), file.crc32)),
            (
                "trained on".into(),
                format!("{} ({} pictures, fingerprint {})", data.about, grouped(data.count), data.fingerprint),
            ),
            (
                "held out".into(),
                match data.held_out {
                    0 => String::new(),
                    count => format!("{} of these pictures, which training never saw", grouped(count)),
                },
            ),
            (
                "training".into(),
                format!(
                    "{} steps of {} pictures, seed {}, {} minutes on {}",
                    grouped(config.steps),
                    config.batch,
                    config.seed,
                    training.minutes,
                    training.processor
                ),
            ),
            ("written by".into(), program.clone()),
        ];
        if let Some(start) = &training.start {
            let Origin { step, crc32, is_model, .. } = start;
            let text = match is_model {
                true => format!("from the generator of another model, CRC-32 {crc32}"),
                false => format!("from the networks of an earlier run, step {step}, CRC-32 {crc32} of its weights"),
            };
            rows.push(("started".into(), text));
        }
        if let (Some(teacher), Some(distil)) = (&training.teacher, &config.distil) {
            let text = format!("{}, CRC-32 {}", distil.teacher.display(), teacher.crc32);
            rows.push(("distilled from".into(), text));
        }
        rows.retain(|(_, value)| !value.is_empty());
        rows.extend(
            scores
                .iter()
                .map(|(name, value)| (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))),
        );
        let rows: String = rows.iter().map(|(name, value)| format!("| {} | {} |\n", cell(name), cell(value))).collect();
        let shown = match config.class_names.len() {
            0 => "Pictures from number 0 on",
            _ => "Pictures from number 0 on, a row for each class",
        };
        let (folder, file) = (quoted(folder), quoted(&folder.join("model.gen")));
        let from = if training.start.is_some() { " --from RUN" } else { "" };
        let (rebuild, hint) = match &data.source {
            Some(_) => (format!("cargo trainer rebuild {folder}{from}"), ""),
            None => (
                format!("cargo trainer rebuild {folder} --data PATH{from}"),
                " `PATH` is where the pictures are; without it CIFAR-10 is looked for as in training.",
            ),
        };
        let front_matter = front_matter(license);
        format!(
            "{front_matter}# {name}\n\n{about}\n\n![{shown}](samples.png)\n\n| | |\n|---|---|\n{rows}\n\
             ```sh\n\
             cargo trainer sample {file}      # draw with it\n\
             {rebuild}    # train it again, and compare bit by bit\n\
             ```\n\n\
             Bits are the same on the same kind of processor (vector instructions and caches), with any number of threads.{hint} The recipe is in \
             [card.toml](card.toml), from which this page is written. [generator.safetensors](generator.safetensors) has \
             the float generator for PyTorch, recovered from the integers.\n"
        )
    }
}

/// What the Hugging Face Hub reads about a model: YAML before the page. Without licences the key is left out.
fn front_matter(licences: &[String]) -> String {
    let list = |key: &str, values: &[&str]| {
        let lines: String = values.iter().map(|value| format!("- {value}\n")).collect();
        format!("{key}:\n{lines}")
    };
    let licences: Vec<&str> = licences.iter().map(String::as_str).collect();
    let license = if licences.is_empty() { String::new() } else { list("license", &licences) };
    let tags = list("tags", &["dcgan", "int8", "microcontroller"]);
    format!("---\n{license}library_name: ribbit\npipeline_tag: unconditional-image-generation\n{tags}---\n\n")
}

/// Escapes text for a cell of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
