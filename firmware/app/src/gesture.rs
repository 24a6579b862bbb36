//! Recognises three gestures of one button.
//!
//! ```text
//! down -- up before 0.6 s ------> Tap
//!     \-- up before 2 s --------> Long
//!      \- still down after 2 s -> Held, and again every second
//! ```

use heapless::Deque;

use crate::platform::Platform;

/// A gesture of the button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gesture {
    /// A press of less than 0.6 s.
    Tap,
    /// A press of 0.6 s to 2 s.
    Long,
    /// The button has been held for 2 s. Reported again every second until it is released.
    Held,
}

/// Shortest duration of a long press, in microseconds.
const LONG_US: u64 = 600_000;
/// Duration after which the button counts as held, in microseconds.
const HELD_US: u64 = 2_000_000;
/// Interval at which [`Gesture::Held`] is repeated, in microseconds.
const AGAIN_US: u64 = 1_000_000;
/// Longest time that contacts bounce, in microseconds.
const BOUNCE_US: u64 = 10_000;

/// Recognises gestures from readings of the button, which may come at irregular times.
#[derive(Debug, Default)]
pub struct Gestures {
    /// The time since which the debounced button is down; `None` while it is up.
    down_since: Option<u64>,
    /// The time since which the contact differs from the debounced state.
    other_since: Option<u64>,
    last_look: u64,
    /// How often the current press was reported as held.
    held: u64,
    waiting: Deque<Gesture, 4>,
}

impl Gestures {
    /// Reads clock and button. Call it often, for example between two rows of a picture.
    pub fn look(&mut self, platform: &mut impl Platform) {
        let (now, contact) = (platform.now_us(), platform.is_down());
        let was_tapped = platform.was_tapped();
        // After a longer time without a reading, the contact no longer bounces: the new state counts at once.
        let unseen = now - self.last_look.min(now) >= BOUNCE_US;
        self.last_look = now;

        if contact == self.down_since.is_some() {
            self.other_since = None;
            if was_tapped && !contact {
                self.report(Gesture::Tap); // the whole press was between two readings
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

    /// Handles a change of the debounced button at time `now`.
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
        // If the queue is full, the new gesture is dropped and the older ones are kept.
        let _ = self.waiting.push_back(gesture);
    }

    /// Takes the oldest gesture from the queue, which holds at most four.
    pub fn take(&mut self) -> Option<Gesture> {
        self.waiting.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::Gesture::{Held, Long, Tap};
    use super::*;

    /// The button at one moment.
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

    /// The recognised gestures, each with the time in ms of the reading that completed it. The contact is closed during
    /// the spans `down`, and read every `every` ms.
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
        // A press that a reading has seen is not counted again when the chip reports it too.
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
