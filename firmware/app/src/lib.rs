//! Draws a new picture at every button press.
//!
//! The app knows neither chip nor display. It is tested on the host; a board gives
//! it a [`DrawTarget`](embedded_graphics::draw_target::DrawTarget) and an [`Io`](io::Io).
//!
//! | module | what stands there |
//! |---|---|
//! | [`app`] | which picture is shown when: modes, numbers, the way back |
//! | [`io`] | what a board has beside its display: clock, button, noise, keyboard |
//! | [`gesture`] | one button, three gestures |
//! | [`view`] | pictures and text on a display |
//! | [`layout`] | where they stand on it |
//! | [`enlarge`] | a picture made larger while its rows arrive |
//! | [`ink`] | a pixel in few shades: luma, tone, dither |
//! | [`testcard`] | a picture that shows what is wrong with a display |
//! | [`panel`] | colour panels: size, offset, orientation, inversion, order |
//! | [`ssd0323`] | driver of the grey OLED |
//! | [`picture`] | the checksum that names a picture, and the seeds tested on every chip |
//! | [`model`] | the model, and the sizes that follow from it |
//! | [`settings`] | first number, idle time, mode |
//! | [`lines`] | lines of a log that go out whole or not at all |
//! | `product` | the main loop on a chip; with a board feature only |
//! | `board` | chips: registers, log, faults; with a board feature only |
#![no_std]
#![deny(unsafe_code)] // `board` alone touches registers
#![warn(missing_docs)]

#[cfg(test)]
extern crate std;

pub mod app;
#[cfg(feature = "device")]
pub mod board;
pub mod enlarge;
pub mod gesture;
pub mod ink;
pub mod io;
pub mod layout;
pub mod lines;
pub mod model;
pub mod panel;
pub mod picture;
#[cfg(feature = "device")]
pub mod product;
pub mod settings;
pub mod ssd0323;
pub mod testcard;
pub mod view;
