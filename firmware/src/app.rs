//! Which frog is shown when.
//!
//! ```text
//!             press                    press, or the way is done
//! start --> standing(n) --> standing(n+1)        <---------+
//!                |                                         |
//!                +-- idle time over --> on the way to n+1 -+
//! ```
//! One [`step`](App::step) draws one picture at the most. Time comes in from outside
//! and the way to the next frog has a fixed number of pictures, so what is drawn
//! depends on the steps alone, never on how fast the machine is.

#![forbid(unsafe_code)]

use core::fmt;

use embedded_graphics::draw_target::DrawTarget;
use gen_core::{Engine, Latent, Model, WorkspaceTooSmall};

use crate::ink::Ink;
use crate::settings::Settings;
use crate::view::{DisplayTooSmall, View};

/// Where the numbers of new frogs come from: a counter, or a chip's noise source.
pub trait Seeds {
    /// The next frog's number.
    fn next_seed(&mut self) -> u32;
}

/// One frog after the other.
#[derive(Debug, Clone, Copy)]
pub struct Counter(u32);

impl Counter {
    /// Begins with this number.
    pub fn from(first: u32) -> Self {
        Self(first)
    }
}

impl Seeds for Counter {
    fn next_seed(&mut self) -> u32 {
        let seed = self.0;
        self.0 = seed.wrapping_add(1);
        seed
    }
}

/// The button that asks for a new frog.
pub trait Button {
    /// Whether it was pressed since the last call. Presses must not get lost
    /// between calls, which may lie as far apart as drawing a picture takes.
    fn pressed(&mut self) -> bool;
}

/// What a step drew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A frog stands on the display.
    Drawn {
        /// Its number.
        seed: u32,
        /// Checksum of the picture.
        crc: u32,
    },
    /// A picture between two frogs.
    Morph {
        /// Number of the frog that it comes from.
        from: u32,
        /// Number of the frog that it goes to.
        to: u32,
        /// How far, of 256.
        t: u16,
        /// Checksum of the picture.
        crc: u32,
    },
}

/// Why there can be no app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartError {
    /// The engine has too little memory.
    Workspace(WorkspaceTooSmall),
    /// The pictures do not fit the display.
    Display(DisplayTooSmall),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workspace(e) => e.fmt(f),
            Self::Display(e) => e.fmt(f),
        }
    }
}

impl core::error::Error for StartError {}

#[derive(Debug, Clone)]
struct Frog {
    seed: u32,
    latent: Latent,
}

#[derive(Debug)]
enum State {
    Start,
    Standing { frog: Frog, since_ms: u32 },
    Morphing { from: Frog, to: Frog, t: u16 },
}

/// The program: a display, a button, and frogs.
#[derive(Debug)]
pub struct App<'a, D, S, B> {
    engine: Engine<'a, 'a>,
    view: View<'a, D>,
    seeds: S,
    button: B,
    latent_len: usize,
    idle_ms: u32,
    state: State,
}

impl<'a, D: DrawTarget<Color: Ink>, S: Seeds, B: Button> App<'a, D, S, B> {
    /// How far the way to the next frog goes at each step, of 256.
    pub const MORPH_STEP: u16 = 16;

    /// Puts everything together; draws nothing yet. `settings.seed` is the business of `seeds`.
    ///
    /// # Errors
    /// [`StartError`]: the workspace or the display is too small for the model.
    pub fn new(
        model: &'a Model<'a>,
        workspace: &'a mut [i8],
        display: &'a mut D,
        seeds: S,
        button: B,
        settings: &Settings,
    ) -> Result<Self, StartError> {
        Ok(Self {
            engine: Engine::new(model, workspace).map_err(StartError::Workspace)?,
            view: View::new(display, model.picture()).map_err(StartError::Display)?,
            seeds,
            button,
            latent_len: model.latent_len(),
            idle_ms: settings.idle_ms,
            state: State::Start,
        })
    }

