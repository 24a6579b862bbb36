//! Draws a new frog at every button press.
//!
//! The app knows neither chip nor display. It is tested on the host; a board gives
//! it a [`DrawTarget`](embedded_graphics::draw_target::DrawTarget), a button and a
//! clock.
//!
//! | module | what stands there |
//! |---|---|
//! | [`app`] | which frog is shown when: button, seeds, idle morph |
//! | [`view`] | where it stands on a display: enlarging, label, messages |
//! | [`ink`] | a pixel in few shades: luma, tone, dither |
//! | [`picture`] | the checksum that names a picture, and the seeds tested on every chip |
//! | [`model`] | the model, and the sizes that follow from it |
//! | [`settings`] | first seed and idle time |
//! | [`ssd0323`] | driver of the grey OLED |
//! | `board` | chips: registers, log, faults; with a board feature only |
#![no_std]
#![deny(unsafe_code)] // `board` alone touches registers
#![warn(missing_docs)]

#[cfg(test)]
extern crate std;

pub mod app;
#[cfg(feature = "device")]
pub mod board;
pub mod ink;
pub mod model;
pub mod picture;
pub mod settings;
pub mod ssd0323;
pub mod view;
