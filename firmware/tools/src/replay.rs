//! Draws the pictures that a board's log names on the host.

use anyhow::{Context, Result, bail, ensure};
use embedded_graphics::prelude::*;
use firmware_app::class::{self, ClassLabel};
use firmware_app::picture::Source;
use firmware_app::settings::Mode;
use firmware_app::view::{Label, View};
use gen_core::{Classes, Engine, FromRgb, Latent, Model};

/// A line of the log about a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drawn {
    /// The picture, or the one that a morph starts from: its number, or that its latent was given.
    pub source: Source,
    /// For a morph: number of the last picture, and the progress of 256.
    pub way: Option<(u32, u16)>,
    /// Its class; for a morph the class of the picture that it starts from, and that of the last. `None` for a model
    /// without classes.
    pub class: Option<(u8, Option<u8>)>,
    /// Checksum of the picture.
    pub crc: u32,
    /// Microseconds that the engine took.
    pub us: u32,
}

impl Drawn {
    /// Reads a line such as `INFO  picture 42 drawn, crc 458341aa, 43210 us` or
    /// `INFO  picture 42 on the way to 43: 16/256, crc 458341aa, 43210 us`; `None` for any other line. Instead of the
    /// first number it can have the word `latent`, for a latent that was given. Of a model with
    /// classes, `, class 3 (frog)` or `, class 3 to 4 (frog to toad)` comes before the checksum.
    pub fn parse(line: &str) -> Option<Self> {
        let (source, rest) = line.split_once("picture ")?.1.split_once(' ')?;
        let (what, numbers) = rest.rsplit_once(", crc ")?; // a class may be called `, crc `
        let (what, class) = match what.split_once(", class ") {
            Some((what, class)) => {
                let class = class.split_once(" (")?.0;
                let (from, to) = class.split_once(" to ").map_or((class, None), |(from, to)| (from, Some(to)));
                (what, Some((from.parse().ok()?, to.map(str::parse).transpose().ok()?)))
            }
            None => (what, None),
        };
        let way = match what.strip_prefix("on the way to ") {
            Some(way) => {
                let (to, t) = way.strip_suffix("/256")?.split_once(": ")?;
                Some((to.parse().ok()?, t.parse().ok()?))
            }
            None if what == "drawn" => None,
            None => return None,
        };
        if class.is_some_and(|(_, to)| to.is_some() != way.is_some()) {
            return None;
        }
        let (crc, us) = numbers.split_once(", ")?;
        Some(Self {
            source: match source {
                "latent" => Source::Latent,
                number => Source::Seed(number.parse().ok()?),
            },
            way,
            class,
            crc: u32::from_str_radix(crc, 16).ok()?,
            us: us.split_once(" us")?.0.parse().ok()?,
        })
    }
}

/// A display on the host, on which the pictures of the log are drawn.
#[derive(Debug)]
pub struct Replay<'a, D> {
    engine: Engine<'a>,
    view: View<'a, D>,
    mode: Mode,
    classes: Classes<'a>,
    given: Option<Latent>,
    grid: Option<Grid>,
}

/// The pictures of a grid that were drawn so far.
#[derive(Debug, Clone, Copy)]
struct Grid {
    /// The first picture, and its class.
    first: (Source, u8),
    /// Its number, or that in whose place it is; `None` while no tile has said it.
    number: Option<u32>,
    tiles: u32,
    /// Whether classes take turns (if not, the user has chosen one); `None` while both give the same classes.
    takes_turns: Option<bool>,
}

impl<'a, D: DrawTarget<Color: FromRgb>> Replay<'a, D> {
    /// Starts with a cleared display, as the app does in this mode.
    ///
    /// # Errors
    /// If the workspace or the display is too small.
    pub fn new(model: Model<'a>, workspace: &'a mut [i8], display: &'a mut D, mode: Mode) -> Result<Self> {
        let (shape, classes) = (model.output_shape(), model.classes());
        let engine = Engine::new(model, workspace)?;
        let mut view = View::new(display, shape)?;
        view.start().ok().context("the display fails")?;
        Ok(Self { engine, view, mode, classes, given: None, grid: None })
    }

    /// The display.
    pub fn display(&self) -> &D {
        self.view.display()
    }

    /// The latent that the board was given, for the lines that name it.
    pub fn give(&mut self, latent: Latent) {
        self.given = Some(latent);
    }

