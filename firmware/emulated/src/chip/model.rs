//! The model that the program was built for, and the sizes that depend on it.
//!
//! With the feature `external-model` only the sizes and the checksum are part of the program. The model itself is in the
//! external memory that the board's `memory.x` describes, and is checked at the start.

use static_cell::ConstStaticCell;

include!(concat!(env!("OUT_DIR"), "/model.rs"));

/// The bytes of the model, for [`gen_core::Model::parse`].
#[cfg(not(feature = "external-model"))]
pub fn bytes() -> &'static [u8] {
    // The compiler knows the model and would otherwise evaluate some checks of the parser at compile time.
    core::hint::black_box(BLOB)
}

/// The bytes of the external memory where the model should be, for [`gen_core::Model::parse`].
#[cfg(feature = "external-model")]
pub fn bytes() -> &'static [u8] {
    unsafe extern "C" {
        /// Symbol of `memory.x`: the start of the external memory.
        static _external_model: [u8; MODEL_LEN];
    }
    // SAFETY: the build script has checked that the memory is large enough. QEMU fills it before the program
    // starts, and nothing writes to it afterwards.
    unsafe { &_external_model }
}

/// The workspace of the engine, as large as the model needs. From the second call on, an empty slice.
pub fn workspace() -> &'static mut [i8] {
    // Initialised at compile time: unlike the array of `singleton!`, it is never on the stack, even without
    // optimisation.
    static WORKSPACE: ConstStaticCell<[i8; WORKSPACE_LEN]> = ConstStaticCell::new([0; WORKSPACE_LEN]);
    WORKSPACE.try_take().map_or(&mut [], |all| all)
}
