//! Intervals of a run: how often it logs, samples, saves and measures.

use super::keys::recipe;

recipe! {
    /// Steps between two events of a run, each at least 1.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Every {
        /// Lines of `metrics.jsonl` and of the log, each with the mean losses since the last one.
        pub log: u64,
        /// Sheets of pictures in `samples/`.
        pub sample: u64,
        /// Checkpoints. `trainer resume` goes on from the last one.
        pub checkpoint: u64,
        /// The first generated and the first real picture of the step, in `pairs/`.
        ///
        /// Default: none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub pair: Option<u64>,
        /// Measurements of the quality score, by which the run chooses the snapshot that it ends with. Without them it ends
        /// with the last step.
        ///
        /// Default: none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub measure: Option<u64>,
    }
}
