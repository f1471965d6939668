//! How signatures become an engine: a zygote that has read them, and workers that passed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

use crate::canary::Canary;
use crate::config::YaraRules;
use crate::crew::{Crew, HireError, Job};
use crate::pool::Pool;
use crate::zygote::{Start, Zygote, ZygoteError};

/// Why signatures were not loaded.
#[derive(Debug, Error)]
pub(crate) enum LoadError {
    #[error("the folder {0} holds no signature files")]
    Empty(PathBuf),
    #[error("the signature files cannot be read: {0}")]
    Read(io::Error),
    #[error("the self-test cannot be prepared: {0}")]
    Canary(io::Error),
    #[error(transparent)]
    Zygote(#[from] ZygoteError),
    #[error("no signature was loaded")]
    Nothing,
    #[error("no worker passes: {0}")]
    Workers(HireError),
    /// To be tried again when they have come to rest.
    #[error("the signature files changed while they were being loaded")]
    Unstable,
    /// To be tried again.
    #[error("transactions hold too many older generations of signatures")]
    Crowded,
}

/// Has the databases in a folder, and YARA rules, read by a process from which workers are forked. To be called by a
/// thread that lives as long as these.
pub(crate) fn start_zygote(
    crew: &Crew,
    canary: &Canary,
    databases: &Path,
    rules: Option<(&Path, Duration)>,
) -> Result<Zygote, LoadError> {
    let scratch = crew.run.subfolder("load").map_err(LoadError::Canary)?;
    let config = &crew.config;
    let own = canary.rule_folder();
    let settings = rules.map(|(folder, timeout)| YaraRules { folder: folder.to_owned(), timeout });
    let folders: Option<[&Path; 2]> = rules.map(|(folder, _)| [&*own, folder]);
    let rules = folders.as_ref().zip(settings.as_ref());
    let zygote = Zygote::start(&Start {
        worker: &config.worker,
        // In this order: see what else the canary's folder holds.
        databases: &[canary.folder(), databases],
        rules: rules.map(|(folders, rules)| (&folders[..], rules)),
        temp: scratch.path(),
        nice: config.nice,
        timeout: config.load_timeout,
        stop: &crew.stop,
    });
    Ok(zygote?)
}

/// At least one worker must pass; the crew sees to the others.
pub(crate) fn staff(crew: &Crew, pool: &Arc<Pool>) -> Result<(), LoadError> {
    let mut missing = 0;
    let mut last_error = None;
    for _ in 0..crew.config.all_workers() {
        match crew.hire(pool) {
            Ok(worker) => pool.enlist(worker),
            Err(error) => {
                tracing::error!(%error, "A worker of new signatures cannot be used.");
                missing += 1;
                last_error = Some(error);
            }
        }
        if crew.is_stopping() {
            return Err(ZygoteError::Stopped.into());
        }
    }
    match last_error {
        Some(error) if missing == crew.config.all_workers() => Err(LoadError::Workers(error)),
        Some(_) => {
            crew.send(Job::Fill { pool: Arc::downgrade(pool), count: missing });
            Ok(())
        }
        None => Ok(()),
    }
}
