//! What is kept for a start without anybody to ask.

use icapstan_api::fleet::FleetPlanSpec;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use thiserror::Error;

use crate::plan::{MAX_PLAN, ReadError, read_plan};

/// The folder that a process keeps between its starts. No two processes may share one.
#[derive(Clone, Debug)]
pub struct StateFolder(PathBuf);

/// Why the state folder cannot be used.
#[derive(Debug, Error)]
pub enum DiskError {
    /// It cannot be made, or not be used.
    #[error("the state folder {} cannot be used", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The plan in it is none.
    #[error("the plan in {}", path.display())]
    Plan {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: ReadError,
    },
}

// === impl StateFolder ===

impl StateFolder {
    /// The folder at `path`, which is made if it is not there.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, DiskError> {
        let path = path.into();
        let made = std::path::absolute(&path).and_then(|absolute| {
            fs::create_dir_all(&absolute)?;
            // What a write that was cut off left behind.
            match fs::remove_file(absolute.join(NEW)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(absolute),
            }
        });
        made.map(Self).map_err(|source| DiskError::Folder { path, source })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The last plan that was kept, if there is one.
    pub fn plan(&self) -> Result<Option<FleetPlanSpec>, DiskError> {
        let path = self.0.join(PLAN);
        let mut text = String::new();
        let read =
            File::open(&path).and_then(|file| file.take(MAX_PLAN as u64 + 1).read_to_string(&mut text));
        match read {
            Ok(_) => read_plan(&text).map(Some).map_err(|source| DiskError::Plan { path, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(DiskError::Folder { path, source }),
        }
    }

    /// Keeps a plan in the place of the one before. Either of them is there, whatever happens meanwhile.
    pub fn keep(&self, plan: &FleetPlanSpec) -> io::Result<()> {
        let (new, path) = (self.0.join(NEW), self.0.join(PLAN));
        let text = serde_json::to_vec(plan).map_err(io::Error::other)?;
        let mut file = File::create(&new)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(&self.0)?.sync_all()
    }
}

const PLAN: &str = "plan.json";
const NEW: &str = "plan.json.new";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_plan_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::open(folder.path().join("a/b")).unwrap();
        assert_eq!(state.plan().unwrap(), None);
        for generation in [7, 8] {
            state.keep(&FleetPlanSpec { generation, ..FleetPlanSpec::default() }).unwrap();
        }
        fs::write(state.path().join(NEW), "{\"gen").unwrap();
        let again = StateFolder::open(folder.path().join("a/b")).unwrap();
        assert_eq!(again.plan().unwrap().unwrap().generation, 8);
        assert!(!again.path().join(NEW).exists(), "what was cut off is gone");
    }

    #[test]
    fn a_broken_copy_is_told_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::open(folder.path()).unwrap();
        fs::write(folder.path().join(PLAN), "{\"generation\":").unwrap();
        assert!(matches!(state.plan(), Err(DiskError::Plan { .. })));
        assert!(StateFolder::open(folder.path().join(PLAN)).is_err(), "a file is no folder");
    }
}
