//! What the tests share.

use icapstan_artifacts::{Pace, Store};
use icapstan_sources::{
    AddressRules, Fetched, Format, HttpPlace, Limits, Location, Network, PublicKey, Reason, SourceError,
    SourceSpec, Sources, Verification,
};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A store in a folder of its own, and what fetches into it.
pub(crate) struct Setup {
    pub(crate) folder: TempDir,
    pub(crate) sources: Sources,
}

/// This machine may be a source, in tests.
pub(crate) fn local() -> AddressRules {
    AddressRules { allow: ["127.0.0.0/8", "::1/128"].map(|net| net.parse().unwrap()).to_vec(), deny: vec![] }
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self::with(|_| Network { addresses: local(), ..Network::default() })
    }

    pub(crate) fn with(network: impl FnOnce(&Path) -> Network) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store"), 64 << 20).unwrap();
        let sources = Sources::new(store, network(folder.path()));
        Self { folder, sources }
    }

    pub(crate) async fn fetch(
        &self,
        spec: &SourceSpec,
        previous: Option<&Fetched>,
    ) -> Result<Fetched, SourceError> {
        self.sources.fetch(spec, previous, &limits()).await
    }

    /// The bytes of a file that was fetched.
    pub(crate) fn read(&self, fetched: &Fetched, name: &str) -> Vec<u8> {
        let digest = fetched.file(name).unwrap().digest;
        std::fs::read(self.sources.store().path(&digest).unwrap()).unwrap()
    }
}

pub(crate) fn limits() -> Limits {
    Limits {
        max_bytes: 8 << 20,
        total: Duration::from_mins(1),
        pace: Pace {
            connect: Duration::from_secs(10),
            head: Duration::from_millis(1500),
            idle: Duration::from_millis(500),
            min_rate: 100_000,
            grace: Duration::from_millis(800),
        },
        ..Limits::default()
    }
}

pub(crate) fn unsigned(location: Location) -> SourceSpec {
    SourceSpec { location, verification: Verification::none() }
}

pub(crate) fn http(url: &str) -> SourceSpec {
    unsigned(Location::Http(HttpPlace::file(url).unwrap()))
}

pub(crate) fn signed_by(format: Format, keys: &[&str]) -> Verification {
    let keys = keys.iter().map(|key| PublicKey::parse(format, key).unwrap()).collect();
    Verification { format, keys, ..Verification::none() }
}

pub(crate) fn reason(result: Result<Fetched, SourceError>) -> Reason {
    let error = result.map(|fetched| panic!("{fetched:?}")).unwrap_err();
    error.reason()
}

/// Runs a tool to its end; what it wrote.
pub(crate) fn run(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .env("SIGNDUSER", "tests")
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; make setup-test installs it"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// A server, killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    /// What it said of its port.
    pub(crate) line: String,
    /// All it says later.
    reader: Option<std::thread::JoinHandle<String>>,
}

impl Daemon {
    /// Starts it, and waits for the line with `mark`, on its standard output and error.
    pub(crate) fn start(folder: &Path, program: &str, arguments: &[&str], mark: &'static str) -> Self {
        let (read, write) = std::io::pipe().unwrap();
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).stdin(Stdio::null());
        command.stdout(write.try_clone().unwrap()).stderr(write);
        let child = command.spawn();
        let child = child.unwrap_or_else(|error| panic!("{program}: {error}; make setup-test installs it"));
        drop(command);
        let mut lines = BufReader::new(read).lines();
        let line = lines.find_map(|line| line.ok().filter(|line| line.contains(mark)));
        let reader = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>().join("\n"));
        let line = line.unwrap_or_else(|| panic!("{program} did not say {mark:?}"));
        Self { child, line, reader: Some(reader) }
    }

    /// The number behind that in its line.
    pub(crate) fn port(&self, behind: &str) -> u16 {
        let rest = self.line.split(behind).nth(1).unwrap();
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    }

    /// Ends it; all that it said since it had its port.
    pub(crate) fn end(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
