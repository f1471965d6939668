//! A folder that never grows beyond its bounds: the oldest objects go.

use crate::folder::{Folder, FolderError, Lock};
use crate::id::Id;
use crate::keeper::Record;
use crate::metrics::{Failure, QuarantineMetrics, Removal};
use crate::store::{Failed, Store};
use icapstan_api::QuarantineFolder;
use icapstan_telemetry::chain;
use std::collections::BTreeMap;
use std::io::{BufWriter, Write as _};
use std::time::{Duration, SystemTime};

/// A folder, and what is known to be in it.
pub(crate) struct Bounded {
    folder: Folder,
    max_size: u64,
    max_objects: usize,
    max_age: Duration,
    known: BTreeMap<Id, u64>,
    size: u64,
    metrics: QuarantineMetrics,
    _lock: Lock,
}

// === impl Bounded ===

impl Bounded {
    /// Takes the folder for oneself, and brings it within its bounds.
    pub(crate) fn open(
        settings: &QuarantineFolder,
        metrics: &QuarantineMetrics,
    ) -> Result<Self, FolderError> {
        let folder = Folder::new(&settings.path);
        let lock = folder.claim()?;
        let mut bounded = Self {
            folder,
            max_size: settings.max_size.bytes(),
            max_objects: usize::try_from(settings.max_objects).unwrap_or(usize::MAX),
            max_age: settings.max_age,
            known: BTreeMap::new(),
            size: 0,
            metrics: metrics.clone(),
            _lock: lock,
        };
        bounded.look()?;
        Ok(bounded)
    }

    /// Learns what is there, and removes what is beyond a bound.
    fn look(&mut self) -> Result<(), FolderError> {
        self.known = self.folder.list()?.into_iter().map(|entry| (entry.id, entry.size)).collect();
        self.size = self.known.values().sum();
        let oldest = SystemTime::now().checked_sub(self.max_age).and_then(Id::least);
        if let Some(oldest) = oldest {
            while self.known.first_key_value().is_some_and(|(id, _)| *id < oldest) {
                self.remove_oldest(Removal::Age)?;
            }
        }
        self.make_room(0, 0)?;
        self.show();
        Ok(())
    }

    /// Removes the oldest until there is room for so many more.
    fn make_room(&mut self, objects: usize, bytes: u64) -> Result<(), FolderError> {
        while !self.known.is_empty()
            && (self.known.len() + objects > self.max_objects || self.size + bytes > self.max_size)
        {
            self.remove_oldest(Removal::Room)?;
        }
        Ok(())
    }

    fn remove_oldest(&mut self, cause: Removal) -> Result<(), FolderError> {
        let Some((id, size)) = self.known.first_key_value().map(|(id, size)| (id.clone(), *size)) else {
            return Ok(());
        };
        // Somebody may have done it before.
        if self.folder.remove(&id)? {
            self.metrics.removed.inc(cause);
        }
        self.known.remove(&id);
        self.size -= size;
        Ok(())
    }

    fn show(&self) {
        self.metrics.objects.set(i64::try_from(self.known.len()).unwrap_or(i64::MAX));
        self.metrics.bytes.set(i64::try_from(self.size).unwrap_or(i64::MAX));
    }
}

impl Store for Bounded {
    fn put(&mut self, id: &Id, record: &Record<'_>) -> Result<u64, Failed> {
        if record.len > self.max_size {
            let error = "the object is larger than quarantine.folder.maxSize".to_owned();
            return Err(Failed { cause: Failure::NoSpace, error, may_pass: false });
        }
        self.make_room(1, record.len)?;
        let written = self.folder.put(id, |file| {
            let mut out = BufWriter::with_capacity(128 * 1024, file);
            record.write(&mut out)?;
            out.flush()
        });
        if let Ok(len) = written {
            self.known.insert(id.clone(), len);
            self.size += len;
        }
        self.show();
        Ok(written?)
    }

    fn tend(&mut self) -> Result<(), Failed> {
        Ok(self.look()?)
    }
}

impl From<FolderError> for Failed {
    fn from(error: FolderError) -> Self {
        Self { cause: Failure::Io, error: chain(&error), may_pass: false }
    }
}
