//! The built binary as one process, as a user starts it; or, where `ICAPSTAN_TEST_TIERS` says so (`2x3`), as that many
//! gateways and scanners with a Redis, which are to behave as one.

use crate::http::{Request, Response};
use crate::process::{Logs, Process, Signal};
use crate::redis::Redis;
use crate::samples;
use crate::tiers::Member;
use crate::wait::eventually;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

/// A running `icapstan standalone` with test signatures. Ended when dropped.
#[derive(Debug)]
pub struct Standalone {
    process: Process,
    icap: SocketAddr,
    admin: SocketAddr,
    /// With tiers, the other gateways, all scanners, and what they share through.
    others: Vec<Member>,
    scanners: Vec<Member>,
    _redis: Option<Redis>,
    asked: AtomicUsize,
    dir: TempDir,
}

/// How to start one.
#[derive(Debug)]
pub struct StandaloneBuilder {
    config: Option<String>,
    signatures: Signatures,
    args: Vec<String>,
    program: Option<PathBuf>,
    listens: bool,
    is_alone: bool,
    dir: TempDir,
}

#[derive(Debug)]
enum Signatures {
    Test,
    Folder(PathBuf),
    BuiltIn,
}

/// A program of this workspace, built beside the running test; panics when it is not there.
#[track_caller]
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let found = test.ancestors().skip(1).take(3).map(|dir| dir.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!(
            "{name} is not beside {}: build it first (`cargo build --workspace`, or `make test`)",
            test.display()
        )
    })
}

// === impl StandaloneBuilder ===

impl StandaloneBuilder {
    /// The text of the `icapstan.yaml` to start with.
    #[must_use]
    pub fn config(mut self, yaml: &str) -> Self {
        self.config = Some(yaml.to_owned());
        self
    }

    /// Another folder of signatures.
    #[must_use]
    pub fn signature_folder(mut self, folder: &Path) -> Self {
        self.signatures = Signatures::Folder(folder.to_owned());
        self
    }

    /// No folder of signatures: what the binary brings must do.
    #[must_use]
    pub fn built_in_signatures(mut self) -> Self {
        self.signatures = Signatures::BuiltIn;
        self
    }

    /// Another program than the one that was built, such as a copy of it elsewhere.
    #[must_use]
    pub fn program(mut self, path: &Path) -> Self {
        self.program = Some(path.to_owned());
        self
    }

    /// No ICAP without TLS: [`Standalone::icap`] is the address with it.
    #[must_use]
    pub fn without_plain(mut self) -> Self {
        self.listens = false;
        self
    }

