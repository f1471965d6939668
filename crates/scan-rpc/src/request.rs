//! An object on its way: `ScanRequest` messages, written and read without a copy of the object.
//!
//! What is written is what any gRPC library would write. Fields are read as they arrive, so that the bytes
//! of an object are passed on before their message is whole, and never collected for its sake.

use bytes::{Buf, Bytes, BytesMut};
use icapstan_proto::scan::ScanHeader;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use crate::framing::{self, Malformed, PREFIX};

/// No header is longer, in bytes: the values of the header lines that it has are bounded by gateways.
pub(crate) const MAX_HEADER: usize = 1 << 20;
/// Bytes of an object in one message.
pub const MAX_DATA: usize = 1 << 20;
/// No message is longer, in bytes.
const MAX_MESSAGE: usize = MAX_HEADER + MAX_DATA + 64;

const HEADER: u32 = 1;
const DATA: u32 = 2;

/// What a request turns out to hold, in the order in which it comes.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Once, first.
    Header(Box<ScanHeader>),
    /// The next bytes of the object.
    Data(Bytes),
}

/// Reads a request.
#[derive(Debug, Default)]
pub struct RequestReader {
    state: State,
    /// Of the message that is being read: bytes that have not come yet.
    left: usize,
    has_header: bool,
    has_data: bool,
}

#[derive(Debug)]
enum State {
    Prefix { bytes: [u8; PREFIX], have: usize },
    Key(Varint),
    Length { tag: u32, varint: Varint },
    Header { buffer: BytesMut, len: usize },
    Data { len: usize },
    Skip { len: usize },
    SkipVarint(Varint),
}

/// A number that is being read, seven bits a byte.
#[derive(Clone, Copy, Debug, Default)]
struct Varint {
    value: u64,
    shift: u32,
}

/// What stands before the first `len` bytes of the object: they are to follow.
pub(crate) fn first(header: &ScanHeader, len: usize) -> Bytes {
    let header_len = header.encoded_len();
    let field = key_len(HEADER) + encoded_len_varint(header_len as u64) + header_len;
    let mut frame = BytesMut::with_capacity(PREFIX + field + data_len(0) + 10);
    framing::put_prefix(&mut frame, field + data_len(len));
    encode_key(HEADER, WireType::LengthDelimited, &mut frame);
    encode_varint(header_len as u64, &mut frame);
    header.encode_raw(&mut frame);
    put_data(&mut frame, len);
    frame.freeze()
}

/// What stands before the next `len` bytes of the object: they are to follow.
pub(crate) fn next(len: usize) -> Bytes {
    let mut frame = BytesMut::with_capacity(PREFIX + 16);
    framing::put_prefix(&mut frame, data_len(len));
    put_data(&mut frame, len);
    frame.freeze()
}

/// The length of a field with `len` bytes of data.
fn data_len(len: usize) -> usize {
    if len == 0 { 0 } else { key_len(DATA) + encoded_len_varint(len as u64) + len }
}

fn put_data(frame: &mut BytesMut, len: usize) {
    if len > 0 {
        encode_key(DATA, WireType::LengthDelimited, frame);
        encode_varint(len as u64, frame);
    }
}

// === impl RequestReader ===

