//! The sealed content.

use super::header::{self, HeaderError};
use super::keys::{Identity, Recipient};
use super::primitives::{FileKey, cipher, derive, random};
use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use std::io::{self, BufRead, Read, Write};

/// How much is sealed at once.
const CHUNK: usize = 64 * 1024;
/// What a seal adds.
const TAG: usize = 16;
/// Which key the chunks are sealed with.
const NONCE: usize = 16;

/// What one file is sealed with. Whatever is sealed with it twice has to be the same both times, byte for byte: it
/// comes out the same, then.
pub(crate) struct Seal {
    header: Vec<u8>,
    file_key: FileKey,
    nonce: [u8; NONCE],
}

/// Takes content and writes it sealed. Only [`Sealer::finish`] makes it whole.
pub(crate) struct Sealer<W> {
    out: W,
    key: LessSafeKey,
    counter: u64,
    chunk: Vec<u8>,
}

/// Reads content that was sealed. An error of the kind [`io::ErrorKind::InvalidData`] means that it is damaged, and
/// [`io::ErrorKind::UnexpectedEof`] that its end is missing: what was read before is right all the same.
pub struct Opener<R> {
    input: R,
    key: LessSafeKey,
    counter: u64,
    /// What was read, with the first byte of the next chunk, which tells that there is one.
    sealed: Vec<u8>,
    /// Opened, of which this much was given away.
    open: Vec<u8>,
    given: usize,
    is_over: bool,
}

/// How long `content` bytes are when they are sealed for so many recipients.
pub(crate) fn sealed_len(content: u64, recipients: usize) -> u64 {
    const HEAD: u64 = 22 + 3 + 1 + 43 + 1;
    const STANZA: u64 = 3 + 7 + 43 + 1 + 43 + 1;
    let chunks = content.div_ceil(CHUNK as u64).max(1);
    HEAD + STANZA * recipients as u64 + NONCE as u64 + content + chunks * TAG as u64
}

fn nonce(counter: u64, is_last: bool) -> Nonce {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&counter.to_be_bytes());
    nonce[11] = u8::from(is_last);
    Nonce::assume_unique_for_key(nonce)
}

// === impl Seal ===

impl Seal {
    /// A new one.
    pub(crate) fn new(recipients: &[Recipient]) -> io::Result<Self> {
        let file_key = header::new_file_key()?;
        Ok(Self { header: header::write(recipients, &file_key)?, file_key, nonce: random()? })
    }
}

// === impl Sealer ===

impl<W: Write> Sealer<W> {
    /// Writes the header.
    pub(crate) fn new(seal: &Seal, mut out: W) -> io::Result<Self> {
        out.write_all(&seal.header)?;
        out.write_all(&seal.nonce)?;
        let key = cipher(&derive(&seal.file_key, &seal.nonce, b"payload"));
        Ok(Self { out, key, counter: 0, chunk: Vec::with_capacity(CHUNK + TAG) })
    }

    /// What it was written to, meanwhile.
    pub(crate) fn out(&mut self) -> &mut W {
        &mut self.out
    }

    /// Writes what is left, and gives back what it was written to.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn seal(&mut self, is_last: bool) -> io::Result<()> {
        let nonce = nonce(self.counter, is_last);
        self.key
            .seal_in_place_append_tag(nonce, Aad::empty(), &mut self.chunk)
            .map_err(|_| io::Error::other("the content cannot be sealed"))?;
        self.counter += 1;
        self.out.write_all(&self.chunk)?;
        self.chunk.clear();
        Ok(())
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Only now it is known that this chunk is not the last.
        if self.chunk.len() == CHUNK && !bytes.is_empty() {
            self.seal(false)?;
        }
        let taken = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    /// What is not a whole chunk stays.
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

// === impl Opener ===

impl<R: BufRead> Opener<R> {
    /// Reads the header.
    pub fn new(mut input: R, identities: &[Identity]) -> Result<Self, HeaderError> {
        let file_key = header::read(&mut input, identities)?;
        let mut nonce = [0; NONCE];
        input.read_exact(&mut nonce)?;
        let key = cipher(&derive(&file_key, &nonce, b"payload"));
        let sealed = Vec::with_capacity(CHUNK + TAG + 1);
        Ok(Self { input, key, counter: 0, sealed, open: Vec::new(), given: 0, is_over: false })
    }

    fn next(&mut self) -> io::Result<()> {
        const WHOLE: usize = CHUNK + TAG;
        let wanted = (WHOLE + 1 - self.sealed.len()) as u64;
        self.input.by_ref().take(wanted).read_to_end(&mut self.sealed)?;
        let is_last = self.sealed.len() <= WHOLE;
        let ahead = (!is_last).then(|| self.sealed[WHOLE]);
        self.sealed.truncate(WHOLE);
        std::mem::swap(&mut self.open, &mut self.sealed);
        self.sealed.clear();
        self.sealed.extend(ahead);
        let nonce = nonce(self.counter, is_last);
        let Ok(opened) = self.key.open_in_place(nonce, Aad::empty(), &mut self.open) else {
            let kind = if is_last { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::InvalidData };
            return Err(io::Error::new(kind, "it is damaged, or its end is missing"));
        };
        let len = opened.len();
        if len == 0 && self.counter > 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its end is not that of a file of age"));
        }
        self.open.truncate(len);
        self.counter += 1;
        self.given = 0;
        self.is_over = is_last;
        Ok(())
    }
}

impl<R: BufRead> Read for Opener<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.open.len() {
            if self.is_over {
                return Ok(0);
            }
            if let Err(error) = self.next() {
                // Nothing of what could not be opened is given away later either.
                self.open.clear();
                self.given = 0;
                return Err(error);
            }
        }
        let open = &self.open[self.given..];
        let count = open.len().min(buffer.len());
        buffer[..count].copy_from_slice(&open[..count]);
        self.given += count;
        Ok(count)
    }
}
