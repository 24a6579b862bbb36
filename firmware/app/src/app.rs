//! The app: decides which picture is shown at which time.
//!
//! ```text
//! mode      without a press                        tap            long press     button held
//! single    the picture stays                      new picture    previous mode  earlier pictures,
//! morph     stays, then turns into a new picture   new picture                   one a second
//! gallery   a grid of consecutive numbers          new grid
//! slides    stays, then a new picture              new picture
//! ```
//! One [`step`](App::step) draws at most one picture. Time, button, entropy and typed commands come from the
//! [`Platform`], and the pictures depend on nothing else. A faster chip draws more intermediate pictures in a morph,
//! but otherwise the same pictures.
//!
//! The app continues when the display fails. Each step that has nothing more urgent to do tries to clear the display.
//! Until that succeeds, pictures are generated only for the log; then the current picture is drawn.

use core::fmt;

use embedded_graphics::draw_target::DrawTarget;
use gen_core::{Engine, Latent, Model, ParseError, WorkspaceTooSmall};
use heapless::Deque;

use crate::color::FromRgb;
use crate::gesture::{Gesture, Gestures};
use crate::layout::{DisplayTooSmall, Layout};
use crate::picture;
use crate::platform::{Command, Platform};
use crate::settings::{Mode, Settings};
use crate::view::{FrameObserver, Label, View};

/// Duration of a morph, in microseconds.
const WAY_US: u64 = 3_000_000;
/// Number of earlier pictures that the user can go back to.
const HISTORY: usize = 32;

/// What a step did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A picture was drawn, alone or as a part of the grid.
    Drawn {
        /// Number of the picture.
        seed: u32,
        /// Checksum of the picture.
        crc: u32,
        /// Microseconds that the engine took, without the display.
        us: u32,
    },
    /// An intermediate picture of a morph was drawn.
    Morph {
        /// Number of the picture that the morph starts from.
        from: u32,
        /// Number of the picture that the morph ends with.
        to: u32,
        /// Progress of the morph, 1 to 255 of 256.
        t: u16,
        /// Checksum of the picture.
        crc: u32,
        /// Microseconds that the engine took, without the display.
        us: u32,
    },
    /// A command was typed that the app does not know.
    Unknown(Command),
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
    /// The workspace is too small for the model.
    Workspace(WorkspaceTooSmall),
    /// The display is too small for the model's pictures.
    Display(DisplayTooSmall),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(e) => write!(f, "{e}. Flash the program again"),
            Self::Workspace(e) => write!(f, "{e}. Give it more, or take a smaller model"),
            Self::Display(e) => e.fmt(f),
        }
    }
}

impl core::error::Error for StartError {}

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

#[derive(Debug, Clone, Copy)]
enum State {
    /// No picture was drawn yet.
    Start,
    /// The picture or the grid is complete.
    Standing { since_us: u64 },
    /// A morph to picture `to` is in progress.
    Morphing { to: u32, since_us: u64, t: u16 },
    /// The first `tiles` pictures of the grid are drawn.
    FillingGrid { tiles: u32 },
}

/// The numbers of the last pictures, newest first, and how many steps back the user has gone.
#[derive(Debug, Default)]
struct History {
    numbers: Deque<u32, HISTORY>,
    back: usize,
}

impl History {
    fn add(&mut self, number: u32) {
        if self.numbers.is_full() {
            self.numbers.pop_back();
        }
        let _ = self.numbers.push_front(number); // has room now
        self.back = 0;
    }

    /// Goes one picture back; after the oldest comes the latest again. `None` if the history is empty.
    fn earlier(&mut self) -> Option<u32> {
        self.back = (self.back + 1) % self.numbers.len().max(1);
        self.numbers.iter().nth(self.back).copied()
    }
}

