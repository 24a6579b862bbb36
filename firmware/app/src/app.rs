//! The app: decides which picture is shown at which time.
//!
//! ```text
//! mode      without a press                        tap                   long press     button held
//! single    the picture stays                      new picture           previous mode  earlier pictures,
//! classes   the picture stays                      the next class of it                 one a second
//! morph     stays, then turns into a new picture   new picture
//! gallery   a grid of consecutive numbers          new grid
//! slides    stays, then a new picture              new picture
//! ```
//! A picture is a number and, for a model with classes, a class. Instead of the number the user can give the latent itself. A
//! picture of a given latent takes the place of a number: the pictures after it have the numbers that would have followed.
//!
//! ```text
//! mode      class of a new picture                 its number
//! single    that of the picture before             new
//! classes   the next one                           that of the picture before; new when the first class comes again
//! morph     the next one                           new
//! gallery   each tile the next one                 each tile the next one
//! slides    the next one                           new
//! ```
//! After the last class comes the first. So in the mode `classes` a model of digits counts, and one sees what the class
//! alone changes. If the user has chosen a class, with the setting `class`, then morph, gallery and slides keep the class
//! too. A model without classes has no mode `classes`: single takes its place.
//!
//! One [`step`](App::step) draws at most one picture. Time, button, entropy and typed commands come from the
//! [`Platform`], and the pictures depend on nothing else. A faster chip draws more intermediate pictures in a morph,
//! but otherwise the same pictures.
//!
//! The app continues when the display fails. Each step that has nothing more urgent to do tries to clear the display.
//! Until that succeeds, pictures are generated only for the log; then the current picture is drawn.

use core::fmt;

use embedded_graphics::draw_target::DrawTarget;
use gen_core::spec::MAX_CLASS_NAME;
use gen_core::{Classes, Engine, EngineError, FromRgb, Latent, LatentTextError, Model, ParseError};
use heapless::{Deque, String};

use crate::class::{self, ClassChoice, ClassLabel};
use crate::gesture::{Gesture, Gestures};
use crate::layout::{DisplayTooSmall, Layout};
use crate::picture::{self, Source};
use crate::platform::Platform;
use crate::settings::{BadSetting, Mode, Setting, Settings};
use crate::view::{FrameObserver, Label, View};

/// Duration of a morph, in microseconds.
const WAY_US: u64 = 3_000_000;
/// Bytes of an ignored command that are kept for the log: `class=` and the longest name.
const KEPT: usize = "class=".len() + MAX_CLASS_NAME;
/// Number of earlier pictures that the user can go back to.
const HISTORY: usize = 32;

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A picture was drawn, alone or as a part of the grid.
    Drawn {
        /// Number of the picture, or that its latent was given.
        source: Source,
        /// Its class; `None` for a model without classes.
        class: Option<u8>,
        /// Checksum of the picture.
        crc: u32,
        /// Microseconds that the engine took, without the display.
        us: u32,
    },
    /// An intermediate picture of a morph was drawn.
    Morph {
        /// The picture that the morph starts from.
        from: Source,
        /// Number of the picture that the morph ends with.
        to: u32,
        /// The classes of these two pictures; `None` for a model without classes.
        classes: Option<[u8; 2]>,
        /// Progress of the morph, 1 to 255 of 256.
        t: u16,
        /// Checksum of the picture.
        crc: u32,
        /// Microseconds that the engine took, without the display.
        us: u32,
    },
    /// A command was typed that the app does not know: [`App::word`].
    Unknown,
    /// A class was chosen, by a command or in the settings, that the model does not have. [`App::word`] is `class=` and
    /// its name.
    UnknownClass,
    /// A latent was given, by a command or in the settings, that is not one of the model.
    BadLatent(LatentTextError),
}

/// The display failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed<E> {
    /// What the step did in spite of the error.
    pub event: Option<Event>,
    /// The error of the display.
    pub error: E,
}

/// The reason why the app cannot start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartError {
    /// The model in the chip's memory is missing or damaged.
    Model(ParseError),
    /// The workspace is too small for the model, or the processor lacks instructions.
    Engine(EngineError),
    /// The display is too small for the model's pictures.
    Display(DisplayTooSmall),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(e) => write!(f, "{e}. Flash the program again"),
            Self::Engine(e @ EngineError::WorkspaceTooSmall { .. }) => {
                write!(f, "{e}. Give it more, or take a smaller model")
            }
            Self::Engine(e) => e.fmt(f),
            Self::Display(e) => e.fmt(f),
        }
    }
}

