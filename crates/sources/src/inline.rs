//! Files that somebody has read already.

use crate::SourceError;
use bytes::Bytes;
use icapstan_api::fleet::Artifact;
use icapstan_artifacts::{Store, blocking};

pub(crate) async fn put(store: &Store, name: &str, bytes: &Bytes) -> Result<Artifact, SourceError> {
    let (store, bytes) = (store.clone(), bytes.clone());
    let put = blocking(move || store.insert_bytes(&bytes)).await.ok_or(SourceError::Stopped)?;
    put.map_err(|source| SourceError::Store { name: name.to_owned(), source })
}
