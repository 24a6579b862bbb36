//! The classes of a model, as the app chooses, draws and logs them.
//!
//! The names are the model's own: up to 64 bytes of UTF-8 in any script. The fonts have ASCII only.

use core::fmt::{self, Write as _};

use gen_core::Classes;
use heapless::String;

use crate::layout::LONGEST_FIELD;

/// Longest list of names in a line of the log, in bytes. The line has room for this, the word that was typed, and the
/// words between them.
const LIST: usize = 300;

/// Which class new pictures have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClassChoice {
    /// Always this one.
    One(u8),
    /// The modes that show several pictures go through all classes.
    All,
}

impl ClassChoice {
    /// The choice that a word means: a class by its name (the case of ASCII letters does not matter), or else by its
    /// number from 0 on; or else `all`. `None` if it is none of these, or the model has no classes.
    pub fn find(classes: Classes<'_>, word: &str) -> Option<Self> {
        let number = || word.parse().ok().filter(|&class: &u32| class < classes.len() as u32).map(|class| class as u8);
        match classes.find(word).or_else(number) {
            Some(class) => Some(Self::One(class)),
            None => (word == "all" && !classes.is_empty()).then_some(Self::All),
        }
    }
}

/// The class that comes `steps` after another; after the last comes the first. 0 without classes.
pub fn later(classes: Classes<'_>, class: u8, steps: u32) -> u8 {
    let count = classes.len().max(1) as u32;
    ((u32::from(class) + steps % count) % count) as u8
}

/// A class for the display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassLabel<'a> {
    /// Its number.
    pub class: u8,
    /// Its name.
    pub name: &'a str,
}

impl<'a> ClassLabel<'a> {
    /// The label of a class; `None` if the model does not have it.
    pub fn new(classes: Classes<'a>, class: u8) -> Option<Self> {
        classes.name(class).map(|name| Self { class, name })
    }

    /// The text for a field of so many characters, at most [`LONGEST_FIELD`]. A character that the font lacks becomes `?`.
    /// A name that is too long is cut and ends with `~`. If the font has no character of what is left, the text is the
    /// number: `class 3`.
    pub fn text(self, columns: usize) -> String<LONGEST_FIELD> {
        let columns = columns.min(LONGEST_FIELD);
        let mut text = String::new();
        for c in self.name.chars() {
            if text.len() >= columns {
                text.pop();
                let _ = text.push('~');
                break;
            }
            let _ = text.push(if c.is_ascii_graphic() || c == ' ' { c } else { '?' }); // one byte, so it fits
        }
        if text.bytes().all(|c| matches!(c, b'?' | b' ' | b'~')) {
            text.clear();
            // 64 classes: their numbers have one or two digits.
            let space = if self.class < 10 || columns > 7 { " " } else { "" };
            let _ = write!(text, "class{space}{}", u32::from(self.class));
        }
        text
    }
}

/// A name for the log: control characters, which could move a terminal's cursor, become `?`.
fn plain(name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    name.chars().try_for_each(|c| f.write_char(if c.is_control() { '?' } else { c }))
}

