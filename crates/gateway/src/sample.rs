//! The first bytes of a body, for whoever asks what it is.

use crate::context;
use crate::store::Store;
use icapstan_icap_server::ExchangeError;
use icapstan_icap_server::proto::RequestHead;
use icapstan_sniff::{ENOUGH, PREFIX, UNKNOWN, media_type};
use icapstan_unpack::{Budget, Codings, Decoded, Defect, Input, Output, Spill, decode};
use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Of a body with a content coding so many bytes are decoded, as far as they are needed. Codings have room
/// for much that stands for nothing, such as a name in gzip.
pub(crate) const ENCODED: usize = 256 * 1024;

/// The first bytes of a body.
pub(crate) struct Sample<'b> {
    bytes: Cow<'b, [u8]>,
    /// There are no others.
    is_whole: bool,
    /// There is nothing behind what is stored.
    ended: bool,
    /// Nothing is told of what its head says a wrong coding of: it is not to be trusted, but to be scanned.
    is_strict: bool,
}

// === impl Sample ===

impl<'b> Sample<'b> {
    /// Of what is stored. `ended`: there is no more than that.
    pub(crate) async fn of(head: &RequestHead, store: &'b Store, ended: bool) -> Result<Self, ExchangeError> {
        let most =
            if Codings::parse(&context::content_encoding(head)).is_identity() { PREFIX } else { ENCODED };
        let bytes = match store.in_memory() {
            Some(bytes) => Cow::Borrowed(&bytes[..bytes.len().min(most)]),
            None => Cow::Owned(store.front(most as u64).await?),
        };
        Ok(Self { is_whole: ended && bytes.len() as u64 == store.len(), ended, bytes, is_strict: false })
    }

    /// For who would leave the body out.
    pub(crate) fn strict(self) -> Self {
        Self { is_strict: true, ..self }
    }

    /// What the body is, by its bytes; its content codings are what `head` says. `None`: too little of
    /// it is here, or it is a piece of something, of which the first bytes are elsewhere. What cannot be
    /// told although all of it is here is of no known type.
    pub(crate) fn media_type(&self, head: &RequestHead) -> Option<&'static str> {
        if self.bytes.is_empty() || context::is_partial(head) {
            return None;
        }
        let codings = Codings::parse(&context::content_encoding(head));
        let unknown = (self.ended && !self.is_strict).then_some(UNKNOWN);
        let (front, is_all) = if codings.is_identity() {
            (Some(Cow::Borrowed(&*self.bytes)), self.is_whole)
        } else {
            let (front, is_all) = front_of(&self.bytes, &codings, self.is_strict);
            (front, is_all && self.is_whole)
        };
        match front {
            Some(front) if !front.is_empty() && (is_all || front.len() >= ENOUGH) => Some(media_type(&front)),
            _ => unknown,
        }
    }
}

