//! What a training step allocates once its scratch memory is there, whatever the step.
//!
//! Maps, gradients, patches, transformed kernels, masks and sums of channels are kept from
//! step to step. What is left, and why:
//!
//! * the draws of the step: real pictures, latents, label noise. They are handed out
//!   (`Trainer::draw`), so they are values of their own;
//! * the `gemm` crate packs an operand of a product into memory that it asks for itself, and
//!   has no way to be given any. Most of the bytes are these, 20 to 500 KB a product, and the
//!   system's allocator hands out the same piece over and over;
//! * a fast convolution that keeps its weights at the points notes which weights they were made
//!   from, in a new vector whenever they have changed: 2 MB in `reference-pocket`, its largest
//!   kernel;
//! * lists of pieces of work and of a number a channel, some hundred bytes each.
//!
//! The only test of its program, because it counts what all threads ask for.
#![allow(unsafe_code)] // a global allocator has no safe interface

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use trainer::bench::pictures;
use trainer::config::Config;
use trainer::train::Trainer;

/// The system's allocator, which counts.
struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);
static LARGEST: AtomicUsize = AtomicUsize::new(0);

fn count(size: usize) {
    CALLS.fetch_add(1, Relaxed);
    BYTES.fetch_add(size, Relaxed);
    LARGEST.fetch_max(size, Relaxed);
}

// SAFETY: every call goes to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
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
    // Bytes a step and at once: a tenth over what was measured. Most depend on the batch alone.
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
            // What every step allocates, the cheapest one does too. In others a thread may have met
            // its first piece of some size, and made its scratch memory larger for good.
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
        // A tenth more, where another processor's kernels pack in other pieces.
        assert!(largest < most_at_once / 10 * 11, "{name}: {largest} bytes at once");
    }
}
