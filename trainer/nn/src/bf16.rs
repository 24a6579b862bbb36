//! Dense layers and convolutions as products of bf16 matrices with float32 sums.
//!
//! A bf16 number is the upper half of a float32: 8 bits of exponent, 7 of fraction. Processors multiply it much faster than
//! float32: an AMX tile instruction does 8,192 multiplications in 16 cycles, in which float32 instructions do 512. So every
//! layer is computed by its definition here, without the transforms of [`fast`](super::fast), which would lose digits and
//! take longer than the products that they save.
//!
//! Only the operands of products are bf16. They are rounded as they are packed; maps, weights, sums and gradients stay
//! float32.
//!
//! ```text
//! map -> squares in bf16, with a border of zeros -> products with the packed weights -> sums -> map
//! ```
//!
//! A convolution needs no patches: the rows of an operand are the squares of the map themselves. Sixteen neighbouring
//! positions are sixteen rows at a constant distance, and another tap of the kernel is another start in the same memory.
//!
//! | file | contents |
//! |---|---|
//! | `number.rs` | rounding to bf16 |
//! | `operands.rs` | what products take and give, and the kinds of instructions |
//! | `amx.rs`, `avx512.rs`, `portable.rs` | products and data movement with AMX, with AVX-512, and without vector instructions, bit for bit the same |
//! | `lines.rs` | memory at the start of cache lines |
//! | `unit.rs` | the choice between them |
//! | `grid.rs` | positions of rows, columns and weights |
//! | `plan.rs` | a pass of a layer: forward, gradient of the input, gradient of the weights |

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod grid;
mod lines;
mod number;
mod operands;
mod plan;
mod portable;
mod unit;

pub use operands::Instruction;
pub use plan::Plan;
pub use unit::Unit;
