//! Generates what is generated in this repository.
fn main() {}
