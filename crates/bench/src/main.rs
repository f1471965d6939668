//! Compares icapstan with c-icap and with a bare loop, in one run.
fn main() {}
