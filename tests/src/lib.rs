//! What the tests of the workspace share.
//!
//! | module | contents |
//! |---|---|
//! | [`budget`] | numbers that must not grow or shrink unnoticed |
//! | [`golden`] | files with the results of last time |
//! | [`module_graph`] | which file of a crate imports what from which other |

pub mod budget;
pub mod golden;
pub mod module_graph;