    /// The display.
    pub fn display(&self) -> &D {
        self.view.display()
    }

    /// Does what is to be done at time `now_ms`, in milliseconds since any moment
    /// (it may wrap); `None` if that is nothing.
    ///
    /// # Errors
    /// Those of the display.
    pub fn step(&mut self, now_ms: u32) -> Result<Option<Event>, D::Error> {
        let pressed = self.button.pressed();
        let (event, state) = match core::mem::replace(&mut self.state, State::Start) {
            State::Start => {
                self.view.start()?;
                let first = self.next_frog();
                self.stand(first, now_ms)?
            }
            State::Standing { .. } if pressed => {
                let next = self.next_frog();
                self.stand(next, now_ms)?
            }
            State::Standing { frog, since_ms } => {
                if self.idle_ms == 0 || now_ms.wrapping_sub(since_ms) < self.idle_ms {
                    self.state = State::Standing { frog, since_ms };
                    return Ok(None);
                }
                let to = self.next_frog();
                self.view.label(frog.seed, Some(to.seed))?;
                self.morph(frog, to, Self::MORPH_STEP)?
            }
            // A press goes straight to where the way leads: no number is left out.
            State::Morphing { from, to, t } => match t + Self::MORPH_STEP {
                t @ ..256 if !pressed => self.morph(from, to, t)?,
                _ => self.stand(to, now_ms)?,
            },
        };
        self.state = state;
        Ok(Some(event))
    }

    fn next_frog(&mut self) -> Frog {
        let seed = self.seeds.next_seed();
        Frog { seed, latent: Latent::from_seed(seed, self.latent_len) }
    }

    fn stand(&mut self, frog: Frog, now_ms: u32) -> Result<(Event, State), D::Error> {
        self.view.label(frog.seed, None)?;
        let crc = self.view.frog(&mut self.engine, &frog.latent)?;
        Ok((Event::Drawn { seed: frog.seed, crc }, State::Standing { frog, since_ms: now_ms }))
    }

    fn morph(&mut self, from: Frog, to: Frog, t: u16) -> Result<(Event, State), D::Error> {
        let crc = self.view.frog(&mut self.engine, &from.latent.toward(&to.latent, t))?;
        Ok((Event::Morph { from: from.seed, to: to.seed, t, crc }, State::Morphing { from, to, t }))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::vec;
    use std::vec::Vec;

    use embedded_graphics::mock_display::MockDisplay;
    use embedded_graphics::pixelcolor::{Gray4, Rgb565};
    use embedded_graphics::prelude::*;

    use super::*;
    use crate::model::BLOB;
    use crate::picture;

    /// A button that is pressed from outside.
    struct Finger<'a>(&'a Cell<bool>);

