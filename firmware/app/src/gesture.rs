//! One button, three gestures.
//!
//! ```text
//! down -- up before 0.6 s ------> Tap
//!     \-- up before 2 s --------> Long
//!      \- still down after 2 s -> Held, and again every second
//! ```

use heapless::Deque;

use crate::platform::Platform;

/// What was done with the button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gesture {
    /// Pressed and let go.
    Tap,
    /// Pressed for longer.
    Long,
    /// Still held down; comes again while it is.
    Held,
}

/// From here a press is long, in microseconds.
const LONG_US: u64 = 600_000;
/// From here it is held …
const HELD_US: u64 = 2_000_000;
/// … and again after each of these.
const AGAIN_US: u64 = 1_000_000;
/// Contacts bounce for less than this.
const BOUNCE_US: u64 = 10_000;

/// Recognises gestures from looks at the button, which may come at any times.
#[derive(Debug, Default)]
pub struct Gestures {
    /// Since when it is down, bounces aside.
    down_since: Option<u64>,
    /// Since when the contact says otherwise.
    other_since: Option<u64>,
    last_look: u64,
    /// How often the press that is going on was reported as held.
    held: u64,
    waiting: Deque<Gesture, 4>,
}

impl Gestures {
    /// Looks at the button.
    pub fn look(&mut self, platform: &mut impl Platform) {
        let (now, contact) = (platform.now_us(), platform.is_down());
        let was_tapped = platform.was_tapped();
        // Nobody saw what was between two looks far apart: what is seen now counts at once.
        let unseen = now - self.last_look.min(now) >= BOUNCE_US;
        self.last_look = now;

        if contact == self.down_since.is_some() {
            self.other_since = None;
            if was_tapped && !contact {
                self.report(Gesture::Tap); // came and went between two looks
            }
        } else {
            let since = *self.other_since.get_or_insert(now);
            if unseen || now - since >= BOUNCE_US {
                self.turn(since);
            }
        }
        if let Some(down) = self.down_since
            && contact
            && now - down >= HELD_US + self.held * AGAIN_US
        {
            self.held += 1;
            self.report(Gesture::Held);
        }
    }

    /// The button has changed at `now`.
    fn turn(&mut self, now: u64) {
        self.other_since = None;
        match self.down_since.take() {
            None => (self.down_since, self.held) = (Some(now), 0),
            Some(_) if self.held > 0 => {}
            Some(down) if now - down >= LONG_US => self.report(Gesture::Long),
            Some(_) => self.report(Gesture::Tap),
        }
    }

    fn report(&mut self, gesture: Gesture) {
        // Whoever taps more often than pictures can be drawn loses a tap, not an old one's meaning.
        let _ = self.waiting.push_back(gesture);
    }

    /// The oldest gesture that nobody has taken yet.
    pub fn take(&mut self) -> Option<Gesture> {
        self.waiting.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::Gesture::{Held, Long, Tap};
    use super::*;

    /// A button at a time.
    struct Look {
        ms: u64,
        down: bool,
        tapped: bool,
    }

    impl Platform for Look {
        fn now_us(&mut self) -> u64 {
            self.ms * 1000
        }
        fn is_down(&mut self) -> bool {
            self.down
        }
        fn was_tapped(&mut self) -> bool {
            self.tapped
        }
    }

    /// Gestures, with the time of the look that told them. `down` are the spans in which the
    /// contact is closed; there is a look every `every` ms.
    fn gestures(every: u64, until: u64, down: &[(u64, u64)]) -> Vec<(u64, Gesture)> {
        let mut gestures = Gestures::default();
        let mut found = Vec::new();
        for ms in (0..until).step_by(every as usize) {
            let is_down = down.iter().any(|&(from, to)| (from..to).contains(&ms));
            gestures.look(&mut Look { ms, down: is_down, tapped: false });
            found.extend(gestures.take().map(|gesture| (ms, gesture)));
        }
        found
    }

    #[test]
    fn length_tells_them_apart() {
        assert_eq!(gestures(1, 300, &[(100, 200)]), [(210, Tap)]);
        assert_eq!(gestures(1, 900, &[(100, 699)]), [(709, Tap)]);
        assert_eq!(gestures(1, 900, &[(100, 700)]), [(710, Long)]);
        assert_eq!(gestures(1, 3000, &[(100, 2099)]), [(2109, Long)]);
        assert_eq!(gestures(1, 6000, &[(100, 4150)]), [(2100, Held), (3100, Held), (4100, Held)]);
    }

    #[test]
    fn bounces_are_no_presses() {
        let bounces = [(100, 102), (103, 104), (106, 250), (252, 253), (257, 259)];
        assert_eq!(gestures(1, 500, &bounces), [(269, Tap)]);
        assert_eq!(gestures(1, 500, &[(100, 105)]), []);
    }

    #[test]
    fn looks_far_apart_count_at_once() {
        assert_eq!(gestures(50, 400, &[(90, 140)]), [(150, Tap)]);
        assert_eq!(gestures(100, 4000, &[(150, 1210)]), [(1300, Long)]);
    }

    #[test]
    fn what_the_chip_remembers_counts_once() {
        let mut gestures = Gestures::default();
        gestures.look(&mut Look { ms: 0, down: false, tapped: false });
        gestures.look(&mut Look { ms: 1, down: false, tapped: true });
        assert_eq!(gestures.take(), Some(Tap));
        // A press that was seen is not counted again when the chip remembers its end.
        gestures.look(&mut Look { ms: 50, down: true, tapped: false });
        gestures.look(&mut Look { ms: 100, down: false, tapped: true });
        assert_eq!((gestures.take(), gestures.take()), (Some(Tap), None));
    }

    #[test]
    fn taps_queue_up() {
        let mut gestures = Gestures::default();
        for ms in 0..6 {
            gestures.look(&mut Look { ms, down: false, tapped: true });
        }
        let taken: Vec<_> = core::iter::from_fn(|| gestures.take()).collect();
        assert_eq!(taken, [Tap; 4]);
    }
}
