//! The functions that the page calls. An instance of the module plays one model: the page makes a new instance for each
//! model, so that everything of the old model is freed with the old instance.
//!
//! The page calls `input` and writes a file to the address that it returns. `open` returns 1 for a model, and 0 for anything
//! else; the text is then the message. After `open`:
//!
//! * `seed`, `class` and `put_steps` change a latent: slot 0 for the picture, slot 1 for the end of a morph. `steps` is
//!   the address of 128 numbers, to which `get_steps` writes the latent, and from which `put_steps` reads it.
//! * `draw` draws the picture. `pixels` is its address; it changes with every call.
//! * `text` and `text_len` are the facts of the model as JSON.

// The attribute `unsafe(no_mangle)` is all that is unsafe here: it gives a function a global name. This module is compiled
// only for WebAssembly, where no other part of the program has these names.
#![allow(unsafe_code)]

use std::cell::RefCell;

use gen_core::spec::MAX_LATENT;
use gen_core::{ClassMix, aligned};

use crate::facts::Facts;
use crate::player::{Player, Slot, parse};

struct State {
    input: Vec<u8>,
    text: String,
    steps: [i8; MAX_LATENT],
    player: Option<Player<'static>>,
}

thread_local! {
    static STATE: RefCell<State> =
        const { RefCell::new(State { input: Vec::new(), text: String::new(), steps: [0; MAX_LATENT], player: None }) };
}

fn with<R>(f: impl FnOnce(&mut State) -> R) -> R {
    STATE.with_borrow_mut(f)
}

/// Calls `f` with the player; without a model nothing happens, and the result is the default.
fn with_player<R: Default>(f: impl FnOnce(&mut Player<'static>, &mut [i8; MAX_LATENT]) -> R) -> R {
    with(|state| state.player.as_mut().map(|player| f(player, &mut state.steps)).unwrap_or_default())
}

fn slot(number: u32) -> Slot {
    if number == 0 { Slot::From } else { Slot::To }
}

/// Bytes that could be had, all 0.
fn zeros<T: Clone + Default>(len: usize) -> Result<Vec<T>, String> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| format!("the browser has no memory for {len} bytes"))?;
    bytes.resize(len, T::default());
    Ok(bytes)
}

/// The address of a buffer for a file of `len` bytes; 0 if there is no memory.
#[unsafe(no_mangle)]
extern "C" fn input(len: usize) -> *mut u8 {
    with(|state| match zeros(len) {
        Ok(bytes) => {
            state.input = bytes;
            state.input.as_mut_ptr()
        }
        Err(_) => core::ptr::null_mut(),
    })
}

/// Opens the file in the buffer: 1 if it is a model, else 0.
#[unsafe(no_mangle)]
extern "C" fn open() -> u32 {
    with(|state| {
        let opened = open_model(core::mem::take(&mut state.input));
        let is_open = opened.is_ok();
        match opened {
            Ok((player, facts)) => (state.player, state.text) = (Some(player), facts.json()),
            Err(message) => state.text = message,
        }
        is_open.into()
    })
}

/// The file and the workspace stay in memory until the instance is freed.
fn open_model(bytes: Vec<u8>) -> Result<(Player<'static>, Facts), String> {
    let bytes = Box::leak(Box::new(aligned(bytes)));
    let model = parse(bytes)?;
    let (workspace, facts) = (zeros(model.workspace_len())?.leak(), Facts::of(&model, bytes));
    let player = Player::new(model, workspace).map_err(|e| e.to_string())?;
    Ok((player, facts))
}

/// The address of the text: the facts of the model, or why there is none.
#[unsafe(no_mangle)]
extern "C" fn text() -> *const u8 {
    with(|state| state.text.as_ptr())
}

/// Bytes of the text, in UTF-8.
#[unsafe(no_mangle)]
extern "C" fn text_len() -> usize {
    with(|state| state.text.len())
}

/// The address of the values of a latent.
#[unsafe(no_mangle)]
extern "C" fn steps() -> *mut i8 {
    with(|state| state.steps.as_mut_ptr())
}

/// Gives a slot the values of a picture number.
#[unsafe(no_mangle)]
extern "C" fn seed(number: u32, seed: u32) {
    with_player(|player, _| player.set_seed(slot(number), seed));
}

/// Gives a slot a mixture of two classes.
#[unsafe(no_mangle)]
extern "C" fn class(number: u32, from: u32, to: u32, share: u32) {
    let [from, to] = [from, to].map(|class| class.min(u8::MAX.into()) as u8);
    with_player(|player, _| player.set_class(slot(number), ClassMix::between(from, to, sixteen_bits(share))));
}

/// Copies the values of a slot to `steps`.
#[unsafe(no_mangle)]
extern "C" fn get_steps(number: u32) {
    with_player(|player, steps| {
        for (step, &value) in steps.iter_mut().zip(player.latent(slot(number)).steps()) {
            *step = value;
        }
    });
}

/// Gives a slot the values at `steps`.
#[unsafe(no_mangle)]
extern "C" fn put_steps(number: u32) {
    with_player(|player, steps| player.set_steps(slot(number), steps));
}

/// Draws a picture: its number of bytes, 0 without a model. See [`Player::draw`].
#[unsafe(no_mangle)]
extern "C" fn draw(t: u32, share: u32, scale: u32) -> usize {
    with_player(|player, _| player.draw(sixteen_bits(t), sixteen_bits(share), scale).rgba.len())
}

/// The address of the pixels of the picture, as RGBA.
#[unsafe(no_mangle)]
extern "C" fn pixels() -> *const u8 {
    with(|state| state.player.as_ref().map_or(core::ptr::null(), |player| player.picture().rgba.as_ptr()))
}

/// Pixels in a row of the picture.
#[unsafe(no_mangle)]
extern "C" fn width() -> u32 {
    with_player(|player, _| player.picture().width)
}

/// Tests gen-core's kernels: the number of calls that were compared, or 0; then the text says what was wrong.
#[cfg(feature = "conformance")]
#[unsafe(no_mangle)]
extern "C" fn conformance() -> u32 {
    use gen_core::conformance::{Buffers, check};

    let result = check::<gen_core::kernels::Native>(&mut Buffers::new());
    with(|state| match result {
        Ok(count) => count.calls,
        Err(failure) => {
            state.text = failure.to_string();
            0
        }
    })
}

fn sixteen_bits(value: u32) -> u16 {
    value.min(u16::MAX.into()) as u16
}
