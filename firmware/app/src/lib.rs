//! The firmware's app: draws a new picture at every press of a button.
//!
//! The library depends on no chip, no display and no model, and is tested on the host. A board passes it a
//! [`DrawTarget`](embedded_graphics::draw_target::DrawTarget), a [`Platform`](platform::Platform) and a model.
//!
//! | module | contents |
//! |---|---|
//! | [`app`] | decides which picture is shown at which time: modes, numbers, classes, history |
//! | [`class`] | the classes of a model: choice, text on the display, text in the log |
//! | [`platform`] | trait for the clock, button, entropy and typed commands of a board |
//! | [`gesture`] | recognises tap, long press and hold of one button |
//! | [`view`] | draws pictures and text on a display |
//! | [`layout`] | places of pictures and text on a display of any size |
//! | [`upscale`] | bilinear enlargement of a picture, row by row |
//! | [`color`] | conversion from RGB to the colours of a display: luma, contrast, dithering |
//! | [`testcard`] | test card that shows errors in the description of a panel |
//! | [`panel`] | descriptions of colour panels: size, offset, orientation, inversion, colour order |
//! | [`picture`] | the checksum of a picture, and the seeds that are tested on every chip |
//! | [`settings`] | number and class of the first picture, idle time, mode |
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(test)]
extern crate std;

pub mod app;
pub mod class;
pub mod gesture;
pub mod layout;
pub mod panel;
pub mod picture;
pub mod platform;
pub mod settings;
pub mod testcard;
pub mod view;

#[cfg(test)]
mod test_frame;
#[cfg(test)]
mod test_model;

/// The model that the tests draw with.
#[cfg(test)]
static TEST_MODEL: &[u8] = gen_core::include_aligned!("../../../models/pocket-drawn/model.gen");
