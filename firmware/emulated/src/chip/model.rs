//! The model that the program was built with, and the sizes that follow from it.
//!
//! With the feature `external-model` only the sizes and the checksum become part of the program. The bytes lie
//! where the board's `memory.x` says, and are checked at the start.

use static_cell::ConstStaticCell;

include!(concat!(env!("OUT_DIR"), "/model.rs"));

/// The bytes of the model, for [`gen_core::Model::parse`].
#[cfg(not(feature = "external-model"))]
pub fn bytes() -> &'static [u8] {
    // The compiler knows the model, and would otherwise answer some of the parser's questions in advance.
    core::hint::black_box(BLOB)
}

/// The bytes where the model should be, for [`gen_core::Model::parse`].
#[cfg(feature = "external-model")]
pub fn bytes() -> &'static [u8] {
    unsafe extern "C" {
        /// From `memory.x`: the start of the external memory.
        static _external_model: [u8; MODEL_LEN];
    }
    // SAFETY: the build script has checked that the memory is large enough. It is filled before the program
    // starts, and nothing writes to it afterwards.
    unsafe { &_external_model }
}

/// The engine's memory, as large as the model needs; a second call gets an empty slice.
pub fn workspace() -> &'static mut [i8] {
    // A static from the start: unlike the array of `singleton!`, it is never on the stack, whatever the optimiser
    // does.
    static WORKSPACE: ConstStaticCell<[i8; WORKSPACE_LEN]> = ConstStaticCell::new([0; WORKSPACE_LEN]);
    WORKSPACE.try_take().map_or(&mut [], |all| all)
}
