//! Bodies of several parts (RFC 2046 section 5.1, RFC 7578).
//!
//! Readers differ in what they take for a boundary, and whoever hides something makes use of that. The
//! parts found here are those that a line-based, tolerant reader sees; where another reader would
//! see others, the body is [`MultipartDefect::Ambiguous`].

mod header;
mod looks;
#[cfg(test)]
mod tests;

use header::Valued;
use memchr::memmem::Finder;
use std::ops::Range;

/// RFC 2046 allows 70 characters; some clients take more.
const MAX_BOUNDARY: usize = 256;

/// Lines that only some readers take for boundaries: how many are looked at one by one.
const MAX_DOUBTS: usize = 64;

/// Each level takes stack, so that no limit may go beyond.
const MAX_DEPTH: usize = 32;

/// How much of a multipart body is looked at.
#[derive(Clone, Copy, Debug)]
pub struct MultipartLimits {
    /// Parts of all levels together.
    pub max_parts: usize,
    /// Bytes of the headers of one part.
    pub max_header_bytes: usize,
    /// Levels of multipart bodies inside each other, the outermost counted; never more than 32.
    pub max_depth: usize,
}

/// The parts of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Multipart {
    /// In the order in which they stand.
    pub parts: Vec<Part>,
    /// What stands before the first boundary; readers ignore it.
    pub preamble: Range<usize>,
    /// What stands behind the last boundary; readers ignore it.
    pub epilogue: Range<usize>,
    /// What is wrong here, each kind once; not what is wrong in nested bodies.
    pub defects: Vec<MultipartDefect>,
}

/// One part. All ranges are positions in the whole (outermost) body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The `name` of `Content-Disposition`.
    pub name: Option<String>,
    /// The `filename` of `Content-Disposition`, or the `name` of `Content-Type`. A claim: it may
    /// hold anything, path separators and control characters among them.
    pub filename: Option<String>,
    /// `Content-Type` as it stands.
    pub content_type: Option<String>,
    /// `Content-Transfer-Encoding`.
    pub transfer_encoding: TransferEncoding,
    /// `Content-Encoding` as it stands; several lines are joined with a comma. Some web servers undo it in parts, too.
    pub content_encoding: String,
    /// The header lines, without the empty line behind them.
    pub headers: Range<usize>,
    /// The content.
    pub body: Range<usize>,
    /// The content's own parts, if it is a multipart body or a mail message itself that is not encoded.
    pub nested: Option<Box<Multipart>>,
}

/// `Content-Transfer-Encoding` (RFC 2045 section 6). Mail readers undo it; most web servers do not
/// (RFC 7578 section 4.7), so what it covers is worth scanning both ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TransferEncoding {
    /// None, `7bit`, `8bit` or `binary`.
    #[default]
    Identity,
    /// `base64`
    Base64,
    /// `quoted-printable`
    QuotedPrintable,
    /// Any other name, or two that differ.
    Unknown,
}

/// What is wrong with a multipart body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MultipartDefect {
    /// No boundary is named, or one that is empty or too long.
    NoBoundary,
    /// The boundary that is named occurs nowhere.
    BoundaryNotFound,
    /// More parts than the limit; the rest is left out.
    TooManyParts,
    /// A part with longer headers than the limit; all of it counts as its content.
    LongHeaders,
    /// A multipart body nested deeper than the limit; it is left whole.
    TooDeep,
    /// Readers disagree where parts begin and end, or which boundary counts.
    Ambiguous,
    /// The last boundary is missing: the body may have broken off. The last part counts all the same.
    Unterminated,
}

/// A line that separates parts.
struct Delimiter {
    /// From the line end before it to the line end behind it.
    span: Range<usize>,
    closes: bool,
}

/// One body being read.
struct Reader<'a> {
    whole: &'a [u8],
    region: Range<usize>,
    boundary: &'a [u8],
    out: Multipart,
    /// How the first line that ends at a delimiter ends: CRLF or LF alone.
    crlf: Option<bool>,
    /// Where some readers see a boundary and others do not.
    doubts: Vec<usize>,
}

