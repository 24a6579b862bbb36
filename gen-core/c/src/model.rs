//! The struct whose memory the caller gives, and what is in it.

use core::mem::{align_of, size_of};

use gen_core::{Engine, Model};

/// Words of a `RibbitModel`.
pub const RIBBIT_MODEL_WORDS: usize = 336;

/// A model, and the picture that it is drawing. The caller gives its memory, for example as a static variable. Its contents
/// are private, and it needs no clean-up.
///
/// `ribbit_model_parse` fills it. The bytes of the model file and the workspace must stay where they are while it is used.
/// One struct draws one picture at a time; two threads must not use it at the same time.
#[derive(Debug)]
#[repr(C)]
pub struct RibbitModel {
    opaque: [usize; RIBBIT_MODEL_WORDS],
}

/// What a [`RibbitModel`] holds.
pub(crate) struct Contents {
    /// [`TAG`], unless the memory holds something else.
    pub(crate) tag: usize,
    /// The bytes of the model file: address and length.
    pub(crate) file: (usize, usize),
    pub(crate) state: State,
}

#[allow(clippy::large_enum_variant, reason = "a model becomes an engine; there is no heap for it")]
pub(crate) enum State {
    Parsed(Model<'static>),
    /// With the workspace: address and length.
    Drawing(Engine<'static>, (usize, usize)),
}

/// Marks a struct that holds a model. Memory that nobody has written rarely holds this number.
pub(crate) const TAG: usize = 0x5242_474e; // RBGN

// What C reserves is as large as needed.
const _: () = assert!(size_of::<Contents>() <= size_of::<RibbitModel>(), "RIBBIT_MODEL_WORDS is too small");
const _: () = assert!(align_of::<Contents>() <= align_of::<RibbitModel>(), "a RibbitModel is not aligned");

impl State {
    pub(crate) fn model(&self) -> &Model<'static> {
        match self {
            Self::Parsed(model) => model,
            Self::Drawing(engine, _) => engine.model(),
        }
    }
}
