//! Conversations that keep to the protocol, about messages that keep to nothing.

use super::gateway::converse;
use crate::input::Input;

/// Builds requests of any heads, fields and bodies, frames them rightly, and sends them to the gateway.
///
/// - All that holds for the gateway. The framing being right, no request is refused for it unless a head
///   is none.
pub fn transaction(data: &[u8]) {
    let mut input = Input::new(data);
    let (flags, seed) = (input.byte(), input.byte());
    let mut wire = Vec::new();
    for _ in 0..=flags >> 1 & 3 {
        request(&mut input, &mut wire);
        if input.is_over() {
            break;
        }
    }
    converse(flags & 1 == 0, seed, &wire);
}

const SERVICES: [&str; 13] = [
    "reqmod",
    "respmod",
    "avscan",
    "none",
    "through",
    "url",
    "echo",
    "part",
    "small",
    "smallecho",
    "odd",
    "req",
    "nowhere",
];

fn request(input: &mut Input<'_>, wire: &mut Vec<u8>) {
    let (service, shape, form) = (input.pick(&SERVICES), input.byte(), input.byte());
    let is_response = shape & 1 == 1;
    let mut heads = Vec::new();
    let mut encapsulated = String::new();
    if shape & 2 == 0 {
        encapsulated.push_str("req-hdr=0, ");
        head(input, b"GET http://o.test/", b" HTTP/1.1\r\nHost: o.test", &mut heads);
    }
    if is_response && shape & 4 == 0 {
        encapsulated = format!("{encapsulated}res-hdr={}, ", heads.len());
        head(input, b"HTTP/1.1 200 ", b"\r\nContent-Type: text/plain", &mut heads);
    }
    let kind = match (shape & 8 == 0, is_response) {
        (false, _) => "null-body",
        (true, false) => "req-body",
        (true, true) => "res-body",
    };
    let method = if is_response { "RESPMOD" } else { "REQMOD" };
    let at = heads.len();
    let mut icap = format!(
        "{method} icap://h/{service} ICAP/1.0\r\nHost: h\r\nEncapsulated: {encapsulated}{kind}={at}\r\n"
    );
    for (bit, field) in
        [(1, "Allow: 204\r\n"), (2, "Allow: 206\r\n"), (4, "Preview: 64\r\n"), (8, "Connection: close\r\n")]
    {
        if form & bit != 0 {
            icap.push_str(field);
        }
    }
    wire.extend_from_slice(icap.as_bytes());
    if form & 16 != 0 {
        for name in ["X-Client-IP", "X-Client-Username", "X-Authenticated-User"] {
            let value = input.text();
            if !value.iter().any(|&b| b < b' ' || b == 0x7f) {
                wire.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
            }
        }
    }
    wire.extend_from_slice(b"\r\n");
    wire.extend_from_slice(&heads);
    if shape & 8 == 0 {
        body(input, form, wire);
    }
}

/// A head of which some is as it should be.
fn head(input: &mut Input<'_>, front: &[u8], middle: &[u8], out: &mut Vec<u8>) {
    let (kept, text) = (input.byte(), input.text());
    let text: Vec<u8> = text.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..]);
    let (first, rest) = match text.windows(2).position(|window| window == b"\r\n") {
        Some(at) => text.split_at(at),
        None => (&text[..], &b""[..]),
    };
    let parts: [&[u8]; 4] = match kept & 3 {
        0 => [front, first, middle, rest],
        1 => [b"", first, middle, rest],
        2 => [b"", first, rest, b""],
        _ => [b"HEAD http://o.test/", first, middle, rest],
    };
    let is_response = front.starts_with(b"HTTP") && kept & 3 == 3;
    let whole = if is_response { [front, first, middle, rest].concat() } else { parts.concat() };
    // One empty line, at the end.
    let lines: Vec<&[u8]> = whole.split(|byte| *byte == b'\n').collect();
    let mut kept = lines
        .into_iter()
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.is_empty());
    out.extend_from_slice(kept.next().unwrap_or(b"GET / HTTP/1.1"));
    out.extend_from_slice(b"\r\n");
    for line in kept {
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// A body in chunks, with a preview if there is to be one.
fn body(input: &mut Input<'_>, form: u8, wire: &mut Vec<u8>) {
    let size = usize::from(input.byte()) * 3 + 1;
    let times = if form & 32 != 0 { usize::from(input.byte()) } else { 1 };
    let mut content = input.text().repeat(times);
    content.truncate(12_000);
    let chunks = |part: &[u8], wire: &mut Vec<u8>| {
        for chunk in part.chunks(size) {
            wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(b"\r\n");
        }
    };
    let ahead = if form & 4 == 0 { 0 } else { content.len().min(64) };
    if form & 4 != 0 {
        chunks(&content[..ahead], wire);
        if ahead == content.len() && form & 64 == 0 {
            wire.extend_from_slice(b"0; ieof\r\n\r\n");
            return;
        }
        wire.extend_from_slice(b"0\r\n\r\n");
    }
    chunks(&content[ahead..], wire);
    wire.extend_from_slice(if form & 128 != 0 { b"0\r\nX: y\r\n\r\n" } else { b"0\r\n\r\n" });
}
