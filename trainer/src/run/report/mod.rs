//! The report of a run: one self-contained HTML page. While the run goes on, the page loads itself again. `style.css`
//! adapts it to phones and dark mode.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::RgbImage;
use indicatif::{HumanCount, HumanDuration};

use crate::run::folder::png;
use crate::run::guard;

/// Contents of the page.
#[derive(Debug)]
pub struct Report<'a> {
    /// Name of the run's folder.
    pub title: &'a str,
    /// How far the run is; `None` after its end.
    pub running: Option<Running>,
    /// File beside the report: the page to play with the model. `None` while there is no model.
    pub play: Option<&'a str>,
    /// Facts: label and value.
    pub facts: &'a [(&'a str, String)],
    /// Pictures: caption and picture.
    pub pictures: &'a [(&'a str, &'a RgbImage)],
    /// Samples over time: step, and a strip of the same latents.
    pub history: &'a [(u64, RgbImage)],
    /// Plot of the losses, as SVG; empty if nothing was logged.
    pub losses: &'a str,
    /// Plot of the quality score, as SVG; empty if it was not measured.
    pub quality: &'a str,
    /// Plot of the logits of held-out pictures and others as SVG; empty if none are held out.
    pub held_out: &'a str,
    /// Tables in plain text: heading and text.
    pub tables: &'a [(&'a str, String)],
    /// The recipe, as TOML.
    pub config: &'a str,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// Steps done.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Estimated time until the last step; `None` before the first step.
    pub left: Option<Duration>,
}

/// Seconds after which the page of a run that goes on loads itself again.
const RELOAD: u32 = 10;

const STYLE: &str = include_str!("style.css");

/// How to read the plot of held-out pictures.
const HELD_OUT: &str = "What the discriminator says of pictures that it has trained on, of real pictures that it has never \
    seen, and of generated ones. If held-out pictures fall towards generated ones while training pictures stay high, the \
    discriminator has memorised its pictures. If both are far above generated ones, the generator is too weak.";

/// Explains the quality score to the reader of the page.
const SCALE: &str = "The quality score is a distance to the real pictures: 0 is best. Two sets of real frogs are about 5 apart; \
above 100 the pictures show nothing yet. Recall and coverage go from 0 to 1, which is best; a diversity of 1 means that the \
pictures differ from each other as much as the real ones.";

impl Report<'_> {
    /// Renders the page.
    ///
    /// # Errors
    /// When a picture cannot be encoded.
    pub fn html(&self) -> anyhow::Result<String> {
        let mut page = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
            .to_owned();
        let name = escape(self.title);
        match self.running {
            Some(running) => write!(
                page,
                "<meta http-equiv=\"refresh\" content=\"{RELOAD}\"><title>{} % {name}</title>",
                running.percent()
            )?,
            None => write!(page, "<title>{name}</title>")?,
        }
        write!(page, "<style>\n{STYLE}</style><h1>{name}</h1>")?;
        if let Some(running) = self.running {
            page.push_str(&running.html());
        }
        if let Some(play) = self.play {
            let play = escape(play);
            write!(
                page,
                "<p><a href=\"{play}\">Play with the model</a> in this browser: other pictures, morphs, a gallery.</p>"
            )?;
        }
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
        page.push_str("</table>");
        if !self.losses.is_empty() {
            write!(page, "<h2>Losses</h2>{}", plot(self.losses))?;
        }
        if !self.quality.is_empty() {
            write!(
                page,
                "<h2>Quality score</h2><p>{SCALE} The run ends with {}.</p>{}",
                escape(guard::RULE),
                plot(self.quality)
            )?;
        }
        if !self.held_out.is_empty() {
            write!(page, "<h2>Held-out pictures</h2><p>{HELD_OUT}</p>{}", plot(self.held_out))?;
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

impl Running {
    /// Share of the steps that are done, in percent, rounded down.
    fn percent(self) -> u64 {
        (self.step * 100).checked_div(self.steps).unwrap_or(0)
    }

    fn html(self) -> String {
        let Self { step, steps, left } = self;
        let left = left.map_or_else(String::new, |left| format!(", {} left", HumanDuration(left)));
        format!(
            "<p class=\"running\"><progress value=\"{step}\" max=\"{}\"></progress> Training: step {} of {}{left}. This page \
             loads itself again every {RELOAD} seconds.</p>",
            steps.max(1),
            HumanCount(step),
            HumanCount(steps)
        )
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
            running: None,
            play: Some("play.html"),
            facts: &[("data", "a & b".into())],
            pictures: &[("int8", &picture)],
            history: &[(1500, picture.clone())],
            losses: "<svg></svg>",
            quality: "<svg id=\"q\"></svg>",
            held_out: "<svg id=\"h\"></svg>",
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
            "<h2>Held-out pictures</h2><p>What the discriminator says",
            "<details><summary>config.toml</summary><pre",
            "--columns:5",
            "1 &lt; 2",
            "&quot;y&quot;",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("http"), "nothing is loaded, neither from elsewhere nor again");
    }

    #[test]
    fn the_page_of_a_run_that_goes_on_loads_itself_again() {
        let page = |left| {
            let report = Report {
                title: "001-pocket",
                running: Some(Running { step: 5_000, steps: 20_000, left }),
                play: None,
                facts: &[],
                pictures: &[],
                history: &[],
                losses: "",
                quality: "",
                held_out: "",
                tables: &[],
                config: "",
            };
            report.html().unwrap()
        };
        let some = page(Some(Duration::from_secs(600)));
        for part in [
            "<meta http-equiv=\"refresh\" content=\"10\">",
            "<title>25 % 001-pocket</title>",
            "<progress value=\"5000\" max=\"20000\">",
            "Training: step 5,000 of 20,000, 10 minutes left.",
        ] {
            assert!(some.contains(part), "{part}");
        }
        assert!(!some.contains("play.html") && !some.contains("<h2>Losses"));
        assert!(page(None).contains("step 5,000 of 20,000. "));
    }
}
