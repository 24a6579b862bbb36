//! The smallest program that draws a picture: its flash, without the model and without that of `empty`, is what gen-core
//! costs a program with one model. It has no text; nothing in it can panic.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::panic::PanicInfo;

use cortex_m as _;
use cortex_m_rt::entry;
use gen_core::{EngineFor, ModelFile, Workspace, include_model};
use static_cell::ConstStaticCell;

const FROG: ModelFile = include_model!("../../../../../models/pocket-drawn/model.gen");
static WORKSPACE: ConstStaticCell<Workspace<{ FROG.workspace_len() }>> = ConstStaticCell::new(Workspace::new());

#[entry]
fn main() -> ! {
    if let Ok(model) = FROG.model()
        && let Some(workspace) = WORKSPACE.try_take()
        && let Ok(mut engine) = EngineFor::<{ FROG.kernels() }>::with_kernels(model, workspace)
    {
        // A seed that the compiler does not know: it would compute the latent itself.
        let latent = engine.model().latent(black_box(42));
        let mut rows = engine.start(&latent);
        while let Some(row) = rows.next() {
            black_box(row.bytes());
        }
    }
    loop {}
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
