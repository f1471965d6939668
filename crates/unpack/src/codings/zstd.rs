//! zstd frames (RFC 8878 section 3.1), fed block by block.
//!
//! Frame and block headers are read here, so that nothing is allocated by a size that a header
//! claims, and so that data which breaks off is told from data that is broken. The blocks themselves
//! are decoded by `ruzstd`, which keeps a window of output to itself until a frame ends; a frame that
//! breaks off is therefore ended with an empty block of our own, which lets the window go.

use super::engine::{Engine, Step};
use crate::{Defect, MAX_WINDOW};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::Read;

const MAGIC: u32 = 0xFD2F_B528;
/// Skippable frames have sixteen magic numbers; the last four bits are free.
const SKIPPABLE: u32 = 0x184D_2A50;
/// A last block of kind raw without content, and room for the checksum that some frames end with.
const EMPTY_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];
const CHECKSUM_LEN: usize = 4;
const MAX_BLOCK: usize = 128 * 1024;

/// zstd frames behind each other, skippable ones among them.
pub(super) struct Zstd {
    decoder: FrameDecoder,
    stage: Stage,
    /// The header or the block that is being gathered.
    unit: Vec<u8>,
    /// Frames that came to their end.
    frames: u64,
    made: u64,
    /// `made` when the frame began.
    frame_start: u64,
    first_len: Option<u64>,
    /// There was a skippable frame that is not empty.
    skipped: bool,
    salvaged: bool,
}

#[derive(Clone, Copy)]
enum Stage {
    /// At a frame's magic number, or inside its header.
    Header,
    Skip {
        left: u32,
    },
    Block(Frame),
    /// The last block was decoded; the rest of the window comes out.
    Drain(Frame),
    Broken,
}

/// What a frame's header says.
#[derive(Clone, Copy)]
struct Frame {
    content_size: Option<u64>,
    has_checksum: bool,
}

/// What is known of a unit by its first bytes.
enum Extent {
    /// As many bytes must be seen to know more.
    AtLeast(usize),
    Exactly(usize),
}

// === impl Zstd ===

