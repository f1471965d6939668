//! What is told of a worker that died of an object: everything but the object.

use icapstan_telemetry::timestamp;
use serde_json::{Value, json};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime};

use crate::metrics::ReportResult;
use crate::packet;
use crate::sealed::Source;
use crate::shared::Shared;
use crate::zygote::Zygote;

/// The kernel needs a few milliseconds to take down a large address space.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// What our files are called. No others are ever removed.
const PREFIX: &str = "icapstan-crash-";
const SUFFIX: &str = ".json";

/// Of a worker that has ended, or is about to.
#[derive(Debug)]
pub(crate) struct Obituary {
    pub(crate) pid: u32,
    pub(crate) by: Deceased,
    pub(crate) age: Duration,
    pub(crate) served: u64,
}

/// What it was, and who knows by which signal it ended.
#[derive(Debug)]
pub(crate) enum Deceased {
    /// A process that scans.
    Worker { pidfd: OwnedFd, zygote: Arc<Zygote> },
    /// A process that takes containers apart. Whoever buries it tells.
    Unpacker { signal: Receiver<Option<u32>> },
}

/// What it died of.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) obituary: Obituary,
    pub(crate) generation: String,
    /// The object as it came, for its digest.
    pub(crate) object: Source,
    /// Its type by its first bytes.
    pub(crate) kind: &'static str,
    /// Bytes that the worker was given: the object, or a form of it.
    pub(crate) given: u64,
    /// Whether the worker had been given this object alone, since another one had died of it.
    pub(crate) isolated: bool,
}

// === impl Deceased ===

impl Deceased {
    fn engine(&self) -> &str {
        match self {
            Self::Worker { zygote, .. } => &zygote.engine,
            Self::Unpacker { .. } => "unpack-worker",
        }
    }

    /// Waits for it for a moment.
    fn signal(&self, pid: u32) -> Option<u32> {
        match self {
            Self::Worker { pidfd, zygote } => {
                // The zygote knows of an end only after it.
                let has_ended = packet::wait_readable(pidfd.as_fd(), Instant::now() + END_TIMEOUT);
                if has_ended.unwrap_or(false) { zygote.fate(pid) } else { None }
            }
            Self::Unpacker { signal } => signal.recv_timeout(END_TIMEOUT).ok().flatten(),
        }
    }
}

// === impl Case ===

impl Case {
    /// Tells the log, and the folder if there is one. Blocks.
    pub(crate) fn tell(&self, shared: &Shared) {
        let Obituary { pid, by, age, served } = &self.obituary;
        let (engine, signal) = (by.engine(), by.signal(*pid));
        let digest = shared.secrets.digest_blocking(&self.object).map(|digest| digest.to_hex().to_string());
        let digest = digest.unwrap_or_default();
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(
            pid,
            engine,
            signal,
            age_ms,
            served,
            generation = self.generation,
            length = self.object.len(),
            given = self.given,
            r#type = self.kind,
            digest,
            isolated = self.isolated,
            "A worker died of an object."
        );
        let settings = &shared.crash_reports;
        let Some(folder) = &settings.folder else { return };
        let now = SystemTime::now();
        let report = json!({
            "time": timestamp(now),
            "version": env!("CARGO_PKG_VERSION"),
            "engine": engine,
            "generation": self.generation,
            "worker": {"pid": pid, "signal": signal, "ageMs": age_ms, "scans": served, "isolated": self.isolated},
            "object": {"length": self.object.len(), "given": self.given, "type": self.kind, "digest": digest},
        });
        match write(folder, settings.files, &format!("{}-{pid}", file_time(now)), &report) {
            Ok(()) => shared.metrics.reported(ReportResult::Written),
            Err(error) => {
                shared.metrics.reported(ReportResult::Failed);
                tracing::error!(folder = %folder.display(), %error, "A crash report cannot be written.");
            }
        }
    }
}

/// The time such that names sort by it, without what file systems and shells have other uses for.
fn file_time(time: SystemTime) -> String {
    timestamp(time).replace([':', '.'], "-")
}

/// Writes one file, and removes the oldest beyond `most`.
fn write(folder: &Path, most: u32, name: &str, report: &Value) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let path = folder.join(format!("{PREFIX}{name}{SUFFIX}"));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(format!("{report:#}\n").as_bytes())?;
    let mut ours = reports(folder)?;
    ours.sort_unstable();
    let surplus = ours.len().saturating_sub(most as usize);
    ours.iter().take(surplus).try_for_each(|path| match fs::remove_file(path) {
        // Another report has made room meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    })
}

fn reports(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX))
    };
    let paths = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    paths.filter(|path| path.as_ref().map_or(true, is_ours)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_files_are_kept_and_those_of_others_are_let_alone() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("crashes");
        fs::create_dir(&inside).unwrap();
        fs::write(inside.join("a.json"), "{}").unwrap();
        let begin = SystemTime::UNIX_EPOCH + Duration::from_hours(500_000);
        for second in 0..7 {
            let name = file_time(begin + Duration::from_secs(second));
            write(&inside, 3, &name, &json!({"number": second})).unwrap();
        }
        let mut left = reports(&inside).unwrap();
        left.sort();
        let numbers: Vec<_> = left
            .iter()
            .map(|path| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap()["number"].clone())
            .collect();
        assert_eq!(numbers, [4, 5, 6]);
        assert!(inside.join("a.json").is_file());
        let last = file_time(begin + Duration::from_secs(6));
        assert!(write(&inside, 3, &last, &json!({})).is_err(), "none is written over");
    }

    #[test]
    fn a_folder_is_made_and_one_that_cannot_be_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("a/b"), 3, "x", &json!({})).unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(write(&folder.path().join("file"), 3, "x", &json!({})).is_err());
    }
}
