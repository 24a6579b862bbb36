//! Bytes → model → picture must neither panic nor index out of bounds.
//!
//! `gen-core/tests/golden/tiny.blob` is a good seed for the corpus. The same check
//! over a fixed list of mutants runs in `gen-core/tests/blob.rs`.
#![no_main]

#[path = "../../tests/common/exercise.rs"]
mod exercise;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    exercise::exercise(bytes);
    // With the right length and checksum the fuzzer gets past them.
    let mut sealed = bytes.to_vec();
    if gen_core::blob::seal(&mut sealed).is_ok() {
        exercise::exercise(&sealed);
    }
});