/// The first bytes without their codings, and whether there are no others; `None` where they are not to be
/// had. Bytes that were never coded, whatever their head says, are what they are; but where a decoder only
/// wants more, or gives up, the coded bytes are not what a reader will see.
fn front_of<'b>(bytes: &'b [u8], codings: &Codings, is_strict: bool) -> (Option<Cow<'b, [u8]>>, bool) {
    /// Far more than so little input can take.
    const PATIENCE: Duration = Duration::from_millis(100);
    let budget = Budget {
        max_output: PREFIX as u64,
        max_ratio: u32::MAX,
        deadline: Instant::now() + PATIENCE,
        max_codings: 5,
        cancelled: Arc::default(),
    };
    let mut refuse = || Err(io::ErrorKind::StorageFull.into());
    let mut spill = Spill { threshold: usize::MAX, create: &mut refuse };
    let Ok(decoded) = decode(Input::Memory(bytes), codings, &budget, &mut spill) else {
        return (None, false);
    };
    let (output, is_complete) = match decoded {
        Decoded::Complete { output, .. } => (output, true),
        Decoded::Incomplete { defect: Defect::Malformed | Defect::UnknownCoding, .. } if is_strict => {
            return (None, false);
        }
        Decoded::Incomplete { fell_back: true, defect, .. }
            if !matches!(defect, Defect::Malformed | Defect::UnknownCoding) =>
        {
            return (None, false);
        }
        Decoded::Incomplete { output, .. } => (output, false),
    };
    match output {
        Output::Memory(decoded) => (Some(Cow::Owned(decoded)), is_complete),
        Output::Same => (Some(Cow::Borrowed(bytes)), true),
        Output::File { .. } => (None, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_icap_server::proto::{Decoder, Event, Limits};
    use std::io::Write;

    fn head(fields: &str) -> RequestHead {
        let response = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        let wire = format!(
            "RESPMOD icap://h/resp ICAP/1.0\r\nEncapsulated: res-hdr=0, res-body={}\r\n\r\n{response}",
            response.len()
        );
        let mut decoder = Decoder::new(Limits::default());
        let Some(Event::Head(head)) = decoder.step(wire.as_bytes()).unwrap().event else { panic!("no head") };
        *head
    }

    fn told(bytes: &[u8], is_whole: bool, fields: &str) -> Option<&'static str> {
        let bytes = Cow::Borrowed(&bytes[..bytes.len().min(ENCODED)]);
        Sample { bytes, is_whole, ended: is_whole, is_strict: false }.media_type(&head(fields))
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn picture() -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        // Hard to compress.
        bytes.extend((0..60_000u32).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes()));
        bytes
    }

    #[test]
    fn what_the_origin_says_of_it_is_not_asked() {
        let lies = "Content-Type: text/html\r\nX-Content-Type-Options: nosniff\r\n";
        assert_eq!(told(&picture(), false, lies), Some("image/png"));
        assert_eq!(told(b"plain words", true, "Content-Type: image/png\r\n"), Some("text/plain"));
    }

    #[test]
    fn content_codings_are_undone_first() {
        let coded = gzip(&picture());
        assert_eq!(told(&coded, false, "Content-Encoding: gzip\r\n"), Some("image/png"));
        assert_eq!(told(&coded[..4096], false, "Content-Encoding: gzip\r\n"), Some("image/png"));
        assert_eq!(told(&gzip(&coded), false, "Content-Encoding: gzip, gzip\r\n"), Some("image/png"));
        assert_eq!(told(&coded, false, ""), Some("application/gzip"));
        // Named, but never applied; and one that nobody knows.
        assert_eq!(told(&picture(), false, "Content-Encoding: gzip\r\n"), Some("image/png"));
        assert_eq!(told(&picture(), false, "Content-Encoding: rot13\r\n"), Some("image/png"));
        for coding in ["gzip", "rot13"] {
            let bytes = Cow::Owned(picture());
            let sample = Sample { bytes, is_whole: true, ended: true, is_strict: false }.strict();
            assert_eq!(sample.media_type(&head(&format!("Content-Encoding: {coding}\r\n"))), None);
        }
        // Much from little.
        let bomb = gzip(&vec![b'a'; 10 << 20]);
        assert_eq!(told(&bomb, false, "Content-Encoding: gzip\r\n"), Some("text/plain"));
    }

    #[test]
    fn what_stands_for_nothing_is_not_taken_for_the_body() {
        // A name of a file that looks like a film, in front of a picture.
        let named = |len: usize| {
            let name: Vec<u8> = b"ftypisom".iter().copied().cycle().take(len).collect();
            let mut encoder =
                flate2::GzBuilder::new().filename(name).write(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&picture()).unwrap();
            encoder.finish().unwrap()
        };
        let gzip = "Content-Encoding: gzip\r\n";
        let coded = named(60_000);
        assert_eq!(told(&coded, true, gzip), Some("image/png"));
        assert_eq!(told(&coded[..4096], false, gzip), None);
        let coded = named(600_000);
        assert_eq!(told(&coded, false, gzip), None);
        let bytes = Cow::Borrowed(&coded[..ENCODED]);
        assert_eq!(
            Sample { bytes, is_whole: false, ended: true, is_strict: false }.media_type(&head(gzip)),
            Some(UNKNOWN)
        );
        // Also behind another coding, which has something to show.
        let twice = self::gzip(&named(60_000)[..50_000]);
        assert_eq!(told(&twice, false, "Content-Encoding: gzip, gzip\r\n"), None);
    }

    #[test]
    fn of_too_little_and_of_pieces_nothing_is_told() {
        assert_eq!(told(b"", true, ""), None);
        assert_eq!(told(b"few words", false, ""), None);
        assert_eq!(told(&picture(), false, "Content-Range: bytes 0-9/10\r\n"), None);
        assert_eq!(told(&gzip(b"few words")[..14], false, "Content-Encoding: gzip\r\n"), None);
        assert_eq!(told(&gzip(b"few words"), true, "Content-Encoding: gzip\r\n"), Some("text/plain"));
    }

    #[test]
    fn a_body_in_a_file_is_told_as_one_in_memory() {
        use crate::store::StoreConfig;
        use icapstan_icap_server::Budget;
        let dir = tempfile::tempdir().unwrap();
        let (memory, spool) = (Budget::unwatched(16 << 20), Budget::unwatched(16 << 20));
        let config = StoreConfig { memory, spool, dir: dir.path().to_owned() };
        let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
        runtime.block_on(async {
            let mut store = Store::new(&config, 8 << 20, None).unwrap();
            for _ in 0..8 {
                store.push(&picture()).await.unwrap();
            }
            assert!(store.in_memory().is_none());
            let sample = Sample::of(&head(""), &store, true).await.unwrap();
            assert_eq!((sample.is_whole, sample.media_type(&head(""))), (false, Some("image/png")));
        });
    }
}
