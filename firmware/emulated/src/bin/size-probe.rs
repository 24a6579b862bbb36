//! The least that draws a picture: what gen-core adds to a firmware is the size of this
//! program, less its model, less [`size-probe-empty`](size-probe-empty.rs). `tests/tests/memory.rs`
//! subtracts.
//!
//! Neither log nor semihosting, and a panic handler that looks at nothing, so that texts of
//! panics are not counted: how much they take is the firmware's choice. What the compiler's
//! library adds for gen-core's sake (copying, filling, long division) is counted.
//!
//! Nothing in it can panic, from the first byte of the model to the last row of the picture: the
//! handler below is called by nobody and therefore not linked, which `tests/tests/panics.rs`
//! checks.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::hint::black_box;
use core::panic::PanicInfo;

use cortex_m_rt::entry;
use gen_core::{Engine, Latent, Model};
use static_cell::ConstStaticCell;

// Not from the library, which has a log and a panic handler.
#[allow(dead_code, reason = "there is no log for the sizes")]
mod model {
    include!(concat!(env!("OUT_DIR"), "/model.rs"));
}

#[entry]
fn main() -> ! {
    static WORKSPACE: ConstStaticCell<[i8; model::WORKSPACE_LEN]> = ConstStaticCell::new([0; model::WORKSPACE_LEN]);
    // The compiler must not answer the parser's questions in advance, for this one model.
    if let Ok(model) = Model::parse(black_box(model::BLOB))
        && let Some(workspace) = WORKSPACE.try_take()
        && let Ok(mut engine) = Engine::new(&model, black_box(&mut workspace[..]))
    {
        // A number that the compiler cannot know, or it would draw the latent itself.
        let latent = Latent::from_seed(black_box(42), model.latent_len());
        engine.generate(&latent, |_, rgb| _ = black_box(rgb));
    }
    loop {
        cortex_m::asm::wfi();
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // Unlike every other endless loop, or the compiler could make one function of both, under
    // the other's name.
    loop {
        black_box("panic");
    }
}