    impl Button for Finger<'_> {
        fn pressed(&mut self) -> bool {
            self.0.take()
        }
    }

    fn display<C: PixelColor>() -> MockDisplay<C> {
        let mut display = MockDisplay::new(); // 64 x 64, and it panics on pixels outside
        display.set_allow_overdraw(true);
        display
    }

    /// Runs an app that begins with frog 7: for each step the time, and whether the button was pressed before it.
    fn run(idle_ms: u32, steps: &[(u32, bool)]) -> Vec<Option<Event>> {
        let model = Model::parse(BLOB).expect("build.rs parsed it");
        let mut workspace = vec![0; model.workspace_len()];
        let mut display = display::<Gray4>();
        let pressed = Cell::new(false);
        let settings = Settings { idle_ms, ..Settings::default() };
        let mut app = App::new(&model, &mut workspace, &mut display, Counter::from(7), Finger(&pressed), &settings)
            .expect("it fits");
        let mut step = |&(now, press): &(u32, bool)| {
            pressed.set(press);
            app.step(now).expect("the mock display cannot fail")
        };
        steps.iter().map(&mut step).collect()
    }

    /// Checksum of the picture on the way from one frog to another.
    fn crc(from: u32, to: u32, t: u16) -> u32 {
        let model = Model::parse(BLOB).expect("build.rs parsed it");
        let mut workspace = vec![0; model.workspace_len()];
        let mut engine = Engine::new(&model, &mut workspace).expect("it fits");
        let [from, to] = [from, to].map(|seed| Latent::from_seed(seed, model.latent_len()));
        picture::generate(&mut engine, &from.toward(&to, t), |_, _| {})
    }

    fn drawn(seed: u32) -> Option<Event> {
        Some(Event::Drawn { seed, crc: crc(seed, seed, 0) })
    }

    fn morph(from: u32, t: u16) -> Option<Event> {
        Some(Event::Morph { from, to: from + 1, t, crc: crc(from, from + 1, t) })
    }

    #[test]
    fn a_press_shows_the_next_frog() {
        let events = run(0, &[(0, false), (1, false), (2, true), (3, false), (4, true)]);
        assert_eq!(events, [drawn(7), None, drawn(8), None, drawn(9)]);
    }

    #[test]
    fn without_an_idle_time_nothing_moves() {
        assert_eq!(run(0, &[(0, false), (u32::MAX / 2, false), (u32::MAX, false)]), [drawn(7), None, None]);
    }

    #[test]
    fn an_idle_frog_turns_into_the_next() {
        let steps: Vec<_> = [0, 999, 1000].into_iter().chain(1001..1018).map(|now| (now, false)).collect();
        let way = (1..16).map(|i| morph(7, 16 * i));
        let expected: Vec<_> = [drawn(7), None].into_iter().chain(way).chain([drawn(8), None, None]).collect();
        assert_eq!(run(1000, &steps), expected);
    }

    #[test]
    fn a_press_on_the_way_goes_straight_there() {
        let events = run(10, &[(0, false), (10, false), (11, false), (12, true), (13, false), (22, false)]);
        assert_eq!(events, [drawn(7), morph(7, 16), morph(7, 32), drawn(8), None, morph(8, 16)]);
    }

    #[test]
    fn a_press_starts_the_idle_time_again() {
        let events = run(10, &[(0, false), (9, true), (18, false), (19, false)]);
        assert_eq!(events, [drawn(7), drawn(8), None, morph(8, 16)]);
    }

    #[test]
    fn time_may_wrap() {
        let events = run(10, &[(u32::MAX - 4, false), (4, false), (5, false)]);
        assert_eq!(events, [drawn(7), None, morph(7, 16)]);
    }

    #[test]
    fn numbers_wrap() {
        let mut seeds = Counter::from(u32::MAX);
        assert_eq!((seeds.next_seed(), seeds.next_seed()), (u32::MAX, 0));
    }

    #[test]
    fn the_whole_picture_is_drawn_on_any_colour() {
        let model = Model::parse(BLOB).expect("build.rs parsed it");
        let mut workspace = vec![0; model.workspace_len()];
        let mut display = display::<Rgb565>();
        let never = Cell::new(false);
        let mut app =
            App::new(&model, &mut workspace, &mut display, Counter::from(1), Finger(&never), &Settings::default())
                .expect("it fits");
        app.step(0).expect("the mock display cannot fail");
        let area = app.display().affected_area();
        assert_eq!(area.top_left, Point::zero());
        assert!(area.size.width.max(area.size.height) == 64, "{area:?}");
    }

    #[test]
    fn too_little_memory_is_an_error() {
        let model = Model::parse(BLOB).expect("build.rs parsed it");
        let never = Cell::new(false);
        let settings = Settings::default();
        let error =
            App::new(&model, &mut [], &mut display::<Gray4>(), Counter::from(1), Finger(&never), &settings).err();
        let needed = model.workspace_len();
        assert_eq!(error, Some(StartError::Workspace(WorkspaceTooSmall { needed, given: 0 })));
    }
}
