//! Checks that the model fits the board, and passes the model and the memory map to the program.

fn main() {
    firmware_build::board();
}
