//! The class on displays of all sizes, pixel for pixel.

use std::vec;

use embedded_graphics::pixelcolor::Rgb565;

use super::*;
use crate::test_frame::Frame;

/// Sizes of displays with pictures of 32 x 32 pixels, and whether there is a caption.
const DISPLAYS: [((u32, u32), bool); 7] = [
    ((240, 240), false), // Pico-LCD-1.3: one line
    ((240, 135), true),  // Pico Display
    ((320, 240), true),  // shield
    ((240, 320), false), // STM32F429 Discovery: two lines of large letters
    ((128, 160), false), // 1.8 inch module: two lines
    ((160, 80), true),   // Pico-LCD-0.96
    ((128, 64), true),   // OLED
];

/// A cleared display with a label on it.
fn labelled(size: Size, label: &Label<'_>) -> Frame {
    let mut frame = Frame { size, pixels: vec![Rgb565::RED; (size.width * size.height) as usize] };
    let mut view = View::new(&mut frame, Shape::new(32, 32, 3)).expect("it fits");
    let (Ok(()), Ok(())) = (view.start(), view.label(label));
    frame
}

/// Writes `text` into a field, as embedded-graphics draws it.
fn write(frame: &mut Frame, field: TextBox, text: &str) {
    let columns = field.columns;
    let line = if field.right { std::format!("{text:>columns$}") } else { std::format!("{text:<columns$}") };
    let font = match field.font {
        FontSize::Small => &FONT_6X10,
        FontSize::Bold => &FONT_6X13_BOLD,
        FontSize::Large => &FONT_10X20,
    };
    let Ok(_) = Text::with_baseline(&line, field.at, style::<Rgb565>(font), Baseline::Top).draw(frame);
}

/// The text that stands for a name, in a field of so many characters.
const NAMES: [(&str, &[(usize, &str)]); 5] = [
    ("frog", &[(7, "frog"), (10, "frog"), (12, "frog")]),
    ("automobile", &[(7, "automo~"), (10, "automobile"), (12, "automobile")]),
    ("great white shark", &[(7, "great ~"), (10, "great whi~"), (12, "great white~")]),
    ("Müller", &[(7, "M?ller"), (10, "M?ller"), (12, "M?ller")]),
    ("лягушка", &[(7, "class 3"), (10, "class 3"), (12, "class 3")]),
];

#[test]
fn the_class_stands_in_its_place_and_changes_nothing_else() {
    for ((width, height), has_caption) in DISPLAYS {
        let size = Size::new(width, height);
        let text = Layout::new(size, Shape::new(32, 32, 3)).expect("it fits").text.expect("there is room");
        assert_eq!(text.caption.is_some(), has_caption, "{width}x{height}");
        for (name, texts) in NAMES {
            for next in [None, Some(7), Some(u32::MAX)] {
                for mode in Mode::ALL {
                    let without = Label { source: Source::Seed(u32::MAX), next, class: None, mode, us: 89_000 };
                    let with = Label { class: Some(ClassLabel { class: 3, name }), ..without };
                    let field = match (text.caption, next) {
                        (Some(caption), _) => caption,
                        (None, None) => text.next,
                        (None, Some(_)) => text.mode,
                    };
                    let (_, shown) =
                        texts.iter().find(|(columns, _)| *columns == field.columns).expect("a known width");
                    let mut expected = labelled(size, &without);
                    if mode != Mode::Gallery || !Layout::new(size, Shape::new(32, 32, 3)).unwrap().grid.covers_text {
                        write(&mut expected, field, shown);
                    }
                    assert!(labelled(size, &with) == expected, "{name} on {width}x{height}, {mode} to {next:?}");
                }
            }
        }
    }
}

/// A shorter name leaves nothing of a longer one, and the end of a morph brings the mode back.
/// The word `latent` stands in the place of the number, without a caption above it. The number brings the caption back.
#[test]
fn a_given_latent_has_no_number() {
    for ((width, height), _) in DISPLAYS {
        let size = Size::new(width, height);
        let text = Layout::new(size, Shape::new(32, 32, 3)).expect("it fits").text.expect("there is room");
        for next in [None, Some(7)] {
            let number = Label { source: Source::Seed(u32::MAX), next, class: None, mode: Mode::Morph, us: 89_000 };
            let given = Label { source: Source::Latent, ..number };
            let mut expected = labelled(size, &number);
            write(&mut expected, text.number, "latent");
            if let Some(caption) = text.caption {
                write(&mut expected, caption, "");
            }
            assert!(labelled(size, &given) == expected, "{width}x{height}");
            let mut frame = labelled(size, &given);
            let mut view = View::new(&mut frame, Shape::new(32, 32, 3)).expect("it fits");
            let Ok(()) = view.label(&number);
            assert!(frame == labelled(size, &number), "{width}x{height}");
            let class = Some(ClassLabel { class: 3, name: "frog" });
            let mut expected = labelled(size, &Label { class, ..number });
            write(&mut expected, text.number, "latent");
            assert!(labelled(size, &Label { class, ..given }) == expected, "{width}x{height}");
        }
    }
}

#[test]
fn a_label_leaves_nothing_of_the_one_before() {
    for ((width, height), _) in DISPLAYS {
        let size = Size::new(width, height);
        let label = |name, next, us| {
            let class = Some(ClassLabel { class: 3, name });
            Label { source: Source::Seed(5), next, class, mode: Mode::Morph, us }
        };
        let mut frame = labelled(size, &label("great white shark", Some(u32::MAX), 89_000));
        let mut view = View::new(&mut frame, Shape::new(32, 32, 3)).expect("it fits");
        let last = label("ox", None, 0);
        let Ok(()) = view.label(&last);
        assert!(frame == labelled(size, &last), "{width}x{height}");
    }
}

/// Whatever the size of the display and of the picture, and whatever the name.
#[test]
fn no_name_leaves_any_display() {
    let long = "x".repeat(64);
    for (w, h) in [(32, 32), (28, 28), (64, 64), (128, 64), (80, 40)] {
        let (least_width, least_height) = (u32::from(w), u32::from(h));
        for (width, height) in (least_width..330)
            .step_by(37)
            .flat_map(|width| (least_height..330).step_by(29).map(move |height| (width, height)))
        {
            let size = Size::new(width, height);
            let mut frame = Frame { size, pixels: vec![Rgb565::BLACK; (width * height) as usize] };
            let mut view = View::new(&mut frame, Shape::new(h, w, 3)).expect("it fits");
            for (name, next) in [(&*long, None), (&long, Some(u32::MAX)), ("蛙", None), ("蛙", Some(0))] {
                let class = Some(ClassLabel { class: 63, name });
                let Ok(()) = view.label(&Label {
                    source: Source::Seed(u32::MAX),
                    next,
                    class,
                    mode: Mode::Classes,
                    us: u32::MAX,
                });
            }
        }
    }
}