impl RequestReader {
    /// Takes the next item out of `bytes`; `None` when they are used up.
    pub fn next(&mut self, bytes: &mut Bytes) -> Result<Option<Item>, Malformed> {
        loop {
            match &mut self.state {
                State::Data { len } if *len > 0 => {
                    if bytes.is_empty() {
                        return Ok(None);
                    }
                    let piece = bytes.split_to(bytes.len().min(*len));
                    *len -= piece.len();
                    self.left -= piece.len();
                    return Ok(Some(Item::Data(piece)));
                }
                State::Header { buffer, len } => {
                    let piece = bytes.split_to(bytes.len().min(*len - buffer.len()));
                    buffer.extend_from_slice(&piece);
                    self.left -= piece.len();
                    if buffer.len() < *len {
                        return Ok(None);
                    }
                    let header = ScanHeader::decode(&buffer[..]).map_err(|_| Malformed::Message)?;
                    self.state = State::Key(Varint::default());
                    return Ok(Some(Item::Header(Box::new(header))));
                }
                State::Prefix { bytes: prefix, have } => {
                    let piece = bytes.split_to(bytes.len().min(PREFIX - *have));
                    prefix[*have..*have + piece.len()].copy_from_slice(&piece);
                    *have += piece.len();
                    if *have < PREFIX {
                        return Ok(None);
                    }
                    self.left = framing::length(*prefix, MAX_MESSAGE)?;
                    self.has_data = false;
                    self.state = State::Key(Varint::default());
                }
                State::Data { .. } | State::Key(Varint { shift: 0, .. }) if self.left == 0 => {
                    if !self.has_header {
                        return Err(Malformed::Order);
                    }
                    self.state = State::default();
                }
                State::Data { .. } => self.state = State::Key(Varint::default()),
                State::Skip { len } => {
                    let count = bytes.len().min(*len);
                    bytes.advance(count);
                    *len -= count;
                    self.left -= count;
                    if *len > 0 {
                        return Ok(None);
                    }
                    self.state = State::Key(Varint::default());
                }
                State::Key(varint) => {
                    let Some(key) = varint.take(bytes, &mut self.left)? else { return Ok(None) };
                    self.state = self.field(key)?;
                }
                State::SkipVarint(varint) => {
                    if varint.take(bytes, &mut self.left)?.is_none() {
                        return Ok(None);
                    }
                    self.state = State::Key(Varint::default());
                }
                State::Length { tag, varint } => {
                    let Some(len) = varint.take(bytes, &mut self.left)? else { return Ok(None) };
                    let len = usize::try_from(len).map_err(|_| Malformed::TooLong)?;
                    if len > self.left {
                        return Err(Malformed::Message);
                    }
                    let tag = *tag;
                    self.state = self.value(tag, len)?;
                }
            }
        }
    }

    /// Whether what has come is whole messages.
    pub fn is_at_end(&self) -> bool {
        self.has_header
            && self.left == 0
            && match &self.state {
                State::Prefix { have, .. } => *have == 0,
                State::Key(varint) => varint.shift == 0,
                State::Data { len } => *len == 0,
                _ => false,
            }
    }

    /// What follows a key.
    fn field(&self, key: u64) -> Result<State, Malformed> {
        // No field has a larger number.
        let key = u32::try_from(key).map_err(|_| Malformed::Message)?;
        let tag = key >> 3;
        let fixed = |len: usize| {
            if len > self.left { Err(Malformed::Message) } else { Ok(State::Skip { len }) }
        };
        match (tag, key & 7) {
            (0, _) | (HEADER | DATA, 0 | 1 | 5) => Err(Malformed::Message),
            (tag, 2) => Ok(State::Length { tag, varint: Varint::default() }),
            // Fields of later versions.
            (_, 0) => Ok(State::SkipVarint(Varint::default())),
            (_, 1) => fixed(8),
            (_, 5) => fixed(4),
            _ => Err(Malformed::Message),
        }
    }

    /// What follows the length of a value.
    fn value(&mut self, tag: u32, len: usize) -> Result<State, Malformed> {
        match tag {
            HEADER if self.has_header => Err(Malformed::Order),
            HEADER if len > MAX_HEADER => Err(Malformed::TooLong),
            HEADER => {
                self.has_header = true;
                Ok(State::Header { buffer: BytesMut::new(), len })
            }
            DATA if !self.has_header || self.has_data => Err(Malformed::Order),
            DATA if len > MAX_DATA => Err(Malformed::TooLong),
            DATA => {
                self.has_data = true;
                Ok(State::Data { len })
            }
            _ => Ok(State::Skip { len }),
        }
    }
}

impl Default for State {
    fn default() -> Self {
        Self::Prefix { bytes: [0; PREFIX], have: 0 }
    }
}

// === impl Varint ===

impl Varint {
    /// The number, if all of it has come.
    fn take(&mut self, bytes: &mut Bytes, left: &mut usize) -> Result<Option<u64>, Malformed> {
        while bytes.has_remaining() {
            *left = left.checked_sub(1).ok_or(Malformed::Message)?;
            let byte = bytes.get_u8();
            let bits = u64::from(byte & 0x7f);
            if self.shift == 63 && bits > 1 {
                return Err(Malformed::Message);
            }
            self.value |= bits << self.shift;
            if byte & 0x80 == 0 {
                return Ok(Some(self.value));
            }
            self.shift += 7;
            if self.shift > 63 {
                return Err(Malformed::Message);
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
