//! Limits what a training step allocates after its scratch memory has been allocated.
//!
//! Maps, gradients, patches, transformed kernels, masks and sums of channels are kept from
//! step to step. The remaining allocations are:
//!
//! * the inputs of the step: real pictures, latents, label noise. They are returned to the caller
//!   (`Trainer::inputs`), so they are separate values;
//! * the `gemm` crate packs an operand of a product into memory that it allocates itself; the caller
//!   cannot provide it. These are most of the bytes, 20 to 500 KB for a product, and the
//!   system's allocator returns the same block every time;
//! * a fast convolution that keeps its transformed weights also stores the weights from which they
//!   were computed, in a new vector whenever they have changed: 2 MB in `reference-pocket`, its
//!   largest kernel;
//! * lists of tasks and of one number for each channel, some hundred bytes each.
//!
//! This is the only test of its program, because it counts the allocations of all threads.
#![allow(unsafe_code)] // a global allocator has no safe interface

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use trainer::bench::pictures;
use trainer::config::Config;
use trainer::train::Trainer;

/// The system's allocator with counters.
struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);
static LARGEST: AtomicUsize = AtomicUsize::new(0);

fn count(size: usize) {
    CALLS.fetch_add(1, Relaxed);
    BYTES.fetch_add(size, Relaxed);
    LARGEST.fetch_max(size, Relaxed);
}

// SAFETY: every call is passed on unchanged to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: guaranteed by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: guaranteed by the caller.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: guaranteed by the caller.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: guaranteed by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const STEPS: usize = 10;

#[test]
fn a_step_allocates_little() {
    let preset = |name: &str, batch| Config { batch, ..Config::preset(name).unwrap() };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    // Limits of the bytes of a step and of the largest allocation: a tenth above what was measured. Most depend
    // only on the batch.
    let limits = [
        (preset("pocket", 32), 19_700_000, 524_288),
        (preset("reference-pocket", 16), 8_300_000, 2_097_152),
        (preset("tutorial", 8).narrowed(8), 7_200_000, 466_944),
    ];
    for (config, most, most_at_once) in limits {
        let data = pictures(&config).unwrap().pictures;
        let (name, batch) = (config.name.clone(), config.batch);
        let real = batch * 32 * 32 * 3 * size_of::<f32>();
        let [calls, bytes, largest] = pool.install(|| {
            let mut trainer = Trainer::new(config).unwrap();
            // The step with the fewest allocations counts: in other steps a thread may have enlarged its scratch
            // memory permanently, for its first task of some size.
            let mut fewest = [usize::MAX; 3];
            for _ in 0..STEPS {
                for counter in [&CALLS, &BYTES, &LARGEST] {
                    counter.store(0, Relaxed);
                }
                trainer.step(&data).unwrap();
                let step = [&CALLS, &BYTES, &LARGEST].map(|counter| counter.load(Relaxed));
                fewest = std::array::from_fn(|i| fewest[i].min(step[i]));
            }
            fewest
        });
        println!(
            "{name}, batch {batch}: {calls} allocations a step, {bytes} bytes, the largest {largest}; the real \
             pictures are {real}"
        );
        assert!(bytes < most, "{name}: {bytes} bytes a step");
        // A margin of a tenth, because the kernels of another processor pack blocks of another size.
        assert!(largest < most_at_once / 10 * 11, "{name}: {largest} bytes at once");
    }
}
