//! A scanner on a private folder of signatures, and what tests ask of it.

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use icapstan_model::{
    Content, Epoch, Findings, Mode, Object, Refusal, ScanContext, ScanPort, ScanProfile, ScanReport, Verdict,
};
use icapstan_scanner::{Scanner, ScannerConfig, SignatureSource};
use prometheus::Registry;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

    pub(crate) fn signal(pid: i32, signal: Signal) {
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
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

/// Ends workers by a signal while they have an object of one length, as an object that they crash of would.
pub(crate) struct Killer {
    over: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<usize>,
}

impl Killer {
    pub(crate) fn start(bench: &Bench, len: usize, signal: Signal) -> Self {
        Self::start_for(bench, len, signal, usize::MAX)
    }

    /// Ends one worker only.
    pub(crate) fn once(bench: &Bench, len: usize, signal: Signal) -> Self {
        Self::start_for(bench, len, signal, 1)
    }

    fn start_for(bench: &Bench, len: usize, signal: Signal, most: usize) -> Self {
        let (over, temp) = (Arc::new(AtomicBool::new(false)), bench.temp.path().to_owned());
        let is_over = over.clone();
        let thread = std::thread::spawn(move || {
            let mut killed = BTreeSet::new();
            while !is_over.load(Ordering::Relaxed) && killed.len() < most {
                for pid in workers(&temp) {
                    if !killed.contains(&pid) && has_object(pid, len as u64) {
                        // It may have ended by itself meanwhile.
                        let _ = kill_process(Pid::from_raw(pid).unwrap(), signal);
                        killed.insert(pid);
                    }
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            killed.len()
        });
        Self { over, thread }
    }

    /// How many it has ended.
    pub(crate) fn stop(self) -> usize {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// The workers of the scanner with this folder for temporary files, without a look at any other process.
fn workers(temp: &Path) -> Vec<i32> {
    let children = |path: String| {
        let listed = fs::read_to_string(path).unwrap_or_default();
        listed.split_ascii_whitespace().map(|pid| pid.parse::<i32>().unwrap()).collect::<Vec<_>>()
    };
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    let own = threads.flat_map(|thread| children(format!("{}/children", thread.path().display())));
    let is_ours = |pid: &i32| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).contains(temp.to_str().unwrap())
    };
    own.filter(is_ours)
        .flat_map(|zygote| children(format!("/proc/{zygote}/task/{zygote}/children")))
        .collect()
}

/// Whether a worker has an object of this length.
fn has_object(pid: i32, len: u64) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    files.flatten().any(|file| {
        let is_object =
            fs::read_link(file.path()).is_ok_and(|to| to.to_string_lossy().contains("icapstan-object"));
        is_object && fs::metadata(file.path()).is_ok_and(|metadata| metadata.len() == len)
    })
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
        trace: None,
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

/// Small, and takes libclamav seconds: a zip of a hundred files of a megabyte each.
pub(crate) fn long_zip(seed: u64) -> Vec<u8> {
    zip_of(&text(25_000, seed).repeat(40), 100)
}

/// A zip file of so many members, each with this content. Their names have three digits.
pub(crate) fn zip_of(content: &[u8], members: usize) -> Vec<u8> {
    let mut packed = DeflateEncoder::new(Vec::new(), Compression::best());
    packed.write_all(content).unwrap();
    let packed = packed.finish().unwrap();
    let mut crc = Crc::new();
    crc.update(content);
    let long = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
    // From the version needed to the length of extra fields (APPNOTE.TXT of PKWARE); names have three bytes.
    let described = [
        &[20, 0, 0, 0, 8, 0, 0, 0, 0x21, 0][..],
        &crc.sum().to_le_bytes(),
        &long(packed.len()),
        &long(content.len()),
        &[3, 0, 0, 0],
    ]
    .concat();
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for number in 100..100 + members {
        let name = number.to_string();
        let at = file.len();
        file.extend([&b"PK\x03\x04"[..], &described, name.as_bytes(), &packed].concat());
        directory
            .extend([&b"PK\x01\x02\x14\0"[..], &described, &[0; 10], &long(at), name.as_bytes()].concat());
    }
    let count = u16::try_from(members).unwrap().to_le_bytes();
    let end =
        [&b"PK\x05\x06\0\0\0\0"[..], &count, &count, &long(directory.len()), &long(file.len()), &[0, 0]];
    let end = end.concat();
    [file, directory, end].concat()
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
