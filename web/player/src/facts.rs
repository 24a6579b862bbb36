//! What the page shows about a model.

use core::fmt::{self, Write as _};

use crc::{CRC_32_ISO_HDLC, Crc, NoTable};
use gen_core::Model;
use gen_core::plan::{ARMV7EM, ARMV7M, ARMV8_1M_MVE};

use crate::player::largest_scale;

// Without a table, which would only make the module larger.
const CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

/// The facts of a model. [`Facts::json`] is what the page reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Name in the file.
    pub name: String,
    /// Pixels in a row of a picture.
    pub width: u16,
    /// Rows of a picture.
    pub height: u16,
    /// Channels of a pixel: 1 (grey) or 3.
    pub channels: u16,
    /// Values of a latent.
    pub latent: usize,
    /// Names of the classes; empty for a model without classes.
    pub classes: Vec<String>,
    /// Largest factor of enlargement.
    pub largest_scale: u32,
    /// The layers, in words.
    pub layers: Vec<String>,
    /// Multiply-accumulate operations for one picture.
    pub macs: u64,
    /// CRC-32 of the whole file, which identifies the model to people.
    pub crc: u32,
    /// Bytes of the file, which stay in flash.
    pub file: usize,
    /// Bytes of the engine's workspace, without the stack: processor and bytes.
    pub workspaces: [(&'static str, usize); 4],
}

impl Facts {
    /// The facts of a model in the file `bytes`.
    pub fn of(model: &Model<'_>, bytes: &[u8]) -> Self {
        let shape = model.output_shape();
        let chips = [("Cortex-M3", ARMV7M), ("Cortex-M4, M7 and M33", ARMV7EM), ("Cortex-M55", ARMV8_1M_MVE)];
        let [m3, m4, m55] = chips.map(|(name, layout)| (name, model.workspace_plan(&layout).bytes()));
        let layers =
            model.layers().iter().map(|l| format!("{}, {}: {}", l.spec.op, l.spec.activation, l.geometry.output));
        Self {
            name: model.name().into(),
            width: shape.width,
            height: shape.height,
            channels: shape.channels,
            latent: model.latent_len(),
            classes: model.classes().names().map(Into::into).collect(),
            largest_scale: largest_scale(shape),
            layers: layers.collect(),
            macs: model.macs(),
            crc: CRC.checksum(bytes),
            file: model.size(),
            workspaces: [m3, m4, m55, ("this page", model.workspace_len())],
        }
    }

    /// The facts as JSON.
    pub fn json(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` never fails.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        let Self { width, height, channels, latent, largest_scale, macs, crc, file, .. } = self;
        out.write_str("{\"name\":")?;
        string(out, &self.name)?;
        write!(out, ",\"width\":{width},\"height\":{height},\"channels\":{channels},\"latent\":{latent}")?;
        write!(out, ",\"largestScale\":{largest_scale},\"macs\":{macs},\"crc\":\"{crc:08x}\",\"file\":{file}")?;
        for (key, texts) in [("classes", &self.classes), ("layers", &self.layers)] {
            write!(out, ",\"{key}\":[")?;
            list(out, texts.iter(), |out, text| string(out, text))?;
            out.write_char(']')?;
        }
        out.write_str(",\"workspaces\":[")?;
        list(out, self.workspaces.iter(), |out, (processor, bytes)| {
            out.write_str("{\"processor\":")?;
            string(out, processor)?;
            write!(out, ",\"bytes\":{bytes}}}")
        })?;
        out.write_str("]}")
    }
}

fn list<T>(
    out: &mut String,
    items: impl Iterator<Item = T>,
    write: impl Fn(&mut String, T) -> fmt::Result,
) -> fmt::Result {
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.write_char(',')?;
        }
        write(out, item)?;
    }
    Ok(())
}

/// Writes a string of JSON.
fn string(out: &mut String, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(out, "\\{c}")?,
            '\0'..=' ' if c != ' ' => write!(out, "\\u{:04x}", u32::from(c))?,
            _ => out.write_char(c)?,
        }
    }
    out.write_char('"')
}
