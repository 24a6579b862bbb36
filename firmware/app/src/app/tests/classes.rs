//! Models with classes.

use std::string::ToString;

use super::*;
use crate::class;
use crate::settings::ClassWord;
use crate::test_model::with_classes;

const NAMES: [&str; 3] = ["cat", "Dog", "лягушка"];

/// Runs `play` with a model of three classes, and with the checksums of its pictures: of number and class, or of a morph.
fn play_classes(
    hand: &FakePlatform,
    settings: Settings,
    play: impl FnOnce(&mut App<'_, MockDisplay<Gray4>, &FakePlatform>, &dyn Fn(u32, u8) -> Event),
) {
    let blob = with_classes(&NAMES);
    let of = |seed, class| Event::Drawn {
        source: Source::Seed(seed),
        class: Some(class),
        crc: crc_of(&blob, [seed; 2], [class; 2], 0),
        us: 0,
    };
    play_with(&blob, hand, settings, |app| play(app, &of));
}

/// Checksum of a picture between two.
fn crc_of(blob: &[u8], numbers: [u32; 2], classes: [u8; 2], t: u16) -> u32 {
    let model = Model::parse(blob).expect("it is whole");
    let mut workspace = vec![0; model.workspace_len()];
    let mut engine = Engine::new(model.clone(), &mut workspace).expect("it fits");
    let latent = |i: usize| Latent::from_seed(numbers[i], model.latent_len()).with_class(classes[i]);
    picture::generate(&mut engine, &latent(0).toward(&latent(1), t), |_, _| {})
}

fn class(word: &str) -> Option<ClassWord> {
    Some(word.try_into().expect("short"))
}

/// Numbers and classes of events, which must be about still pictures.
fn shown(events: &[Event]) -> Vec<(u32, u8)> {
    let shown = events.iter().map(|event| match event {
        &Event::Drawn { source: Source::Seed(seed), class: Some(class), .. } => (seed, class),
        event => panic!("{event:?}"),
    });
    shown.collect()
}

#[test]
fn in_single_the_class_stays_until_it_is_changed() {
    let hand = FakePlatform::default();
    play_classes(&hand, STILL, |app, of| {
        assert_eq!(wait(app, &hand, 1000), [of(7, 0)]);
        assert_eq!(press(app, &hand, 100), [of(8, 0)]);
        hand.words.borrow_mut().push_back("class=dog");
        assert_eq!(wait(app, &hand, 1000), [of(8, 1)]);
        assert_eq!(press(app, &hand, 100), [of(9, 1)]);
        // The earlier pictures come back with their classes.
        assert_eq!(press(app, &hand, 5200), [of(8, 1), of(8, 0), of(7, 0), of(9, 1)]);
    });
}

#[test]
fn the_button_counts_through_the_classes() {
    let hand = FakePlatform::default();
    play_classes(&hand, Settings { mode: Mode::Classes, ..STILL }, |app, of| {
        assert_eq!(wait(app, &hand, 10_000), [of(7, 0)]);
        // Once around with one number; then a new one.
        for (number, class) in [(7, 1), (7, 2), (8, 0), (8, 1), (8, 2), (9, 0)] {
            assert_eq!(press(app, &hand, 100), [of(number, class)]);
        }
        assert_eq!(press(app, &hand, 2100), [of(8, 2)], "held: the class before");
        assert_eq!(press(app, &hand, 100), [of(9, 0)]);
        hand.words.borrow_mut().extend(["class=2", "seed=40"]);
        assert_eq!(wait(app, &hand, 1000), [of(9, 2), of(40, 2)]);
        assert_eq!(press(app, &hand, 100), [of(41, 0)], "a chosen class does not stop the counting");
        assert_eq!(press(app, &hand, 1000), [of(41, 0)]);
        assert_eq!(app.mode(), Mode::Single);
    });
}

#[test]
fn new_numbers_of_the_counter_come_from_noise() {
    let hand = FakePlatform { entropy: RefCell::new([100, 5].into()), ..FakePlatform::default() };
    play_classes(&hand, Settings { mode: Mode::Classes, class: class("2"), ..STILL }, |app, of| {
        wait(app, &hand, 100);
        for (number, class) in [(100, 0), (100, 1), (100, 2), (5, 0)] {
            assert_eq!(press(app, &hand, 100), [of(number, class)]);
        }
    });
}

#[test]
fn without_classes_single_takes_the_place_of_the_counter() {
    let words = ["mode=morph", "mode=classes", "class=0", "class=all"];
    let hand = FakePlatform { words: RefCell::new(words.into()), ..FakePlatform::default() };
    play(&hand, Settings { mode: Mode::Classes, ..STILL }, |app| {
        assert_eq!(app.mode(), Mode::Single);
        let unknown = Event::UnknownClass;
        assert_eq!(wait(app, &hand, 1000), [drawn(7), drawn(7), drawn(7), unknown, unknown]);
        assert_eq!(app.mode(), Mode::Single);
        assert_eq!(press(app, &hand, 100), [drawn(8)]);
    });
}

#[test]
fn a_long_press_goes_through_all_modes() {
    let hand = FakePlatform::default();
    play_classes(&hand, STILL, |app, of| {
        wait(app, &hand, 100);
        for mode in Mode::ALL.into_iter().rev() {
            let events = press(app, &hand, 1000);
            assert_eq!((app.mode(), events.first()), (mode, Some(&of(7, 0))));
            wait(app, &hand, 1000);
        }
    });
}

#[test]
fn a_morph_crosses_classes() {
    let hand = FakePlatform::default();
    play_classes(&hand, Settings { idle_ms: 1000, mode: Mode::Morph, ..STILL }, |app, of| {
        assert_eq!(wait(app, &hand, 1000), [of(7, 0)]);
        for (from, to, classes) in [(7, 8, [0, 1]), (8, 9, [1, 2]), (9, 10, [2, 0])] {
            let way = wait(app, &hand, 3100);
            let (last, between) = way.split_last().expect("something happened");
            assert_eq!(*last, of(to, classes[1]));
            assert_eq!(between.len(), 60);
            let blob = with_classes(&NAMES);
            for event in between {
                let &Event::Morph { from: a, to: b, classes: Some(found), t, crc, us: 0 } = event else {
                    panic!("{event:?}")
                };
                assert_eq!((a, b, found), (Source::Seed(from), to, classes));
                assert_eq!(crc, crc_of(&blob, [from, to], classes, t));
            }
            // The rest of the idle time, so that the next round starts like this one.
            assert_eq!(wait(app, &hand, 900), []);
        }
    });
    play_classes(&hand, Settings { mode: Mode::Morph, ..STILL }, |app, of| {
        assert_eq!(wait(app, &hand, 100), [of(7, 0)]);
        assert_eq!(press(app, &hand, 100), [of(8, 1)], "a tap takes the next class too");
    });
}

#[test]
fn slides_take_turns() {
    let hand = FakePlatform::default();
    play_classes(&hand, Settings { idle_ms: 1000, mode: Mode::Slides, ..STILL }, |app, of| {
        assert_eq!(wait(app, &hand, 3100), [of(7, 0), of(8, 1), of(9, 2), of(10, 0)]);
    });
}

#[test]
fn tiles_take_turns_and_the_next_grid_goes_on() {
    let hand = FakePlatform::default();
    play_classes(&hand, Settings { mode: Mode::Gallery, ..STILL }, |app, _| {
        assert_eq!(shown(&wait(app, &hand, 1000)), [(7, 0), (8, 1), (9, 2), (10, 0)]);
        press(app, &hand, 100);
        wait(app, &hand, 1000);
        let earlier = press(app, &hand, 2500);
        assert_eq!(shown(&earlier), [(7, 0), (8, 1), (9, 2), (10, 0)], "the previous grid");
        let mut again = press(app, &hand, 2500);
        again.extend(wait(app, &hand, 1000));
        assert_eq!(shown(&again), [(11, 1), (12, 2), (13, 0), (14, 1)], "and the latest");
    });
}

#[test]
fn a_chosen_class_stays_in_every_mode_until_all_are_chosen() {
    let hand = FakePlatform::default();
    let settings = Settings { class: class("DOG"), mode: Mode::Gallery, idle_ms: 1000, ..STILL };
    play_classes(&hand, settings, |app, of| {
        assert_eq!(wait(app, &hand, 800), [7, 8, 9, 10].map(|number| of(number, 1)));
        let mut grid = press(app, &hand, 100);
        grid.extend(wait(app, &hand, 800));
        assert_eq!(grid, [11, 12, 13, 14].map(|number| of(number, 1)));
        hand.words.borrow_mut().push_back("mode=slides");
        assert_eq!(wait(app, &hand, 2500), [of(11, 1), of(12, 1), of(13, 1)]);
        hand.words.borrow_mut().push_back("mode=morph");
        let events = wait(app, &hand, 4200);
        assert!(events.iter().all(|event| match event {
            Event::Drawn { class, .. } => *class == Some(1),
            Event::Morph { classes, .. } => *classes == Some([1, 1]),
            _ => false,
        }));
        hand.words.borrow_mut().extend(["mode=slides", "class=all"]);
        let events = shown(&wait(app, &hand, 2500));
        assert_eq!(events, [(14, 1), (14, 1), (15, 2), (16, 0)]);
    });
}

#[test]
fn the_first_class_can_be_chosen() {
    for (word, expected) in [("cat", 0), ("лягушка", 2), ("2", 2), ("all", 0)] {
        let hand = FakePlatform::default();
        play_classes(&hand, Settings { class: class(word), ..STILL }, |app, of| {
            assert_eq!(wait(app, &hand, 500), [of(7, expected)], "{word}");
        });
    }
}

#[test]
fn a_class_that_does_not_exist_is_named_and_changes_nothing() {
    for word in ["frog", "3", ""] {
        let words = ["class=cat", "class=2", "class=frog"];
        let hand = FakePlatform { words: RefCell::new(words.into()), ..FakePlatform::default() };
        play_classes(&hand, Settings { class: class(word), ..STILL }, |app, of| {
            let unknown = Event::UnknownClass;
            assert_eq!(wait(app, &hand, 50), [unknown]);
            assert_eq!(app.word(), std::format!("class={word}"));
            assert_eq!(wait(app, &hand, 1000), [of(7, 0), of(7, 0), of(7, 2), unknown]);
            assert_eq!(app.word(), "class=frog");
            assert_eq!(press(app, &hand, 100), [of(8, 2)]);
        });
    }
}

#[test]
fn the_longest_name_can_be_typed() {
    let long = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl";
    let typed = "class=ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyzabcdefghijkl";
    let blob = with_classes(&["cat", long]);
    let hand = FakePlatform { words: RefCell::new([typed].into()), ..FakePlatform::default() };
    play_with(&blob, &hand, STILL, |app| {
        assert_eq!(shown(&wait(app, &hand, 500)), [(7, 0), (7, 1)]);
    });
}

#[test]
fn the_log_names_number_and_class_of_every_picture() {
    let blob = with_classes(&NAMES);
    let model = Model::parse(&blob).expect("it is whole");
    let note = |class| class::note(model.classes(), class, None).to_string();
    let hand = FakePlatform::default();
    play_classes(&hand, Settings { mode: Mode::Classes, ..STILL }, |app, _| {
        for expected in [", class 0 (cat)", ", class 1 (Dog)", ", class 2 (лягушка)"] {
            let events = press(app, &hand, if expected.contains("cat") { 0 } else { 100 });
            let [Event::Drawn { class, .. }] = events[..] else { panic!("{events:?}") };
            assert_eq!(note(class), expected);
        }
    });
}
