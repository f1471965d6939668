//! Content codings (RFC 9110 section 8.4): reading the header field, and undoing the chain.

mod engine;
mod stream;
#[cfg(test)]
mod tests;
mod zstd;

use crate::data::Sink;
use crate::{Budget, Defect, Input, Output, Spill};
use engine::{Brotli, Deflate, Engine, Gzip};
use std::io;
use stream::Layer;
use zstd::Zstd;

/// How many codings a chain remembers. Whoever sends more has something to hide.
const MAX_LISTED: usize = 32;

/// One content coding. `identity` is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// `gzip`, `x-gzip` (RFC 1952).
    Gzip,
    /// `deflate`: zlib (RFC 1950), or raw deflate (RFC 1951) as some servers send it.
    Deflate,
    /// `br` (RFC 7932).
    Brotli,
    /// `zstd` (RFC 8878, RFC 9659).
    Zstd,
    /// `compress`, `x-compress`: known, but never undone.
    Compress,
    /// Any other name. Most readers take such a body as it is; what [`sniff`] says of it is worth
    /// a try.
    Unknown,
}

/// The codings of a body, in the order in which they were applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codings {
    list: Vec<Coding>,
    /// There were more than `list` may hold.
    overlong: bool,
}

/// What became of a body.
#[derive(Debug)]
pub enum Decoded {
    /// All codings were undone, and every byte of the input was used.
    Complete {
        /// The decoded bytes.
        output: Output,
        /// The data is several gzip members or zstd frames behind each other, of which the first made
        /// this many bytes of the output. Browsers stop after the first, other readers join them: what
        /// begins the output is to be scanned by itself, too.
        first_len: Option<u64>,
        /// The input holds bytes that decoders pass over, or may hold some: zstd's skippable frames,
        /// the extra field, name and comment of a gzip member, brotli's metadata (for which every
        /// brotli stream counts, since its decoder does not tell). Who takes the input as it stands
        /// has them, so it is to be scanned, too.
        skipped: bool,
    },
    /// Something stands in the way. The output is what was made until then: worth a scan, since
    /// browsers show a body that breaks off, but no ground for calling the body clean.
    Incomplete {
        /// What was made; [`Output::Same`] when no coding was undone at all. Where a layer makes
        /// nothing, it is what that layer was given: servers name codings that they never applied.
        output: Output,
        /// What stands in the way, in the layer nearest to the input.
        defect: Defect,
        /// Fewer codings were undone than could have been, since all of them together made nothing.
        fell_back: bool,
    },
}

/// Undoes `codings`, the last one first.
///
/// # Errors
/// Reading the input file, or making or writing the output file, failed.
pub fn decode(
    input: Input<'_>,
    codings: &Codings,
    budget: &Budget,
    spill: &mut Spill<'_>,
) -> io::Result<Decoded> {
    if codings.overlong || codings.list.len() > budget.max_codings {
        return Ok(Decoded::Incomplete {
            output: Output::Same,
            defect: Defect::TooManyCodings,
            fell_back: true,
        });
    }
    let mut known = codings.list.iter().rev().take_while(|coding| coding.can_be_undone()).count();
    let unknown = (known < codings.list.len()).then_some(Defect::UnknownCoding);
    let mut cause = None;
    while known > 0 {
        let chain = &codings.list[codings.list.len() - known..];
        let attempt = undo(input, chain, budget, spill)?;
        let Some(defect) = attempt.defect else {
            let defect = cause.or(unknown);
            return Ok(match defect {
                Some(defect) => {
                    Decoded::Incomplete { output: attempt.output, defect, fell_back: cause.is_some() }
                }
                None => Decoded::Complete {
                    output: attempt.output,
                    first_len: attempt.first_len,
                    skipped: attempt.skipped,
                },
            });
        };
        let fell_back = cause.is_some();
        let cause = *cause.get_or_insert(defect);
        let of_the_data = matches!(defect, Defect::Malformed | Defect::Truncated | Defect::WindowLimit);
        if attempt.len > 0 || !of_the_data {
            return Ok(Decoded::Incomplete { output: attempt.output, defect: cause, fell_back });
        }
        known -= 1;
    }
    Ok(match cause.or(unknown) {
        Some(defect) => Decoded::Incomplete { output: Output::Same, defect, fell_back: true },
        None => Decoded::Complete { output: Output::Same, first_len: None, skipped: false },
    })
}

/// What undoing one chain led to.
struct Attempt {
    output: Output,
    len: u64,
    first_len: Option<u64>,
    skipped: bool,
    defect: Option<Defect>,
}

