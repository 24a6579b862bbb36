//! The vector instructions of the processor.

use core::arch::x86_64::__cpuid_count;
use core::sync::atomic::{AtomicU8, Ordering};

/// SSE2, without which this module is not compiled.
pub const SSE2: u8 = 0;
/// AVX2.
pub const AVX2: u8 = 1;
/// AVX-512 with the extensions F, BW, VL and VNNI.
pub const AVX512: u8 = 2;

/// The level of the processor that runs this.
pub fn level() -> u8 {
    const UNKNOWN: u8 = u8::MAX;
    static LEVEL: AtomicU8 = AtomicU8::new(UNKNOWN);
    // Several threads may detect it at the same time, with the same result.
    match LEVEL.load(Ordering::Relaxed) {
        UNKNOWN => {
            let level = detect();
            LEVEL.store(level, Ordering::Relaxed);
            level
        }
        level => level,
    }
}

#[cold]
fn detect() -> u8 {
    cpufeatures::new!(avx2, "avx2");
    cpufeatures::new!(avx512, "avx512f", "avx512bw", "avx512vl");
    // `cpufeatures` has no name for VNNI. It has checked that the operating system saves the registers.
    // SAFETY: every x86-64 has this instruction. Older compilers take its function to be unsafe.
    #[allow(unused_unsafe)]
    let vnni = || unsafe { __cpuid_count(7, 0) }.ecx & 1 << 11 != 0;
    match () {
        () if avx2::get() && avx512::get() && vnni() => AVX512,
        () if avx2::get() => AVX2,
        () => SSE2,
    }
}
