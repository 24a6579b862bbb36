//! Code that the tests across packages share.
//!
//! | module | contents |
//! |---|---|
//! | [`budget`] | budgets: numbers that must not change unnoticed |
//! | [`golden`] | files with expected results |
//! | [`module_graph`] | imports between the files of a crate, and cycles among them |

pub mod budget;
pub mod golden;
pub mod module_graph;