/// What is left of the limits.
struct Left<'a> {
    limits: &'a MultipartLimits,
    parts: usize,
    depth: usize,
}

// === impl Multipart ===

impl Multipart {
    /// Whether a `Content-Type` value names a multipart body.
    pub fn is_multipart(content_type: &str) -> bool {
        let value = content_type.trim_start();
        value.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/"))
    }

    /// Finds the parts of `body`.
    pub fn parse(content_type: &str, body: &[u8], limits: &MultipartLimits) -> Self {
        let mut left = Left { limits, parts: limits.max_parts, depth: limits.max_depth.min(MAX_DEPTH) };
        Self::read(content_type, body, 0..body.len(), &mut left)
    }

    fn read(content_type: &str, whole: &[u8], region: Range<usize>, left: &mut Left<'_>) -> Self {
        if left.depth == 0 {
            return Self::unread(region, MultipartDefect::TooDeep);
        }
        let (boundary, doubtful) = boundary_of(content_type);
        let Some(boundary) = boundary else {
            return Self::unread(region, MultipartDefect::NoBoundary);
        };
        let mut out = Self::read_parts(boundary.as_bytes(), whole, region, left);
        if doubtful {
            out.add(MultipartDefect::Ambiguous);
        }
        out
    }

    /// `left.depth` is one at least.
    fn read_parts(boundary: &[u8], whole: &[u8], region: Range<usize>, left: &mut Left<'_>) -> Self {
        left.depth = left.depth.saturating_sub(1);
        let mut reader = Reader::new(whole, region, boundary);
        reader.read(left);
        left.depth += 1;
        reader.out
    }

    /// All of it is preamble.
    fn unread(region: Range<usize>, defect: MultipartDefect) -> Self {
        Self {
            preamble: region.clone(),
            epilogue: region.end..region.end,
            parts: Vec::new(),
            defects: vec![defect],
        }
    }

    fn add(&mut self, defect: MultipartDefect) {
        if !self.defects.contains(&defect) {
            self.defects.push(defect);
        }
    }

    /// Whether all readers see these parts, and all of them are here, on every level. A missing last
    /// boundary does not count.
    pub fn is_sound(&self) -> bool {
        self.all_defects().iter().all(|&defect| defect == MultipartDefect::Unterminated)
    }

    /// What is wrong, on every level, each kind once. Of messages inside only limits count: what writes mail
    /// writes it in all ways, and the engine reads it, too.
    pub fn all_defects(&self) -> Vec<MultipartDefect> {
        let mut all = self.defects.clone();
        for part in &self.parts {
            let Some(nested) = &part.nested else { continue };
            for defect in nested.all_defects() {
                if !all.contains(&defect) && (defect.is_limit() || !part.is_message()) {
                    all.push(defect);
                }
            }
        }
        all
    }

    /// The parts that hold no parts themselves, on every level, in the order in which they stand, and mail
    /// messages before what they hold: readers save those as files; and parts with a content coding, which may
    /// hold something else when it is undone. What stands before and behind the parts is
    /// in none of them; only a scan of the whole body sees it.
    pub fn leaves(&self) -> Vec<&Part> {
        let mut leaves = Vec::new();
        for part in &self.parts {
            match &part.nested {
                Some(nested) if !nested.parts.is_empty() => {
                    leaves.extend(
                        Some(part).filter(|part| part.is_message() || !part.content_encoding.is_empty()),
                    );
                    leaves.extend(nested.leaves());
                }
                _ => leaves.push(part),
            }
        }
        leaves
    }

    /// Whether `position` lies in something other than a line that separates parts.
    fn covers(&self, position: usize) -> bool {
        self.preamble.contains(&position)
            || self.epilogue.contains(&position)
            || self.parts.iter().any(|part| match &part.nested {
                Some(nested) if part.body.contains(&position) => nested.covers(position),
                _ => part.headers.contains(&position) || part.body.contains(&position),
            })
    }
}

// === impl MultipartDefect ===

impl MultipartDefect {
    /// Whether parts were left out because there are too many of them.
    pub const fn is_limit(self) -> bool {
        matches!(self, Self::TooManyParts | Self::TooDeep)
    }
}

