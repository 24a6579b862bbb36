//! Draws the pictures that a board's log names on the host.

use anyhow::{Context, Result, bail, ensure};
use embedded_graphics::prelude::*;
use firmware_app::color::FromRgb;
use firmware_app::settings::Mode;
use firmware_app::view::{Label, View};
use gen_core::{Engine, Latent, Model};

/// A line of the log about a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drawn {
    /// Number of the picture, or of the picture that a morph starts from.
    pub seed: u32,
    /// For a morph: number of the last picture, and the progress of 256.
    pub way: Option<(u32, u16)>,
    /// Checksum of the picture.
    pub crc: u32,
    /// Microseconds that the engine took.
    pub us: u32,
}

impl Drawn {
    /// Reads a line such as `INFO  picture 42 drawn, crc 458341aa, 43210 us` or
    /// `INFO  picture 42 on the way to 43: 16/256, crc 458341aa, 43210 us`; `None` for any other line.
    pub fn parse(line: &str) -> Option<Self> {
        let (seed, rest) = line.split_once("picture ")?.1.split_once(' ')?;
        let (what, rest) = rest.split_once(", crc ")?;
        let way = match what.strip_prefix("on the way to ") {
            Some(way) => {
                let (to, t) = way.strip_suffix("/256")?.split_once(": ")?;
                Some((to.parse().ok()?, t.parse().ok()?))
            }
            None if what == "drawn" => None,
            None => return None,
        };
        let (crc, us) = rest.split_once(", ")?;
        Some(Self {
            seed: seed.parse().ok()?,
            way,
            crc: u32::from_str_radix(crc, 16).ok()?,
            us: us.split_once(" us")?.0.parse().ok()?,
        })
    }
}

/// A display on the host, on which the pictures of the log are drawn.
#[derive(Debug)]
pub struct Replay<'a, D> {
    engine: Engine<'a, 'a>,
    view: View<'a, D>,
    mode: Mode,
    latent_len: usize,
    /// Number of the first picture of the grid, and how many are drawn.
    grid: Option<(u32, u32)>,
}

impl<'a, D: DrawTarget<Color: FromRgb>> Replay<'a, D> {
    /// Starts with a cleared display, as the app does in this mode.
    ///
    /// # Errors
    /// If the workspace or the display is too small.
    pub fn new(model: &'a Model<'a>, workspace: &'a mut [i8], display: &'a mut D, mode: Mode) -> Result<Self> {
        let engine = Engine::new(model, workspace)?;
        let mut view = View::new(display, model.output_shape())?;
        view.start(mode).ok().context("the display fails")?;
        Ok(Self { engine, view, mode, latent_len: model.latent_len(), grid: None })
    }

    /// The display.
    pub fn display(&self) -> &D {
        self.view.display()
    }

    /// Draws the picture of one line of the log.
    ///
    /// # Errors
    /// If the line is not about a picture, or the picture has a different checksum on the host.
    pub fn draw(&mut self, line: &str) -> Result<Drawn> {
        let Some(drawn) = Drawn::parse(line) else { bail!("no picture was drawn: {line}") };
        let latent = |seed| Latent::from_seed(seed, self.latent_len);
        let from = latent(drawn.seed);
        let latent = drawn.way.map_or(from.clone(), |(to, t)| from.toward(&latent(to), t));
        let ((crc, shown), number) = if self.mode == Mode::Gallery {
            let (first, tiles) = match self.grid {
                Some((first, tiles)) if tiles < self.view.layout().grid.len() => (first, tiles),
                _ => (drawn.seed, 0),
            };
            ensure!(first.wrapping_add(tiles) == drawn.seed, "tile {tiles} of the grid from {first} is {drawn:?}");
            self.grid = Some((first, tiles + 1));
            (self.view.tile(tiles, &mut self.engine, &latent, &mut ()), first)
        } else {
            (self.view.picture(&mut self.engine, &latent, &mut ()), drawn.seed)
        };
        shown.ok().context("the display fails")?;
        ensure!(crc == drawn.crc, "the host draws {crc:08x}, the board says: {line}");
        let label = Label { number, next: drawn.way.map(|(to, _)| to), mode: self.mode, us: drawn.us };
        self.view.label(&label).ok().context("the display fails")?;
        Ok(drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_lines_of_the_log() {
        let drawn = Drawn { seed: 42, way: None, crc: 0x0583_41aa, us: 43210 };
        let line = "INFO  picture 42 drawn, crc 058341aa, 43210 us, stack used 123 bytes";
        assert_eq!(Drawn::parse(line), Some(drawn));
        let line = "INFO  picture 42 on the way to 43: 16/256, crc 058341aa, 43210 us";
        assert_eq!(Drawn::parse(line), Some(Drawn { way: Some((43, 16)), ..drawn }));
        for line in
            ["INFO  done", "", "INFO  picture 42 lost, crc 00000000, 1 us", "INFO  picture x drawn, crc 0, 1 us"]
        {
            assert_eq!(Drawn::parse(line), None, "{line}");
        }
    }
}
