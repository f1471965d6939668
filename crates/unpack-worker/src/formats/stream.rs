//! Streams: one object, packed.

use super::MAX_DICTIONARY_KIB;
use crate::members::{Members, of_error};
use crate::tail;
use icapstan_unpack::Container;
use lz4_flex::frame::FrameDecoder;
use lzma_rust2::{LzipReader, LzmaReader, XzReader};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

/// The same as the limit on dictionaries of other formats, as a power of two.
const ZSTD_WINDOW_LOG: u32 = 28;

/// Several LZ4 streams one after the other, which its tools take for one.
struct Lz4<R: BufRead> {
    decoder: FrameDecoder<R>,
    /// Frames without content in a row.
    empty: u32,
}

/// A stream that was taken for one by little.
struct Doubtful<R>(R);

/// Nobody has a use for more.
const MOST_EMPTY: u32 = 64;

pub(super) fn open(kind: Container, file: &File, members: &Members) {
    let input = BufReader::new(file);
    match kind {
        Container::Lzma => return lzma(input, members),
        Container::Zlib => return zlib(input, members),
        _ => {}
    }
    match reader(kind, input) {
        Ok(mut content) => members.take(kind.as_str().as_bytes(), &mut content),
        Err(error) => members.gap(of_error(&error)),
    }
}

/// What follows such a stream is no matter to its reader.
fn lzma(input: BufReader<&File>, members: &Members) {
    let mut content = match LzmaReader::new_mem_limit(input, MAX_DICTIONARY_KIB, None) {
        Ok(content) => content,
        Err(error) => return members.gap(of_error(&error)),
    };
    members.take(Container::Lzma.as_str().as_bytes(), &mut content);
    if !members.is_over() {
        let (input, read) = content.into_parts();
        tail::rest(read.as_slice().chain(input), members);
    }
}

/// What is no stream after all is not damaged for that.
fn zlib(input: BufReader<&File>, members: &Members) {
    let mut content = Doubtful(flate2::bufread::ZlibDecoder::new(input));
    members.take(Container::Zlib.as_str().as_bytes(), &mut content);
    if !members.is_over() {
        tail::rest(content.0.into_inner(), members);
    }
}

fn reader<'f>(kind: Container, input: BufReader<&'f File>) -> io::Result<Box<dyn Read + 'f>> {
    Ok(match kind {
        Container::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        Container::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(input)),
        Container::Xz => Box::new(XzReader::new_mem_limit(input, true, MAX_DICTIONARY_KIB)),
        Container::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
        Container::Lz4 => Box::new(Lz4 { decoder: FrameDecoder::new(input), empty: 0 }),
        Container::Lzip => Box::new(LzipReader::new(input)),
        Container::Lzma
        | Container::Zlib
        | Container::Rar
        | Container::Zip
        | Container::SevenZip
        | Container::Tar
        | Container::Ar => {
            return Err(io::ErrorKind::Unsupported.into());
        }
    })
}

// === impl Doubtful ===

impl<R: Read> Read for Doubtful<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted | io::ErrorKind::OutOfMemory => error,
            _ => io::ErrorKind::Unsupported.into(),
        })
    }
}

// === impl Lz4 ===

impl<R: BufRead> Read for Lz4<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let len = self.decoder.read(buffer)?;
            // The end of a frame, and of all if there is nothing behind it.
            if len > 0 || buffer.is_empty() || self.decoder.get_mut().fill_buf()?.is_empty() {
                self.empty = 0;
                return Ok(len);
            }
            self.empty += 1;
            if self.empty > MOST_EMPTY {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
    }
}
