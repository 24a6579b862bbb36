//! Checks that the model fits the board that the features choose, and passes the model and the memory map to the program.

fn main() {
    firmware_build::one_of_boards();
}
