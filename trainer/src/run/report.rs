//! A run on one page, which needs no other file.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::RgbImage;

use super::folder::png;

/// What the page shows.
#[derive(Debug)]
pub struct Report<'a> {
    /// Name of the run's folder.
    pub title: &'a str,
    /// Facts: label and value.
    pub facts: &'a [(&'a str, String)],
    /// Pictures: caption and picture.
    pub pictures: &'a [(&'a str, &'a RgbImage)],
    /// Samples over time: step, and a strip of the same latents.
    pub history: &'a [(u64, RgbImage)],
    /// The losses, as SVG.
    pub losses: &'a str,
    /// The quality over time, as SVG; empty if it was not measured.
    pub quality: &'a str,
    /// Tables in plain text: heading and text.
    pub tables: &'a [(&'a str, String)],
    /// The configuration, as TOML.
    pub config: &'a str,
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}\
h1,h2{line-height:1.2}table{border-collapse:collapse}td{padding:.15rem 1rem .15rem 0;vertical-align:top}\
figure{display:inline-block;width:calc(50% - 1rem);margin:0 .5rem 1rem 0}figcaption{color:#555}\
img{image-rendering:pixelated;max-width:100%}pre{background:#f4f4f2;padding:1rem;overflow-x:auto;font-size:13px}\
svg{max-width:100%;height:auto}";

impl Report<'_> {
    /// The page.
    ///
    /// # Errors
    /// When a picture cannot be encoded.
    pub fn html(&self) -> anyhow::Result<String> {
        let mut page = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{0}</title><style>{STYLE}</style><h1>{0}</h1>",
            escape(self.title)
        );
        page.push_str("<table>");
        for (label, value) in self.facts {
            write!(page, "<tr><td>{}</td><td>{}</td></tr>", escape(label), escape(value))?;
        }
        page.push_str("</table><h2>Pictures</h2>");
        for (caption, picture) in self.pictures {
            write!(page, "<figure>{}<figcaption>{}</figcaption></figure>", img(picture)?, escape(caption))?;
        }
        page.push_str("<h2>The same latents over time</h2><table>");
        for (step, strip) in self.history {
            write!(page, "<tr><td>step {step}</td><td>{}</td></tr>", img(strip)?)?;
        }
        write!(page, "</table><h2>Losses</h2>{}", self.losses)?;
        if !self.quality.is_empty() {
            write!(page, "<h2>Quality</h2>{}", self.quality)?;
        }
        for (heading, text) in self.tables {
            write!(page, "<h2>{}</h2><pre>{}</pre>", escape(heading), escape(text))?;
        }
        write!(page, "<h2>Configuration</h2><pre>{}</pre></html>", escape(self.config))?;
        Ok(page)
    }
}

fn img(picture: &RgbImage) -> anyhow::Result<String> {
    Ok(format!("<img alt=\"\" src=\"data:image/png;base64,{}\">", STANDARD.encode(png(picture)?)))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_everything_and_escapes_it() {
        let picture = RgbImage::new(2, 2);
        let page = Report {
            title: "001-<b>",
            facts: &[("data", "a & b".into())],
            pictures: &[("int8", &picture)],
            history: &[(500, picture.clone())],
            losses: "<svg></svg>",
            quality: "<svg id=\"q\"></svg>",
            tables: &[("Memory", "1 < 2".into())],
            config: "x = \"y\"",
        }
        .html()
        .unwrap();
        for part in [
            "001-&lt;b&gt;",
            "a &amp; b",
            "data:image/png;base64,",
            "step 500",
            "<svg>",
            "<h2>Quality</h2><svg",
            "1 &lt; 2",
            "&quot;y&quot;",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("http"), "nothing is loaded from elsewhere");
    }
}