    /// Draws the picture of one line of the log.
    ///
    /// # Errors
    /// If the line is not about a picture, or the picture has a different checksum on the host.
    pub fn draw(&mut self, line: &str) -> Result<Drawn> {
        let Some(drawn) = Drawn::parse(line) else { bail!("no picture was drawn: {line}") };
        let (class, to_class) = drawn.class.unwrap_or_default();
        ensure!(
            drawn.class.is_some() != self.classes.is_empty(),
            "the line should name a class, or should not: {line}"
        );
        let note = class::note(self.classes, drawn.class.map(|(class, _)| class), to_class).to_string();
        ensure!(line.contains(&note), "the classes have other names, as in \"{note}\": {line}");
        let model = self.engine.model();
        let latent = |source, class| {
            let latent = match source {
                Source::Seed(number) => model.latent(number),
                Source::Latent => self.given.clone().context("the host does not know the latent")?,
            };
            Ok::<_, anyhow::Error>(latent.with_class(class))
        };
        let from = latent(drawn.source, class)?;
        let latent = match drawn.way {
            Some((to, t)) => from.toward(&latent(Source::Seed(to), to_class.unwrap_or_default())?, t),
            None => from,
        };
        let ((crc, shown), (source, class)) = if self.mode == Mode::Gallery {
            let mut grid = match self.grid {
                Some(grid) if grid.tiles < self.view.layout().grid.len() => grid,
                _ => Grid { first: (drawn.source, class), number: None, tiles: 0, takes_turns: None },
            };
            let Grid { first: (first, first_class), tiles, .. } = grid;
            match drawn.source {
                Source::Seed(seed) => {
                    let number = *grid.number.get_or_insert(seed.wrapping_sub(tiles));
                    ensure!(number.wrapping_add(tiles) == seed, "tile {tiles} of the grid from {first} is {drawn:?}");
                }
                Source::Latent => ensure!(tiles == 0, "tile {tiles} of the grid from {first} is {drawn:?}"),
            }
            let turn = class::later(self.classes, first_class, tiles);
            if turn != first_class {
                // The first of these tiles says which rule the grid follows.
                let takes_turns = *grid.takes_turns.get_or_insert(class == turn);
                let expected = if takes_turns { turn } else { first_class };
                ensure!(class == expected, "tile {tiles} of the grid has the class of another: {line}");
            } else {
                ensure!(class == turn, "tile {tiles} of the grid has the class of another: {line}");
            }
            grid.tiles += 1;
            self.grid = Some(grid);
            (self.view.tile(tiles, &mut self.engine, &latent, &mut ()), (first, first_class))
        } else {
            let shown = self.view.picture(&mut self.engine, &latent, &mut ());
            (shown, (drawn.source, latent.class().nearest()))
        };
        shown.ok().context("the display fails")?;
        ensure!(crc == drawn.crc, "the host draws {crc:08x}, the board says: {line}");
        let label = Label {
            source,
            next: drawn.way.map(|(to, _)| to),
            class: ClassLabel::new(self.classes, class),
            mode: self.mode,
            us: drawn.us,
        };
        self.view.label(&label).ok().context("the display fails")?;
        Ok(drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_lines_of_the_log() {
        let drawn = Drawn { source: Source::Seed(42), way: None, class: None, crc: 0x0583_41aa, us: 43210 };
        let line = "INFO  picture 42 drawn, crc 058341aa, 43210 us, stack used 123 bytes";
        assert_eq!(Drawn::parse(line), Some(drawn));
        let line = "INFO  picture 42 on the way to 43: 16/256, crc 058341aa, 43210 us";
        let morph = Drawn { way: Some((43, 16)), ..drawn };
        assert_eq!(Drawn::parse(line), Some(morph));
        let line = "INFO  picture latent drawn, crc 058341aa, 43210 us, stack used 123 bytes";
        assert_eq!(Drawn::parse(line), Some(Drawn { source: Source::Latent, ..drawn }));
        let line = "INFO  picture latent on the way to 43: 16/256, crc 058341aa, 43210 us";
        assert_eq!(Drawn::parse(line), Some(Drawn { source: Source::Latent, ..morph }));
        for name in ["frog", "лягушка", "a) drawn, crc 00000000, 1 us", ", class 4 (toad)"] {
            let line =
                format!("INFO  picture 42 drawn, class 3 ({name}), crc 058341aa, 43210 us, stack used 123 bytes");
            assert_eq!(Drawn::parse(&line), Some(Drawn { class: Some((3, None)), ..drawn }), "{line}");
            let line = format!(
                "INFO  picture 42 on the way to 43: 16/256, class 63 to 0 ({name} to 9), crc 058341aa, 43210 us"
            );
            assert_eq!(Drawn::parse(&line), Some(Drawn { class: Some((63, Some(0))), ..morph }), "{line}");
        }
        for line in [
            "INFO  done",
            "",
            "INFO  picture 42 lost, crc 00000000, 1 us",
            "INFO  picture x drawn, crc 0, 1 us",
            "INFO  picture 42 drawn, class x (frog), crc 058341aa, 43210 us",
            "INFO  picture 42 drawn, class 3 to 4 (a to b), crc 058341aa, 43210 us",
            "INFO  picture 42 on the way to 43: 16/256, class 3 (frog), crc 058341aa, 43210 us",
        ] {
            assert_eq!(Drawn::parse(line), None, "{line}");
        }
    }
}
