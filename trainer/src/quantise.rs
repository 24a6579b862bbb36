//! Quantises a float generator to the int8 model that a microcontroller runs.
//!
//! ```text
//! generator -> fold (batch norm into weights) -> calibrate (ranges) -> QuantModel -> blob
//!                                                              simulate <-'  |  '-> gen_core::Model
//! ```
//!
//! [`finetune`] trains the quantised generator to draw the float generator's pictures. [`noise`]
//! measures the quantisation error of each layer.
//! [`verify()`] compares the simulation with the engine, bit for bit.

pub mod batched;
pub mod calibrate;
pub mod compare;
pub mod draw;
pub mod equalise;
pub mod finetune;
pub mod fold;
pub mod model;
pub mod noise;
pub mod pack;
pub mod random;
pub mod recover;
pub mod simulate;
pub mod student;
pub mod verify;
pub mod weight_transforms;

pub use calibrate::quantise;
pub use finetune::{Tuned, quantise_tuned, quantise_tuned_until};
pub use fold::FloatModel;
pub use model::{QuantLayer, QuantModel};
pub use pack::QuantError;
pub use simulate::Simulation;
pub use verify::{Report, verify};
