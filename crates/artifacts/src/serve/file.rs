//! A part of a file as a body.

use crate::store::CHUNK;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::task::{JoinHandle, spawn_blocking};

/// What is left of a part of a file. One chunk is read ahead.
pub(super) struct FileBody {
    file: Arc<File>,
    /// The next to be read.
    next: u64,
    end: u64,
    /// What is left to be given.
    left: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

// === impl FileBody ===

impl FileBody {
    /// From `first` to before `end`.
    pub(super) fn new(file: File, first: u64, end: u64) -> Self {
        Self { file: Arc::new(file), next: first, end, left: end - first, reading: None }
    }

    fn read_ahead(&mut self) {
        let (from, file) = (self.next, Arc::clone(&self.file));
        let count = usize::try_from(self.end - from).unwrap_or(CHUNK).min(CHUNK);
        self.reading = (count > 0).then(|| {
            spawn_blocking(move || {
                let mut chunk = vec![0; count];
                file.read_exact_at(&mut chunk, from)?;
                Ok(chunk.into())
            })
        });
        self.next += count as u64;
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.reading.is_none() {
            self.read_ahead();
        }
        let Some(reading) = &mut self.reading else { return Poll::Ready(None) };
        let read = ready!(Pin::new(reading).poll(cx)).map_err(io::Error::other).flatten();
        self.reading = None;
        Poll::Ready(Some(read.map(|chunk| {
            self.left -= chunk.len() as u64;
            self.read_ahead();
            Frame::data(chunk)
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
