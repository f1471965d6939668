//! The place of a source, opened.

use crate::oci::Registry;
use crate::spec::checked_name;
use crate::volume::Volume;
use crate::web::{Ask, Download, Downloaded, Known, Web, refusal, small};
use crate::{Fetched, FetchedFile, HttpFile, HttpPlace, Limits, Location, SourceError, Verification, inline};
use bytes::Bytes;
use icapstan_api::fleet::ContentDigest;
use icapstan_artifacts::{Store, blocking};
use jiff::Timestamp;
use rustls::ClientConfig;
use std::path::PathBuf;
use std::sync::Arc;
use url::Url;

/// The place of a source, opened.
pub(crate) enum Place<'a> {
    Http(&'a Web, &'a HttpPlace, Arc<ClientConfig>),
    Oci(Box<Registry<'a>>),
    Volume(Volume),
    Inline(&'a [(String, Bytes)]),
}

// === impl Place ===

impl<'a> Place<'a> {
    pub(crate) async fn open(
        location: &'a Location,
        web: &'a Web,
        roots: &[PathBuf],
        limits: &'a Limits,
    ) -> Result<Self, SourceError> {
        match location {
            Location::Http(place) => Ok(Self::Http(web, place, web.tls_for(place)?)),
            Location::Oci(place) => Ok(Self::Oci(Box::new(Registry::open(web, place, limits).await?))),
            Location::Volume(path) => Volume::open(path, roots, limits.max_files).await.map(Self::Volume),
            Location::Inline(files) => Ok(Self::Inline(files)),
        }
    }

    /// The files that it has, but for those that are about others.
    pub(crate) fn names(
        &self,
        verification: &Verification,
        limits: &Limits,
    ) -> Result<Vec<String>, SourceError> {
        let mut names: Vec<String> = match self {
            Self::Http(_, place, _) => place.files.iter().map(|file| file.name.clone()).collect(),
            Self::Oci(registry) => registry.manifest.layers.iter().map(|layer| layer.name.clone()).collect(),
            Self::Volume(volume) => volume.names(),
            Self::Inline(files) => files.iter().map(|(name, _)| name.clone()).collect(),
        };
        names.retain(|name| !verification.is_companion(name));
        names.iter().try_for_each(|name| checked_name(name))?;
        let (count, limit) = (names.len(), limits.max_files);
        if count > limit {
            return Err(SourceError::TooMany { count, limit });
        }
        names.sort_unstable();
        names.dedup();
        if names.len() != count {
            return Err(SourceError::Invalid("two files have the same name".to_owned()));
        }
        if names.is_empty() { Err(SourceError::Empty) } else { Ok(names) }
    }

    /// A file into the store. `expected` is what it should be, if that is known: then it may not have to be fetched.
    pub(crate) async fn put(
        &self,
        store: &Store,
        name: &str,
        wish: &Wish<'_>,
    ) -> Result<FetchedFile, SourceError> {
        let limit = wish.limit;
        match self {
            Self::Http(web, place, tls) => {
                let held = |digest: &ContentDigest| store.artifact(digest).filter(|held| held.size <= limit);
                if let Some(held) = wish.expected.as_ref().and_then(held) {
                    return Ok(FetchedFile::new(name, held));
                }
                let file = place.files.iter().find(|file| file.name == name);
                let file = file.ok_or_else(|| SourceError::Missing(name.to_owned()))?;
                http(web, place, tls, store, file, wish).await
            }
            Self::Oci(registry) => {
                let layer = registry.layer(name).ok_or_else(|| SourceError::Missing(name.to_owned()))?;
                registry.put(store, layer, limit).await?;
                Ok(FetchedFile::new(name, layer.artifact))
            }
            Self::Volume(volume) => Ok(FetchedFile::new(name, volume.put(store, name, limit).await?)),
            Self::Inline(files) => {
                let (_, bytes) = files
                    .iter()
                    .find(|(found, _)| found == name)
                    .ok_or_else(|| SourceError::Missing(name.to_owned()))?;
                if bytes.len() as u64 > limit {
                    return Err(SourceError::TooLarge { name: name.to_owned(), limit });
                }
                Ok(FetchedFile::new(name, inline::put(store, name, bytes).await?))
            }
        }
    }

    /// A small file that is about others, if it is there: a signature, a list of digests. `about` is the file that it
    /// is about, and nothing for what is about all.
    pub(crate) async fn companion(
        &self,
        store: &Store,
        name: &str,
        about: Option<&str>,
        limit: u64,
        limits: &Limits,
    ) -> Result<Option<Vec<u8>>, SourceError> {
        match self {
            Self::Http(web, place, tls) => {
                let url = beside(place, name, about)?;
                let credentials = &place.credentials;
                let answer =
                    web.get(&Ask { url: &url, fields: Vec::new(), credentials, tls, limits }).await?;
                match answer.response.status().as_u16() {
                    200 => small(answer, name, limit, limits.pace).await.map(Some),
                    status => match refusal(&answer.host, status, name) {
                        SourceError::Missing(_) => Ok(None),
                        error => Err(error),
                    },
                }
            }
            Self::Oci(registry) => {
                let Some(layer) = registry.layer(name) else { return Ok(None) };
                registry.put(store, layer, limit).await?;
                let (store, digest) = (store.clone(), layer.artifact.digest);
                let read = blocking(move || std::fs::read(store.path(&digest)?).ok()).await;
                Ok(read.flatten())
            }
            Self::Volume(volume) => volume.companion(name, limit).await,
            Self::Inline(files) => {
                let found = files.iter().find(|(found, _)| found == name).map(|(_, bytes)| bytes);
                match found {
                    Some(bytes) if bytes.len() as u64 > limit => {
                        Err(SourceError::TooLarge { name: name.to_owned(), limit })
                    }
                    found => Ok(found.map(|bytes| bytes.to_vec())),
                }
            }
        }
    }

    /// Whether its files are named by what they are.
    pub(crate) fn is_pinned(&self) -> bool {
        matches!(self, Self::Oci(registry) if registry.is_pinned())
    }

    /// When it was made, as the place says.
    pub(crate) fn released(&self) -> Option<Timestamp> {
        match self {
            Self::Oci(registry) => registry.manifest.created,
            _ => None,
        }
    }

    /// What tells its state from others, where the place has a word for that.
    pub(crate) fn revision(&self) -> Option<String> {
        match self {
            Self::Oci(registry) => Some(registry.digest.to_string()),
            _ => None,
        }
    }
}

/// How a file is fetched.
pub(crate) struct Wish<'w> {
    /// What it should be.
    pub(crate) expected: Option<ContentDigest>,
    /// What it was, if the place is the same.
    pub(crate) previous: Option<&'w Fetched>,
    /// How many bytes it may have.
    pub(crate) limit: u64,
    pub(crate) limits: &'w Limits,
}