// === impl Part ===

impl Part {
    /// Whether it says that it is a mail message.
    pub fn is_message(&self) -> bool {
        self.content_type.as_deref().is_some_and(Multipart::is_message)
    }
}

/// The boundary that a `Content-Type` names, and whether readers may see another one.
fn boundary_of(content_type: &str) -> (Option<String>, bool) {
    if !Multipart::is_multipart(content_type) {
        return (None, false);
    }
    let valued = Valued::read(content_type);
    let mut named = valued.parameters.iter().filter(|parameter| parameter.name == "boundary");
    // Continuations and character sets (RFC 2231), which few readers know here.
    let extended = valued.parameters.iter().any(|parameter| parameter.name.starts_with("boundary*"));
    let Some(first) = named.next() else {
        return (None, extended);
    };
    let differ = named.any(|other| other.value != first.value);
    let value = first.value.trim_end();
    let usable = !value.is_empty() && value.len() <= MAX_BOUNDARY;
    (usable.then(|| value.to_owned()), first.doubtful || extended || differ)
}

// === impl Reader ===

impl<'a> Reader<'a> {
    fn new(whole: &'a [u8], region: Range<usize>, boundary: &'a [u8]) -> Self {
        Self { whole, region, boundary, out: Multipart::default(), crlf: None, doubts: Vec::new() }
    }

    fn read(&mut self, left: &mut Left<'_>) {
        let end = self.region.end;
        let mut delimiters = self.delimiters(left.parts);
        let Some(first) = delimiters.first() else {
            self.out = Multipart::unread(self.region.clone(), MultipartDefect::BoundaryNotFound);
            return;
        };
        self.out.preamble = self.region.start..first.span.start;
        self.out.epilogue = end..end;
        if delimiters.last().is_some_and(|last| !last.closes) {
            if delimiters.len() <= left.parts {
                self.out.add(MultipartDefect::Unterminated);
            }
            delimiters.push(Delimiter { span: end..end, closes: true });
        }
        for pair in delimiters.windows(2) {
            if left.parts == 0 {
                self.out.add(MultipartDefect::TooManyParts);
                self.out.epilogue = pair[0].span.end..end;
                return;
            }
            left.parts -= 1;
            // Two delimiters may share the line end between them.
            let start = pair[0].span.end;
            let part = self.part(start..pair[1].span.start.max(start), left);
            self.out.parts.push(part);
        }
        if let Some(last) = delimiters.last() {
            self.out.epilogue = last.span.end..end;
        }
        if self.doubts.len() >= MAX_DOUBTS || self.doubts.iter().any(|&doubt| self.out.covers(doubt)) {
            self.out.add(MultipartDefect::Ambiguous);
        }
    }

    /// The delimiters up to the one that closes the body, or those of one part more than may be.
    fn delimiters(&mut self, max_parts: usize) -> Vec<Delimiter> {
        let mut found: Vec<Delimiter> = Vec::new();
        let whole = self.whole;
        let needle = [b"--", self.boundary].concat();
        let mut closed = false;
        for at in Finder::new(&needle).find_iter(&whole[self.region.clone()]) {
            let at = self.region.start + at;
            let Some(delimiter) = self.delimiter(at, at + needle.len()) else {
                continue;
            };
            if closed {
                // Some readers go on behind the end.
                self.out.add(MultipartDefect::Ambiguous);
                break;
            }
            closed = delimiter.closes;
            found.push(delimiter);
            if found.len() > max_parts.saturating_add(1) {
                break;
            }
        }
        found
    }