impl Zstd {
    pub(super) fn new() -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW);
        Self {
            decoder,
            stage: Stage::Header,
            unit: Vec::new(),
            frames: 0,
            made: 0,
            frame_start: 0,
            first_len: None,
            skipped: false,
            salvaged: false,
        }
    }

    /// Gathers a unit from `input`. Whether it is whole, and how much was taken.
    fn gather(
        &mut self,
        input: &[u8],
        extent: impl Fn(&[u8]) -> Result<Extent, Defect>,
    ) -> Result<(bool, usize), Defect> {
        let mut taken = 0;
        loop {
            let (wanted, whole) = match extent(&self.unit)? {
                Extent::AtLeast(wanted) => (wanted, false),
                Extent::Exactly(wanted) => (wanted, true),
            };
            let missing = wanted.saturating_sub(self.unit.len());
            if missing == 0 && whole {
                return Ok((true, taken));
            }
            let part = missing.min(input.len() - taken);
            if part == 0 {
                return Ok((false, taken));
            }
            self.unit.extend_from_slice(&input[taken..taken + part]);
            taken += part;
        }
    }

    /// Goes on until there is output or no more input.
    fn run(&mut self, input: &[u8], out: &mut [u8]) -> Step {
        let mut taken = 0;
        loop {
            let made = self.drain(out);
            if made > 0 {
                return Step { taken, made, fault: None };
            }
            let rest = &input[taken..];
            let progress = match self.stage {
                Stage::Header => self.header(rest),
                Stage::Skip { left } => Ok(self.skip(left, rest)),
                Stage::Block(frame) => self.block(frame, rest),
                Stage::Drain(frame) => self.close(frame).map(|()| (true, 0)),
                Stage::Broken => Ok((false, 0)),
            };
            match progress {
                Ok((going, part)) => {
                    taken += part;
                    if !going {
                        return Step { taken, made: 0, fault: None };
                    }
                }
                Err(fault) => {
                    if !matches!(self.stage, Stage::Block(_)) {
                        self.stage = Stage::Broken;
                    }
                    return Step { taken, made: 0, fault: Some(fault) };
                }
            }
        }
    }

    fn drain(&mut self, out: &mut [u8]) -> usize {
        if !matches!(self.stage, Stage::Block(_) | Stage::Drain(_)) {
            return 0;
        }
        // Reading from the decoder's memory into ours cannot fail.
        let made = self.decoder.read(out).unwrap_or(0);
        self.made += made as u64;
        made
    }

    fn header(&mut self, input: &[u8]) -> Result<(bool, usize), Defect> {
        if self.unit.is_empty() && input.is_empty() {
            return Ok((false, 0));
        }
        let not_a_frame = if self.frames == 0 { Defect::Malformed } else { Defect::TrailingData };
        let (whole, taken) = self.gather(input, |unit| header_extent(unit, not_a_frame))?;
        if !whole {
            return Ok((false, taken));
        }
        let unit = std::mem::take(&mut self.unit);
        if let Some(left) = skippable_len(&unit) {
            self.skipped |= left > 0;
            self.stage = Stage::Skip { left };
            return Ok((true, taken));
        }
        let frame = Frame::read(&unit)?;
        self.decoder.reset(unit.as_slice()).map_err(|_| Defect::Malformed)?;
        if self.frames > 0 {
            self.first_len = self.first_len.or(Some(self.made));
        }
        self.frame_start = self.made;
        self.stage = Stage::Block(frame);
        Ok((true, taken))
    }

    fn skip(&mut self, left: u32, input: &[u8]) -> (bool, usize) {
        let part = input.len().min(left as usize);
        // At most `left`, which is 32 bits wide.
        let left = left - u32::try_from(part).unwrap_or(left);
        self.stage = if left == 0 { Stage::Header } else { Stage::Skip { left } };
        (left == 0, part)
    }

    fn block(&mut self, frame: Frame, input: &[u8]) -> Result<(bool, usize), Defect> {
        let (whole, taken) = self.gather(input, |unit| block_extent(unit, frame.has_checksum))?;
        if !whole {
            return Ok((false, taken));
        }
        let unit = std::mem::take(&mut self.unit);
        let strategy = BlockDecodingStrategy::UptoBlocks(1);
        let ended = self.decoder.decode_blocks(unit.as_slice(), strategy).map_err(|_| Defect::Malformed)?;
        if ended {
            self.stage = Stage::Drain(frame);
        }
        Ok((true, taken))
    }

    /// The checks at the end of a frame.
    fn close(&mut self, frame: Frame) -> Result<(), Defect> {
        let size = self.made - self.frame_start;
        let size_fits = frame.content_size.is_none_or(|claimed| claimed == size);
        let sum_fits = self.decoder.get_checksum_from_data() == self.decoder.get_calculated_checksum();
        if !size_fits || (frame.has_checksum && !sum_fits) {
            return Err(Defect::Malformed);
        }
        self.frames += 1;
        self.stage = Stage::Header;
        Ok(())
    }
}

impl Engine for Zstd {
    fn step(&mut self, input: &[u8], out: &mut [u8]) -> Step {
        self.run(input, out)
    }

    fn end(&self) -> Option<Defect> {
        let at_start = matches!(self.stage, Stage::Header) && self.unit.is_empty();
        (!at_start).then_some(Defect::Truncated)
    }

    fn salvage(&mut self, out: &mut [u8]) -> usize {
        if matches!(self.stage, Stage::Block(_)) && !self.salvaged {
            let last = last_block(&self.unit);
            for block in [last.as_slice(), EMPTY_BLOCK.as_slice()] {
                if !block.is_empty() && !self.decoder.is_finished() {
                    // Whether it works shows in what can be drained.
                    let _ = self.decoder.decode_blocks(block, BlockDecodingStrategy::UptoBlocks(1));
                }
            }
        }
        self.salvaged = true;
        self.drain(out)
    }

    fn first_len(&self) -> Option<u64> {
        self.first_len
    }

    fn skipped(&self) -> bool {
        self.skipped
    }
}

// === impl Frame ===

