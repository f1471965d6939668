//! Generates ICAP load and measures what it costs the server.
fn main() {}
