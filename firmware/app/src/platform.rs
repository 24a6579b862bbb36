//! The interface between the app and a board, besides the display: a clock, a button, and optionally entropy and typed
//! commands.

use heapless::String;

/// A command that the user typed, such as `seed=42`; at most 24 bytes.
pub type Command = String<24>;

/// What the app needs from a board besides its display.
///
/// The app reads the button between any two rows of a picture, so a level is enough: a press is only lost if it is
/// shorter than a row takes. With the models here, a row takes a few milliseconds. With a model of several megabytes it
/// can take longer than a tap (about 100 ms); then implement [`was_tapped`](Self::was_tapped).
pub trait Platform {
    /// Microseconds since any fixed moment. Never decreases. If the clock does not advance while a picture is drawn,
    /// the display shows no time.
    fn now_us(&mut self) -> u64;

    /// Whether the button is down at this moment. It need not be debounced.
    fn is_down(&mut self) -> bool;

    /// Whether the button was pressed and released since the last call, for chips that can remember it.
    fn was_tapped(&mut self) -> bool {
        false
    }

    /// A random number for a new picture. `None` if the chip has no source of entropy: the app then counts.
    fn entropy(&mut self) -> Option<u32> {
        None
    }

    /// The next command that was typed, if any.
    fn command(&mut self) -> Option<Command> {
        None
    }

    /// Waits for at most 10 ms, because nothing is due. A board may sleep if an interrupt wakes it in that time.
    fn wait(&mut self) {}
}

/// The word is longer than a [`Command`] can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// Splits a stream of bytes into words at white space.
#[derive(Debug, Default)]
pub struct Tokenizer {
    word: Command,
    too_long: bool,
}

impl Tokenizer {
    /// Takes the next byte. Returns a word if this byte is the white space that ends it.
    ///
    /// # Errors
    /// [`TooLong`] at the end of a word that is too long; the whole word is dropped.
    pub fn take(&mut self, letter: u8) -> Result<Option<Command>, TooLong> {
        if !letter.is_ascii_whitespace() {
            // Bytes are read as Latin-1. That garbles other text than ASCII, but all commands are ASCII.
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
