pub mod data;
pub mod grid;
