//! The kinds of frog: colours, pattern and eyes.

use super::brush::{Colour, rgb};

/// Pattern on the back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pattern {
    Plain,
    /// Round spots of about this radius, in frog units (half the body is about 0.6).
    Spots(f32),
    /// Large uneven patches.
    Blotches,
    /// Lines from the snout to the rump.
    Stripes,
    /// The two pale folds along the back of pond frogs.
    Ridges,
    /// Small bumps, lit on one side.
    Warts,
}

/// The slit of the eye.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pupil {
    Round,
    Flat,
    Upright,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Species {
    pub(super) name: &'static str,
    pub(super) back: Colour,
    pub(super) limbs: Colour,
    pub(super) toes: Colour,
    pub(super) belly: Colour,
    pub(super) iris: Colour,
    pub(super) marks: Colour,
    pub(super) pattern: Pattern,
    pub(super) pupil: Pupil,
}

#[rustfmt::skip]
pub(super) const SPECIES: [Species; 15] = [
    Species {
        name: "red-eyed tree frog", back: rgb(92, 196, 48), limbs: rgb(78, 176, 52), toes: rgb(250, 140, 30),
        belly: rgb(250, 240, 205), iris: rgb(225, 32, 22), marks: rgb(240, 220, 90), pattern: Pattern::Plain, pupil: Pupil::Upright,
    },
    Species {
        name: "common toad", back: rgb(142, 104, 66), limbs: rgb(128, 92, 58), toes: rgb(160, 120, 80),
        belly: rgb(222, 200, 158), iris: rgb(236, 158, 40), marks: rgb(92, 62, 38), pattern: Pattern::Warts, pupil: Pupil::Flat,
    },
    Species {
        name: "blue poison dart frog", back: rgb(42, 118, 240), limbs: rgb(28, 70, 196), toes: rgb(24, 60, 170),
        belly: rgb(70, 150, 240), iris: rgb(18, 18, 34), marks: rgb(10, 14, 44), pattern: Pattern::Spots(0.085), pupil: Pupil::Round,
    },
    Species {
        name: "yellow-banded dart frog", back: rgb(252, 208, 28), limbs: rgb(240, 190, 24), toes: rgb(40, 32, 16),
        belly: rgb(252, 220, 90), iris: rgb(20, 16, 12), marks: rgb(22, 18, 14), pattern: Pattern::Blotches, pupil: Pupil::Round,
    },
    Species {
        name: "bullfrog", back: rgb(104, 132, 46), limbs: rgb(92, 106, 44), toes: rgb(120, 120, 66),
        belly: rgb(240, 228, 140), iris: rgb(232, 182, 60), marks: rgb(58, 70, 28), pattern: Pattern::Spots(0.06), pupil: Pupil::Flat,
    },
    Species {
        name: "strawberry dart frog", back: rgb(226, 52, 28), limbs: rgb(44, 72, 178), toes: rgb(36, 54, 140),
        belly: rgb(240, 96, 60), iris: rgb(20, 12, 12), marks: rgb(120, 14, 10), pattern: Pattern::Plain, pupil: Pupil::Round,
    },
    Species {
        name: "leopard frog", back: rgb(138, 168, 72), limbs: rgb(128, 146, 70), toes: rgb(140, 150, 90),
        belly: rgb(244, 240, 216), iris: rgb(236, 192, 76), marks: rgb(52, 58, 26), pattern: Pattern::Spots(0.10), pupil: Pupil::Flat,
    },
    Species {
        name: "tomato frog", back: rgb(232, 92, 40), limbs: rgb(220, 84, 38), toes: rgb(232, 130, 70),
        belly: rgb(252, 206, 110), iris: rgb(226, 150, 50), marks: rgb(150, 44, 18), pattern: Pattern::Plain, pupil: Pupil::Round,
    },
    Species {
        name: "White's tree frog", back: rgb(118, 204, 168), limbs: rgb(104, 190, 158), toes: rgb(150, 216, 190),
        belly: rgb(248, 250, 236), iris: rgb(234, 196, 84), marks: rgb(238, 250, 238), pattern: Pattern::Spots(0.04), pupil: Pupil::Flat,
    },
    Species {
        name: "golden mantella", back: rgb(250, 156, 24), limbs: rgb(244, 146, 26), toes: rgb(236, 110, 30),
        belly: rgb(254, 196, 90), iris: rgb(22, 14, 8), marks: rgb(190, 84, 10), pattern: Pattern::Plain, pupil: Pupil::Round,
    },
    Species {
        name: "glass frog", back: rgb(176, 224, 92), limbs: rgb(160, 212, 96), toes: rgb(206, 232, 130),
        belly: rgb(244, 252, 222), iris: rgb(250, 206, 70), marks: rgb(246, 244, 130), pattern: Pattern::Spots(0.035), pupil: Pupil::Flat,
    },
    Species {
        name: "grey tree frog", back: rgb(160, 162, 148), limbs: rgb(146, 148, 134), toes: rgb(176, 176, 160),
        belly: rgb(240, 238, 226), iris: rgb(222, 202, 138), marks: rgb(76, 82, 72), pattern: Pattern::Blotches, pupil: Pupil::Flat,
    },
    Species {
        name: "fire-bellied toad", back: rgb(92, 184, 66), limbs: rgb(80, 162, 60), toes: rgb(230, 86, 34),
        belly: rgb(242, 84, 34), iris: rgb(222, 164, 60), marks: rgb(22, 34, 18), pattern: Pattern::Blotches, pupil: Pupil::Round,
    },
    Species {
        name: "striped pond frog", back: rgb(112, 172, 58), limbs: rgb(110, 148, 58), toes: rgb(140, 160, 80),
        belly: rgb(246, 242, 214), iris: rgb(240, 198, 66), marks: rgb(236, 226, 130), pattern: Pattern::Ridges, pupil: Pupil::Flat,
    },
    Species {
        name: "phantasmal dart frog", back: rgb(168, 52, 40), limbs: rgb(150, 56, 44), toes: rgb(180, 90, 60),
        belly: rgb(232, 226, 196), iris: rgb(24, 14, 12), marks: rgb(238, 244, 206), pattern: Pattern::Stripes, pupil: Pupil::Round,
    },
];
