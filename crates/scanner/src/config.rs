//! What a scanner is started with.

use icapstan_api::{CrashReports, Poison};
use icapstan_model::PoisonShare;
use icapstan_telemetry::Tracer;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs, io};
use thiserror::Error;

use crate::clamd::ClamdConfig;
use crate::folder;
use crate::hash_lists::HashLists;
use crate::planned::PlannedSignatures;
use crate::unpacker::UnpackWorkers;

const WORKER_NAME: &str = "icapstan-clamav-worker";
const SYSTEM_FOLDER: &str = "/var/lib/clamav";

/// What a scanner is started with.
#[derive(Clone, Debug)]
pub struct ScannerConfig {
    /// The worker's executable; see [`find_worker`].
    pub worker: PathBuf,
    /// Worker processes for objects of all kinds, each of which scans one at a time. At least 1.
    pub workers: usize,
    /// Worker processes beyond those that only cheap objects get: small ones with nothing to unpack. So
    /// a few slow objects never hold up the rest, and yet no processor is kept idle for that.
    pub spare_workers: usize,
    /// Objects that may be under way at once, decoding included: what keeps workers busy while other
    /// objects are being decoded, and what bounds the memory that decoded forms take. At least `workers`.
    pub in_flight: usize,
    /// Objects that may wait to be under way. One more is refused.
    pub queue_length: usize,
    /// Where signatures come from.
    pub signatures: SignatureSource,
    /// A clamd that scans, in place of worker processes. Signatures are its own then.
    pub clamd: Option<ClamdConfig>,
    /// YARA rules that are tried besides.
    pub rules: Option<YaraRules>,
    /// What digests are looked up in before an engine is asked.
    pub hash_lists: HashLists,
    /// Where the workers' temporary files go. `None`: a folder in `/dev/shm` if that is a tmpfs with
    /// room, else in the system's temporary folder.
    pub temp_dir: Option<PathBuf>,
    /// Bytes of address space that one worker may use beyond the loaded database; 0 for no limit.
    pub worker_memory: u64,
    /// Bytes of temporary files that one worker may have. A worker with more is killed.
    pub temp_share: u64,
    /// What takes containers apart that libclamav does not open. `None`: nothing, and they are `unsupported`.
    pub unpack: Option<UnpackWorkers>,
    /// Added to the workers' niceness, 0 to 19.
    pub nice: i32,
    /// A worker is replaced after this many scans; 0 for never.
    pub recycle_after: u64,
    /// After this many crashes of workers within one generation their common ancestor is replaced, so
    /// that nobody has endless tries against one memory layout. At least 1.
    pub crashes_per_layout: u32,
    /// Idle workers prove themselves again after this time.
    pub proof_interval: Duration,
    /// How often the signature folder is looked at.
    pub poll_interval: Duration,
    /// A database that is not loaded after this time is given up.
    pub load_timeout: Duration,
    /// When new signatures wait because transactions hold too many older ones: after this time the oldest
    /// that no scan is using end all the same.
    pub generation_grace: Duration,
    /// A worker whose scan nobody waits for any more may finish within this time, and is killed then. About
    /// as long as it takes to have another one, so that at worst twice the least is paid.
    pub cancel_grace: Duration,
    /// How objects are remembered that workers died of, or took too long for.
    pub poison: Poison,
    /// What these are shared through with other processes, if anything.
    pub poison_share: Option<Arc<dyn PoisonShare>>,
    /// What is written down of workers that died.
    pub crash_reports: CrashReports,
    /// What tells where scans take their time.
    pub tracer: Tracer,
}

/// YARA rules, which are a part of each generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YaraRules {
    /// The folder with the files, which is watched.
    pub folder: PathBuf,
    /// What they may take for one object. Beyond, its scan has failed.
    pub timeout: Duration,
}

/// Where signatures come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureSource {
    /// The database files of a folder, which is watched.
    Folder(PathBuf),
    /// A few test signatures: EICAR and ClamAV's test file. These find no malware.
    BuiltIn,
    /// What a plan says: several revisions beside each other.
    Planned(PlannedSignatures),
}

/// Why a scanner cannot be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// No worker executable where there should be one.
    #[error("{path} cannot be run as the worker: {error}")]
    Worker {
        /// Where it was looked for.
        path: PathBuf,
        /// What is wrong with it.
        error: io::Error,
    },
    /// The folder for temporary files cannot be made.
    #[error("no folder for temporary files can be made in {path}: {error}")]
    TempFolder {
        /// In which folder.
        path: PathBuf,
        /// What is wrong with it.
        error: io::Error,
    },
    /// The objects that a clamd has to prove itself with cannot be made.
    #[error("the samples of the self-test cannot be made: {0}")]
    Samples(io::Error),
    /// A setting that cannot be honoured.
    #[error("{0}")]
    Setting(&'static str),
    /// Metrics of this name are registered already.
    #[error("the scanner's metrics cannot be registered: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The system has no random numbers.
    #[error("no random numbers can be had: {0}")]
    Chance(io::Error),
    /// The system refuses a thread.
    #[error("a thread cannot be started: {0}")]
    Thread(io::Error),
}

