//! Draws a new picture at every press of a button.
//!
//! The app knows neither chip, display nor model, and is tested on the host. A board gives it a
//! [`DrawTarget`](embedded_graphics::draw_target::DrawTarget), a [`Platform`](platform::Platform) and a model.
//!
//! | module | contents |
//! |---|---|
//! | [`app`] | which picture is shown when: modes, numbers, history |
//! | [`platform`] | what a board has besides its display: clock, button, entropy, typed commands |
//! | [`gesture`] | one button, three gestures |
//! | [`view`] | draws pictures and text on a display |
//! | [`layout`] | where pictures and text go, on a display of any size |
//! | [`upscale`] | enlarges a picture while its rows arrive |
//! | [`color`] | from RGB to the colours of a display: luma, contrast, dithering |
//! | [`testcard`] | a picture that shows what is wrong with the description of a display |
//! | [`panel`] | descriptions of colour panels: size, offset, orientation, inversion, order of colours |
//! | [`picture`] | the checksum of a picture, and the seeds that are tested on every chip |
//! | [`settings`] | first number, idle time, mode |
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(test)]
extern crate std;

pub mod app;
pub mod color;
pub mod gesture;
pub mod layout;
pub mod panel;
pub mod picture;
pub mod platform;
pub mod settings;
pub mod testcard;
pub mod upscale;
pub mod view;

/// The model that the tests draw with.
#[cfg(test)]
static TEST_MODEL: &[u8] = gen_core::include_aligned!("../../../models/pocket-drawn/model.gen");
