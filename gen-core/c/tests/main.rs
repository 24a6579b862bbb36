//! The library in programs in C: on the host, and on an emulated Cortex-M4 and M3.
//! `cargo test -p gen-core-c` needs a C compiler, `arm-none-eabi-gcc` and `qemu-system-arm`; `tests/run.sh` installs them.

mod emulate;
mod header;
mod programs;
