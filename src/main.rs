//! The `9volt` binary.

use std::process::ExitCode;

// Thousands of small, short-lived buffers a second: the system's allocator keeps a third more memory for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ninevolt::cli::main()
}
