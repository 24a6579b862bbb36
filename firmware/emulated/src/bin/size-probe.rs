//! The smallest program that draws a picture. The size that gen-core adds to a firmware is the size of this program
//! without its model, minus the size of [`size-probe-empty`](size-probe-empty.rs); `tests/tests/memory.rs` computes it.
//!
//! The program has no log and no semihosting, and its panic handler ignores the message, so that texts of panics are not
//! counted: they are the firmware's choice. Functions of the compiler's library that gen-core needs (copy, fill, 64-bit
//! division) are counted.
//!
//! Nothing in this program can panic, from the first byte of the model to the last row of the picture. The panic handler
//! below is therefore never called and not linked, which `tests/tests/panics.rs` checks.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::hint::black_box;
use core::panic::PanicInfo;

#[cfg(target_arch = "arm")]
use cortex_m as _; // critical sections, for `static_cell` on a Cortex-M0
#[cfg(target_arch = "arm")]
use cortex_m_rt::entry;
use gen_core::{ClassMix, Engine, Model};
#[cfg(target_arch = "riscv32")]
use riscv as _; // critical sections
#[cfg(target_arch = "riscv32")]
use riscv_rt::entry;
use static_cell::ConstStaticCell;

// Included here, not used from the library, which would add a log and a panic handler.
#[allow(dead_code, reason = "there is no log for the sizes")]
mod model {
    include!(concat!(env!("OUT_DIR"), "/model.rs"));
}

#[entry]
fn main() -> ! {
    static WORKSPACE: ConstStaticCell<[i8; model::WORKSPACE_LEN]> = ConstStaticCell::new([0; model::WORKSPACE_LEN]);
    // The compiler must not evaluate checks of the parser at compile time for this model.
    if let Ok(model) = Model::parse(black_box(model::BLOB))
        && let Some(workspace) = WORKSPACE.try_take()
        && let Ok(mut engine) = Engine::new(model, black_box(&mut workspace[..]))
    {
        // A seed that the compiler does not know; otherwise it would compute the latent at compile time.
        let latent = engine.model().latent(black_box(42));
        let classes = engine.model().classes();
        let class = classes.find(black_box("frog")).filter(|&class| classes.name(class).is_some()).unwrap_or_default();
        let latent = latent.with_mix(ClassMix::between(class, black_box(1), black_box(99)));
        engine.generate(&latent, |_, rgb| _ = black_box(rgb));
    }
    loop {
        core::hint::spin_loop();
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // Different from every other endless loop: otherwise the compiler could merge both functions under
    // the other's name.
    loop {
        black_box("panic");
    }
}
