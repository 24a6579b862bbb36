//! The report of a run: one self-contained HTML page. `style.css` adapts it to phones and dark mode.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::RgbImage;
use indicatif::HumanCount;

use crate::run::folder::png;
use crate::run::guard;

/// Contents of the page.
#[derive(Debug)]
pub struct Report<'a> {
    /// Name of the run's folder.
    pub title: &'a str,
    /// File beside the report: the page to play with the model.
    pub play: &'a str,
    /// Facts: label and value.
    pub facts: &'a [(&'a str, String)],
    /// Pictures: caption and picture.
    pub pictures: &'a [(&'a str, &'a RgbImage)],
    /// Samples over time: step, and a strip of the same latents.
    pub history: &'a [(u64, RgbImage)],
    /// Plot of the losses, as SVG.
    pub losses: &'a str,
    /// Plot of the quality score, as SVG; empty if it was not measured.
    pub quality: &'a str,
    /// Tables in plain text: heading and text.
    pub tables: &'a [(&'a str, String)],
    /// The recipe, as TOML.
    pub config: &'a str,
}

const STYLE: &str = include_str!("style.css");

/// Explains the quality score to the reader of the page.
const SCALE: &str = "The quality score is a distance to the real pictures: 0 is best. Two sets of real frogs are about 7 apart; \
above 100 the pictures show nothing yet. Recall and coverage go from 0 to 1, which is best; a diversity of 1 means that the \
pictures differ from each other as much as the real ones.";

impl Report<'_> {
    /// Renders the page.
    ///
    /// # Errors
    /// When a picture cannot be encoded.
    pub fn html(&self) -> anyhow::Result<String> {
        let mut page = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{0}</title><style>\n{STYLE}</style>\
             <h1>{0}</h1><p><a href=\"{1}\">Play with the model</a> in this browser: other pictures, morphs, a gallery.</p>",
            escape(self.title),
            escape(self.play)
        );
        page.push_str("<table class=\"facts\">");
        for (label, value) in self.facts {
            write!(page, "<tr><td>{}</td><td>{}</td></tr>", escape(label), escape(value))?;
        }
        page.push_str("</table><h2>Pictures</h2><div class=\"pictures\">");
        for (caption, picture) in self.pictures {
            write!(
                page,
                "<figure>{}<figcaption>{}</figcaption></figure>",
                img(picture, caption, "")?,
                escape(caption)
            )?;
        }
        page.push_str("</div><h2>The same latents over time</h2><table class=\"history\">");
        for (step, strip) in self.history {
            let step = format!("step {}", HumanCount(*step));
            write!(page, "<tr><td>{step}</td><td>{}</td></tr>", img(strip, &step, " class=\"strip\"")?)?;
        }
        write!(page, "</table><h2>Losses</h2>{}", plot(self.losses))?;
        if !self.quality.is_empty() {
            write!(
                page,
                "<h2>Quality score</h2><p>{SCALE} The run ends with {}.</p>{}",
                escape(guard::RULE),
                plot(self.quality)
            )?;
        }
        for (heading, text) in self.tables {
            write!(page, "<h2>{}</h2>{}", escape(heading), pre(text))?;
        }
        write!(
            page,
            "<h2>Configuration</h2><details><summary>config.toml</summary>{}</details></html>",
            pre(self.config)
        )?;
        Ok(page)
    }
}

/// A plot in a box that scrolls on a narrow page.
fn plot(svg: &str) -> String {
    format!("<div class=\"plot\">{svg}</div>")
}

/// Preformatted text. The style sheet chooses a font size at which the longest line fits, if it can be read.
fn pre(text: &str) -> String {
    let columns = text.lines().map(|line| line.chars().count()).max().unwrap_or(0).max(1);
    format!("<pre style=\"--columns:{columns}\">{}</pre>", escape(text))
}

/// An `<img>` element with the picture embedded as PNG; `alt` describes the picture.
fn img(picture: &RgbImage, alt: &str, attributes: &str) -> anyhow::Result<String> {
    let alt = escape(alt);
    Ok(format!("<img alt=\"{alt}\"{attributes} src=\"data:image/png;base64,{}\">", STANDARD.encode(png(picture)?)))
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
            play: "play.html",
            facts: &[("data", "a & b".into())],
            pictures: &[("int8", &picture)],
            history: &[(1500, picture.clone())],
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
            "<a href=\"play.html\">",
            "data:image/png;base64,",
            "step 1,500",
            "alt=\"int8\"",
            "<table class=\"facts\">",
            "prefers-color-scheme: dark",
            "<svg>",
            "<h2>Quality score</h2><p>The quality score is a distance to the real pictures: 0 is best",
            "not clearly worse than the lowest",
            "<details><summary>config.toml</summary><pre",
            "--columns:5",
            "1 &lt; 2",
            "&quot;y&quot;",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("http"), "nothing is loaded from elsewhere");
    }
}
