//! The `9volt` binary.
fn main() {}
