//! A chunked body (RFC 9112 section 7.1), byte by byte where it is framing and in one piece where it
//! is data.

use super::Malformed;

/// No chunk line and no trailer is longer.
const MAX_LINE: usize = 16 * 1024;

/// Takes a chunked body apart.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    state: State,
    /// Bytes of the chunk line or of the trailer so far.
    line: usize,
}

/// What the next bytes were.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chunk<'a> {
    /// All of the input has been taken, and the body is not over.
    Pending,
    /// Body bytes.
    Data(&'a [u8]),
    /// The last chunk and the trailer are over.
    End,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Size { size: u64, digits: u8 },
    Extension { size: u64 },
    LineFeed { size: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
}

// === impl State ===

impl Default for State {
    fn default() -> Self {
        Self::Size { size: 0, digits: 0 }
    }
}

// === impl Chunks ===

impl Chunks {
    /// Reads from the front of `input`; how many bytes were taken, and what they were.
    pub(super) fn step<'a>(&mut self, input: &'a [u8]) -> Result<(usize, Chunk<'a>), Malformed> {
        let mut used = 0;
        while let Some(&byte) = input.get(used) {
            if let State::Data { left } = self.state {
                let rest = &input[used..];
                let len = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                let left = left - len as u64;
                self.state = if left == 0 { State::DataCr } else { State::Data { left } };
                return Ok((used + len, Chunk::Data(&rest[..len])));
            }
            used += 1;
            self.state = match (self.state, byte) {
                (State::EndLf, b'\n') => return Ok((used, Chunk::End)),
                (state, byte) => self.framing(state, byte).ok_or(Malformed::Chunk)?,
            };
        }
        Ok((used, Chunk::Pending))
    }

    /// The state after a byte that is no data; none where it has no place.
    fn framing(&mut self, state: State, byte: u8) -> Option<State> {
        self.line += 1;
        if self.line > MAX_LINE {
            return None;
        }
        Some(match (state, byte) {
            (State::Size { size, digits: digits @ ..16 }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16)?;
                State::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }
            }
            (State::Size { digits: 0, .. }, _) => return None,
            (State::Size { size, .. } | State::Extension { size }, b'\r') => State::LineFeed { size },
            (State::Size { size, .. }, b';' | b' ' | b'\t')
            | (State::Extension { size }, b'\t' | b' '..=b'~' | 0x80..) => State::Extension { size },
            (State::LineFeed { size: 0 } | State::TrailerLf, b'\n') => State::TrailerStart,
            (State::LineFeed { size }, b'\n') => State::Data { left: size },
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => {
                self.line = 0;
                State::default()
            }
            (State::TrailerStart, b'\r') => State::EndLf,
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::TrailerStart | State::Trailer, b'\t' | b' '..=b'~' | 0x80..) => State::Trailer,
            _ => return None,
        })
    }
}