impl Frame {
    /// Reads a whole frame header (RFC 8878 section 3.1.1.1).
    fn read(unit: &[u8]) -> Result<Self, Defect> {
        let descriptor = unit[4];
        let single_segment = descriptor & 0x20 != 0;
        if descriptor & 0x08 != 0 {
            return Err(Defect::Malformed);
        }
        let (window_len, dictionary_len, size_len) = field_lens(descriptor);
        let (window, rest) = unit[5..].split_at(window_len);
        let (dictionary, size) = rest.split_at(dictionary_len);
        if dictionary.iter().any(|&byte| byte != 0) {
            // Only who has the dictionary can read the frame.
            return Err(Defect::UnknownCoding);
        }
        let content_size = (size_len > 0).then(|| {
            let bias = if size_len == 2 { 256 } else { 0 };
            bias + size.iter().rev().fold(0, |sum: u64, &byte| (sum << 8) | u64::from(byte))
        });
        let window_size = match window.first() {
            Some(&byte) => {
                let base = 1u64 << (10 + u64::from(byte >> 3));
                base + base / 8 * u64::from(byte & 7)
            }
            None => content_size.unwrap_or(0),
        };
        debug_assert_eq!(single_segment, window.is_empty());
        if window_size > MAX_WINDOW {
            return Err(Defect::WindowLimit);
        }
        Ok(Self { content_size, has_checksum: descriptor & 0x04 != 0 })
    }
}

/// The lengths of the window descriptor, the dictionary's number and the content size.
fn field_lens(descriptor: u8) -> (usize, usize, usize) {
    let single_segment = descriptor & 0x20 != 0;
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size = match descriptor >> 6 {
        0 => usize::from(single_segment),
        flag => 1 << flag,
    };
    (usize::from(!single_segment), dictionary, size)
}

fn magic(unit: &[u8]) -> Option<u32> {
    unit.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

/// The length of a skippable frame's content, given its header.
fn skippable_len(unit: &[u8]) -> Option<u32> {
    magic(unit).filter(|magic| magic & !0xf == SKIPPABLE)?;
    unit.get(4..).and_then(magic)
}

fn header_extent(unit: &[u8], not_a_frame: Defect) -> Result<Extent, Defect> {
    match (magic(unit), unit.get(4)) {
        (None, _) => Ok(Extent::AtLeast(4)),
        (Some(magic), _) if magic & !0xf == SKIPPABLE => Ok(Extent::Exactly(8)),
        (Some(MAGIC), None) => Ok(Extent::AtLeast(5)),
        (Some(MAGIC), Some(&descriptor)) => {
            let (window, dictionary, size) = field_lens(descriptor);
            Ok(Extent::Exactly(5 + window + dictionary + size))
        }
        (Some(_), _) => Err(not_a_frame),
    }
}

/// A block with its header (RFC 8878 section 3.1.1.2), and the frame's checksum behind the last one.
fn block_extent(unit: &[u8], has_checksum: bool) -> Result<Extent, Defect> {
    let Some(&[first, second, third]) = unit.first_chunk() else {
        return Ok(Extent::AtLeast(3));
    };
    let header = u32::from_le_bytes([first, second, third, 0]);
    let size = (header >> 3) as usize;
    let content = match (header >> 1) & 3 {
        0 | 2 => size,
        1 => 1,
        _ => return Err(Defect::Malformed),
    };
    if size > MAX_BLOCK {
        return Err(Defect::Malformed);
    }
    let checksum = if has_checksum && header & 1 == 1 { CHECKSUM_LEN } else { 0 };
    Ok(Extent::Exactly(3 + content + checksum))
}

/// What there is of a block that broke off, as a last block with room for a checksum: all of it where
/// only the checksum is missing, the bytes at hand of a raw block, nothing of any other.
fn last_block(unit: &[u8]) -> Vec<u8> {
    let Some((&[first, second, third], content)) = unit.split_first_chunk() else {
        return Vec::new();
    };
    let header = u32::from_le_bytes([first, second, third, 0]);
    let size = (header >> 3) as usize;
    let (size, content) = match (header >> 1) & 3 {
        0 => (size.min(content.len()), &content[..size.min(content.len())]),
        1 if !content.is_empty() => (size, &content[..1]),
        2 if content.len() >= size => (size, &content[..size]),
        _ => return Vec::new(),
    };
    // The size has 21 bits; the lowest bit of all marks the last block.
    let header = (u32::try_from(size).unwrap_or(0) << 3) | (header & 6) | 1;
    [&header.to_le_bytes()[..3], content, &[0; CHECKSUM_LEN]].concat()
}

/// Whether `data` begins with the magic number of a frame.
pub(super) fn begins_frame(data: &[u8]) -> bool {
    magic(data).is_some_and(|magic| magic == MAGIC || magic & !0xf == SKIPPABLE)
}
