//! A body that is never held: made piece by piece, and checked piece by piece when it comes back.

use anyhow::{Context as _, bail};
use std::io::{BufRead, BufReader, Read, Write};

/// The bytes that are made at once: random ones, so that nothing compresses, and their number.
#[derive(Debug)]
pub(super) struct Block {
    bytes: Box<[u8]>,
}

/// Compares a stream with what was sent.
#[derive(Debug)]
pub(super) struct Checker {
    block: Block,
    seen: u64,
}

/// The bytes of a block, and of a chunk.
pub(super) const BLOCK: usize = 64 * 1024;

/// No line of an answer is longer.
const MAX_LINE: u64 = 16 * 1024;

/// No head has more lines.
const MAX_LINES: usize = 200;

// === impl Block ===

impl Block {
    pub(super) fn new() -> Self {
        // Xorshift of Marsaglia (2003); any seed but 0 does.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let bytes = (0..BLOCK / 8).flat_map(|_| next().to_le_bytes()).collect();
        Self { bytes }
    }

    /// The block of this number.
    pub(super) fn numbered(&mut self, number: u64) -> &[u8] {
        self.bytes[..8].copy_from_slice(&number.to_le_bytes());
        &self.bytes
    }
}

// === impl Checker ===

impl Checker {
    pub(super) fn new() -> Self {
        Self { block: Block::new(), seen: 0 }
    }

    /// How many bytes were right.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// Fails at the first bytes that are not those that were sent.
    pub(super) fn take(&mut self, mut piece: &[u8]) -> anyhow::Result<()> {
        while !piece.is_empty() {
            let (number, at) = (self.seen / BLOCK as u64, self.seen % BLOCK as u64);
            let at = usize::try_from(at)?;
            let expected = &self.block.numbered(number)[at..];
            let len = expected.len().min(piece.len());
            if expected[..len] != piece[..len] {
                bail!("the bytes from {} on are not those that were sent", self.seen);
            }
            self.seen += len as u64;
            piece = &piece[len..];
        }
        Ok(())
    }
}

/// Writes `blocks` numbered blocks as chunks, and the last chunk.
pub(super) fn send(
    out: &mut impl Write,
    blocks: u64,
    mut go_on: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut block = Block::new();
    for number in 0..blocks {
        go_on()?;
        write!(out, "{BLOCK:x}\r\n")?;
        out.write_all(block.numbered(number))?;
        out.write_all(b"\r\n")?;
    }
    out.write_all(b"0\r\n\r\n")?;
    Ok(out.flush()?)
}

/// The lines of a head, without its empty line.
pub(super) fn head(input: &mut impl BufRead) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    while lines.len() < MAX_LINES {
        let line = line(input)?;
        if line.is_empty() {
            return Ok(lines);
        }
        lines.push(line);
    }
    bail!("a head of more than {MAX_LINES} lines")
}

/// The value of a field of a head.
pub(super) fn field<'a>(head: &'a [String], name: &str) -> Option<&'a str> {
    head.iter().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Reads a chunked body to its end.
pub(super) fn receive(
    input: &mut BufReader<impl Read>,
    mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    loop {
        let size = line(input)?;
        let mut left = usize::from_str_radix(&size, 16).with_context(|| format!("no chunk: {size:?}"))?;
        if left == 0 {
            let end = line(input)?;
            return if end.is_empty() { Ok(()) } else { bail!("{end:?} behind the last chunk") };
        }
        while left > 0 {
            let piece = input.fill_buf()?;
            let len = piece.len().min(left);
            if len == 0 {
                bail!("the body ends in the middle of a chunk");
            }
            take(&piece[..len])?;
            input.consume(len);
            left -= len;
        }
        if !line(input)?.is_empty() {
            bail!("a chunk is longer than it says");
        }
    }
}

fn line(input: &mut impl BufRead) -> anyhow::Result<String> {
    let mut line = Vec::new();
    input.take(MAX_LINE).read_until(b'\n', &mut line)?;
    let Some(line) = line.strip_suffix(b"\r\n") else {
        bail!("no line: {:?}", String::from_utf8_lossy(&line));
    };
    Ok(String::from_utf8_lossy(line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(blocks: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        send(&mut bytes, blocks, || Ok(())).unwrap();
        bytes
    }

    fn check(bytes: &[u8]) -> anyhow::Result<u64> {
        let mut checker = Checker::new();
        // A small buffer, whose pieces end anywhere.
        receive(&mut BufReader::with_capacity(1000, bytes), |piece| checker.take(piece))?;
        Ok(checker.seen())
    }

    #[test]
    fn what_was_sent_is_accepted_whole() {
        assert_eq!(check(&sent(3)).unwrap(), 3 * BLOCK as u64);
        assert_eq!(check(&sent(0)).unwrap(), 0);
    }

    #[test]
    fn a_changed_a_missing_and_a_repeated_piece_are_seen() {
        let good = sent(3);
        for at in [7, BLOCK / 2, 2 * BLOCK + 100] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(check(&bad).unwrap_err().to_string().contains("not those that were sent"), "{at}");
        }
        assert!(check(&good[..good.len() - 5]).is_err());
        assert!(check(&good[..BLOCK]).is_err());
        let chunk = BLOCK + "10000\r\n\r\n".len();
        assert!(check(&[&good[..chunk], &good].concat()).is_err());
        assert!(check(&good[chunk..]).is_err());
    }

    #[test]
    fn heads_are_read_up_to_their_empty_line() {
        let mut input = BufReader::new(&b"ICAP/1.0 200 OK\r\nISTag: \"x\"\r\n\r\nrest"[..]);
        let head = head(&mut input).unwrap();
        assert_eq!((head[0].as_str(), field(&head, "istag")), ("ICAP/1.0 200 OK", Some("\"x\"")));
        assert!(super::head(&mut input).is_err());
    }
}
