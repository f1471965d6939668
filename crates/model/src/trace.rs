//! Which trace a transaction belongs to, as `traceparent` writes it (W3C Trace Context).

use std::fmt::{self, Write};
use std::str::FromStr;
use thiserror::Error;

/// A place in a trace: what happens next is a child of it. Decides nothing about what is found.
///
/// ```
/// use icapstan_model::TraceContext;
///
/// let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let context: TraceContext = text.parse()?;
/// assert!(context.sampled);
/// assert_eq!(context.to_string(), text);
/// assert_eq!(context.trace_text(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// # Ok::<(), icapstan_model::TraceParentError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The trace. Not zero, if it was parsed or made by a tracer.
    pub trace_id: [u8; 16],
    /// The span that what follows is part of. Not zero, likewise.
    pub span_id: [u8; 8],
    /// Whether what happens is told.
    pub sampled: bool,
}

/// A text is no `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this is no traceparent")]
pub struct TraceParentError;

/// The length of version 00, the only one there is.
const LEN: usize = 55;

// === impl TraceContext ===

impl TraceContext {
    /// Reads the value of a `traceparent` field. Of later versions, whose fields may be more, the first
    /// ones are read, as the specification wants (section 3.2.2).
    pub fn parse(text: &[u8]) -> Result<Self, TraceParentError> {
        let (front, rest) = text.split_at_checked(LEN).ok_or(TraceParentError)?;
        let mut parts = front.split(|byte| *byte == b'-');
        let mut part = || parts.next().ok_or(TraceParentError);
        let [version]: [u8; 1] = number(part()?)?;
        let trace_id: [u8; 16] = number(part()?)?;
        let span_id: [u8; 8] = number(part()?)?;
        let [flags]: [u8; 1] = number(part()?)?;
        let is_whole = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest[0] == b'-',
        };
        if is_whole && trace_id != [0; 16] && span_id != [0; 8] {
            Ok(Self { trace_id, span_id, sampled: flags & 1 == 1 })
        } else {
            Err(TraceParentError)
        }
    }

    /// The id of the trace, as logs and other tools show it.
    pub fn trace_text(&self) -> String {
        hex(&self.trace_id)
    }
}

impl FromStr for TraceContext {
    type Err = TraceParentError;

    fn from_str(text: &str) -> Result<Self, TraceParentError> {
        Self::parse(text.as_bytes())
    }
}

/// As the value of a `traceparent` field.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace_id, span_id, sampled } = self;
        write!(f, "00-{}-{}-{:02x}", hex(trace_id), hex(span_id), u8::from(*sampled))
    }
}

/// Lower-case digits only (section 3.2.2.1 there).
fn number<const N: usize>(digits: &[u8]) -> Result<[u8; N], TraceParentError> {
    if digits.len() != 2 * N {
        return Err(TraceParentError);
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(bytes)
}

fn digit(byte: u8) -> Result<u8, TraceParentError> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(TraceParentError),
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // A string takes all that is written.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn what_the_specification_allows_is_read_and_nothing_else() {
        for (text, sampled) in [
            (format!("00-{TRACE}-{SPAN}-00"), Some(false)),
            (format!("00-{TRACE}-{SPAN}-01"), Some(true)),
            (format!("00-{TRACE}-{SPAN}-03"), Some(true)),
            (format!("00-{TRACE}-{SPAN}-fe"), Some(false)),
            (format!("01-{TRACE}-{SPAN}-01"), Some(true)),
            (format!("cc-{TRACE}-{SPAN}-01-what-comes-later"), Some(true)),
            (format!("cc-{TRACE}-{SPAN}-01.what"), None),
            (format!("00-{TRACE}-{SPAN}-01-more"), None),
            (format!("00-{TRACE}-{SPAN}-01 "), None),
            (format!("ff-{TRACE}-{SPAN}-01"), None),
            (format!("00-{TRACE}-{SPAN}-1"), None),
            (format!("00-{TRACE}-{SPAN}"), None),
            (format!("00-{}-{SPAN}-01", TRACE.to_uppercase()), None),
            (format!("00-{}-{SPAN}-01", "0".repeat(32)), None),
            (format!("00-{TRACE}-{}-01", "0".repeat(16)), None),
            (format!("00_{TRACE}_{SPAN}_01"), None),
            (String::new(), None),
        ] {
            assert_eq!(text.parse::<TraceContext>().ok().map(|context| context.sampled), sampled, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(trace_id: [u8; 16], span_id: [u8; 8], sampled: bool) {
            let context = TraceContext { trace_id, span_id, sampled };
            let is_one = trace_id != [0; 16] && span_id != [0; 8];
            prop_assert_eq!(context.to_string().parse().ok(), is_one.then_some(context));
        }

        #[test]
        fn no_text_is_too_strange(text in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(context) = TraceContext::parse(&text) {
                let written = context.to_string();
                prop_assert_eq!(&text[3..52], &written.as_bytes()[3..52]);
            }
        }

        #[test]
        fn one_other_byte_is_another_trace_or_none(at in 0usize..55, byte: u8) {
            let text = format!("00-{TRACE}-{SPAN}-01");
            let mut other = text.clone().into_bytes();
            other[at] = byte;
            if let Ok(context) = TraceContext::parse(&other) {
                let same = text.parse::<TraceContext>() == Ok(context);
                // Flags beyond the first say nothing here, and neither do versions.
                prop_assert!(!same || !(2..=52).contains(&at) || other == text.as_bytes());
            }
        }
    }
}
