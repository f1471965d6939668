//! Where objects are kept.

use crate::folder::{Folder, FolderError};
use crate::id::Id;
use icapstan_api::QuarantineSettings;
use std::io::Read;
use thiserror::Error;

/// One of the places that there can be.
#[derive(Debug)]
pub enum Place {
    /// Of this machine.
    Folder(Folder),
}

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
    #[error("no quarantine is set up (quarantine.folder)")]
    Nowhere,
    /// It is a folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// There is no such object.
    #[error("there is no object {0}")]
    NoObject(Id),
}

// === impl Place ===

impl Place {
    /// For reading and removing, beside the program that writes.
    pub fn open(settings: &QuarantineSettings) -> Result<Self, PlaceError> {
        match &settings.folder {
            Some(folder) => Ok(Self::Folder(Folder::new(&folder.path))),
            None => Err(PlaceError::Nowhere),
        }
    }

    /// All objects, the oldest first.
    pub fn list(&self) -> Result<Vec<Entry>, PlaceError> {
        match self {
            Self::Folder(folder) => Ok(folder.list()?),
        }
    }

    /// The encrypted bytes of an object.
    pub fn read(&self, id: &Id) -> Result<Box<dyn Read>, PlaceError> {
        match self {
            Self::Folder(folder) => {
                Ok(Box::new(folder.open(id)?.ok_or_else(|| PlaceError::NoObject(id.clone()))?))
            }
        }
    }

    /// Removes an object.
    pub fn remove(&self, id: &Id) -> Result<(), PlaceError> {
        let is_gone = match self {
            Self::Folder(folder) => folder.remove(id)?,
        };
        if is_gone { Ok(()) } else { Err(PlaceError::NoObject(id.clone())) }
    }
}
