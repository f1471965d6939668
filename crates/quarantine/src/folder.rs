//! Objects as files of a folder.

use crate::id::Id;
use crate::place::Entry;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What stands at the end of names of files that are being written. They begin with a dot.
const PART: &str = ".part";
/// Whoever writes holds a lock on it.
const LOCK: &str = ".lock";

/// A folder with one file for each object.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// Keeps others from writing into a folder. Ends with the process, however that ends.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

/// Why something cannot be done in a folder.
#[derive(Debug, Error)]
#[error("{path}: {what}")]
pub struct FolderError {
    path: PathBuf,
    what: &'static str,
    #[source]
    source: io::Error,
}

// === impl Folder ===

impl Folder {
    /// The folder at `path`, whether it is there or not.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Makes the folder if it is not there, takes it for oneself, and removes what was not written to its end.
    pub(crate) fn claim(&self) -> Result<Lock, FolderError> {
        let made = DirBuilder::new().mode(0o700).create(&self.path);
        if let Err(error) = made
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(self.fault("the folder cannot be made", error));
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options
            .open(self.path.join(LOCK))
            .map_err(|error| self.fault("the folder cannot be written to", error))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|error| self.fault("another process writes to the folder", error.into()))?;
        self.sweep().map_err(|error| self.fault("the folder cannot be tidied up", error))?;
        Ok(Lock { file })
    }

    /// All objects, the oldest first.
    pub fn list(&self) -> Result<Vec<Entry>, FolderError> {
        let fault = |error| self.fault("the folder cannot be read", error);
        let mut entries = Vec::new();
        for file in fs::read_dir(&self.path).map_err(fault)? {
            let file = file.map_err(fault)?;
            let Some(id) = file.file_name().to_str().and_then(Id::of_name) else { continue };
            // It may have gone meanwhile.
            if let Ok(about) = file.metadata()
                && about.is_file()
            {
                entries.push(Entry { id, size: about.len() });
            }
        }
        entries.sort_unstable_by(|one, other| one.id.cmp(&other.id));
        Ok(entries)
    }

    /// The file of an object; `None`: there is none.
    pub fn open(&self, id: &Id) -> Result<Option<File>, FolderError> {
        match File::open(self.path.join(id.name())) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.fault("an object cannot be read", error)),
        }
    }

    /// Removes an object; `false`: there is none.
    pub fn remove(&self, id: &Id) -> Result<bool, FolderError> {
        match fs::remove_file(self.path.join(id.name())) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.fault("an object cannot be removed", error)),
        }
    }

    /// Writes an object by `write`, wholly or not at all. Once this returns a crash does not undo it.
    pub(crate) fn put(&self, id: &Id, write: impl FnOnce(&File) -> io::Result<()>) -> io::Result<u64> {
        let part = Part(self.path.join(format!(".{id}{PART}")));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part.0)?;
        write(&file)?;
        file.sync_all()?;
        let len = file.metadata()?.len();
        fs::rename(&part.0, self.path.join(id.name()))?;
        File::open(&self.path)?.sync_all()?;
        Ok(len)
    }

    fn sweep(&self) -> io::Result<()> {
        for file in fs::read_dir(&self.path)? {
            let file = file?;
            if file.file_name().to_str().is_some_and(is_part) {
                fs::remove_file(file.path())?;
            }
        }
        Ok(())
    }

    fn fault(&self, what: &'static str, source: io::Error) -> FolderError {
        FolderError { path: self.path.clone(), what, source }
    }
}

fn is_part(name: &str) -> bool {
    let id = name.strip_prefix('.').and_then(|name| name.strip_suffix(PART));
    id.and_then(Id::parse).is_some()
}

/// Is removed unless it was renamed.
struct Part(PathBuf);

// === impl Lock ===

impl Drop for Lock {
    /// A child that this process forks just now has the file open until it becomes another program, and closing it
    /// here would leave the lock to the child for as long.
    fn drop(&mut self) {
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        remove_quietly(&self.0);
    }
}

/// Of what is gone nothing is to be said; of what cannot be removed, the next start will.
fn remove_quietly(path: &Path) {
    let _ = fs::remove_file(path);
}
