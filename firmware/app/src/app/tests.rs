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
use crate::platform::Command;
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
fn play(hand: &FakePlatform, settings: Settings, play: impl FnOnce(&mut App<'_, MockDisplay<Gray4>, &FakePlatform>)) {
    play_with(TEST_MODEL, hand, settings, play);
}

fn play_with(
    model: &[u8],
    hand: &FakePlatform,
    settings: Settings,
    play: impl FnOnce(&mut App<'_, MockDisplay<Gray4>, &FakePlatform>),
) {
    let model = Model::parse(model).expect("it is whole");
    let mut workspace = vec![0; model.workspace_len()];
    let mut display = display::<Gray4>();
    let settings = Settings { seed: Some(7), ..settings };
    play(&mut App::new(model.clone(), &mut workspace, &mut display, hand, settings).expect("it fits"));
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
    let mut engine = Engine::new(model.clone(), &mut workspace).expect("it fits");
    let [from, to] = [from, to].map(|seed| Latent::from_seed(seed, model.latent_len()));
    picture::generate(&mut engine, &from.toward(&to, t), |_, _| {})
}

fn drawn(seed: u32) -> Event {
    Event::Drawn { source: Source::Seed(seed), class: None, crc: crc(seed, seed, 0), us: 0 }
}

const STILL: Settings = Settings { seed: None, latent: None, class: None, idle_ms: 0, mode: Mode::Single };

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
        history.add(Picture { number, class: 0, is_given: false });
    }
    let numbers: Vec<_> = (0..HISTORY).filter_map(|_| Some(history.earlier()?.number)).collect();
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
            let &Event::Morph { from: Source::Seed(7), to: 8, classes: None, t, crc: found, us: 0 } = event else {
                panic!("{event:?}")
            };
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
        assert!(events.iter().any(|event| matches!(event, Event::Drawn { source: Source::Seed(8), .. })), "{events:?}");
        assert!((2..=4).contains(&morphs), "{events:?}");
        let times = events.iter().filter_map(|event| match event {
            Event::Drawn { us, .. } | Event::Morph { us, .. } => Some(us),
            Event::Unknown | Event::UnknownClass | Event::BadLatent(_) => None,
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
fn of_a_long_unknown_word_the_beginning_is_kept() {
    let long = std::string::String::leak("лягушка".repeat(18)); // 252 bytes
    let hand = FakePlatform { words: RefCell::new([&*long].into()), ..FakePlatform::default() };
    play(&hand, STILL, |app| {
        assert_eq!(wait(app, &hand, 200).last(), Some(&Event::Unknown));
        let (kept, more) = app.word().split_at(app.word().len() - 3);
        assert_eq!((app.word().len(), more), (KEPT - 1, "..."));
        assert!(long.starts_with(kept));
    });
    assert_eq!(
        (beginning("frog"), beginning(&"x".repeat(KEPT))),
        ("frog".try_into().unwrap(), "x".repeat(KEPT).as_str().try_into().unwrap())
    );
}

#[test]
fn words_call_pictures_and_modes() {
    let words = ["seed=123", "mode=gallery", "frog", "mode=single", "idle=5"];
    let hand = FakePlatform { words: RefCell::new(words.into()), ..FakePlatform::default() };
    play(&hand, STILL, |app| {
        let mut events = wait(app, &hand, 200);
        assert_eq!((events.last(), app.word()), (Some(&Event::Unknown), "frog"));
        events.extend(wait(app, &hand, 1000));
        assert_eq!(events, [drawn(7), drawn(123), drawn(123), Event::Unknown, drawn(123), drawn(123)]);
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
        let Some(Event::Drawn { source: Source::Seed(8), .. }) = app.step().expect("it cannot fail") else {
            panic!("lost")
        };
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
        let mut app = App::new(model.clone(), &mut workspace, &mut display, &hand, settings).expect("it fits");
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
        let settings = Settings { seed: Some(7), idle_ms: 1000, ..STILL };
        let mut app = App::new(model.clone(), &mut workspace, &mut display, &hand, settings).expect("it fits");
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
    let settings = Settings { seed: Some(7), idle_ms: 1000, mode: Mode::Slides, ..STILL };
    let mut app = App::new(model.clone(), &mut workspace, &mut display, &hand, settings).expect("it fits");
    let mut drawn = Vec::new();
    for _ in 0..200 {
        hand.us.set(hand.us.get() + 50_000);
        let event = app.step().unwrap_or_else(|failed| failed.event);
        drawn.extend(event.map(|event| match event {
            Event::Drawn { source: Source::Seed(seed), .. } => seed,
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
    let mut app = App::new(model.clone(), &mut workspace, &mut display, &hand, STILL).expect("it fits");
    app.step().expect("the mock display cannot fail");
    let area = app.display().affected_area();
    assert_eq!(area.top_left, Point::zero());
    assert!(area.size.width.max(area.size.height) == 64, "{area:?}");
}

#[test]
fn too_little_memory_is_an_error() {
    let model = Model::parse(TEST_MODEL).expect("it is whole");
    let hand = FakePlatform::default();
    let error =
        App::new(model.clone(), &mut [], &mut display::<Gray4>(), &hand, STILL).err().map(|refused| refused.error);
    let needed = model.workspace_len();
    assert_eq!(error, Some(StartError::Engine(EngineError::WorkspaceTooSmall { needed, given: 0 })));
}

#[test]
fn whatever_stops_the_start_can_be_shown() {
    let model = Model::parse(TEST_MODEL).expect("it is whole");
    let mut workspace = vec![0; model.workspace_len()];
    let hand = FakePlatform::default();
    let mut whole = display::<Gray4>();
    whole.set_allow_out_of_bounds_drawing(true); // the message has more lines than the display
    let refused = App::new(model.clone(), &mut [], &mut whole, &hand, STILL).expect_err("there is no workspace");
    view::message(refused.display, refused.error).expect("it is the display");
    assert!(whole.affected_area().size.height > 20, "{:?}", whole.affected_area());

    let mut area = display::<Gray4>();
    area.set_allow_out_of_bounds_drawing(true);
    let mut small = area.cropped(&Rectangle::new(Point::zero(), Size::new(31, 64)));
    let refused = App::new(model.clone(), &mut workspace, &mut small, &hand, STILL).expect_err("it is too narrow");
    assert!(matches!(refused.error, StartError::Display(_)));
    view::message(refused.display, refused.error).expect("it is the display");
    assert!(area.affected_area().size.height > 20, "{:?}", area.affected_area());
}

mod classes;
mod latents;
