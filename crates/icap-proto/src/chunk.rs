//! Chunked bodies (RFC 9112 section 7.1) with ICAP's `ieof` (RFC 3507 section 4.5), read strictly:
//! a lenient chunk reader is how one message becomes two (CVE-2023-46846).

use crate::fields::{is_token, parse_field};
use crate::{DecodeError, Limits};

/// Takes a chunked body apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChunkDecoder {
    state: State,
    /// A chunk or trailer line of which only the beginning has come.
    line: Vec<u8>,
    /// Bytes of trailer lines so far.
    trailer: usize,
    ieof: bool,
    original: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    Data(u64),
    DataCr,
    DataLf,
    Trailer,
}

/// What the next bytes were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chunk<'a> {
    /// More input is needed.
    Pending,
    /// Body bytes.
    Data(&'a [u8]),
    /// The body is over.
    End {
        /// The last chunk said that the preview is the whole body.
        ieof: bool,
        /// The last chunk named an offset into the original body (206 answers only).
        original: Option<u64>,
    },
}

/// How much of the input belongs to a line, and whether its beginning came earlier.
#[derive(Clone, Copy)]
struct LineEnd {
    taken: usize,
    buffered: bool,
}

/// A parsed chunk line.
#[derive(Debug, PartialEq, Eq)]
struct ChunkLine {
    size: u64,
    ieof: bool,
    original: Option<u64>,
}

// === impl ChunkDecoder ===

impl ChunkDecoder {
    /// Ready for the next body. Keeps its buffer.
    pub(crate) fn reset(&mut self) {
        self.state = State::Size;
        self.line.clear();
        self.trailer = 0;
        self.ieof = false;
        self.original = None;
    }

    /// Reads from the front of `input`; returns how many bytes were used.
    pub(crate) fn step<'a>(
        &mut self,
        input: &'a [u8],
        limits: &Limits,
    ) -> Result<(usize, Chunk<'a>), DecodeError> {
        let mut used = 0;
        loop {
            let rest = &input[used..];
            if rest.is_empty() {
                return Ok((used, Chunk::Pending));
            }
            match self.state {
                State::Size => {
                    let Some(end) = self.take_line(rest, limits.chunk_line, DecodeError::ChunkLineTooLong)?
                    else {
                        return Ok((input.len(), Chunk::Pending));
                    };
                    used += end.taken;
                    let line = ChunkLine::parse(self.line(rest, end))?;
                    self.line.clear();
                    (self.ieof, self.original) = (line.ieof, line.original);
                    self.state = if line.size == 0 { State::Trailer } else { State::Data(line.size) };
                }
                State::Data(left) => {
                    let len = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    let left = left - len as u64;
                    self.state = if left == 0 { State::DataCr } else { State::Data(left) };
                    return Ok((used + len, Chunk::Data(&rest[..len])));
                }
                State::DataCr => {
                    self.state = State::DataLf;
                    used += expect(rest, b'\r')?;
                }
                State::DataLf => {
                    self.state = State::Size;
                    used += expect(rest, b'\n')?;
                }
                State::Trailer => {
                    let room = limits.trailer.saturating_sub(self.trailer) + 2;
                    let Some(end) = self.take_line(rest, room, DecodeError::TrailerTooLarge)? else {
                        return Ok((input.len(), Chunk::Pending));
                    };
                    used += end.taken;
                    let line = self.line(rest, end);
                    if line.is_empty() {
                        let end = Chunk::End { ieof: self.ieof, original: self.original };
                        self.reset();
                        return Ok((used, end));
                    }
                    parse_field(line, 0).map_err(|_| DecodeError::Trailer)?;
                    self.trailer += line.len() + 2;
                    self.line.clear();
                }
            }
        }
    }

    /// Looks for the end of a line in `rest`; without it, keeps `rest` for the next call.
    fn take_line(
        &mut self,
        rest: &[u8],
        max: usize,
        too_long: DecodeError,
    ) -> Result<Option<LineEnd>, DecodeError> {
        let end = memchr::memchr(b'\n', rest);
        let taken = end.map_or(rest.len(), |at| at + 1);
        if self.line.len() + taken > max {
            return Err(too_long);
        }
        let buffered = !self.line.is_empty();
        if buffered || end.is_none() {
            self.line.extend_from_slice(&rest[..taken]);
        }
        if end.is_none() {
            return Ok(None);
        }
        let whole = if buffered { &self.line } else { &rest[..taken] };
        if whole.ends_with(b"\r\n") { Ok(Some(LineEnd { taken, buffered })) } else { Err(DecodeError::Chunk) }
    }

    /// The line that ends at `end`, without CRLF.
    fn line<'b>(&'b self, rest: &'b [u8], end: LineEnd) -> &'b [u8] {
        let whole = if end.buffered { &self.line } else { &rest[..end.taken] };
        &whole[..whole.len() - 2]
    }
}