/// The app, which draws pictures of a model on a display.
#[derive(Debug)]
pub struct App<'a, D: DrawTarget, I> {
    engine: Engine<'a, 'a>,
    view: View<'a, D>,
    platform: I,
    gestures: Gestures,
    settings: Settings,
    latent_len: usize,
    state: State,
    /// Whether the display has to be cleared: at the start, after a change of the mode, and after a display error.
    needs_redraw: bool,
    /// The display error of this step, if any.
    error: Option<D::Error>,
    /// Number of the current picture, or of the first picture of the grid.
    number: u32,
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
        model: &'a Model<'a>,
        workspace: &'a mut [i8],
        display: &'a mut D,
        platform: I,
        settings: Settings,
    ) -> Result<Self, Refused<'a, D, I>> {
        let engine = match Engine::new(model, workspace) {
            Ok(engine) => engine,
            Err(e) => return Err(Refused { error: StartError::Workspace(e), display, platform }),
        };
        let layout = match Layout::new(display.bounding_box().size, model.output_shape()) {
            Ok(layout) => layout,
            Err(e) => return Err(Refused { error: StartError::Display(e), display, platform }),
        };
        Ok(Self {
            engine,
            view: View::with_layout(display, layout, model.output_shape()),
            platform,
            gestures: Gestures::default(),
            latent_len: model.latent_len(),
            state: State::Start,
            needs_redraw: true,
            error: None,
            number: 0,
            last: settings.first_seed().wrapping_sub(1),
            history: History::default(),
            settings,
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
        self.settings.mode
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
        if let State::Start = self.state {
            let number = self.settings.seed.unwrap_or_else(|| self.new_number());
            return Some(self.show_new(number));
        }
        if let Some(word) = self.platform.command() {
            return Some(self.handle_command(word));
        }
        self.gestures.look(&mut self.platform);
        if let Some(gesture) = self.gestures.take() {
            return Some(self.handle_gesture(gesture));
        }
        let is_empty = self.clear();
        if is_empty && let State::FillingGrid { .. } = self.state {
            return Some(self.show(self.number)); // starts the grid again
        }
        // Timed actions come first, and a redraw must not restart their idle time: otherwise a display that
        // fails during every picture would stop the morph and the slides.
        self.advance().or_else(|| {
            let event = is_empty.then(|| (self.state, self.show(self.number)));
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
            let result = self.view.start(self.settings.mode);
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

    fn handle_command(&mut self, word: Command) -> Event {
        let mut settings = Settings { seed: None, ..self.settings };
        if settings.apply(&word).is_err() {
            return Event::Unknown(word);
        }
        if let Some(number) = settings.seed {
            self.number = number;
            self.history.add(number);
        }
        self.settings = settings;
        self.needs_redraw = true;
        self.show(self.number)
    }

    fn handle_gesture(&mut self, gesture: Gesture) -> Event {
        match (gesture, self.state) {
            // Jumps to the end of the morph, so that no number is skipped.
            (Gesture::Tap, State::Morphing { to, .. }) => self.show_new(to),
            (Gesture::Tap, _) => {
                let number = self.new_number();
                self.show_new(number)
            }
            (Gesture::Long, _) => {
                self.settings.mode = self.settings.mode.previous();
                self.needs_redraw = true;
                self.show(self.number)
            }
            (Gesture::Held, _) => {
                let earlier = self.history.earlier().unwrap_or(self.number);
                self.show(earlier)
            }
        }
    }

    /// Does what is due without a press: the next tile, the next picture of a morph, or a new picture after idle time.
    fn advance(&mut self) -> Option<Event> {
        let now = self.platform.now_us();
        let idle_us = u64::from(self.settings.idle_ms) * 1000;
        match (self.state, self.settings.mode) {
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
                let number = self.new_number();
                if self.settings.mode == Mode::Slides {
                    return Some(self.show_new(number));
                }
                self.last = number;
                Some(self.morph(number, now, 1))
            }
            _ => None,
        }
    }

    /// Shows a picture, or a grid that begins with it, and adds it to the history.
    fn show_new(&mut self, number: u32) -> Event {
        self.history.add(number);
        self.show(number)
    }

    fn show(&mut self, number: u32) -> Event {
        self.clear();
        (self.number, self.last) = (number, number);
        match self.settings.mode {
            Mode::Gallery => self.tile(0),
            _ => self.show_still(),
        }
    }

    fn show_still(&mut self) -> Event {
        let seed = self.number;
        let (crc, us) = self.draw(&self.latent(seed), None, None);
        self.state = State::Standing { since_us: self.platform.now_us() };
        Event::Drawn { seed, crc, us }
    }

    fn morph(&mut self, to: u32, since_us: u64, t: u16) -> Event {
        let from = self.number;
        let latent = self.latent(from).toward(&self.latent(to), t);
        let (crc, us) = self.draw(&latent, None, Some(to));
        self.state = State::Morphing { to, since_us, t };
        Event::Morph { from, to, t, crc, us }
    }

    fn tile(&mut self, i: u32) -> Event {
        let seed = self.number.wrapping_add(i);
        self.last = seed;
        let (crc, us) = self.draw(&self.latent(seed), Some(i), None);
        let tiles = i + 1;
        self.state = if tiles < self.grid() {
            State::FillingGrid { tiles }
        } else {
            State::Standing { since_us: self.platform.now_us() }
        };
        Event::Drawn { seed, crc, us }
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
        let label = Label { number: self.number, next, mode: self.settings.mode, us };
        let result = shown.and_then(|()| self.view.label(&label));
        self.record_display_error(result);
        (crc, us)
    }

    fn latent(&self, number: u32) -> Latent {
        Latent::from_seed(number, self.latent_len)
    }
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
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::VecDeque;
    use std::vec;
    use std::vec::Vec;

    use embedded_graphics::mock_display::MockDisplay;
    use embedded_graphics::pixelcolor::{Gray4, Rgb565};
    use embedded_graphics::prelude::*;
    use embedded_graphics::primitives::Rectangle;

    use super::*;
    use crate::TEST_MODEL;
    use crate::{picture, view};

    /// A platform that a test controls.
    #[derive(Debug, Default)]
    struct FakePlatform {
        us: Cell<u64>,
        down: Cell<bool>,
        entropy: RefCell<VecDeque<u32>>,
        words: RefCell<VecDeque<&'static str>>,
        /// Microseconds that a row of a picture takes.
        row_us: u64,
    }

    impl Platform for &FakePlatform {
        fn now_us(&mut self) -> u64 {
            self.us.set(self.us.get() + self.row_us / 3); // the app reads the clock three times for each row
            self.us.get()
        }
        fn is_down(&mut self) -> bool {
            self.down.get()
        }
        fn entropy(&mut self) -> Option<u32> {
            self.entropy.borrow_mut().pop_front()
        }
        fn command(&mut self) -> Option<Command> {
            self.words.borrow_mut().pop_front().map(|word| Command::try_from(word).expect("short"))
        }
    }

    fn display<C: PixelColor>() -> MockDisplay<C> {
        let mut display = MockDisplay::new(); // 64 x 64, and it panics on pixels outside
        display.set_allow_overdraw(true);
        display
    }

    /// Runs `play` with an app that begins with picture 7.
    fn play(
        hand: &FakePlatform,
        settings: Settings,
        play: impl FnOnce(&mut App<'_, MockDisplay<Gray4>, &FakePlatform>),
    ) {
        let model = Model::parse(TEST_MODEL).expect("it is whole");
        let mut workspace = vec![0; model.workspace_len()];
        let mut display = display::<Gray4>();
        let settings = Settings { seed: Some(7), ..settings };
        play(&mut App::new(&model, &mut workspace, &mut display, hand, settings).expect("it fits"));
    }

    /// The events of the next `ms` milliseconds, with a step every 50 ms.
    fn wait(app: &mut App<'_, MockDisplay<Gray4>, &FakePlatform>, hand: &FakePlatform, ms: u64) -> Vec<Event> {
        let mut events = Vec::new();
        for _ in 0..ms / 50 {
            hand.us.set(hand.us.get() + 50_000);
            let event = app.step().expect("the mock display cannot fail");
            events.extend(event);
        }
        events
    }

    fn press(app: &mut App<'_, MockDisplay<Gray4>, &FakePlatform>, hand: &FakePlatform, ms: u64) -> Vec<Event> {
        hand.down.set(true);
        let mut events = wait(app, hand, ms);
        hand.down.set(false);
        events.extend(wait(app, hand, 100));
        events
    }

    /// Checksum of an intermediate picture of a morph.
    fn crc(from: u32, to: u32, t: u16) -> u32 {
        let model = Model::parse(TEST_MODEL).expect("it is whole");
        let mut workspace = vec![0; model.workspace_len()];
        let mut engine = Engine::new(&model, &mut workspace).expect("it fits");
        let [from, to] = [from, to].map(|seed| Latent::from_seed(seed, model.latent_len()));
        picture::generate(&mut engine, &from.toward(&to, t), |_, _| {})
    }

    fn drawn(seed: u32) -> Event {
        Event::Drawn { seed, crc: crc(seed, seed, 0), us: 0 }
    }

    const STILL: Settings = Settings { seed: None, idle_ms: 0, mode: Mode::Single };

    #[test]
    fn a_tap_shows_the_next_picture() {
        let hand = FakePlatform::default();
        play(&hand, STILL, |app| {
            assert_eq!(wait(app, &hand, 10_000), [drawn(7)]);
            assert_eq!(press(app, &hand, 100), [drawn(8)]);
            assert_eq!(press(app, &hand, 500), [drawn(9)]);
            assert_eq!(wait(app, &hand, 10_000), []);
        });
    }

    #[test]
    fn noise_chooses_new_numbers() {
        let hand = FakePlatform { entropy: RefCell::new([100, 5].into()), ..FakePlatform::default() };
        play(&hand, STILL, |app| {
            assert_eq!(wait(app, &hand, 100), [drawn(7)]);
            assert_eq!(press(app, &hand, 100), [drawn(100)]);
            assert_eq!(press(app, &hand, 100), [drawn(5)]);
            assert_eq!(press(app, &hand, 100), [drawn(6)]); // no entropy left
        });
    }

    #[test]
    fn numbers_wrap() {
        let hand = FakePlatform { words: RefCell::new(["seed=4294967295"].into()), ..FakePlatform::default() };
        play(&hand, STILL, |app| {
            assert_eq!(wait(app, &hand, 150), [drawn(7), drawn(u32::MAX)]);
            assert_eq!(press(app, &hand, 100), [drawn(0)]);
        });
    }

    #[test]
    fn holding_goes_back_through_earlier_pictures() {
        let hand = FakePlatform { entropy: RefCell::new([100, 5].into()), ..FakePlatform::default() };
        play(&hand, STILL, |app| {
            wait(app, &hand, 100);
            press(app, &hand, 100);
            press(app, &hand, 100);
            // The history is now 7, 100, 5.
            assert_eq!(press(app, &hand, 4200), [drawn(100), drawn(7), drawn(5)]);
            assert_eq!(press(app, &hand, 2200), [drawn(100)]);
            assert_eq!(press(app, &hand, 100), [drawn(101)]); // continues counting from the latest number
        });
    }

    #[test]
    fn the_history_forgets_the_oldest() {
        let mut history = History::default();
        assert_eq!(history.earlier(), None);
        for number in 0..HISTORY as u32 + 2 {
            history.add(number);
        }
        let numbers: Vec<_> = (0..HISTORY).filter_map(|_| history.earlier()).collect();
        let expected: Vec<_> = (2..HISTORY as u32 + 1).rev().chain([HISTORY as u32 + 1]).collect();
        assert_eq!(numbers, expected);
    }

    #[test]
    fn an_idle_picture_turns_into_the_next() {
        let hand = FakePlatform::default();
        play(&hand, Settings { idle_ms: 1000, mode: Mode::Morph, ..STILL }, |app| {
            assert_eq!(wait(app, &hand, 1000), [drawn(7)]);
            let way = wait(app, &hand, 3100);
            let (last, between) = way.split_last().expect("something happened");
            assert_eq!(*last, drawn(8));
            // With a step every 50 ms, 3 s are 60 pictures; the first comes at once, and the last one stays.
            assert_eq!(between.len(), 60);
            let mut before = 0;
            for event in between {
                let &Event::Morph { from: 7, to: 8, t, crc: found, us: 0 } = event else { panic!("{event:?}") };
                assert!(t > before && t < 256);
                assert_eq!(found, crc(7, 8, t));
                before = t;
            }
        });
    }

    #[test]
    fn a_slow_chip_draws_fewer_pictures_on_the_way() {
        let hand = FakePlatform { row_us: 30_000, ..FakePlatform::default() };
        play(&hand, Settings { idle_ms: 1000, mode: Mode::Morph, ..STILL }, |app| {
            let events = wait(app, &hand, 1200);
            let morphs = events.iter().filter(|event| matches!(event, Event::Morph { .. })).count();
            assert!(events.iter().any(|event| matches!(event, Event::Drawn { seed: 8, .. })), "{events:?}");
            assert!((2..=4).contains(&morphs), "{events:?}");
            let times = events.iter().filter_map(|event| match event {
                Event::Drawn { us, .. } | Event::Morph { us, .. } => Some(us),
                Event::Unknown(_) => None,
            });
            // The clock is read three times for each of the 32 rows; one third of the time counts for the engine.
            assert!(times.into_iter().all(|&us| us == 320_000), "{events:?}");
        });
    }

    #[test]
    fn a_tap_on_the_way_goes_straight_there() {
        let hand = FakePlatform::default();
        play(&hand, Settings { idle_ms: 1000, mode: Mode::Morph, ..STILL }, |app| {
            wait(app, &hand, 1500);
            let events = press(app, &hand, 100);
            assert_eq!(events.iter().filter(|event| matches!(event, Event::Drawn { .. })).count(), 1);
            assert!(events.contains(&drawn(8)), "{events:?}");
            assert_eq!(wait(app, &hand, 800), []); // the idle time starts again from 0
        });
    }

    #[test]
    fn slides_follow_each_other() {
        let hand = FakePlatform::default();
        play(&hand, Settings { idle_ms: 1000, mode: Mode::Slides, ..STILL }, |app| {
            assert_eq!(wait(app, &hand, 3100), [drawn(7), drawn(8), drawn(9), drawn(10)]);
        });
    }

    #[test]
    fn a_wall_has_numbers_that_follow() {
        let hand = FakePlatform::default();
        play(&hand, Settings { mode: Mode::Gallery, ..STILL }, |app| {
            assert_eq!(wait(app, &hand, 1000), [7, 8, 9, 10].map(drawn)); // 64 x 64 pixels hold four
            assert_eq!(wait(app, &hand, 1000), []);
            press(app, &hand, 100);
            assert_eq!(wait(app, &hand, 1000).last(), Some(&drawn(14)));
            assert_eq!(press(app, &hand, 2500), [7, 8, 9, 10].map(drawn)); // the previous grid
        });
    }

    #[test]
    fn a_long_press_goes_through_the_modes() {
        let hand = FakePlatform::default();
        play(&hand, STILL, |app| {
            wait(app, &hand, 100);
            for mode in [Mode::Slides, Mode::Gallery, Mode::Morph, Mode::Single] {
                let events = press(app, &hand, 1000);
                assert_eq!(app.mode(), mode);
                assert_eq!(events.first(), Some(&drawn(7)), "{mode}"); // the same picture, or a grid that begins with it
                wait(app, &hand, 1000);
            }
        });
    }

    #[test]
    fn words_call_pictures_and_modes() {
        let words = ["seed=123", "mode=gallery", "frog", "mode=single", "idle=5"];
        let hand = FakePlatform { words: RefCell::new(words.into()), ..FakePlatform::default() };
        play(&hand, STILL, |app| {
            let unknown = Event::Unknown(Command::try_from("frog").expect("short"));
            let events = wait(app, &hand, 1000);
            assert_eq!(events, [drawn(7), drawn(123), drawn(123), unknown, drawn(123), drawn(123)]);
            assert_eq!(app.mode(), Mode::Single);
        });
    }

    #[test]
    fn a_press_while_a_picture_is_drawn_is_not_lost() {
        let hand = FakePlatform { row_us: 3000, ..FakePlatform::default() };
        play(&hand, STILL, |app| {
            wait(app, &hand, 100);
            // The button goes down and up while one picture is drawn: `now_us` lets time pass.
            struct Short<'a>(&'a FakePlatform, u64);
            impl Platform for Short<'_> {
                fn now_us(&mut self) -> u64 {
                    (&mut &*self.0).now_us()
                }
                fn is_down(&mut self) -> bool {
                    (self.1..self.1 + 30_000).contains(&self.0.us.get())
                }
            }
            let mut short = Short(&hand, hand.us.get() + 20_000);
            let mut observer = Stopwatch::start(&mut short, &mut app.gestures);
            for _ in 0..32 {
                observer.row_rendered();
                observer.row_drawn();
            }
            let Some(Event::Drawn { seed: 8, .. }) = app.step().expect("it cannot fail") else { panic!("lost") };
        });
    }

    /// A display that fails while it is unplugged, at every `shaky`-th call (unless `shaky` is 0), and at call number
    /// `fails`.
    struct Flaky<'a> {
        calls: usize,
        fails: usize,
        shaky: usize,
        unplugged: &'a Cell<bool>,
        pixels: Vec<Gray4>,
    }

    impl OriginDimensions for Flaky<'_> {
        fn size(&self) -> Size {
            Size::new(128, 64)
        }
    }

    impl DrawTarget for Flaky<'_> {
        type Color = Gray4;
        type Error = ();

        fn draw_iter<P: IntoIterator<Item = Pixel<Gray4>>>(&mut self, pixels: P) -> Result<(), ()> {
            self.calls += 1;
            let is_shaky = self.shaky > 0 && self.calls.is_multiple_of(self.shaky);
            if self.calls == self.fails || is_shaky || self.unplugged.get() {
                return Err(());
            }
            for Pixel(at, colour) in pixels {
                assert!(self.bounding_box().contains(at));
                self.pixels[at.y as usize * 128 + at.x as usize] = colour;
            }
            Ok(())
        }
    }

    #[test]
    fn a_display_may_fail_at_any_moment() {
        // Two pictures, then a grid. At the end the display must look as if it had never failed.
        let run = |fails: usize| {
            let model = Model::parse(TEST_MODEL).expect("it is whole");
            let mut workspace = vec![0; model.workspace_len()];
            let unplugged = Cell::new(false);
            let pixels = vec![Gray4::BLACK; 128 * 64];
            let mut display = Flaky { calls: 0, fails, shaky: 0, unplugged: &unplugged, pixels };
            let hand = FakePlatform::default();
            let settings = Settings { seed: Some(7), ..STILL };
            let mut app = App::new(&model, &mut workspace, &mut display, &hand, settings).expect("it fits");
            let mut failures = 0;
            for word in ["", "seed=8", "mode=gallery"] {
                hand.words.borrow_mut().extend([word].iter().filter(|word| !word.is_empty()));
                let mut quiet = 0;
                while quiet < 3 {
                    hand.us.set(hand.us.get() + 50_000);
                    match app.step() {
                        Ok(None) => quiet += 1,
                        Ok(Some(_)) => quiet = 0,
                        Err(Failed { event: _, error: () }) => failures += 1,
                    }
                }
            }
            drop(app);
            (display.calls, failures, display.pixels)
        };
        let (calls, none, expected) = run(usize::MAX);
        assert_eq!(none, 0);
        for fails in (1..=calls).step_by(3) {
            let (_, failures, pixels) = run(fails);
            assert_eq!(failures, 1, "call {fails} of {calls}");
            assert!(pixels == expected, "call {fails} of {calls}");
        }
    }

    #[test]
    fn without_a_display_all_goes_on() {
        /// The events, the number of display errors, and the display's contents at the end.
        fn run(unplugged: bool) -> (Vec<Event>, usize, Vec<Gray4>) {
            let unplugged = Cell::new(unplugged);
            let model = Model::parse(TEST_MODEL).expect("it is whole");
            let mut workspace = vec![0; model.workspace_len()];
            let pixels = vec![Gray4::BLACK; 128 * 64];
            let mut display = Flaky { calls: 0, fails: usize::MAX, shaky: 0, unplugged: &unplugged, pixels };
            let hand = FakePlatform::default();
            let settings = Settings { seed: Some(7), idle_ms: 1000, mode: Mode::Single };
            let mut app = App::new(&model, &mut workspace, &mut display, &hand, settings).expect("it fits");
            let (mut events, mut failures) = (Vec::new(), 0);
            let mut wait = |steps| {
                for _ in 0..steps {
                    hand.us.set(hand.us.get() + 50_000);
                    events.extend(app.step().unwrap_or_else(|Failed { event, error: () }| {
                        failures += 1;
                        event
                    }));
                }
            };
            // A tap, an unknown command and a long press, in all modes; the last long press leads to single.
            for mode in ["mode=slides", "mode=gallery", "mode=single", "mode=morph"] {
                hand.words.borrow_mut().extend([mode, "frog"]);
                for (down, up) in [(2, 50), (14, 50)] {
                    hand.down.set(true);
                    wait(down);
                    hand.down.set(false);
                    wait(up);
                }
            }
            unplugged.set(false);
            wait(50);
            drop(app);
            (events, failures, display.pixels)
        }

        let (expected, none, picture) = run(false);
        let (events, failures, pixels) = run(true);
        assert!(none == 0 && failures > 400, "{failures} failures");
        let (events, again) = events.split_at(expected.len());
        assert_eq!(events, expected);
        assert!(expected.len() > 100, "{expected:?}");
        assert!(pixels == picture, "the display is not as if nothing had happened");
        assert!(!again.is_empty(), "it was drawn again");
    }

    #[test]
    fn a_display_that_never_takes_a_whole_picture_does_not_stop_the_slides() {
        let model = Model::parse(TEST_MODEL).expect("it is whole");
        let mut workspace = vec![0; model.workspace_len()];
        let (unplugged, pixels) = (Cell::new(false), vec![Gray4::BLACK; 128 * 64]);
        let mut display = Flaky { calls: 0, fails: usize::MAX, shaky: 5, unplugged: &unplugged, pixels };
        let hand = FakePlatform::default();
        let settings = Settings { seed: Some(7), idle_ms: 1000, mode: Mode::Slides };
        let mut app = App::new(&model, &mut workspace, &mut display, &hand, settings).expect("it fits");
        let mut drawn = Vec::new();
        for _ in 0..200 {
            hand.us.set(hand.us.get() + 50_000);
            let event = app.step().unwrap_or_else(|failed| failed.event);
            drawn.extend(event.map(|event| match event {
                Event::Drawn { seed, .. } => seed,
                event => panic!("{event:?}"),
            }));
        }
        drawn.dedup();
        assert_eq!(drawn, (7..17).collect::<Vec<_>>(), "a picture a second");
    }

    #[test]
    fn the_whole_picture_is_drawn_on_any_colour() {
        let model = Model::parse(TEST_MODEL).expect("it is whole");
        let mut workspace = vec![0; model.workspace_len()];
        let mut display = display::<Rgb565>();
        let hand = FakePlatform::default();
        let mut app = App::new(&model, &mut workspace, &mut display, &hand, STILL).expect("it fits");
        app.step().expect("the mock display cannot fail");
        let area = app.display().affected_area();
        assert_eq!(area.top_left, Point::zero());
        assert!(area.size.width.max(area.size.height) == 64, "{area:?}");
    }

    #[test]
    fn too_little_memory_is_an_error() {
        let model = Model::parse(TEST_MODEL).expect("it is whole");
        let hand = FakePlatform::default();
        let error = App::new(&model, &mut [], &mut display::<Gray4>(), &hand, STILL).err().map(|refused| refused.error);
        let needed = model.workspace_len();
        assert_eq!(error, Some(StartError::Workspace(WorkspaceTooSmall { needed, given: 0 })));
    }

    #[test]
    fn whatever_stops_the_start_can_be_shown() {
        let model = Model::parse(TEST_MODEL).expect("it is whole");
        let mut workspace = vec![0; model.workspace_len()];
        let hand = FakePlatform::default();
        let mut whole = display::<Gray4>();
        whole.set_allow_out_of_bounds_drawing(true); // the message has more lines than the display
        let refused = App::new(&model, &mut [], &mut whole, &hand, STILL).expect_err("there is no workspace");
        view::message(refused.display, refused.error).expect("it is the display");
        assert!(whole.affected_area().size.height > 20, "{:?}", whole.affected_area());

        let mut area = display::<Gray4>();
        area.set_allow_out_of_bounds_drawing(true);
        let mut small = area.cropped(&Rectangle::new(Point::zero(), Size::new(31, 64)));
        let refused = App::new(&model, &mut workspace, &mut small, &hand, STILL).expect_err("it is too narrow");
        assert!(matches!(refused.error, StartError::Display(_)));
        view::message(refused.display, refused.error).expect("it is the display");
        assert!(area.affected_area().size.height > 20, "{:?}", area.affected_area());
    }
}