/// The class in a line of the log: `, class 3 (frog)`, or `, class 3 to 4 (frog to toad)` for a morph from `from` to `to`.
/// Empty without classes.
pub fn note(classes: Classes<'_>, from: Option<u8>, to: Option<u8>) -> impl fmt::Display + use<'_> {
    fmt::from_fn(move |f| {
        let Some(from) = from else { return Ok(()) };
        write!(f, ", class {}", u32::from(from))?;
        if let Some(to) = to {
            write!(f, " to {}", u32::from(to))?;
        }
        f.write_str(" (")?;
        plain(classes.name(from).unwrap_or_default(), f)?;
        if let Some(to) = to {
            f.write_str(" to ")?;
            plain(classes.name(to).unwrap_or_default(), f)?;
        }
        f.write_char(')')
    })
}

/// The answer to a class that the model does not have: `the classes are cat, dog and frog`. A long list is cut.
pub fn list(classes: Classes<'_>) -> impl fmt::Display + use<'_> {
    fmt::from_fn(move |f| {
        if classes.is_empty() {
            return f.write_str("the model has no classes");
        }
        f.write_str("the classes are ")?;
        let (mut len, last) = (0, classes.len() - 1);
        for (i, name) in classes.names().enumerate() {
            len += name.len() + 2;
            if len > LIST {
                return write!(f, " and {} more, to choose by number up to {last}", last + 1 - i);
            }
            f.write_str(if i == 0 {
                ""
            } else if i == last {
                " and "
            } else {
                ", "
            })?;
            plain(name, f)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::ToString;
    use std::vec::Vec;

    use gen_core::Model;

    use super::*;
    use crate::test_model::with_classes;

    fn with<T>(names: &[&str], test: impl FnOnce(Classes<'_>) -> T) -> T {
        let blob = with_classes(names);
        test(Model::parse(&blob).expect("it is whole").classes())
    }

    #[test]
    fn a_word_names_a_class() {
        with(&["cat", "Dog", "7", "лягушка"], |classes| {
            let one = |class| Some(ClassChoice::One(class));
            for (word, expected) in [
                ("cat", one(0)),
                ("CAT", one(0)),
                ("dog", one(1)),
                ("лягушка", one(3)),
                ("7", one(2)), // a name comes before a number
                ("3", one(3)),
                ("4", None),
                ("-1", None),
                ("256", None),
                ("", None),
                ("ca", None),
                ("all", Some(ClassChoice::All)),
            ] {
                assert_eq!(ClassChoice::find(classes, word), expected, "{word:?}");
            }
        });
        with(&["all", "none"], |classes| assert_eq!(ClassChoice::find(classes, "all"), Some(ClassChoice::One(0))));
        let none = Classes::default();
        assert_eq!(["all", "0", "cat"].map(|word| ClassChoice::find(none, word)), [None; 3]);
    }

    #[test]
    fn classes_go_around() {
        with(&["a", "b", "c"], |classes| {
            assert_eq!([0, 1, 2, 3, u32::MAX].map(|steps| later(classes, 1, steps)), [1, 2, 0, 1, 1]);
        });
        assert_eq!(later(Classes::default(), 0, 7), 0);
    }

    #[test]
    fn names_fit_their_fields() {
        let long = "x".repeat(64);
        for (name, columns, expected) in [
            ("frog", 12, "frog"),
            ("frog", 4, "frog"),
            ("frogs", 4, "fro~"),
            ("fire truck", 7, "fire t~"),
            ("automobile", 10, "automobile"),
            ("Müller", 12, "M?ller"),
            ("a\u{1b}[2J\n", 12, "a?[2J?"),
            ("лягушка", 12, "class 3"),
            ("лягушка", 7, "class 3"),
            ("ёж 2", 12, "?? 2"),
            ("подосиновик 1", 12, "class 3"), // what could be drawn is cut
            ("   ", 12, "class 3"),
            (&long, 12, "xxxxxxxxxxx~"),
            ("frog", 1, "class 3"), // no field is so narrow
            ("frog", 0, "class 3"),
        ] {
            assert_eq!(ClassLabel { class: 3, name }.text(columns), expected, "{name:?} in {columns}");
        }
        let other = |columns| ClassLabel { class: 63, name: "蛙" }.text(columns);
        assert_eq!([7, 8, 12].map(other), ["class63", "class 63", "class 63"]);
    }

    #[test]
    fn the_log_names_classes() {
        with(&["cat", "a\u{7}\nb", "лягушка"], |classes| {
            assert_eq!(note(classes, None, None).to_string(), "");
            assert_eq!(note(classes, Some(2), None).to_string(), ", class 2 (лягушка)");
            assert_eq!(note(classes, Some(0), Some(1)).to_string(), ", class 0 to 1 (cat to a??b)");
            assert_eq!(note(classes, Some(9), None).to_string(), ", class 9 ()", "never happens");
            assert_eq!(list(classes).to_string(), "the classes are cat, a??b and лягушка");
        });
        assert_eq!(list(Classes::default()).to_string(), "the model has no classes");
        let names: Vec<_> = (0..64).map(|i| format!("{i:064}")).collect();
        let names: Vec<&str> = names.iter().map(std::string::String::as_str).collect();
        with(&names, |classes| {
            let text = list(classes).to_string();
            assert!(text.len() < LIST + 80 && text.ends_with(" and 60 more, to choose by number up to 63"), "{text}");
            assert_eq!(ClassLabel::new(classes, 64), None);
        });
    }
}
