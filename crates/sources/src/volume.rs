//! Files on a volume.

use crate::names::is_database;
use crate::{SourceError, is_file_name};
use icapstan_api::fleet::{Artifact, ContentDigest};
use icapstan_artifacts::{Store, blocking};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file, or the databases of a folder.
#[derive(Debug)]
pub(crate) struct Volume {
    /// Where each file and what belongs to it is, links followed, by names.
    files: BTreeMap<String, PathBuf>,
    /// Where what belongs to them would be.
    folder: PathBuf,
    roots: Vec<PathBuf>,
}

// === impl Volume ===

impl Volume {
    /// What is at `path`, which has to be below one of `roots`.
    pub(crate) async fn open(path: &Path, roots: &[PathBuf], max_files: usize) -> Result<Self, SourceError> {
        let (path, roots) = (path.to_owned(), roots.to_vec());
        blocking(move || open(&path, &roots, max_files)).await.ok_or(SourceError::Stopped)?
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.files.keys().cloned().collect()
    }

    /// Into the store, if it is not there.
    pub(crate) async fn put(&self, store: &Store, name: &str, limit: u64) -> Result<Artifact, SourceError> {
        let path = self.files.get(name).cloned().ok_or_else(|| SourceError::Missing(name.to_owned()))?;
        let (store, name) = (store.clone(), name.to_owned());
        blocking(move || put(&store, &name, &path, limit)).await.ok_or(SourceError::Stopped)?
    }

    /// What belongs to the files, and is small.
    pub(crate) async fn companion(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, SourceError> {
        let (path, roots) = (self.folder.join(name), self.roots.clone());
        let name = name.to_owned();
        let read = blocking(move || {
            let path = match permitted(&path, &roots) {
                Err(SourceError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    return Ok(None);
                }
                other => other?,
            };
            let (file, _) = open_file(&path)?;
            let mut bytes = Vec::new();
            let read = file.take(limit + 1).read_to_end(&mut bytes);
            read.map_err(|source| SourceError::Read { path, source })?;
            if bytes.len() as u64 > limit {
                return Err(SourceError::TooLarge { name, limit });
            }
            Ok(Some(bytes))
        });
        read.await.ok_or(SourceError::Stopped)?
    }
}

fn open(path: &Path, roots: &[PathBuf], max_files: usize) -> Result<Volume, SourceError> {
    // Links are followed, since mounted Secrets and ConfigMaps consist of them; but not out of the roots.
    let mut real_roots = Vec::new();
    for root in roots {
        real_roots.push(fs::canonicalize(root).map_err(|source| read_error(root, source))?);
    }
    let real = permitted(path, &real_roots)?;
    let is_folder = fs::metadata(&real).map_err(|source| read_error(&real, source))?.is_dir();
    let name_of = |path: &Path| path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    let mut files = BTreeMap::new();
    if !is_folder {
        let name = name_of(path).filter(|name| is_file_name(name));
        let odd = || SourceError::Invalid(format!("{} has no name that a file may have", path.display()));
        files.insert(name.ok_or_else(odd)?, real);
        let folder = path.parent().unwrap_or(path).to_owned();
        return Ok(Volume { files, folder, roots: real_roots });
    }
    for entry in fs::read_dir(&real).map_err(|source| read_error(&real, source))? {
        let entry = entry.map_err(|source| read_error(&real, source))?.path();
        let Some(name) = name_of(&entry).filter(|name| is_file_name(name) && is_database(name)) else {
            continue;
        };
        let file = permitted(&entry, &real_roots)?;
        files.insert(name, file);
        if files.len() > max_files {
            return Err(SourceError::TooMany { count: files.len(), limit: max_files });
        }
    }
    Ok(Volume { files, folder: real, roots: real_roots })
}

/// Where it really is, if that is below a root.
fn permitted(path: &Path, roots: &[PathBuf]) -> Result<PathBuf, SourceError> {
    let is_below = |path: &Path| roots.iter().any(|root| path.starts_with(root));
    let real = match fs::canonicalize(path) {
        Ok(real) => Some(real).filter(|real| is_below(real)),
        // Whether something is there that may not be had, is not told either.
        Err(source) => {
            let folder = path.parent().and_then(|folder| fs::canonicalize(folder).ok());
            if folder.is_some_and(|folder| is_below(&folder)) {
                return Err(read_error(path, source));
            }
            None
        }
    };
    real.ok_or_else(|| SourceError::Path(path.to_owned()))
}

fn read_error(path: &Path, source: io::Error) -> SourceError {
    SourceError::Read { path: path.to_owned(), source }
}

/// A file, and nothing that only looks like one: a pipe would keep whoever opens it.
fn open_file(path: &Path) -> Result<(File, Metadata), SourceError> {
    let fault = |source| read_error(path, source);
    if !fs::metadata(path).map_err(fault)?.is_file() {
        return Err(fault(io::Error::new(io::ErrorKind::InvalidInput, "it is no file")));
    }
    let file = File::open(path).map_err(fault)?;
    let metadata = file.metadata().map_err(fault)?;
    Ok((file, metadata))
}

fn put(store: &Store, name: &str, path: &Path, limit: u64) -> Result<Artifact, SourceError> {
    let fault = |source| read_error(path, source);
    let (file, before) = open_file(path)?;
    if before.len() > limit {
        return Err(SourceError::TooLarge { name: name.to_owned(), limit });
    }
    let artifact = hash(file, before.len()).map_err(fault)?;
    if artifact.size != before.len() {
        return Err(SourceError::Changing(path.to_owned()));
    }
    if store.path(&artifact.digest).is_none() {
        let (file, _) = open_file(path)?;
        store.insert(&artifact, file).map_err(|source| match source {
            // It is not what it was a moment ago.
            error if error.is_of_bytes() => SourceError::Changing(path.to_owned()),
            source => SourceError::Store { name: name.to_owned(), source },
        })?;
    }
    let after = fs::metadata(path).map_err(fault)?;
    let stamp = |of: &Metadata| (of.ino(), of.len(), of.mtime(), of.mtime_nsec());
    if stamp(&after) == stamp(&before) { Ok(artifact) } else { Err(SourceError::Changing(path.to_owned())) }
}

fn hash(file: File, len: u64) -> io::Result<Artifact> {
    let (mut hasher, mut buffer, mut size) = (Sha256::new(), vec![0; 256 << 10], 0);
    // A file that grows is not followed.
    let mut file = file.take(len.saturating_add(1));
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Artifact { digest: ContentDigest(hasher.finalize().into()), size }),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                size += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
