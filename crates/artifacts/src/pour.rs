//! A body into a file.

use crate::store::CHUNK;
use crate::{Meter, Pace, StoreError, TooSlow, Writer};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use thiserror::Error;
use tokio::time::timeout;

/// Why a body did not get to its end.
#[derive(Debug, Error)]
pub enum PourError {
    /// The peer went away.
    #[error("the body was cut")]
    Cut(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The peer paused.
    #[error("nothing came for {0:?}")]
    Idle(std::time::Duration),
    /// The peer is slow.
    #[error("the body comes too slowly")]
    Slow(#[source] TooSlow),
    /// The bytes cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// This program ends.
    #[error("the program ends")]
    Stopped,
}

/// Does what blocks on a thread where that does not matter. `None` when there is none, because the program ends.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

/// Writes a body, as it comes. After an error the writer is dropped: what may be resumed is there to be.
pub async fn pour<B>(body: B, writer: Writer, pace: Pace) -> Result<Writer, PourError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut slot = Some(writer);
    pour_into(body, &mut slot, pace).await?;
    slot.ok_or(PourError::Stopped)
}

/// The same for who goes on with what came, after an error too. The slot is empty only while the program ends.
pub async fn pour_into<B>(body: B, slot: &mut Option<Writer>, pace: Pace) -> Result<(), PourError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut body = std::pin::pin!(body);
    let (meter, mut taken) = (pace.meter(), 0);
    let mut chunk = Vec::with_capacity(CHUNK);
    let end = loop {
        match next(&mut body, pace, &meter, taken).await {
            Ok(Some(bytes)) => {
                taken += bytes.len() as u64;
                chunk.extend_from_slice(&bytes);
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
        if chunk.len() >= CHUNK {
            chunk = write(slot, chunk).await?;
        }
    };
    // Also what came before the end that was none.
    write(slot, chunk).await?;
    end
}

async fn next<B>(
    body: &mut std::pin::Pin<&mut B>,
    pace: Pace,
    meter: &Meter,
    taken: u64,
) -> Result<Option<Bytes>, PourError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    loop {
        meter.check(taken).map_err(PourError::Slow)?;
        match timeout(pace.idle, body.frame()).await {
            Err(_) => return Err(PourError::Idle(pace.idle)),
            Ok(None) => return Ok(None),
            Ok(Some(Err(error))) => return Err(PourError::Cut(error.into())),
            Ok(Some(Ok(frame))) => {
                // Trailers say nothing that is needed.
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

async fn write(slot: &mut Option<Writer>, mut chunk: Vec<u8>) -> Result<Vec<u8>, PourError> {
    let mut writer = slot.take().ok_or(PourError::Stopped)?;
    let written = blocking(move || {
        let result = writer.write(&chunk);
        chunk.clear();
        (writer, chunk, result)
    });
    let (writer, chunk, result) = written.await.ok_or(PourError::Stopped)?;
    *slot = Some(writer);
    result?;
    Ok(chunk)
}
