//! A server that does what a test says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

/// What is done with each connection.
type Script = fn(TcpStream);

/// Serves each connection on a thread of its own, as long as the test runs.
pub(crate) fn serve(script: Script) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || script(stream));
        }
    });
    address
}

/// Reads up to the end of a message without a body, or of a body; `false` when nothing comes any more.
pub(crate) fn read_request(stream: &mut TcpStream) -> bool {
    let mut request = Vec::new();
    let mut buffer = [0; 8 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(len @ 1..) => request.extend_from_slice(&buffer[..len]),
            _ => return false,
        }
        let body = [b"req-body=", b"res-body="].iter().any(|part| contains(&request, *part));
        let end: &[u8] = if body { b"\r\n0\r\n\r\n" } else { b"\r\n\r\n" };
        if request.ends_with(end) {
            return true;
        }
    }
}

/// Gives each request the same answer.
pub(crate) fn answer_all(mut stream: TcpStream, answer: &[u8]) {
    while read_request(&mut stream) && stream.write_all(answer).is_ok() {}
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
