//! The bytes that clients in the field send, and the rules by which they judge what comes back.
//!
//! The vectors are byte for byte what these clients write: see `vectors.rs`. The probes follow each
//! client's own way of reading an answer, read in its source; they share no code with our parser.

mod e2guardian;
mod g3;
mod nextcloud;
mod rspamd;
mod vectors;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A connection as these clients make it.
pub(crate) fn dial(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_mins(1))).expect("not zero");
    stream
}

/// Writes, then reads up to the end of a head.
pub(crate) fn exchange_head(stream: &mut TcpStream, request: &[u8]) -> String {
    stream.write_all(request).expect("the server reads");
    read_head(stream)
}

/// Reads up to an empty line, and nothing behind it.
pub(crate) fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream
            .read_exact(&mut byte)
            .unwrap_or_else(|error| panic!("{error} after {:?}", String::from_utf8_lossy(&head)));
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("heads are text")
}