    /// The delimiter line whose dashes and boundary are at `at..end`, if it is one.
    fn delimiter(&mut self, at: usize, end: usize) -> Option<Delimiter> {
        let before = &self.whole[self.region.start..at];
        let behind = &self.whole[end..self.region.end];
        let (start, crlf_before) = match before {
            [] => (at, None),
            [.., b'\r', b'\n'] => (at - 2, Some(true)),
            [.., b'\n'] => (at - 1, Some(false)),
            [.., b'\r'] => {
                self.doubt(at);
                return None;
            }
            _ => return None,
        };
        let closes = behind.starts_with(b"--");
        let dashes = if closes { 2 } else { 0 };
        let padding = behind[dashes..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let rest = &behind[dashes + padding..];
        let (line_end, crlf_behind) = match rest {
            [] => (0, None),
            [b'\r', b'\n', ..] => (2, Some(true)),
            [b'\n', ..] => (1, Some(false)),
            _ if closes => {
                // Most readers take this for the end; some want an empty line.
                self.out.add(MultipartDefect::Ambiguous);
                (0, None)
            }
            _ => {
                // By RFC 2046 the boundary at the start of the line is enough; most readers want all of
                // the line.
                self.doubt(at);
                return None;
            }
        };
        self.line_end(crlf_before);
        if !closes {
            self.line_end(crlf_behind);
        }
        Some(Delimiter { span: start..end + dashes + padding + line_end, closes })
    }

    fn doubt(&mut self, at: usize) {
        if self.doubts.len() < MAX_DOUBTS {
            self.doubts.push(at);
        }
    }

    /// Readers that want CRLF do not see a boundary between bare LFs, nor the other way round; that
    /// matters where a body has both.
    fn line_end(&mut self, crlf: Option<bool>) {
        if let Some(crlf) = crlf
            && *self.crlf.get_or_insert(crlf) != crlf
        {
            self.out.add(MultipartDefect::Ambiguous);
        }
    }

    fn part(&mut self, span: Range<usize>, left: &mut Left<'_>) -> Part {
        let text = &self.whole[span.clone()];
        let mut part = Part { headers: span.start..span.start, body: span.clone(), ..Part::default() };
        let Some((headers_len, gap)) = self.header_end(text, left.limits.max_header_bytes) else {
            return part;
        };
        part.headers = span.start..span.start + headers_len;
        part.body = span.start + headers_len + gap..span.end;
        let notes = header::read_fields(&text[..headers_len], &mut part);
        if notes.two_types {
            self.out.add(MultipartDefect::Ambiguous);
        }
        if let Some(content_type) = &part.content_type
            && part.transfer_encoding == TransferEncoding::Identity
        {
            let nested = if Multipart::is_multipart(content_type) {
                Some(Multipart::read(content_type, self.whole, part.body.clone(), left))
            } else if Multipart::is_message(content_type) {
                Some(Multipart::read_message(self.whole, part.body.clone(), left))
            } else {
                None
            };
            part.nested = nested.map(Box::new);
        }
        part
    }

    /// How long a part's headers are, and how long the line ends between them and the content. None
    /// where all of the part is to be taken for content.
    fn header_end(&mut self, text: &[u8], max: usize) -> Option<(usize, usize)> {
        match text {
            [] => return Some((0, 0)),
            [b'\r', b'\n', ..] => return Some((0, 2)),
            [b'\n', ..] => return Some((0, 1)),
            _ => {}
        }
        let searched = &text[..text.len().min(max.saturating_add(4))];
        let mut from = 0;
        let found = loop {
            let Some(at) = memchr::memchr(b'\n', &searched[from..]).map(|at| from + at) else {
                break None;
            };
            match &searched[at + 1..] {
                [b'\r', b'\n', ..] => break Some((at, 3)),
                [b'\n', ..] => break Some((at, 2)),
                _ => from = at + 1,
            }
        };
        let first_line = text.split(|&byte| byte == b'\n').next().unwrap_or(text);
        let Some((at, gap)) = found.filter(|_| header::is_field(&first_line[..first_line.len().min(max)]))
        else {
            let too_long = text.len() > max && found.is_none();
            // Without an empty line there is no telling headers from content.
            self.out.add(if too_long { MultipartDefect::LongHeaders } else { MultipartDefect::Ambiguous });
            return None;
        };
        let crlf = text[..at].ends_with(b"\r");
        if crlf != (gap == 3) || self.crlf.is_some_and(|known| known != crlf) {
            self.out.add(MultipartDefect::Ambiguous);
        }
        Some(if crlf { (at - 1, gap + 1) } else { (at, gap) })
    }
}
