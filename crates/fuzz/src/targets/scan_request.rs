//! Requests of gateways for scans, as they come over the network.

use bytes::{Buf, Bytes};
use icapstan_proto::scan::{ScanHeader, ScanRequest};
use icapstan_scan_rpc::{Item, MAX_DATA, RequestReader};
use prost::Message;

/// What was read: header, bytes of the object, and whether all of it are whole messages.
type Read = (Option<ScanHeader>, Vec<u8>, bool);

/// Reads a request whose first byte tells how the rest is cut.
///
/// - How it is cut makes no difference.
/// - The header comes once and before any bytes.
/// - What is whole is what a library reads of the same messages.
pub fn scan_request(data: &[u8]) {
    let Some((cut, stream)) = data.split_first() else { return };
    let whole = read(stream, stream.len().max(1));
    assert_eq!(read(stream, usize::from(*cut).max(1)), whole, "cut into pieces of {cut}");
    if let Some((header, object, true)) = whole {
        let messages = decoded(stream).expect("a library reads what was read");
        assert_eq!(messages.iter().find_map(|message| message.header.clone()), header);
        let bytes: Vec<u8> = messages.iter().flat_map(|message| message.data.to_vec()).collect();
        assert_eq!(bytes, object);
        assert!(messages.iter().all(|message| message.data.len() <= MAX_DATA));
        assert!(messages.iter().skip(1).all(|message| message.header.is_none()));
    }
}

/// `None`: it is no request.
fn read(stream: &[u8], piece: usize) -> Option<Read> {
    let mut reader = RequestReader::default();
    let (mut header, mut object) = (None, Vec::new());
    for piece in stream.chunks(piece) {
        let mut piece = Bytes::copy_from_slice(piece);
        while let Some(item) = reader.next(&mut piece).ok()? {
            match item {
                Item::Header(found) => {
                    assert!(object.is_empty() && header.is_none());
                    header = Some(*found);
                }
                Item::Data(bytes) => {
                    assert!(header.is_some() && !bytes.is_empty());
                    object.extend_from_slice(&bytes);
                }
            }
        }
        assert!(piece.is_empty(), "what came is taken");
    }
    Some((header, object, reader.is_at_end()))
}

/// The messages, as the library has them.
fn decoded(mut stream: &[u8]) -> Option<Vec<ScanRequest>> {
    let mut messages = Vec::new();
    while stream.has_remaining() {
        let (prefix, rest) = stream.split_first_chunk::<5>()?;
        let [_, a, b, c, d] = *prefix;
        let (message, rest) =
            rest.split_at_checked(usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?)?;
        messages.push(ScanRequest::decode(message).ok()?);
        stream = rest;
    }
    Some(messages)
}
