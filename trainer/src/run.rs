//! A run: a numbered folder, the training loop that writes to it, and the formats of its files.
//!
//! ```text
//! runs/007-pocket/
//!   config.toml              the recipe; `--config` starts another run with it
//!   data.toml                source and fingerprint of the pictures
//!   start.toml               with `--from`: the checkpoint or the model that the run started from
//!   teacher.toml             with `--teacher`: the checkpoint or the model that it learns from
//!   pictures.txt             list of the picture files, if they are files: to name those that have changed
//!   metrics.jsonl            one line of losses every few steps
//!   losses.svg  reals.png  samples/step-NNNNNN.png
//!   pairs/{generated,real}-NNNNNN.png    if `every.pair` asks for them
//!   checkpoints/step-NNNNNN.ckpt    full state: `trainer resume` continues bit for bit
//!   best.gen  best.ckpt      the best snapshot, if `every.measure` asks for measurements
//!   model.gen                the quantised generator: of the best snapshot, else of the last
//!   report.html              the state of the run on one page, which loads itself again until the run has ended
//!   tensorboard/             with `--tensorboard`: losses, scores and samples for TensorBoard
//!   play.html                a page on which one plays with the model, which is in it
//! ```

pub mod checkpoint;
pub mod discriminator;
pub mod evaluator;
pub mod folder;
pub mod forecast;
pub mod guard;
pub mod interrupt;
pub mod metrics;
pub mod progress;
pub mod report;
pub mod session;
pub mod start;
pub mod tensorboard;

pub use checkpoint::Checkpoint;
pub use folder::Folder;
pub use forecast::Forecast;
pub use session::Session;
pub use start::Start;
