//! Messages behind each other, as gRPC has them: a flag, a length, the message.
//!
//! Source: `PROTOCOL-HTTP2.md` of gRPC, "Length-Prefixed-Message".

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use thiserror::Error;

/// The flag and the length before each message, in bytes.
pub(crate) const PREFIX: usize = 5;

/// Why bytes are no messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// Compressed, which nobody has offered.
    #[error("a message is compressed")]
    Compressed,
    /// Longer than a message may be.
    #[error("a message is too long")]
    TooLong,
    /// Not of the described form.
    #[error("a message is not of the described form")]
    Message,
    /// Fields are missing, or stand where they may not.
    #[error("the header of the object is missing, or not the first thing that comes")]
    Order,
}

/// Takes messages out of what arrives in pieces of any length.
#[derive(Debug)]
pub(crate) struct Messages {
    buffer: BytesMut,
    max: usize,
}

/// `message` as it is sent.
pub(crate) fn framed(message: &impl Message) -> Bytes {
    let len = message.encoded_len();
    let mut frame = BytesMut::with_capacity(PREFIX + len);
    put_prefix(&mut frame, len);
    // There is room for it, since it was asked how long it is.
    message.encode_raw(&mut frame);
    frame.freeze()
}

/// The beginning of a message of `len` bytes.
pub(crate) fn put_prefix(frame: &mut BytesMut, len: usize) {
    frame.put_u8(0);
    frame.put_u32(u32::try_from(len).expect("messages are bounded far below 4 GiB"));
}

/// The length that a prefix tells.
pub(crate) fn length(prefix: [u8; PREFIX], max: usize) -> Result<usize, Malformed> {
    let [flag, a, b, c, d] = prefix;
    if flag != 0 {
        return Err(Malformed::Compressed);
    }
    let len = usize::try_from(u32::from_be_bytes([a, b, c, d])).map_err(|_| Malformed::TooLong)?;
    if len > max { Err(Malformed::TooLong) } else { Ok(len) }
}

// === impl Messages ===

impl Messages {
    /// For messages of at most `max` bytes.
    pub(crate) fn new(max: usize) -> Self {
        Self { buffer: BytesMut::new(), max }
    }

    /// Adds what has arrived.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        // What is there was not whole, so it is shorter than the longest message.
        if self.buffer.len() + bytes.len() > 2 * (PREFIX + self.max) {
            return Err(Malformed::TooLong);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// The next message, if all of it has arrived.
    pub(crate) fn next<M: Message + Default>(&mut self) -> Result<Option<M>, Malformed> {
        let Some(prefix) = self.buffer.first_chunk::<PREFIX>() else { return Ok(None) };
        let len = length(*prefix, self.max)?;
        if self.buffer.len() < PREFIX + len {
            return Ok(None);
        }
        let message = self.buffer.split_to(PREFIX + len).freeze().slice(PREFIX..);
        M::decode(message).map(Some).map_err(|_| Malformed::Message)
    }
}
