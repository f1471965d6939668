//! RFC 3507 without I/O: bytes in, events out.