impl core::error::Error for StartError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(match self {
            Self::Model(e) => e,
            Self::Engine(e) => e,
            Self::Display(e) => e,
        })
    }
}

/// The app cannot start. Returns the display and the platform, so that the caller can show the reason.
pub struct Refused<'a, D, I> {
    /// The reason.
    pub error: StartError,
    /// The display.
    pub display: &'a mut D,
    /// The platform.
    pub platform: I,
}

impl<D, I> fmt::Debug for Refused<'_, D, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").field("error", &self.error).finish_non_exhaustive()
    }
}

/// What a picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Picture {
    /// Its number; for a given latent, the number in whose place it is.
    number: u32,
    /// 0 for a model without classes.
    class: u8,
    /// Whether its latent is the given one.
    is_given: bool,
}

impl Picture {
    fn source(self) -> Source {
        if self.is_given { Source::Latent } else { Source::Seed(self.number) }
    }
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Nothing was done yet, and latent and class in the settings were not checked.
    Settings,
    /// No picture was drawn yet.
    Start,
    /// The picture or the grid is complete.
    Standing { since_us: u64 },
    /// A morph to picture `to` is in progress.
    Morphing { to: Picture, since_us: u64, t: u16 },
    /// The first `tiles` pictures of the grid are drawn.
    FillingGrid { tiles: u32 },
}

/// The last pictures, newest first, and how many steps back the user has gone.
#[derive(Debug, Default)]
struct History {
    pictures: Deque<Picture, HISTORY>,
    back: usize,
}

impl History {
    fn add(&mut self, picture: Picture) {
        if self.pictures.is_full() {
            self.pictures.pop_back();
        }
        let _ = self.pictures.push_front(picture); // has room now
        self.back = 0;
    }

    /// Forgets the pictures of a given latent, because another one takes its place.
    fn forget_given(&mut self) {
        self.pictures.retain(|picture| !picture.is_given);
    }

    /// Goes one picture back; after the oldest comes the latest again. `None` if the history is empty.
    fn earlier(&mut self) -> Option<Picture> {
        self.back = (self.back + 1) % self.pictures.len().max(1);
        self.pictures.iter().nth(self.back).copied()
    }
}

/// The app, which draws pictures of a model on a display.
#[derive(Debug)]
pub struct App<'a, D: DrawTarget, I> {
    engine: Engine<'a>,
    view: View<'a, D>,
    platform: I,
    gestures: Gestures,
    mode: Mode,
    idle_ms: u32,
    /// Number of the first picture, if the settings have it.
    seed: Option<u32>,
    /// The latent that the user gave last, without its class.
    given: Option<Latent>,
    /// The last command that was ignored, or its beginning. At the start, the class in the settings.
    word: String<KEPT>,
    classes: Classes<'a>,
    state: State,
    /// Whether the display has to be cleared: at the start, after a change of the mode, and after a display error.
    needs_redraw: bool,
    /// The display error of this step, if any.
    error: Option<D::Error>,
    /// The current picture, or the first picture of the grid.
    current: Picture,
    /// Whether the user has chosen the class of all pictures.
    has_choice: bool,
    /// The latest number used. Without entropy, the next new number is this plus 1.
    last: u32,
    history: History,
}