async fn http(
    web: &Web,
    place: &HttpPlace,
    tls: &Arc<ClientConfig>,
    store: &Store,
    file: &HttpFile,
    wish: &Wish<'_>,
) -> Result<FetchedFile, SourceError> {
    let name = file.name.as_str();
    // Only what is still there need not be fetched.
    let before = wish.previous.and_then(|previous| previous.file(name));
    let before = before.filter(|before| before.size <= wish.limit && store.path(&before.digest).is_some());
    let known =
        before.map(|before| Known { etag: before.etag.clone(), last_modified: before.last_modified.clone() });
    let download = Download {
        name,
        url: &file.url,
        credentials: &place.credentials,
        tls,
        limits: wish.limits,
        max_bytes: wish.limit,
        known: known.filter(Known::is_some),
        is_fixed: false,
    };
    let fault = |source| SourceError::Store { name: name.to_owned(), source };
    let (of_store, limit) = (store.clone(), wish.limit);
    let writer = blocking(move || of_store.create(limit)).await.ok_or(SourceError::Stopped)?;
    match web.download(&download, writer.map_err(fault)?).await? {
        Downloaded::Done(writer, known) => {
            let artifact = blocking(move || writer.finish()).await.ok_or(SourceError::Stopped)?;
            let mut fetched = FetchedFile::new(name, artifact.map_err(fault)?);
            (fetched.etag, fetched.last_modified) = (known.etag, known.last_modified);
            Ok(fetched)
        }
        Downloaded::NotModified => {
            let before = before.ok_or_else(|| SourceError::Missing(name.to_owned()))?;
            Ok(FetchedFile { cvd: None, signed_at: None, ..before.clone() })
        }
    }
}

/// The URL of what belongs to a file, or to all of them: it lies beside it, and has no query.
fn beside(place: &HttpPlace, name: &str, about: Option<&str>) -> Result<Url, SourceError> {
    let file = match about {
        Some(about) => place.files.iter().find(|file| file.name == about),
        None => place.files.first(),
    };
    let mut url = file.ok_or_else(|| SourceError::Missing(name.to_owned()))?.url.clone();
    url.set_query(None);
    let path = match about.and_then(|about| name.strip_prefix(about)) {
        Some(suffix) => format!("{}{suffix}", url.path()),
        None => format!("{}/{name}", url.path().rsplit_once('/').map_or("", |(folder, _)| folder)),
    };
    url.set_path(&path);
    Ok(url)
}

impl Web {
    fn tls_for(&self, place: &HttpPlace) -> Result<Arc<ClientConfig>, SourceError> {
        let is_secure = place.files.iter().any(|file| file.url.scheme() == "https");
        match self.tls(place.ca.as_deref()) {
            // Without a single authority nobody can be believed, and nobody has to be.
            Err(SourceError::Authorities(_)) if !is_secure => {
                Ok(Arc::new(icapstan_tls::connector_config(rustls::RootCertStore::empty())))
            }
            other => other,
        }
    }
}
