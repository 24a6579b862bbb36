//! What a board has beside its display: a clock, a button, and perhaps noise and a keyboard.

use heapless::String;

/// A word that somebody typed for the app, such as `seed=42`.
pub type Command = String<24>;

/// A board, as the app sees it.
///
/// The app looks at the button between any two rows of a picture, so a level is enough:
/// a press is only lost if it is shorter than a row takes. With the models here that is a few milliseconds; with one of
/// several megabytes it can be longer than a tap, which takes some 100, and [`was_tapped`](Self::was_tapped) helps.
pub trait Platform {
    /// Microseconds since any moment. Never goes back. With a clock that stands still while a picture is drawn, the
    /// display shows no time.
    fn now_us(&mut self) -> u64;

    /// Whether the button is held down at this moment, bounces and all.
    fn is_down(&mut self) -> bool;

    /// Whether the button was pressed and let go since the last call: for chips that remember.
    fn was_tapped(&mut self) -> bool {
        false
    }

    /// Noise, for the number of a new picture; `None` if the chip has no source of it, and
    /// the app counts instead.
    fn entropy(&mut self) -> Option<u32> {
        None
    }

    /// The next word that was typed, if there is a keyboard somewhere.
    fn command(&mut self) -> Option<Command> {
        None
    }

    /// Lets a moment pass, 10 ms at the most, as nothing is to be done. Where an interrupt comes by then in any case
    /// a board can sleep until it; elsewhere it counts the time.
    fn wait(&mut self) {}
}

/// A word has more letters than a [`Command`] can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// Splits letters into words at white space.
#[derive(Debug, Default)]
pub struct Tokenizer {
    word: Command,
    too_long: bool,
}

impl Tokenizer {
    /// Takes the next letter; gives the word that it ends, if it ends one.
    ///
    /// # Errors
    /// [`TooLong`]: the word that it ends is dropped as a whole.
    pub fn take(&mut self, letter: u8) -> Result<Option<Command>, TooLong> {
        if !letter.is_ascii_whitespace() {
            // Other letters than ASCII become wrong ones; no word of the app's has any.
            self.too_long |= self.word.push(letter.into()).is_err();
            return Ok(None);
        }
        let Self { word, too_long } = core::mem::take(self);
        if too_long { Err(TooLong) } else { Ok(Some(word).filter(|word| !word.is_empty())) }
    }
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};
    use std::vec::Vec;

    use super::*;

    fn words(text: &str) -> Vec<Result<String, TooLong>> {
        let mut tokenizer = Tokenizer::default();
        let taken = text.bytes().map(|letter| tokenizer.take(letter).transpose());
        taken.flatten().map(|word| word.map(|word| word.to_string())).collect()
    }

    #[test]
    fn letters_become_words() {
        assert_eq!(words("seed=42 mode=single\n"), [Ok("seed=42".into()), Ok("mode=single".into())]);
        assert_eq!(words("\r\n  \t seed=1\r\n"), [Ok("seed=1".into())]);
        assert_eq!(words("not yet"), [Ok("not".into())]);
    }

    #[test]
    fn a_word_too_long_is_dropped_whole() {
        assert_eq!(words("seed=1234567890123456789012 seed=2\n"), [Err(TooLong), Ok("seed=2".into())]);
        assert_eq!(words("123456789012345678901234 \n"), [Ok("123456789012345678901234".into())]);
        assert_eq!(words("\u{fc}\u{fc}\n").len(), 1);
    }
}
