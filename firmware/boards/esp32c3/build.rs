//! Checks that the model fits the board, and passes the model to the program.

fn main() {
    firmware_build::board();
}
