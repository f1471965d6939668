//! An object on its way from a store.

use super::{Coming, Inner, S3Error};
use http_body_util::BodyExt as _;
use hyper::body::Bytes;
use std::io::{self, Read};
use std::sync::Arc;
use tokio::time::timeout;

/// Reads an object. No piece of it may take longer than a try to write one.
pub(crate) struct Download {
    inner: Arc<Inner>,
    coming: Coming,
    piece: Bytes,
}

// === impl Download ===

impl Download {
    pub(super) fn new(inner: Arc<Inner>, coming: Coming) -> Self {
        Self { inner, coming, piece: Bytes::new() }
    }

    fn next(&mut self) -> Result<Option<Bytes>, S3Error> {
        let (limit, body) = (self.inner.timeout, self.coming.response.body_mut());
        let frame = self.inner.runtime.block_on(async { timeout(limit, body.frame()).await });
        match frame.map_err(|_| S3Error::Timeout(limit))? {
            // Trailers are no part of it.
            Some(frame) => Ok(Some(frame.map_err(S3Error::Broken)?.into_data().unwrap_or_default())),
            None => Ok(None),
        }
    }
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.next().map_err(io::Error::other)? {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let count = self.piece.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}
