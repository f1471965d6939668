//! What an answer has, where that is small.

use super::Answer;
use crate::SourceError;
use http_body_util::BodyExt;
use icapstan_artifacts::{Pace, PourError};
use tokio::time::timeout;

/// What a status says that is no success.
pub(crate) fn refusal(host: &str, status: u16, name: &str) -> SourceError {
    match status {
        401 | 403 => SourceError::Authentication { host: host.to_owned(), status },
        404 | 410 => SourceError::Missing(name.to_owned()),
        _ => SourceError::Status { host: host.to_owned(), status },
    }
}

/// All of a body, in memory.
pub(crate) async fn small(
    mut answer: Answer,
    name: &str,
    limit: u64,
    pace: Pace,
) -> Result<Vec<u8>, SourceError> {
    let fault = |source| SourceError::Body { name: name.to_owned(), source };
    let (meter, mut bytes) = (pace.meter(), Vec::new());
    let body = answer.response.body_mut();
    loop {
        meter.check(bytes.len() as u64).map_err(|slow| fault(PourError::Slow(slow)))?;
        let frame = match timeout(pace.idle, body.frame()).await {
            Err(_) => return Err(fault(PourError::Idle(pace.idle))),
            Ok(None) => return Ok(bytes),
            Ok(Some(frame)) => frame.map_err(|error| fault(PourError::Cut(error.into())))?,
        };
        if let Ok(data) = frame.into_data() {
            if (bytes.len() + data.len()) as u64 > limit {
                return Err(SourceError::TooLarge { name: name.to_owned(), limit });
            }
            bytes.extend_from_slice(&data);
        }
    }
}