fn undo(input: Input<'_>, chain: &[Coding], budget: &Budget, spill: &mut Spill<'_>) -> io::Result<Attempt> {
    let mut stream = stream::source(input);
    for engine in chain.iter().rev().filter_map(|coding| coding.engine()) {
        stream = Box::new(Layer::new(stream, engine, budget));
    }
    let mut sink = Sink::new(spill);
    loop {
        let bytes = stream.fill()?;
        let count = bytes.len();
        if count == 0 {
            break;
        }
        sink.write(bytes)?;
        stream.consume(count);
    }
    let (defect, first_len, skipped) = (stream.defect(), stream.first_len(), stream.skipped());
    Ok(Attempt { len: sink.len(), output: sink.finish(), first_len, skipped, defect })
}

/// Whether `data` begins like a gzip member (RFC 1952 section 2.3): its magic number, the one method
/// there is, and no flag that is reserved.
pub fn looks_like_gzip(data: &[u8]) -> bool {
    matches!(data, [0x1f, 0x8b, 8, rest @ ..] if rest.first().is_none_or(|flags| flags & 0xe0 == 0))
}

/// Whether `data` begins like a zlib stream without a dictionary (RFC 1950 section 2.2). Two bytes are
/// all there is to go by, so that other data looks like one now and then.
pub fn looks_like_zlib(data: &[u8]) -> bool {
    let Some(&[method, flags]) = data.first_chunk() else {
        return false;
    };
    let check = u16::from_be_bytes([method, flags]);
    method & 0x0f == 8 && method >> 4 <= 7 && flags & 0x20 == 0 && check.is_multiple_of(31)
}

/// Whether `data` begins like a zstd frame, be it a skippable one (RFC 8878 section 3.1).
pub fn looks_like_zstd(data: &[u8]) -> bool {
    zstd::begins_frame(data)
}

/// The coding that `data` shows by its first bytes, whatever its label says: gzip, zstd, or zlib as
/// [`Coding::Deflate`]. Brotli has no signature.
pub fn sniff(data: &[u8]) -> Option<Coding> {
    if looks_like_gzip(data) {
        Some(Coding::Gzip)
    } else if looks_like_zstd(data) {
        Some(Coding::Zstd)
    } else if looks_like_zlib(data) {
        Some(Coding::Deflate)
    } else {
        None
    }
}

// === impl Coding ===

impl Coding {
    /// The name in `Content-Encoding`; `unknown` for what has none here.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Compress => "compress",
            Self::Unknown => "unknown",
        }
    }

    /// Whether there is a decoder for it.
    pub const fn can_be_undone(self) -> bool {
        !matches!(self, Self::Compress | Self::Unknown)
    }

    fn from_token(token: &str) -> Option<Self> {
        let is = |name: &str| token.eq_ignore_ascii_case(name);
        if token.is_empty() || is("identity") {
            None
        } else if is("gzip") || is("x-gzip") {
            Some(Self::Gzip)
        } else if is("deflate") {
            Some(Self::Deflate)
        } else if is("br") {
            Some(Self::Brotli)
        } else if is("zstd") {
            Some(Self::Zstd)
        } else if is("compress") || is("x-compress") {
            Some(Self::Compress)
        } else {
            Some(Self::Unknown)
        }
    }

    fn engine(self) -> Option<Box<dyn Engine>> {
        match self {
            Self::Gzip => Some(Box::new(Gzip::new())),
            Self::Deflate => Some(Box::new(Deflate::new())),
            Self::Brotli => Some(Box::new(Brotli::new())),
            Self::Zstd => Some(Box::new(Zstd::new())),
            Self::Compress | Self::Unknown => None,
        }
    }
}

// === impl Codings ===

impl Codings {
    /// Reads the value of `Content-Encoding`; several lines are joined with a comma first.
    pub fn parse(value: &str) -> Self {
        let tokens = value.split(',').map(|member| member.trim_matches([' ', '\t', '\r', '\n']));
        Self::collect(tokens.filter_map(Coding::from_token))
    }

    /// A chain of codings, in the order in which they were applied.
    pub fn new(list: &[Coding]) -> Self {
        Self::collect(list.iter().copied())
    }

    fn collect(codings: impl Iterator<Item = Coding>) -> Self {
        let mut list: Vec<_> = codings.take(MAX_LISTED + 1).collect();
        let overlong = list.len() > MAX_LISTED;
        list.truncate(MAX_LISTED);
        Self { list, overlong }
    }

    /// Nothing to undo.
    pub fn is_identity(&self) -> bool {
        self.list.is_empty()
    }

    /// In the order in which they were applied.
    pub fn as_slice(&self) -> &[Coding] {
        &self.list
    }
}

// === impl Decoded ===

impl Decoded {
    /// The output, and what stands in the way of more.
    pub fn into_parts(self) -> (Output, Option<Defect>) {
        match self {
            Self::Complete { output, .. } => (output, None),
            Self::Incomplete { output, defect, .. } => (output, Some(defect)),
        }
    }
}