    /// In one process, whatever `ICAPSTAN_TEST_TIERS` says: for what is a matter of one process, such as what it
    /// counts, bounds or remembers for itself.
    #[must_use]
    pub fn in_one_process(mut self) -> Self {
        self.is_alone = true;
        self
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// Starts it and waits until it is ready.
    #[track_caller]
    pub fn start(mut self) -> Standalone {
        if let Signatures::Test = self.signatures {
            let folder = self.dir.path().join("signatures");
            std::fs::create_dir(&folder).expect("the folder is writable");
            samples::signatures(&folder);
            self.signatures = Signatures::Folder(folder);
        }
        if let Some(config) = &self.config {
            std::fs::write(self.config_path(), config).expect("the folder is writable");
        }
        let logs = Arc::default();
        match tiers().filter(|_| !self.is_alone) {
            None => self.start_one("standalone", &[], &logs),
            Some((gateways, scanners)) => {
                let redis = self.share();
                let scanners: Vec<_> = (0..scanners).map(|_| self.start_scanner(&logs)).collect();
                let addresses: Vec<_> =
                    scanners.iter().map(|scanner| scanner.address().to_string()).collect();
                let all = addresses.join(",");
                let others: Vec<_> = (1..gateways).map(|_| self.start_gateway(&all, &logs)).collect();
                let first = self.start_one("gateway", &["--scanner", &all], &logs);
                Standalone { others, scanners, _redis: redis, ..first }
            }
        }
    }

    /// Starts a Redis that all share through, unless the settings name one or say what is remembered.
    #[track_caller]
    fn share(&mut self) -> Option<Redis> {
        let config = self.config.get_or_insert_default();
        // A busy machine is silent too.
        config.push_str("\nscanners: {silence: 8s}\n");
        let redis = if config.contains("redis") || config.contains("blockedUrls") {
            None
        } else {
            let key = self.dir.path().join("seal");
            let secret = "a secret of tests that all processes have";
            std::fs::write(&key, secret).expect("the folder is writable");
            let (redis, key) = (Redis::start(), key.display().to_string());
            self.args.extend(["--redis".to_owned(), redis.url(), "--redis-key-file".to_owned(), key]);
            if !config.contains("verdictCache") {
                config.push_str("verdictCache: {shared: true}\n");
            }
            Some(redis)
        };
        std::fs::write(self.dir.path().join("icapstan.yaml"), config).expect("the folder is writable");
        redis
    }

    fn config_path(&self) -> PathBuf {
        self.dir.path().join("icapstan.yaml")
    }

    /// What all processes are started with.
    fn command(&self, tier: &str) -> Command {
        let program = self.program.clone().unwrap_or_else(|| binary("icapstan"));
        let mut command = Command::new(program);
        command.args([tier, "--admin", "127.0.0.1:0"]).env("ICAPSTAN_LOG_FORMAT", "json");
        if self.config.is_some() {
            command.arg("--config").arg(self.config_path());
        }
        if let (Signatures::Folder(folder), "standalone" | "scanner") = (&self.signatures, tier) {
            command.arg("--signatures").arg(folder);
        }
        command.args(&self.args);
        command
    }

    fn start_scanner(&self, logs: &Arc<Logs>) -> Member {
        let mut command = self.command("scanner");
        command.args(["--listen", "127.0.0.1:0"]);
        let scanner = Member::start_with("scanner", command, "scan", logs);
        scanner.until_ready();
        scanner
    }

    /// A further gateway, with ports of its own.
    fn start_gateway(&self, scanners: &str, logs: &Arc<Logs>) -> Member {
        let mut command = self.command("gateway");
        command.args(["--listen", "127.0.0.1:0", "--scanner", scanners]);
        let gateway = Member::start_with("gateway", command, "icap", logs);
        gateway.until_ready();
        gateway
    }

    fn start_one(self, tier: &str, args: &[&str], logs: &Arc<Logs>) -> Standalone {
        let mut command = self.command(tier);
        command.args(args);
        let keys: &[_] = if self.listens {
            command.args(["--listen", "127.0.0.1:0"]);
            &["icap", "icap_addr"]
        } else {
            &["icaps"]
        };
        let begun = |line: &str| Some((address(line, keys)?, address(line, &["admin", "admin_addr"])?));
        // Another gateway may have said so before, of its own addresses.
        let mut before = logs.lines().iter().filter(|line| begun(line).is_some()).count();
        let process = Process::start_with("icapstan", command, logs);
        let (icap, admin) = process.wait_for("that it listens for ICAP", |line| {
            let found = begun(line)?;
            let is_own = before == 0;
            before = before.saturating_sub(1);
            is_own.then_some(found)
        });
        let (others, scanners, redis) = (Vec::new(), Vec::new(), None);
        let asked = AtomicUsize::new(0);
        let server =
            Standalone { process, icap, admin, others, scanners, _redis: redis, asked, dir: self.dir };
        eventually("icapstan is ready", || {
            assert!(
                !server.process.has_ended(),
                "icapstan ended; it said:\n{}",
                server.process.logs().text()
            );
            server.admin_get("/readyz").is_some_and(|response| response.status == 200).then_some(())
        });
        server
    }
}

/// How many gateways and scanners there are to be instead of one process.
fn tiers() -> Option<(usize, usize)> {
    let wish = std::env::var("ICAPSTAN_TEST_TIERS").ok().filter(|wish| !wish.is_empty())?;
    let counts = wish
        .split_once('x')
        .and_then(|(gateways, scanners)| Some((gateways.parse().ok()?, scanners.parse().ok()?)));
    Some(counts.unwrap_or_else(|| panic!("ICAPSTAN_TEST_TIERS is {wish:?}, which is not GATEWAYSxSCANNERS")))
}

/// The sums of all series of several scrapes.
fn together(scrapes: &[String]) -> String {
    let mut order = Vec::new();
    let mut sums: HashMap<&str, f64> = HashMap::new();
    for line in scrapes.iter().flat_map(|scrape| scrape.lines()) {
        match line.rsplit_once(' ').filter(|_| !line.starts_with('#')) {
            Some((series, value)) => {
                let sum = sums.entry(series).or_insert_with(|| {
                    order.push((series, true));
                    0.0
                });
                *sum += value.parse::<f64>().unwrap_or_default();
            }
            None if order.contains(&(line, false)) => {}
            None => order.push((line, false)),
        }
    }
    let mut text = String::new();
    for (line, is_series) in order {
        match sums.get(line).filter(|_| is_series) {
            Some(sum) => writeln!(text, "{line} {sum}"),
            None => writeln!(text, "{line}"),
        }
        .expect("text takes all");
    }
    text
}

// === impl Standalone ===

impl Standalone {
    /// Starts one with the defaults of the product and the signatures of [`samples::signatures`].
    #[track_caller]
    pub fn start() -> Self {
        Self::with().start()
    }

    /// Starts one in another way.
    pub fn with() -> StandaloneBuilder {
        let dir = crate::tempdir();
        StandaloneBuilder {
            config: None,
            signatures: Signatures::Test,
            args: Vec::new(),
            program: None,
            listens: true,
            is_alone: false,
            dir,
        }
    }

