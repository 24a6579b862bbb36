//! A latent that the user gives.

use std::string::{String, ToString};
use std::{format, vec};

use super::*;
use crate::test_model::with_classes;

/// A command with the latent of a seed, in which the first value is changed, so that no seed has it.
fn word(blob: &[u8], seed: u32) -> &'static str {
    String::leak(format!("latent={}", latent(blob, seed).hex()))
}

fn latent(blob: &[u8], seed: u32) -> Latent {
    let model = Model::parse(blob).expect("it is whole");
    let mut steps = model.latent(seed).steps().to_vec();
    steps[0] = steps[0].wrapping_add(77);
    Latent::from_steps(&steps).expect("it has the same length")
}

fn crc_of(blob: &[u8], latent: &Latent) -> u32 {
    let model = Model::parse(blob).expect("it is whole");
    let mut workspace = vec![0; model.workspace_len()];
    let mut engine = Engine::new(model.clone(), &mut workspace).expect("it fits");
    picture::generate(&mut engine, latent, |_, _| {})
}

/// The event of the picture of `word`'s latent, for a model without classes.
fn given(seed: u32) -> Event {
    Event::Drawn { source: Source::Latent, class: None, crc: crc_of(TEST_MODEL, &latent(TEST_MODEL, seed)), us: 0 }
}

fn typed(words: &[&'static str]) -> FakePlatform {
    FakePlatform { words: RefCell::new(words.iter().copied().collect()), ..FakePlatform::default() }
}

#[test]
fn a_latent_is_drawn_and_the_button_goes_on_with_numbers() {
    let hand = typed(&[word(TEST_MODEL, 3)]);
    play(&hand, STILL, |app| {
        assert_eq!(wait(app, &hand, 1000), [drawn(7), given(3)]);
        assert_eq!(press(app, &hand, 100), [drawn(8)]);
        // The earlier pictures come back, the given one too.
        assert_eq!(press(app, &hand, 4200), [given(3), drawn(7), drawn(8)]);
        hand.words.borrow_mut().push_back(word(TEST_MODEL, 4));
        assert_eq!(wait(app, &hand, 1000), [given(4)]);
        // Only the last given latent is kept.
        assert_eq!(press(app, &hand, 4200), [drawn(8), drawn(7), given(4)]);
        hand.words.borrow_mut().extend(["seed=9", "seed=9"]);
        assert_eq!(wait(app, &hand, 1000), [drawn(9), drawn(9)]);
    });
}

#[test]
fn noise_chooses_the_number_after_it() {
    let hand = FakePlatform { entropy: RefCell::new([100].into()), ..typed(&[word(TEST_MODEL, 3)]) };
    play(&hand, STILL, |app| {
        assert_eq!(wait(app, &hand, 1000), [drawn(7), given(3)]);
        assert_eq!(press(app, &hand, 100), [drawn(100)]);
    });
}

#[test]
fn a_latent_in_the_settings_comes_first() {
    let hand = FakePlatform::default();
    let settings = Settings { latent: Some(latent(TEST_MODEL, 5)), ..STILL };
    play(&hand, settings, |app| {
        assert_eq!(wait(app, &hand, 1000), [given(5)]);
        assert_eq!(press(app, &hand, 100), [drawn(8)]);
    });
}

#[test]
fn a_wall_begins_with_it() {
    let hand = typed(&[word(TEST_MODEL, 3)]);
    play(&hand, Settings { mode: Mode::Gallery, ..STILL }, |app| {
        let events = wait(app, &hand, 1000);
        assert_eq!(events, [drawn(7), given(3), drawn(8), drawn(9), drawn(10)]);
        assert_eq!(press(app, &hand, 100).first(), Some(&drawn(11)));
    });
}

#[test]
fn it_turns_into_the_next_picture() {
    let hand = FakePlatform::default();
    let settings = Settings { idle_ms: 1000, mode: Mode::Morph, latent: Some(latent(TEST_MODEL, 5)), ..STILL };
    play(&hand, settings, |app| {
        let events = wait(app, &hand, 4150);
        let ([first, way @ .., last], true) = (&events[..], events.len() > 10) else { panic!("{events:?}") };
        assert_eq!((first, last), (&given(5), &drawn(8)));
        let model = Model::parse(TEST_MODEL).expect("it is whole");
        for event in way {
            let &Event::Morph { from: Source::Latent, to: 8, classes: None, t, crc, us: 0 } = event else {
                panic!("{event:?}")
            };
            assert_eq!(crc, crc_of(TEST_MODEL, &latent(TEST_MODEL, 5).toward(&model.latent(8), t)));
        }
    });
}

#[test]
fn the_class_stays_and_can_be_chosen() {
    let blob = with_classes(&["cat", "dog", "frog"]);
    let hand = typed(&["class=dog", word(&blob, 3), "class=frog"]);
    let of = |source, class| {
        let from = match source {
            Source::Seed(number) => Model::parse(&blob).expect("it is whole").latent(number),
            Source::Latent => latent(&blob, 3),
        };
        Event::Drawn { source, class: Some(class), crc: crc_of(&blob, &from.with_class(class)), us: 0 }
    };
    play_with(&blob, &hand, STILL, |app| {
        let expected = [of(Source::Seed(7), 0), of(Source::Seed(7), 1), of(Source::Latent, 1), of(Source::Latent, 2)];
        assert_eq!(wait(app, &hand, 1000), expected);
        assert_eq!(press(app, &hand, 100), [of(Source::Seed(8), 2)]);
        // In the mode `classes` the button goes through the classes of the given latent.
        hand.words.borrow_mut().extend([word(&blob, 3), "mode=classes", "class=0"]);
        wait(app, &hand, 1000);
        assert_eq!(press(app, &hand, 100), [of(Source::Latent, 1)]);
        assert_eq!(press(app, &hand, 100), [of(Source::Latent, 2)]);
        assert_eq!(press(app, &hand, 100), [of(Source::Seed(9), 0)]);
    });
}

#[test]
fn what_is_no_latent_of_the_model_is_refused() {
    let len = Model::parse(TEST_MODEL).expect("it is whole").latent_len();
    let length = |digits| Event::BadLatent(LatentTextError::Length { digits, len });
    let hand = typed(&["latent=", "latent=00ff", "latent=0g", "seed=8", word(TEST_MODEL, 3), "latent=+1"]);
    play(&hand, STILL, |app| {
        let not_a_digit = |at| Event::BadLatent(LatentTextError::NotADigit { at });
        let events = wait(app, &hand, 1000);
        let expected = [drawn(7), length(0), length(4), not_a_digit(2), drawn(8), given(3), not_a_digit(1)];
        assert_eq!(events, expected);
        assert_eq!(press(app, &hand, 100), [drawn(9)]);
    });
    // In the settings; a class there that is unknown is named too.
    let settings = Settings { latent: Latent::from_steps(&[1, 2, 3]), class: "frog".try_into().ok(), ..STILL };
    let hand = FakePlatform::default();
    play(&hand, settings, |app| {
        assert_eq!(wait(app, &hand, 1000), [length(6), Event::UnknownClass, drawn(7)]);
    });
    assert!(LatentTextError::Length { digits: 6, len }.to_string().ends_with("this one has 6"));
}
