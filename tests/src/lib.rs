//! What the tests of the workspace share.
//!
//! | module | contents |
//! |---|---|
//! | [`budget`] | numbers that must not grow or shrink unnoticed |
//! | [`golden`] | files with the results of last time |

pub mod budget;
pub mod golden;
