//! A scanner on a private folder of signatures, and what tests ask of it.

use icapstan_model::{
    Content, Epoch, Findings, Mode, Object, Refusal, ScanContext, ScanPort, ScanProfile, ScanReport, Verdict,
};
use icapstan_scanner::{Scanner, ScannerConfig, SignatureSource};
use prometheus::Registry;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs};
use tempfile::TempDir;

/// Long enough for a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Bench {
    pub(crate) scanner: Arc<Scanner>,
    pub(crate) registry: Registry,
    pub(crate) signatures: TempDir,
    pub(crate) temp: TempDir,
}

pub(crate) fn eicar() -> Vec<u8> {
    ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR", "-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"].concat().into_bytes()
}

/// A body signature for `content` anywhere.
pub(crate) fn signature(name: &str, content: &[u8]) -> String {
    let mut line = format!("{name}:0:*:");
    for byte in content {
        write!(line, "{byte:02x}").unwrap();
    }
    line.push('\n');
    line
}

/// The worker's executable, which the build puts beside the folder of the test's own.
pub(crate) fn worker() -> PathBuf {
    let exe = env::current_exe().unwrap();
    let path = exe.parent().and_then(Path::parent).unwrap().join("icapstan-clamav-worker");
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build -p icapstan-clamav-worker` first",
        path.display()
    );
    path
}

impl Bench {
    /// With a folder that holds one signature, for EICAR.
    pub(crate) async fn start(change: impl FnOnce(&mut ScannerConfig)) -> Self {
        let signatures = tempfile::tempdir().unwrap();
        fs::write(signatures.path().join("test.ndb"), signature("Eicar-Test-Signature", &eicar())).unwrap();
        let source = SignatureSource::Folder(signatures.path().to_owned());
        Self::start_with(source, signatures, change).await
    }

    pub(crate) async fn start_built_in(change: impl FnOnce(&mut ScannerConfig)) -> Self {
        Self::start_with(SignatureSource::BuiltIn, tempfile::tempdir().unwrap(), change).await
    }

    async fn start_with(
        source: SignatureSource,
        signatures: TempDir,
        change: impl FnOnce(&mut ScannerConfig),
    ) -> Self {
        let temp = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let mut config = ScannerConfig::new(worker(), source);
        config.workers = 2;
        config.in_flight = 4;
        config.spare_workers = 0;
        config.temp_dir = Some(temp.path().to_owned());
        config.poll_interval = Duration::from_millis(50);
        change(&mut config);
        let registry = Registry::new();
        let scanner = Scanner::start(config, &registry).await.unwrap();
        let bench = Self { scanner, registry, signatures, temp };
        bench.epoch_where(|_| true).await;
        bench
    }

    /// The signatures in use, once they are as asked for.
    pub(crate) async fn epoch_where(&self, wanted: impl Fn(&Epoch) -> bool) -> Arc<Epoch> {
        let mut epochs = self.scanner.epochs();
        let found = epochs.wait_for(|epoch| epoch.as_deref().is_some_and(&wanted));
        let epoch = tokio::time::timeout(PATIENCE, found).await.expect("signatures come into use").unwrap();
        epoch.clone().unwrap()
    }

    pub(crate) fn epoch(&self) -> Arc<Epoch> {
        self.scanner.epoch().unwrap()
    }

    pub(crate) async fn scan(&self, bytes: &[u8]) -> Findings {
        self.try_scan(bytes, context(), PATIENCE).await.unwrap().findings
    }

    pub(crate) async fn try_scan(
        &self,
        bytes: &[u8],
        context: ScanContext,
        timeout: Duration,
    ) -> Result<ScanReport, Refusal> {
        let epoch = self.epoch();
        self.scanner.scan(object(bytes), context, &epoch, Instant::now() + timeout).await
    }

    /// The value of a metric, `name` or `name{label}` by the value of its only label.
    pub(crate) fn metric(&self, name: &str, label: Option<&str>) -> f64 {
        for family in self.registry.gather().iter().filter(|family| family.name() == name) {
            for metric in family.get_metric() {
                if label.is_none_or(|label| metric.get_label().iter().any(|pair| pair.value() == label)) {
                    return metric.get_counter().get_value() + metric.get_gauge().get_value();
                }
            }
        }
        panic!("there is no metric {name} {label:?}");
    }

    pub(crate) fn deaths(&self, cause: &str) -> f64 {
        self.metric("icapstan_scanner_worker_deaths_total", Some(cause))
    }

    pub(crate) fn workers(&self, state: &str) -> f64 {
        self.metric("icapstan_scanner_workers", Some(state))
    }

    /// The processes of this scanner: zygotes, and workers, by process id.
    pub(crate) fn processes(&self) -> (Vec<i32>, Vec<i32>) {
        processes(self.temp.path())
    }

    pub(crate) fn signal(pid: i32, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Ends the scanner and checks that nothing is left of it.
    pub(crate) async fn end(self) {
        self.scanner.shutdown().await;
        assert_eq!(self.processes(), (Vec::new(), Vec::new()), "no process is left");
        assert_eq!(fs::read_dir(self.temp.path()).unwrap().count(), 0, "no temporary folder is left");
    }
}

/// The processes of the scanner with this folder for temporary files: zygotes, and workers, by process id.
pub(crate) fn processes(temp: &Path) -> (Vec<i32>, Vec<i32>) {
    let own = i32::try_from(std::process::id()).unwrap();
    let mine = temp.to_str().unwrap();
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let Ok(arguments) = fs::read(entry.path().join("cmdline")) else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // The state and the parent stand behind the name, which ends at the last parenthesis.
        let mut fields = stat.rsplit(')').next().unwrap_or("").split_ascii_whitespace();
        let (state, parent) = (fields.next(), fields.next().and_then(|field| field.parse::<i32>().ok()));
        let is_worker = String::from_utf8_lossy(&arguments).contains(mine);
        if let (true, Some(parent), false) = (is_worker, parent, state == Some("Z")) {
            parents.insert(pid, parent);
        }
    }
    let zygotes: Vec<_> = parents.iter().filter(|(_, parent)| **parent == own).map(|(pid, _)| *pid).collect();
    let workers =
        parents.iter().filter(|(_, parent)| zygotes.contains(parent)).map(|(pid, _)| *pid).collect();
    (zygotes, workers)
}

/// Looks again and again until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn object(bytes: &[u8]) -> Object {
    Object { len: bytes.len() as u64, content: Content::Memory(bytes.to_vec().into()) }
}

pub(crate) fn context() -> ScanContext {
    ScanContext {
        mode: Mode::Respmod,
        content_encoding: String::new(),
        content_types: Vec::new(),
        partial: false,
        profile: Arc::new(ScanProfile::default()),
    }
}

pub(crate) fn names(findings: &Findings) -> Vec<&str> {
    findings
        .iter()
        .filter_map(|verdict| match verdict {
            Verdict::Infected(name) => Some(name.as_str()),
            _ => None,
        })
        .collect()
}

/// Text that no signature matches, and that differs for each seed.
pub(crate) fn text(len: usize, mut seed: u64) -> Vec<u8> {
    let mut text = Vec::with_capacity(len + 16);
    while text.len() < len {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.extend_from_slice(format!("{:x} word ", seed >> 40).as_bytes());
    }
    text.truncate(len);
    text
}
