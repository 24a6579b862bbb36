//! Speed of whole training steps of the presets.
//!
//! ```sh
//! cargo bench -p trainer --bench steps
//! ```
//!
//! Rates count the multiplications and additions of the definition ([`Count`]), whatever the algorithms
//! really compute: "Gelem/s" is GFLOP/s. `trainer bench` shows the time of each part of a step.

use std::time::Duration;

use criterion::{Criterion, SamplingMode, Throughput};
use trainer::bench::count::Count;
use trainer::bench::pictures;
use trainer::config::{Config, PRESETS};
use trainer::train::Trainer;

fn main() {
    let pool = rayon::ThreadPoolBuilder::new().build().expect("threads");
    // As in the program: from outside of the pool, every loop of a small network would have to enter it.
    pool.install(|| {
        let mut criterion =
            Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(500)).configure_from_args();
        let mut group = criterion.benchmark_group("step");
        group.measurement_time(Duration::from_secs(5)).sampling_mode(SamplingMode::Flat);
        for (name, _) in PRESETS {
            let config = Config::preset(name).expect("a preset");
            let count = Count::of(&config).expect("a preset");
            let data = pictures(&config).expect("drawn frogs").pictures;
            let mut trainer = Trainer::new(config).expect("a preset");
            group.throughput(Throughput::Elements(count.total()));
            group.bench_function(*name, |b| b.iter(|| trainer.step(&data).expect("pictures that fit")));
        }
        group.finish();
        criterion.final_summary();
    });
}
