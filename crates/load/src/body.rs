//! Bodies of an exact size, and places in them that make each one different.

mod html;
mod text;
mod words;

use crate::settings::Kind;

/// The bytes that differ from body to body at each such place.
pub(crate) const SLOT: usize = 16;

/// The farthest from one such place to the next. Engines hash and cut objects into pieces; a piece of
/// this size is never the same twice.
const SPACING: usize = 4096;

/// A body that can be stamped with a number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body {
    bytes: Vec<u8>,
    /// Where slots begin, in rising order, none overlapping another.
    slots: Vec<usize>,
    raw: bool,
}

/// Body text under construction.
#[derive(Debug)]
struct Draft {
    bytes: Vec<u8>,
    slots: Vec<usize>,
    random: Random,
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Copy, Debug)]
struct Random(u64);

// === impl Body ===

impl Body {
    /// `size` bytes; the same ones each time until they are stamped.
    pub(crate) fn new(kind: Kind, size: usize) -> Self {
        let mut draft = Draft { bytes: Vec::with_capacity(size + SPACING), slots: vec![], random: Random(1) };
        match kind {
            Kind::Text => text::write(&mut draft, size),
            Kind::Html => html::write(&mut draft, size),
            Kind::Random => draft.noise(size),
        }
        draft.bytes.truncate(size);
        draft.slots.retain(|slot| slot + SLOT <= size);
        Self { bytes: draft.bytes, slots: draft.slots, raw: kind == Kind::Random }
    }

    /// The EICAR test file and nothing else. Put together here, so that no file holds it whole.
    pub(crate) fn eicar() -> Self {
        let (first, second) = (r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-", "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*");
        Self { bytes: [first.as_bytes(), second.as_bytes()].concat(), slots: vec![], raw: false }
    }

    /// The bytes as they were stamped last.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether there is room for a number.
    pub(crate) fn can_differ(&self) -> bool {
        !self.slots.is_empty()
    }

    /// Makes the bytes from `from` to `to` those of the body with this number. Bytes outside may be of
    /// another number: many connections share one body, and only look where they stamped.
    pub(crate) fn stamp(&mut self, number: u64, from: usize, to: usize) {
        let first = self.slots.partition_point(|slot| slot + SLOT <= from);
        for (index, &slot) in self.slots.iter().enumerate().skip(first) {
            if slot >= to {
                break;
            }
            let place = &mut self.bytes[slot..slot + SLOT];
            if self.raw { put_noise(place, number, index) } else { put_hex(place, number, index) }
        }
    }
}

/// Sixteen hexadecimal digits; different for different numbers.
pub(crate) fn put_hex(place: &mut [u8], number: u64, index: usize) {
    let mut value = of(number, index);
    for digit in place.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
    }
}

fn put_noise(place: &mut [u8], number: u64, index: usize) {
    let value = of(number, index);
    let (first, second) = place.split_at_mut(8);
    first.copy_from_slice(&value.to_le_bytes());
    second.copy_from_slice(&mix(!value).to_le_bytes());
}

/// One to one in `number`.
fn of(number: u64, index: usize) -> u64 {
    mix(number ^ mix(index as u64))
}

/// One to one.
fn mix(value: u64) -> u64 {
    let mut word = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

// === impl Draft ===

impl Draft {
    fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// A place that stamping overwrites.
    fn slot(&mut self) {
        self.slots.push(self.bytes.len());
        self.push("00000000075bcd15");
    }

    /// Whether the next slot is due in a body of this size: at least four in all but the smallest.
    fn wants_slot(&self, size: usize) -> bool {
        let spacing = (size / 6).clamp(SLOT, SPACING / 2);
        self.slots.last().is_none_or(|last| self.bytes.len() >= last + spacing)
    }

    fn noise(&mut self, size: usize) {
        while self.bytes.len() < size {
            if self.wants_slot(size) {
                self.slots.push(self.bytes.len());
            }
            let word = self.random.next();
            self.bytes.extend_from_slice(&word.to_le_bytes());
        }
    }

    /// Takes back everything after `len`.
    fn rewind(&mut self, len: usize) {
        self.bytes.truncate(len);
        self.slots.retain(|slot| slot + SLOT <= len);
    }
}

// === impl Random ===

impl Random {
    fn next(&mut self) -> u64 {
        let word = mix(self.0);
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        word
    }

    /// Less than `bound`.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("less than a usize")
    }
}

#[cfg(test)]
mod tests;
