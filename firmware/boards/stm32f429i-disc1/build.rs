//! Checks that the model fits the board, and hands model and memory map to the program.

fn main() {
    firmware_build::board();
}
