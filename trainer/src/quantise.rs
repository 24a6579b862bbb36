//! From a float generator to the integers that a microcontroller runs.
//!
//! ```text
//! generator -> fold (batch norm into weights) -> calibrate (ranges) -> QuantModel -> blob
//!                                                              simulate <-'  |  '-> gen_core::Model
//! ```

pub mod calibrate;
pub mod fold;
pub mod model;

pub use calibrate::quantise;
pub use fold::FloatModel;
pub use model::{QuantLayer, QuantModel};
