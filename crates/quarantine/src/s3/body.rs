//! An object on its way to a store: sealed piece by piece, while it is sent.

use crate::age::{Seal, Sealer};
use crate::candidate::ObjectReader;
use crate::keeper::Record;
use crate::record::front;
use aws_lc_rs::digest::{Context, SHA256};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use std::future::Future;
use std::io::{self, Read, Write};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, ready};

/// How much is read at once.
const PIECE: usize = 64 * 1024;

/// One way to seal an object: each [`Pieces`] of it comes out the same, so that its digest is known before it is sent.
/// That holds since objects never change.
pub(super) struct Sealed {
    seal: Arc<Seal>,
    front: Bytes,
    object: ObjectReader,
    len: u64,
}

/// The bytes of a sealed object.
pub(super) struct Pieces {
    /// Until the end.
    sealer: Option<Sealer<Vec<u8>>>,
    plain: io::Chain<io::Cursor<Bytes>, ObjectReader>,
    block: Vec<u8>,
    left: u64,
    gate: Option<Gate>,
}

/// Ends when the first byte may be sent.
type Gate = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

// === impl Sealed ===

impl Sealed {
    pub(super) fn new(record: &Record<'_>) -> io::Result<Self> {
        let seal = Arc::new(Seal::new(record.recipients)?);
        let front = front(&record.metadata)?.into();
        Ok(Self { seal, front, object: ObjectReader::new(&record.candidate.object), len: record.len })
    }

    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn pieces(&self) -> io::Result<Pieces> {
        let plain = io::Cursor::new(self.front.clone()).chain(self.object.clone());
        let sealer = Some(Sealer::new(&self.seal, Vec::new())?);
        Ok(Pieces { sealer, plain, block: vec![0; PIECE], left: self.len, gate: None })
    }

    /// The SHA-256 of all pieces.
    pub(super) fn digest(&self) -> io::Result<Vec<u8>> {
        let (mut context, mut pieces) = (Context::new(&SHA256), self.pieces()?);
        while let Some(piece) = pieces.next()? {
            context.update(&piece);
        }
        Ok(context.finish().as_ref().to_vec())
    }
}

// === impl Pieces ===

impl Pieces {
    /// Sends nothing until `gate` ends.
    pub(super) fn wait_for(&mut self, gate: impl Future<Output = ()> + Send + Sync + 'static) {
        self.gate = Some(Box::pin(gate));
    }

    /// The next bytes, some at least; `None`: there are no more.
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        while let Some(sealer) = &mut self.sealer {
            let count = self.plain.read(&mut self.block)?;
            let piece = if count > 0 {
                sealer.write_all(&self.block[..count])?;
                mem::take(sealer.out())
            } else {
                self.sealer.take().map(Sealer::finish).transpose()?.unwrap_or_default()
            };
            self.left = self
                .left
                .checked_sub(piece.len() as u64)
                .filter(|left| *left == 0 || self.sealer.is_some())
                .ok_or_else(|| io::Error::other("the object has another length than it had"))?;
            if !piece.is_empty() {
                return Ok(Some(piece.into()));
            }
        }
        Ok(None)
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(gate) = &mut self.gate {
            ready!(gate.as_mut().poll(context));
            self.gate = None;
        }
        Poll::Ready(self.next().transpose().map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.sealer.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::age::Identity;
    use crate::candidate::Candidate;
    use crate::id::Id;
    use crate::queue::Waiting;
    use crate::record::{Metadata, read_record};
    use icapstan_model::{Content, Object};
    use std::time::SystemTime;

    fn all(mut pieces: Pieces) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(piece) = pieces.next().unwrap() {
            bytes.extend_from_slice(&piece);
            assert_eq!(pieces.size_hint().exact(), Some(pieces.left));
        }
        assert!(pieces.is_end_stream());
        bytes
    }

    #[test]
    fn an_object_comes_out_the_same_each_time_with_the_length_and_the_digest_that_were_told() {
        let identity = Identity::generate().unwrap();
        for len in [0, 1, 65_535, 65_536, 200_000] {
            let plain: Vec<u8> = (0..=u8::MAX).cycle().take(len).collect();
            let object = Object { len: len as u64, content: Content::Memory(plain.clone().into()) };
            let candidate = Candidate { object, metadata: Metadata::default(), hold: None };
            let waiting = Waiting { id: Id::new(SystemTime::now()).unwrap(), candidate };
            let recipients = [identity.recipient()];
            let record = Record::new(&recipients, &waiting).unwrap();
            let sealed = Sealed::new(&record).unwrap();
            let first = all(sealed.pieces().unwrap());
            assert!(first == all(sealed.pieces().unwrap()), "{len}");
            assert_eq!(first.len() as u64, sealed.len());
            let digest = aws_lc_rs::digest::digest(&SHA256, &first);
            assert_eq!(sealed.digest().unwrap(), digest.as_ref());
            // Another one has another key.
            assert!(all(Sealed::new(&record).unwrap().pieces().unwrap()) != first);
            let own = Identity::parse(&identity.secret()).unwrap();
            let (known, mut content) = read_record(&first[..], &[own]).unwrap();
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).unwrap();
            assert!(bytes == plain && known.id == waiting.id.as_str(), "{len}");
        }
    }
}
