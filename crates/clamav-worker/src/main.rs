//! Scans objects with libclamav in a process of its own.
fn main() {}
