//! Where objects are kept.

use crate::folder::{Folder, FolderError};
use crate::id::Id;
use crate::s3::{Bucket, S3Error};
use icapstan_api::QuarantineSettings;
use std::io::Read;
use thiserror::Error;

/// One of the places that there can be.
#[derive(Debug)]
pub enum Place {
    /// Of this machine.
    Folder(Folder),
    /// Of an object store.
    S3(Bucket),
}

/// Objects of a place.
pub type Entries = Box<dyn Iterator<Item = Result<Entry, PlaceError>>>;

/// An object, as who has no key sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is called.
    pub id: Id,
    /// Its bytes, encrypted.
    pub size: u64,
}

/// Why something cannot be done in a place.
#[derive(Debug, Error)]
pub enum PlaceError {
    /// The settings name none.
    #[error("no quarantine is set up (quarantine.folder, quarantine.s3)")]
    Nowhere,
    /// It is a folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// It is a bucket.
    #[error(transparent)]
    S3(#[from] S3Error),
    /// There is no such object.
    #[error("there is no object {0}")]
    NoObject(Id),
}

// === impl Place ===

impl Place {
    /// For reading and removing, beside the program that writes.
    pub fn open(settings: &QuarantineSettings) -> Result<Self, PlaceError> {
        match (&settings.folder, &settings.s3) {
            (Some(folder), _) => Ok(Self::Folder(Folder::new(&folder.path))),
            (None, Some(s3)) => Ok(Self::S3(Bucket::open(s3)?)),
            (None, None) => Err(PlaceError::Nowhere),
        }
    }

    /// All objects, the oldest first.
    pub fn list(&self) -> Result<Entries, PlaceError> {
        Ok(match self {
            Self::Folder(folder) => Box::new(folder.list()?.into_iter().map(Ok)),
            Self::S3(bucket) => Box::new(bucket.list().map(|entry| Ok(entry?))),
        })
    }

    /// The encrypted bytes of an object.
    pub fn read(&self, id: &Id) -> Result<Box<dyn Read>, PlaceError> {
        let found: Option<Box<dyn Read>> = match self {
            Self::Folder(folder) => folder.open(id)?.map(|file| Box::new(file) as Box<dyn Read>),
            Self::S3(bucket) => bucket.read(id)?.map(|object| Box::new(object) as Box<dyn Read>),
        };
        found.ok_or_else(|| PlaceError::NoObject(id.clone()))
    }

    /// Removes an object.
    pub fn remove(&self, id: &Id) -> Result<(), PlaceError> {
        let is_gone = match self {
            Self::Folder(folder) => folder.remove(id)?,
            Self::S3(bucket) => bucket.remove(id)?,
        };
        if is_gone { Ok(()) } else { Err(PlaceError::NoObject(id.clone())) }
    }
}