impl<'a, D: DrawTarget<Color: FromRgb>, I: Platform> App<'a, D, I> {
    /// Creates the app; draws nothing yet. `workspace` needs at least [`Model::workspace_len`] bytes.
    ///
    /// # Errors
    /// [`Refused`], with a [`StartError`], if the workspace or the display is too small for the model.
    pub fn new(
        model: Model<'a>,
        workspace: &'a mut [i8],
        display: &'a mut D,
        platform: I,
        settings: Settings,
    ) -> Result<Self, Refused<'a, D, I>> {
        let (shape, classes) = (model.output_shape(), model.classes());
        let engine = match Engine::new(model, workspace) {
            Ok(engine) => engine,
            Err(e) => return Err(Refused { error: StartError::Engine(e), display, platform }),
        };
        let layout = match Layout::new(display.bounding_box().size, shape) {
            Ok(layout) => layout,
            Err(e) => return Err(Refused { error: StartError::Display(e), display, platform }),
        };
        let last = settings.first_seed().wrapping_sub(1);
        let mut word = String::new();
        if let Some(class) = &settings.class {
            let _ = word.push_str("class=").and_then(|()| word.push_str(class)); // the longest name fits
        }
        Ok(Self {
            engine,
            view: View::with_layout(display, layout, shape),
            platform,
            gestures: Gestures::default(),
            mode: settings.mode.possible(!classes.is_empty()),
            idle_ms: settings.idle_ms,
            seed: settings.seed,
            given: settings.latent,
            word,
            classes,
            state: State::Settings,
            needs_redraw: true,
            error: None,
            current: Picture::default(),
            has_choice: false,
            last,
            history: History::default(),
        })
    }

    /// The display.
    pub fn display(&self) -> &D {
        self.view.display()
    }

    /// The platform.
    pub fn platform(&mut self) -> &mut I {
        &mut self.platform
    }

    /// The current mode.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The last command that was ignored, or its beginning and `...`.
    pub fn word(&self) -> &str {
        &self.word
    }

    /// Number of pictures in the grid of the gallery mode, at least 1.
    pub fn grid(&self) -> u32 {
        self.view.layout().grid.len()
    }

    /// Does what is due next: handles a command or a gesture, or draws at most one picture. `None` if nothing is due.
    ///
    /// # Errors
    /// [`Failed`] if the display failed; it contains what the step did in spite of that. Call `step` again to go on.
    pub fn step(&mut self) -> Result<Option<Event>, Failed<D::Error>> {
        let event = self.poll();
        match self.error.take() {
            Some(error) => Err(Failed { event, error }),
            None => Ok(event),
        }
    }

    fn poll(&mut self) -> Option<Event> {
        if let State::Settings = self.state {
            let (len, steps) =
                (self.engine.model().latent_len(), self.given.as_ref().map(|latent| latent.steps().len()));
            if let Some(steps) = steps.filter(|&steps| steps != len) {
                self.given = None;
                return Some(Event::BadLatent(LatentTextError::Length { digits: 2 * steps, len }));
            }
            self.state = State::Start;
            if let Ok(Setting::Class(class)) = Setting::parse(&self.word) {
                match ClassChoice::find(self.classes, class) {
                    Some(choice) => self.choose(choice),
                    None => return Some(Event::UnknownClass),
                }
            }
        }
        if let State::Start = self.state {
            let number = self.seed.unwrap_or_else(|| self.new_number());
            return Some(self.show_new(Picture { number, is_given: self.given.is_some(), ..self.current }));
        }
        if let Some(applied) = self.handle_command() {
            return Some(match applied {
                Ok(()) => {
                    self.needs_redraw = true;
                    self.show(self.current)
                }
                Err(ignored) => ignored,
            });
        }
        self.gestures.look(&mut self.platform);
        if let Some(gesture) = self.gestures.take() {
            return Some(self.handle_gesture(gesture));
        }
        let is_empty = self.clear();
        if is_empty && let State::FillingGrid { .. } = self.state {
            return Some(self.show(self.current)); // starts the grid again
        }
        // Timed actions come first, and a redraw must not restart their idle time: otherwise a display that
        // fails during every picture would stop the morph and the slides.
        self.advance().or_else(|| {
            let event = is_empty.then(|| (self.state, self.show(self.current)));
            event.map(|(before, event)| {
                if let (State::Standing { .. }, State::Standing { .. }) = (before, self.state) {
                    self.state = before;
                }
                event
            })
        })
    }

    /// Clears the display if that is needed. Returns whether it has been cleared.
    fn clear(&mut self) -> bool {
        let needed_redraw = self.needs_redraw;
        if needed_redraw {
            let result = self.view.start();
            self.needs_redraw = false;
            self.record_display_error(result);
        }
        needed_redraw && !self.needs_redraw
    }

    /// Stores a display error for the end of this step, and requests a redraw.
    fn record_display_error(&mut self, result: Result<(), D::Error>) {
        if let Err(e) = result {
            self.needs_redraw = true;
            self.error = Some(e);
        }
    }

    /// A number for a new picture: random, or without entropy the latest number plus 1.
    fn new_number(&mut self) -> u32 {
        self.platform.entropy().unwrap_or(self.last.wrapping_add(1))
    }

    /// The picture that comes next: see the table at the top of this file.
    #[inline(never)]
    fn next_picture(&mut self) -> Picture {
        let before = self.current;
        let steps = match self.mode {
            Mode::Classes => 1,
            _ if self.has_choice => 0,
            Mode::Single => 0,
            Mode::Morph | Mode::Slides => 1,
            Mode::Gallery => self.grid(),
        };
        let class = class::later(self.classes, before.class, steps);
        let is_same = self.mode == Mode::Classes && class > 0;
        if is_same {
            Picture { class, ..before }
        } else {
            Picture { number: self.new_number(), class, is_given: false }
        }
    }

    /// Chooses the class of all pictures, or all classes.
    fn choose(&mut self, choice: ClassChoice) {
        match choice {
            ClassChoice::One(class) => (self.current.class, self.has_choice) = (class, true),
            ClassChoice::All => self.has_choice = false,
        }
    }

    /// Applies the next typed command, if any. Not inlined, so that neither the command nor a latent in it is on the stack while
    /// a picture is drawn.
    ///
    /// # Errors
    /// Why the command is ignored.
    #[inline(never)]
    fn handle_command(&mut self) -> Option<Result<(), Event>> {
        let command = self.platform.command()?;
        let applied = self.apply(&command);
        if applied.is_err() {
            self.word = beginning(&command);
        }
        Some(applied)
    }

    fn apply(&mut self, command: &str) -> Result<(), Event> {
        let before = self.current;
        match Setting::parse(command) {
            Ok(Setting::Seed(number)) => {
                self.current = Picture { number, is_given: false, ..before };
                self.history.add(self.current);
            }
            Ok(Setting::Latent(text)) => {
                let latent = Latent::from_hex(text, self.engine.model().latent_len());
                self.given = Some(latent.map_err(Event::BadLatent)?);
                self.current.is_given = true;
                self.history.forget_given();
                self.history.add(self.current);
            }
            Ok(Setting::Class(class)) => {
                let choice = ClassChoice::find(self.classes, class).ok_or(Event::UnknownClass)?;
                self.choose(choice);
                if self.current != before {
                    self.history.add(self.current);
                }
            }
            Ok(Setting::Idle(ms)) => self.idle_ms = ms,
            Ok(Setting::Mode(mode)) => self.mode = mode.possible(!self.classes.is_empty()),
            Err(BadSetting) => return Err(Event::Unknown),
        }
        Ok(())
    }

    fn handle_gesture(&mut self, gesture: Gesture) -> Event {
        match (gesture, self.state) {
            // Jumps to the end of the morph, so that no number is skipped.
            (Gesture::Tap, State::Morphing { to, .. }) => self.show_new(to),
            (Gesture::Tap, _) => {
                let next = self.next_picture();
                self.show_new(next)
            }
            (Gesture::Long, _) => {
                self.mode = self.mode.previous(!self.classes.is_empty());
                self.needs_redraw = true;
                self.show(self.current)
            }
            (Gesture::Held, _) => {
                let earlier = self.history.earlier().unwrap_or(self.current);
                self.show(earlier)
            }
        }
    }

    /// Does what is due without a press: the next tile, the next picture of a morph, or a new picture after idle time.
    fn advance(&mut self) -> Option<Event> {
        let now = self.platform.now_us();
        let idle_us = u64::from(self.idle_ms) * 1000;
        match (self.state, self.mode) {
            (State::FillingGrid { tiles }, _) => Some(self.tile(tiles)),
            (State::Morphing { to, since_us, t }, _) => {
                let due = (now.saturating_sub(since_us) * 256 / WAY_US).min(256) as u16;
                Some(match due.max(t + 1) {
                    t @ ..256 => self.morph(to, since_us, t),
                    _ => self.show_new(to),
                })
            }
            (State::Standing { since_us }, Mode::Morph | Mode::Slides)
                if idle_us > 0 && now.saturating_sub(since_us) >= idle_us =>
            {
                let next = self.next_picture();
                if self.mode == Mode::Slides {
                    return Some(self.show_new(next));
                }
                self.last = next.number;
                Some(self.morph(next, now, 1))
            }
            _ => None,
        }
    }

    /// Shows a picture, or a grid that begins with it, and adds it to the history.
    fn show_new(&mut self, picture: Picture) -> Event {
        self.history.add(picture);
        self.show(picture)
    }

    fn show(&mut self, picture: Picture) -> Event {
        self.clear();
        (self.current, self.last) = (picture, picture.number);
        match self.mode {
            Mode::Gallery => self.tile(0),
            _ => self.show_still(),
        }
    }

    fn show_still(&mut self) -> Event {
        let event = self.draw_still(self.current, None);
        self.state = State::Standing { since_us: self.platform.now_us() };
        event
    }

    fn morph(&mut self, to: Picture, since_us: u64, t: u16) -> Event {
        let from = self.current;
        let latent = self.latent(from).toward(&self.latent(to), t);
        let (crc, us) = self.draw(&latent, None, Some(to.number));
        self.state = State::Morphing { to, since_us, t };
        let classes = self.class(from).zip(self.class(to)).map(<[u8; 2]>::from);
        Event::Morph { from: from.source(), to: to.number, classes, t, crc, us }
    }

    fn tile(&mut self, i: u32) -> Event {
        let first = self.current;
        let steps = if self.has_choice { 0 } else { i };
        let class = class::later(self.classes, first.class, steps);
        let picture = Picture { number: first.number.wrapping_add(i), class, is_given: first.is_given && i == 0 };
        self.last = picture.number;
        let event = self.draw_still(picture, Some(i));
        let tiles = i + 1;
        self.state = if tiles < self.grid() {
            State::FillingGrid { tiles }
        } else {
            State::Standing { since_us: self.platform.now_us() }
        };
        event
    }

    /// Draws a picture that is no part of a morph: as tile `tile` of the grid, or alone.
    #[inline(never)]
    fn draw_still(&mut self, picture: Picture, tile: Option<u32>) -> Event {
        let (crc, us) = self.draw(&self.latent(picture), tile, None);
        Event::Drawn { source: picture.source(), class: self.class(picture), crc, us }
    }

    /// Draws a picture and its label. The picture goes to tile `tile` of the grid, or without `tile` to the place of a
    /// single picture. `next` is the number at the end of the morph. Returns the picture's checksum and the microseconds
    /// that the engine took.
    fn draw(&mut self, latent: &Latent, tile: Option<u32>, next: Option<u32>) -> (u32, u32) {
        let mut observer = Stopwatch::start(&mut self.platform, &mut self.gestures);
        if self.needs_redraw {
            let crc = picture::generate(&mut self.engine, latent, |_, _| {
                observer.row_rendered();
                observer.row_drawn();
            });
            return (crc, observer.us);
        }
        let (crc, shown) = match tile {
            Some(i) => self.view.tile(i, &mut self.engine, latent, &mut observer),
            None => self.view.picture(&mut self.engine, latent, &mut observer),
        };
        let us = observer.us;
        // The label of a grid is about its first picture.
        let class = if tile.is_some() { self.current.class } else { latent.class().nearest() };
        let class = ClassLabel::new(self.classes, class);
        let label = Label { source: self.current.source(), next, class, mode: self.mode, us };
        let result = shown.and_then(|()| self.view.label(&label));
        self.record_display_error(result);
        (crc, us)
    }

    fn latent(&self, picture: Picture) -> Latent {
        let latent = match &self.given {
            Some(given) if picture.is_given => given.clone(),
            _ => self.engine.model().latent(picture.number),
        };
        latent.with_class(picture.class)
    }

    /// The class of a picture; `None` for a model without classes.
    fn class(&self, picture: Picture) -> Option<u8> {
        (!self.classes.is_empty()).then_some(picture.class)
    }
}