// === impl ScannerConfig ===

impl ScannerConfig {
    /// The defaults, with one worker for each processor that this process may use.
    pub fn new(worker: PathBuf, signatures: SignatureSource) -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            worker,
            workers,
            spare_workers: 1,
            in_flight: 2 * workers,
            queue_length: 20_000,
            signatures,
            clamd: None,
            rules: None,
            hash_lists: HashLists::default(),
            temp_dir: None,
            worker_memory: 512 << 20,
            temp_share: 256 << 20,
            unpack: None,
            nice: 5,
            recycle_after: 100_000,
            crashes_per_layout: 16,
            proof_interval: Duration::from_mins(5),
            poll_interval: Duration::from_secs(2),
            load_timeout: Duration::from_mins(10),
            generation_grace: Duration::from_mins(1),
            cancel_grace: Duration::from_millis(35),
            poison: Poison::default(),
            poison_share: None,
            crash_reports: CrashReports::default(),
            tracer: Tracer::off(),
        }
    }

    /// All worker processes of one generation.
    pub(crate) fn all_workers(&self) -> usize {
        self.workers + self.spare_workers
    }

    pub(crate) fn check(&self) -> Result<(), StartError> {
        if self.clamd.is_none() {
            let worker_error = |error| StartError::Worker { path: self.worker.clone(), error };
            let metadata = fs::metadata(&self.worker).map_err(worker_error)?;
            if !is_executable(&metadata) {
                return Err(worker_error(io::Error::from(io::ErrorKind::PermissionDenied)));
            }
        }
        let broken = [
            (self.workers == 0, "at least one worker is needed"),
            (self.workers > 4096 || self.spare_workers > 4096, "more than 4096 workers are not supported"),
            (self.in_flight < self.workers, "in_flight cannot be less than the number of workers"),
            (self.in_flight > 1 << 20, "in_flight is too large"),
            (!(0..=19).contains(&self.nice), "the niceness goes from 0 to 19"),
            (
                self.unpack.as_ref().is_some_and(|unpack| unpack.count == 0 || unpack.recycle_after == 0),
                "at least one process that unpacks is needed, and one container for each",
            ),
            (self.crashes_per_layout == 0, "crashes_per_layout must be at least 1"),
            (self.temp_share < crate::temp::MIN_SHARE, "temp_share must be at least 8 MiB"),
        ];
        match broken.iter().find(|(is_broken, _)| *is_broken) {
            Some((_, text)) => Err(StartError::Setting(text)),
            None => Ok(()),
        }
    }
}

// === impl SignatureSource ===

impl SignatureSource {
    /// The folder that was given; else the system's, if it holds a database; else the test signatures.
    pub fn discover(given: Option<PathBuf>) -> Self {
        Self::discover_in(given, Path::new(SYSTEM_FOLDER))
    }

    fn discover_in(given: Option<PathBuf>, system: &Path) -> Self {
        match given {
            Some(folder) => Self::Folder(folder),
            None if folder::holds_database(system) => Self::Folder(system.to_owned()),
            None => Self::BuiltIn,
        }
    }
}

/// The worker's executable: beside this program's own, else the first in `PATH`.
pub fn find_worker() -> Option<PathBuf> {
    let beside = env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(WORKER_NAME)));
    let path = env::var_os("PATH").unwrap_or_default();
    beside
        .into_iter()
        .chain(
            env::split_paths(&path)
                .filter(|folder| folder.is_absolute())
                .map(|folder| folder.join(WORKER_NAME)),
        )
        .find(|candidate| fs::metadata(candidate).is_ok_and(|metadata| is_executable(&metadata)))
}

fn is_executable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_folder_wins_then_a_database_of_the_system_then_the_test_signatures() {
        let system = tempfile::tempdir().unwrap();
        let given = Some(PathBuf::from("/given"));
        assert_eq!(
            SignatureSource::discover_in(given, system.path()),
            SignatureSource::Folder(PathBuf::from("/given"))
        );
        assert_eq!(SignatureSource::discover_in(None, system.path()), SignatureSource::BuiltIn);
        fs::write(system.path().join("freshclam.dat"), "no database").unwrap();
        assert_eq!(SignatureSource::discover_in(None, system.path()), SignatureSource::BuiltIn);
        fs::write(system.path().join("daily.cvd"), "x").unwrap();
        assert_eq!(
            SignatureSource::discover_in(None, system.path()),
            SignatureSource::Folder(system.path().to_owned())
        );
    }

    #[test]
    fn settings_that_cannot_be_honoured_are_refused() {
        let good = ScannerConfig::new(env::current_exe().unwrap(), SignatureSource::BuiltIn);
        assert!(good.check().is_ok());
        assert!(ScannerConfig { workers: 0, ..good.clone() }.check().is_err());
        assert!(ScannerConfig { in_flight: 0, ..good.clone() }.check().is_err());
        assert!(ScannerConfig { nice: -1, ..good.clone() }.check().is_err());
        let missing = ScannerConfig { worker: "/nonexistent/worker".into(), ..good };
        assert!(matches!(missing.check(), Err(StartError::Worker { .. })));
    }
}
