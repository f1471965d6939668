//! A folder to keep objects in, and a key.

use bytes::Bytes;
use icapstan_api::{ByteSize, QuarantineFolder, QuarantineSettings};
use icapstan_model::{Content, Object};
use icapstan_quarantine::{
    Candidate, Entry, Folder, Id, Identity, Metadata, Quarantine, QuarantineError, QuarantineGuard,
    QuarantineMetrics, read_record,
};
use prometheus::Registry;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Nothing here takes longer on a machine that does other things too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A quarantine and what is needed to look into it.
pub(crate) struct Setup {
    pub(crate) identity: Identity,
    pub(crate) settings: QuarantineSettings,
    pub(crate) registry: Registry,
    dir: TempDir,
}

/// One that runs.
pub(crate) struct Running {
    pub(crate) quarantine: Quarantine,
    pub(crate) guard: QuarantineGuard,
}

// === impl Setup ===

impl Setup {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity::generate().unwrap();
        let recipients = dir.path().join("recipients");
        fs::write(&recipients, format!("{}\n", identity.recipient())).unwrap();
        let settings = QuarantineSettings {
            folder: Some(QuarantineFolder::new(dir.path().join("kept"))),
            recipient_file: Some(recipients),
            ..QuarantineSettings::default()
        };
        Self { identity, settings, registry: Registry::new(), dir }
    }

    pub(crate) fn place(&mut self) -> &mut QuarantineFolder {
        self.settings.folder.as_mut().unwrap()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.settings.folder.as_ref().unwrap().path.clone()
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn start(&mut self) -> Result<Running, QuarantineError> {
        self.registry = Registry::new();
        let metrics = QuarantineMetrics::register(&self.registry).unwrap();
        let (quarantine, guard) = Quarantine::start(&self.settings, ByteSize::gib(1).bytes(), &metrics)?;
        Ok(Running { quarantine, guard })
    }

    pub(crate) fn list(&self) -> Vec<Entry> {
        Folder::new(self.path()).list().unwrap()
    }

    /// An object as it is read back.
    pub(crate) fn open(&self, id: &Id) -> (Metadata, Vec<u8>) {
        let file = Folder::new(self.path()).open(id).unwrap().unwrap();
        let own = Identity::parse(&self.identity.secret()).unwrap();
        let (metadata, mut content) = read_record(file, &[own]).unwrap();
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).unwrap();
        (metadata, bytes)
    }

    /// The value of a series.
    pub(crate) fn metric(&self, name: &str, cause: Option<&str>) -> u64 {
        let families = self.registry.gather();
        let family =
            families.iter().find(|family| family.name() == format!("icapstan_quarantine_{name}")).unwrap();
        let of = |metric: &&prometheus::proto::Metric| {
            cause.is_none_or(|cause| metric.get_label().iter().any(|label| label.value() == cause))
        };
        let metric = family.get_metric().iter().find(of).unwrap();
        // One of the two is 0.
        let value = metric.get_counter().get_value() + metric.get_gauge().get_value();
        format!("{value:.0}").parse().unwrap()
    }

    pub(crate) fn until(&self, name: &str, cause: Option<&str>, value: u64) {
        let begin = Instant::now();
        while self.metric(name, cause) != value {
            assert!(begin.elapsed() < PATIENCE, "{name} is {}, not {value}", self.metric(name, cause));
            std::thread::yield_now();
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

pub(crate) fn candidate(bytes: &[u8]) -> Candidate {
    let bytes = Bytes::copy_from_slice(bytes);
    Candidate {
        object: Object { len: bytes.len() as u64, content: Content::Memory(bytes) },
        metadata: Metadata { threats: vec!["Eicar".to_owned()], complete: true, ..Metadata::default() },
        hold: None,
    }
}
