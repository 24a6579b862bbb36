//! Reading text files, and displaying untrusted text.
//!
//! [`read`] accepts the encodings that editors and shells write. [`Plain`] displays names from
//! outside (files, folders, names in a model or a recipe) so that they can neither control the terminal
//! nor break a list.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// Reads a text file: UTF-8, or UTF-16 as PowerShell writes it, each with or without a byte order mark.
///
/// # Errors
/// When the file cannot be read, or has another encoding. The message has the path.
pub fn read(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", Plain::path(path)))?;
    decode(bytes).with_context(|| format!("cannot read {}", Plain::path(path)))
}

/// Decodes the text in these bytes and removes its byte order mark.
///
/// # Errors
/// When they are neither UTF-8 nor UTF-16.
pub fn decode(bytes: Vec<u8>) -> Result<String> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let text = String::from_utf16(&pairs.iter().map(|&pair| unit(pair)).collect::<Vec<_>>()).ok();
        text.filter(|_| rest.is_empty()).context("it begins as UTF-16, but is damaged: save it as UTF-8")
    };
    match bytes.as_slice() {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        // A recipe begins with a letter, `#` or `[`. In UTF-16 one of the character's two bytes is zero.
        [1..=0xff, 0, ..] => utf16(&bytes, u16::from_le_bytes),
        [0, 1..=0xff, ..] => utf16(&bytes, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => decode(rest.to_vec()),
        _ => match String::from_utf8(bytes) {
            Ok(text) => Ok(text),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let line = error.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count() + 1;
                bail!("line {line} holds bytes that are not UTF-8 text: save the file as UTF-8")
            }
        },
    }
}

/// Displays a name from outside. Characters that would control the terminal, break the line or change the
/// direction of writing are escaped as `\u{1b}`, invalid bytes as `\x{ff}`. All other characters
/// of any script are unchanged. Two different names never look the same.
#[derive(Clone, Copy, Debug)]
pub struct Plain<'a>(&'a OsStr);

impl<'a> Plain<'a> {
    /// The name of a file or folder.
    pub fn path(path: &'a Path) -> Self {
        Self(path.as_os_str())
    }

    /// Any other name.
    pub fn text(text: &'a str) -> Self {
        Self(OsStr::new(text))
    }
}

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.as_encoded_bytes().utf8_chunks() {
            escape(chunk.valid(), f)?;
            for byte in chunk.invalid() {
                write!(f, "\\x{{{byte:02x}}}")?;
            }
        }
        Ok(())
    }
}

fn escape(text: &str, f: &mut impl fmt::Write) -> fmt::Result {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let looks_escaped = rest.starts_with("\\u{") || rest.starts_with("\\x{");
        match c {
            _ if looks_escaped || steers(c) => write!(f, "{}", c.escape_unicode())?,
            _ => f.write_char(c)?,
        }
        rest = &rest[c.len_utf8()..];
    }
    Ok(())
}

/// Whether this is a control character, a line separator, or a mark that changes the direction of writing.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Escapes a text of several lines like [`Plain`], but keeps line breaks and tabs. For messages that
/// may contain names from outside.
pub fn shown(text: &str) -> Cow<'_, str> {
    let stays = |c: char| matches!(c, '\n' | '\t');
    if !text.chars().any(|c| steers(c) && !stays(c)) {
        return text.into();
    }
    let mut shown = String::new();
    for c in text.chars() {
        if steers(c) && !stays(c) {
            _ = write!(shown, "{}", c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_are_read_in_every_usual_encoding() {
        let text = "# grün\r\nname = \"a\"\r\n";
        let utf16 = |mark: bool, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            let mark = mark.then_some('\u{feff}');
            mark.into_iter().chain(text.chars()).collect::<String>().encode_utf16().flat_map(bytes).collect()
        };
        let cases = [
            text.as_bytes().to_vec(),
            ["\u{feff}", text].concat().into_bytes(),
            utf16(true, u16::to_le_bytes),
            utf16(true, u16::to_be_bytes),
            utf16(false, u16::to_le_bytes),
            utf16(false, u16::to_be_bytes),
        ];
        for bytes in cases {
            assert_eq!(decode(bytes).unwrap(), text);
        }
        assert_eq!(decode(Vec::new()).unwrap(), "");
        let error = |bytes: &[u8]| decode(bytes.to_vec()).unwrap_err().to_string();
        assert!(error(b"a = 1\n\xfc").contains("line 2"), "{}", error(b"a = 1\n\xfc"));
        assert!(error(b"\xff\xfea").contains("UTF-16"));
        assert!(error(b"\xff\xfe\x00\xd8").contains("damaged"), "half a pair");
    }

    #[test]
    fn names_cannot_steer_a_terminal_and_stay_apart() {
        let plain = |text: &str| Plain::text(text).to_string();
        assert_eq!(plain("grüner Frosch 🐸👨‍👩‍👧 蛙.png"), "grüner Frosch 🐸👨‍👩‍👧 蛙.png");
        assert_eq!(plain("a\x1b]0;x\x07\nb\u{202e}gnp"), r"a\u{1b}]0;x\u{7}\u{a}b\u{202e}gnp");
        assert_eq!(plain(r"C:\users\x"), r"C:\users\x");
        assert_ne!(plain("a\n"), plain(r"a\u{a}"));
        assert_eq!(shown("one\n\ttwo\x1b[2J\r"), "one\n\ttwo\\u{1b}[2J\\u{d}");
        assert_eq!(shown("as it is"), "as it is");
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_text_stay_apart() {
        use std::os::unix::ffi::OsStrExt as _;
        let plain = |bytes: &[u8]| Plain(OsStr::from_bytes(bytes)).to_string();
        assert_eq!(plain(b"fr\xf6sche"), r"fr\x{f6}sche");
        assert_ne!(plain(b"fr\xf6sche"), plain(b"fr\xf7sche"));
        assert_ne!(plain(b"\xf6"), plain(br"\x{f6}"));
    }
}