/// As much of a command as is kept. If that is not all, it ends with `...`.
fn beginning(command: &str) -> String<KEPT> {
    const MORE: &str = "...";
    let mut kept = String::new();
    for c in command.chars() {
        if command.len() > KEPT && kept.len() + c.len_utf8() + MORE.len() > KEPT {
            let _ = kept.push_str(MORE); // there is room for it
            break;
        }
        let _ = kept.push(c);
    }
    kept
}

/// Measures the time of the engine without the display, and reads the button after each row.
struct Stopwatch<'a, I> {
    platform: &'a mut I,
    gestures: &'a mut Gestures,
    since: u64,
    /// Microseconds that the engine took so far.
    us: u32,
}

impl<'a, I: Platform> Stopwatch<'a, I> {
    fn start(platform: &'a mut I, gestures: &'a mut Gestures) -> Self {
        let since = platform.now_us();
        Self { platform, gestures, since, us: 0 }
    }
}

impl<I: Platform> FrameObserver for Stopwatch<'_, I> {
    fn row_rendered(&mut self) {
        self.us = self.us.saturating_add((self.platform.now_us() - self.since) as u32);
    }

    fn row_drawn(&mut self) {
        self.gestures.look(self.platform);
        self.since = self.platform.now_us();
    }
}

#[cfg(test)]
mod tests;
