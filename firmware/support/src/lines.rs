//! Log lines that are sent whole or not at all, for a log that may have no reader. Lines that are lost are counted.
//!
//! A defmt logger receives a line in pieces of a few bytes. If the pieces went directly into a buffer that nobody
//! empties, half a line and pieces of later lines would be at its end.

use heapless::Vec;

/// Collects the pieces of one line of at most `N` bytes, and counts lost lines.
#[derive(Debug)]
pub struct Lines<const N: usize> {
    line: Vec<u8, N>,
    is_too_long: bool,
    /// Lines lost since the last line that was sent.
    lost: u32,
    /// Whether `line` was not sent for lack of room, and can be sent again.
    is_waiting: bool,
}

impl<const N: usize> Lines<N> {
    /// An empty collector.
    #[allow(clippy::new_without_default, reason = "a static needs a const")]
    pub const fn new() -> Self {
        Self { line: Vec::new(), is_too_long: false, lost: 0, is_waiting: false }
    }

    /// Begins a line. Discards an unfinished line, and a line that waits to be sent again. Returns how many lines were
    /// lost since the last line that was sent, so that the new line can report it.
    pub fn begin(&mut self) -> u32 {
        self.line.clear();
        (self.is_too_long, self.is_waiting) = (false, false);
        self.lost
    }

    /// Adds a piece to the line.
    pub fn push(&mut self, piece: &[u8]) {
        self.is_too_long |= self.line.extend_from_slice(piece).is_err();
    }

    /// Ends the line and passes all of it to `send`, which returns whether it has accepted the line. The line is lost if
    /// not, or if it is longer than `N` bytes.
    pub fn end(&mut self, send: impl FnOnce(&[u8]) -> bool) {
        if self.is_too_long || !send(&self.line) {
            self.is_waiting = !self.is_too_long;
            self.lost = self.lost.saturating_add(1);
        } else {
            self.lost = 0;
        }
    }

    /// Tries again to send the last line if there was no room for it. Returns whether no line waits any longer.
    pub fn again(&mut self, send: impl FnOnce(&[u8]) -> bool) -> bool {
        if self.is_waiting && send(&self.line) {
            (self.is_waiting, self.lost) = (false, 0);
        }
        !self.is_waiting
    }
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::String;

    use super::*;

    /// A buffer that is not emptied.
    #[derive(Default)]
    struct Buffer {
        bytes: std::vec::Vec<u8>,
        room: usize,
    }

    impl Buffer {
        fn take(&mut self, line: &[u8]) -> bool {
            let fits = self.bytes.len() + line.len() <= self.room;
            if fits {
                self.bytes.extend_from_slice(line);
            }
            fits
        }
    }

    /// Writes a line in pieces; returns how many lines were lost before it.
    fn write<const N: usize>(lines: &mut Lines<N>, buffer: &mut Buffer, text: &str) -> u32 {
        let lost = lines.begin();
        text.as_bytes().chunks(2).for_each(|piece| lines.push(piece));
        lines.end(|line| buffer.take(line));
        lost
    }

    #[test]
    fn a_full_buffer_ends_with_a_whole_line() {
        let (mut lines, mut buffer) = (Lines::<16>::new(), Buffer { room: 100, ..Buffer::default() });
        for i in 0..50 {
            write(&mut lines, &mut buffer, &format!("line {i};"));
        }
        let text = String::from_utf8(buffer.bytes.clone()).expect("text");
        let expected: String = (0..13).map(|i| format!("line {i};")).collect(); // 10 times 7 bytes, 3 times 8
        assert_eq!(text, expected);

        buffer.bytes.clear(); // a reader empties the buffer
        assert_eq!(write(&mut lines, &mut buffer, "here;"), 37);
        assert_eq!(write(&mut lines, &mut buffer, "there;"), 0);
        assert_eq!(&*buffer.bytes, b"here;there;");
    }

    #[test]
    fn a_line_too_long_is_lost_whole() {
        let (mut lines, mut buffer) = (Lines::<8>::new(), Buffer { room: 100, ..Buffer::default() });
        assert_eq!(write(&mut lines, &mut buffer, "12345678"), 0);
        assert_eq!(write(&mut lines, &mut buffer, "123456789"), 0);
        assert!(lines.again(|_| unreachable!()), "nothing waits");
        assert_eq!(write(&mut lines, &mut buffer, "1"), 1);
        assert_eq!(&*buffer.bytes, b"123456781");
    }

    #[test]
    fn the_last_line_can_wait() {
        let mut lines = Lines::<8>::new();
        lines.begin();
        lines.push(b"last");
        lines.end(|_| false);
        assert!(!lines.again(|_| false));
        assert!(lines.again(|line| line == b"last"));
        assert!(lines.again(|_| unreachable!()), "once is enough");
        assert_eq!(lines.begin(), 0);
    }

    #[test]
    fn a_line_that_was_begun_is_forgotten() {
        let (mut lines, mut buffer) = (Lines::<8>::new(), Buffer { room: 100, ..Buffer::default() });
        lines.begin();
        lines.push(b"ha");
        write(&mut lines, &mut buffer, "whole");
        assert_eq!(&*buffer.bytes, b"whole");
    }
}