fn expect(rest: &[u8], byte: u8) -> Result<usize, DecodeError> {
    if rest.first() == Some(&byte) { Ok(1) } else { Err(DecodeError::Chunk) }
}

// === impl ChunkLine ===

impl ChunkLine {
    fn parse(line: &[u8]) -> Result<Self, DecodeError> {
        let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        // 16 digits are 64 bits; leading zeros count.
        if digits == 0 || digits > 16 {
            return Err(DecodeError::Chunk);
        }
        let size = line[..digits].iter().fold(0u64, |size, &digit| {
            size << 4
                | u64::from(match digit {
                    b'0'..=b'9' => digit - b'0',
                    _ => (digit | 0x20) - b'a' + 10,
                })
        });
        let mut parsed = Self { size, ieof: false, original: None };
        let mut rest = skip_blank(&line[digits..]);
        while !rest.is_empty() {
            rest = parsed.extension(rest)?;
        }
        if parsed.ieof && size != 0 {
            return Err(DecodeError::Ieof);
        }
        Ok(parsed)
    }

    /// `;name[=value]`; returns what follows it.
    fn extension<'a>(&mut self, rest: &'a [u8]) -> Result<&'a [u8], DecodeError> {
        let rest = skip_blank(rest.strip_prefix(b";").ok_or(DecodeError::Chunk)?);
        let (name, rest) = split_token(rest)?;
        let rest = skip_blank(rest);
        let Some(value) = rest.strip_prefix(b"=") else {
            self.ieof |= name.eq_ignore_ascii_case(b"ieof");
            return Ok(rest);
        };
        let value = skip_blank(value);
        if value.first() == Some(&b'"') {
            return split_quoted(value).map(skip_blank);
        }
        let (value, rest) = split_token(value)?;
        if name.eq_ignore_ascii_case(b"use-original-body") {
            self.original = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        }
        Ok(skip_blank(rest))
    }
}

fn skip_blank(bytes: &[u8]) -> &[u8] {
    let blank = bytes.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    &bytes[blank..]
}

fn split_token(bytes: &[u8]) -> Result<(&[u8], &[u8]), DecodeError> {
    let len = bytes.iter().take_while(|&&b| is_token(b)).count();
    if len == 0 { Err(DecodeError::Chunk) } else { Ok(bytes.split_at(len)) }
}

/// What follows a quoted string.
fn split_quoted(bytes: &[u8]) -> Result<&[u8], DecodeError> {
    let mut at = 1;
    loop {
        // A backslash makes a quotation mark a character like others, and nothing else legal
        // (RFC 9110 section 5.6.4): least of all a line break.
        let is_escape = bytes.get(at) == Some(&b'\\');
        at += usize::from(is_escape);
        match bytes.get(at) {
            Some(b'"') if !is_escape => return Ok(&bytes[at + 1..]),
            Some(b'\t' | b' '..=b'~' | 0x80..) => at += 1,
            _ => return Err(DecodeError::Chunk),
        }
    }
}

#[cfg(test)]
mod tests;
