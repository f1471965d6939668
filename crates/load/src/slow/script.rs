//! What slow connections send.

use crate::request::{PIECES, Request};
use crate::settings::{Kind, Settings, Shape, SlowState};
use std::io::IoSlice;

/// More than a server's and a client's kernel hold together: the rest of the echo stays in the server.
const LARGE: usize = 8 * 1024 * 1024;

/// What a slow connection sends at once, and then now and then.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) opening: Vec<u8>,
    /// The rest follows 100 Continue.
    pub(super) awaits: bool,
    /// What is sent each time.
    pub(super) drop: &'static [u8],
    /// How often at most.
    pub(super) drops: u64,
}

// === impl Script ===

impl Script {
    /// REQMOD where that is the shape of the run, else RESPMOD.
    pub(super) fn new(settings: &Settings, state: SlowState) -> Self {
        let upload = settings.shape == Shape::Reqmod;
        let (method, part, http) = if upload {
            ("REQMOD", "req", "POST http://www.example.org/slow HTTP/1.1\r\nHost: www.example.org\r\n")
        } else {
            ("RESPMOD", "res", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n")
        };
        let (uri, host) = (settings.uri(), &settings.target);
        let line = format!("{method} {uri} ICAP/1.0\r\n");
        let message = |fields: &str| {
            let len = http.len() + 2;
            format!(
                "{line}Host: {host}\r\n{fields}Encapsulated: {part}-hdr=0, {part}-body={len}\r\n\r\n{http}\r\n"
            )
        };
        let preview = settings.preview.unwrap_or(1024);
        let endless = u64::MAX;
        let (opening, drop, drops): (_, &'static [u8], _) = match state {
            SlowState::Idle | SlowState::Read => (String::new(), b"", 0),
            SlowState::Line => (format!("{method} {uri}?a"), b"a", endless),
            SlowState::Head => (format!("{line}Host: {host}\r\nX-Slow: a"), b"a", endless),
            SlowState::Encapsulated => {
                // A head of 60,000 bytes, of which the most never come.
                let rest = 60_000 - http.len() as u64 - 9;
                let head = format!("Encapsulated: {part}-hdr=0, {part}-body=60000\r\n\r\n{http}X-Slow: a");
                (format!("{line}Host: {host}\r\n{head}"), b"a", rest)
            }
            SlowState::Preview => {
                let chunk = if preview == 0 { String::new() } else { format!("{preview:x}\r\n") };
                (message(&format!("Preview: {preview}\r\n")) + &chunk, b"a", preview as u64)
            }
            SlowState::Continue => (message("Preview: 0\r\n") + "0\r\n\r\n", b"1\r\na\r\n", endless),
            SlowState::Body => (message(""), b"1\r\na\r\n", endless),
        };
        Self {
            opening: if state == SlowState::Read { large(settings) } else { opening.into_bytes() },
            awaits: state == SlowState::Continue,
            drop,
            drops,
        }
    }
}

/// A request whose echo is large.
fn large(settings: &Settings) -> Vec<u8> {
    let size = settings.body.unwrap_or_default().max(LARGE);
    let shape = if settings.shape == Shape::Reqmod { Shape::Reqmod } else { Shape::Respmod };
    let settings = Settings {
        shape,
        body: Some(size),
        kind: Kind::Text,
        preview: None,
        allow_204: false,
        ..settings.clone()
    };
    let request = Request::new(&settings, false);
    let mut bytes = Vec::with_capacity(request.whole);
    while bytes.len() < request.whole {
        let mut slices = [IoSlice::new(&[]); PIECES];
        let count = request.gather(bytes.len(), request.whole, &mut slices);
        slices[..count].iter().for_each(|slice| bytes.extend_from_slice(slice));
    }
    bytes
}
