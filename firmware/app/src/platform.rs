//! The interface between the app and a board, besides the display: a clock, a button, and optionally entropy and typed
//! commands.

use core::{fmt, mem};

use gen_core::spec::{MAX_CLASS_NAME, MAX_LATENT};
use heapless::{String, Vec};

/// Length of the longest command in bytes: `latent=` and two digits for each value of the longest latent.
pub const LONGEST_COMMAND: usize = "latent=".len() + 2 * MAX_LATENT;
const _: () = assert!("class=".len() + MAX_CLASS_NAME <= LONGEST_COMMAND);

/// A command that the user typed, such as `seed=42`.
pub type Command = String<LONGEST_COMMAND>;

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

/// A word that cannot be a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadWord {
    /// It has more than [`LONGEST_COMMAND`] bytes.
    TooLong,
    /// Its bytes are not UTF-8.
    NotUtf8,
}

impl fmt::Display for BadWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "a word of more than {LONGEST_COMMAND} bytes"),
            Self::NotUtf8 => f.write_str("a word that is not UTF-8"),
        }
    }
}

impl core::error::Error for BadWord {}

/// Splits a stream of bytes into words at white space.
#[derive(Debug, Default)]
pub struct Tokenizer {
    word: Vec<u8, LONGEST_COMMAND>,
    is_too_long: bool,
}

impl Tokenizer {
    /// Takes the next byte. Returns a word if this byte is the white space that ends it.
    ///
    /// # Errors
    /// [`BadWord`] at the end of a word that cannot be a command; the whole word is dropped.
    pub fn take(&mut self, byte: u8) -> Result<Option<Command>, BadWord> {
        if !byte.is_ascii_whitespace() {
            self.is_too_long |= self.word.push(byte).is_err();
            return Ok(None);
        }
        let Self { word, is_too_long } = mem::take(self);
        if is_too_long {
            return Err(BadWord::TooLong);
        }
        let word = Command::from_utf8(word).map_err(|_| BadWord::NotUtf8)?;
        Ok(Some(word).filter(|word| !word.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::{String, ToString};
    use std::vec::Vec;

    use super::*;

    fn words(text: &[u8]) -> Vec<Result<String, BadWord>> {
        let mut tokenizer = Tokenizer::default();
        let taken = text.iter().map(|&byte| tokenizer.take(byte).transpose());
        taken.flatten().map(|word| word.map(|word| word.to_string())).collect()
    }

    #[test]
    fn bytes_become_words() {
        assert_eq!(words(b"seed=42 mode=single\n"), [Ok("seed=42".into()), Ok("mode=single".into())]);
        assert_eq!(words(b"\r\n  \t seed=1\r\n"), [Ok("seed=1".into())]);
        assert_eq!(words(b"not yet"), [Ok("not".into())]);
        assert_eq!(words("class=лягушка\n".as_bytes()), [Ok("class=лягушка".into())]);
    }

    #[test]
    fn a_word_that_cannot_be_a_command_is_dropped_whole() {
        let longest = format!("latent={}", "f0".repeat(MAX_LATENT));
        assert_eq!(longest.len(), LONGEST_COMMAND);
        assert_eq!(words(format!("{longest} \n").as_bytes()), [Ok(longest.clone())]);
        let text = format!("{longest}x seed=2\n");
        assert_eq!(words(text.as_bytes()), [Err(BadWord::TooLong), Ok("seed=2".into())]);
        assert_eq!(words(b"m\xfcll seed=2\n"), [Err(BadWord::NotUtf8), Ok("seed=2".into())]);
        assert_eq!(BadWord::TooLong.to_string(), "a word of more than 263 bytes");
    }
}