    /// Where it speaks ICAP. With several gateways, where another one does each time.
    pub fn icap(&self) -> SocketAddr {
        match self.asked.fetch_add(1, Ordering::Relaxed) % (self.others.len() + 1) {
            0 => self.icap,
            number => self.others[number - 1].address(),
        }
    }

    /// Where it speaks ICAP over TLS.
    #[track_caller]
    pub fn icaps(&self) -> SocketAddr {
        self.told("icaps")
    }

    /// Where it speaks ICAP behind PROXY headers.
    #[track_caller]
    pub fn proxied(&self) -> SocketAddr {
        self.told("icapProxyProtocol")
    }

    #[track_caller]
    fn told(&self, name: &str) -> SocketAddr {
        let version = self.admin_get("/version").expect("the admin port answers");
        let version: Value = serde_json::from_slice(&version.body).expect("it is JSON");
        version[name].as_str().and_then(|text| text.parse().ok()).expect("it listens there")
    }

    /// Where it serves `/metrics` and its like.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// The processes that have workers: itself, or all scanners.
    pub fn scanning(&self) -> Vec<&Process> {
        if self.scanners.is_empty() {
            return vec![&self.process];
        }
        self.scanners.iter().map(Member::process).collect()
    }

    /// All descendants of [`Self::scanning`].
    pub fn descendants(&self) -> Vec<u32> {
        self.scanning().into_iter().flat_map(Process::descendants).collect()
    }

    /// Kills all descendants of [`Self::scanning`].
    pub fn kill_descendants(&self) {
        self.scanning().into_iter().for_each(Process::kill_descendants);
    }

    /// A folder of its own, that goes with it.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Puts another text in the place of that which [`StandaloneBuilder::config`] began with, in one step.
    #[track_caller]
    pub fn replace_config(&self, yaml: &str) {
        let part = self.dir.path().join("icapstan.yaml.part");
        std::fs::write(&part, yaml).expect("the folder is writable");
        std::fs::rename(part, self.dir.path().join("icapstan.yaml")).expect("the folder is writable");
    }

    /// `GET` at the admin address; nothing when nobody answers.
    pub fn admin_get(&self, path: &str) -> Option<Response> {
        Request::get(&format!("http://{}{path}", self.admin)).try_direct().ok()
    }

    /// The text of `/metrics`.
    #[track_caller]
    pub fn metrics(&self) -> String {
        let response = self.admin_get("/metrics").expect("the admin port answers");
        assert_eq!(response.status, 200, "/metrics");
        let own = String::from_utf8(response.body).expect("metrics are text");
        if self.scanners.is_empty() {
            return own;
        }
        let others = self.others.iter().chain(&self.scanners).filter_map(|member| {
            let response = member.admin_get("/metrics")?;
            String::from_utf8(response.body).ok()
        });
        together(&std::iter::once(own).chain(others).collect::<Vec<_>>())
    }

    /// The sum of all series of a metric whose labels contain `labels`.
    #[track_caller]
    pub fn metric(&self, name: &str, labels: &str) -> f64 {
        sum(&self.metrics(), name, labels)
    }

    /// Waits until it is ready: with tiers, until each process is.
    #[track_caller]
    pub fn until_ready(&self) {
        eventually("it is ready", || {
            self.admin_get("/readyz").is_some_and(|response| response.status == 200).then_some(())
        });
        self.others.iter().chain(&self.scanners).for_each(Member::until_ready);
    }

    /// Asks it to stop in order.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends this to whoever speaks ICAP.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
        self.others.iter().for_each(|other| other.process().signal(signal));
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait_exit(&mut self) -> ExitStatus {
        for other in &mut self.others {
            other.wait_exit();
        }
        self.process.wait_exit()
    }
}

/// The sum of all series of a metric, in the text of `/metrics`, whose labels contain `labels`.
pub(crate) fn sum(metrics: &str, name: &str, labels: &str) -> f64 {
    let series = metrics.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(labels)
    });
    series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// The address in a log line whose message speaks of listening.
pub(crate) fn address(line: &str, keys: &[&str]) -> Option<SocketAddr> {
    let entry: Value = serde_json::from_str(line).ok()?;
    let fields = entry.get("fields").unwrap_or(&entry);
    let message = fields.get("message").or_else(|| entry.get("message"))?.as_str()?;
    if !message.contains("listening") {
        return None;
    }
    keys.iter().find_map(|key| fields.get(*key)?.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bound_addresses_are_read_from_the_log() {
        let keys = &["icap", "icap_addr"];
        let nested = r#"{"level":"INFO","fields":{"message":"listening","icap":"127.0.0.1:1344"}}"#;
        let flat = r#"{"level":"INFO","message":"listening","icap_addr":"127.0.0.1:1344"}"#;
        for line in [nested, flat] {
            assert_eq!(address(line, keys), Some("127.0.0.1:1344".parse().unwrap()));
        }
        assert_eq!(address(r#"{"message":"accepted","icap":"127.0.0.1:1344"}"#, keys), None);
        assert_eq!(address("listening icap=127.0.0.1:1344", keys), None);
    }
}
