//! The built binary as gateways, scanners and what tells how busy these are, each a process of its own.

use crate::http::{Request, Response};
use crate::net::free_port;
use crate::process::{Logs, Process, Signal};
use crate::samples;
use crate::standalone::{address, binary, sum};
use crate::wait::eventually;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use tempfile::TempDir;

/// One `icapstan gateway`, `icapstan scanner` or `icapstan scaler`. Ended when dropped.
#[derive(Debug)]
pub struct Member {
    process: Process,
    address: SocketAddr,
    admin: SocketAddr,
}

/// What several processes share: settings and signatures for tests.
#[derive(Debug)]
pub struct Tiers {
    dir: TempDir,
}

// === impl Tiers ===

impl Tiers {
    /// With this `icapstan.yaml` for all.
    #[track_caller]
    pub fn new(yaml: &str) -> Self {
        let dir = crate::tempdir();
        let signatures = dir.path().join("signatures");
        std::fs::create_dir(&signatures).expect("the folder is writable");
        samples::signatures(&signatures);
        std::fs::write(dir.path().join("icapstan.yaml"), yaml).expect("the folder is writable");
        Self { dir }
    }

    /// The folder of signatures that all scanners have.
    pub fn signatures(&self) -> PathBuf {
        self.dir.path().join("signatures")
    }

    /// A folder of their own.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Starts a scanner and waits until it is ready.
    #[track_caller]
    pub fn scanner(&self) -> Member {
        self.scanner_at(&format!("127.0.0.1:{}", free_port()))
    }

    /// The same, to be reached there.
    #[track_caller]
    pub fn scanner_at(&self, listen: &str) -> Member {
        let scanner = self.begin_scanner(listen);
        scanner.until_ready();
        scanner
    }

    /// Starts a scanner that need not be ready.
    #[track_caller]
    pub fn begin_scanner(&self, listen: &str) -> Member {
        let mut command = self.command("scanner", listen);
        command.arg("--signatures").arg(self.signatures());
        Member::start("scanner", command, "scan")
    }

    /// Starts a gateway that asks these, and waits until it is ready.
    #[track_caller]
    pub fn gateway(&self, scanners: &[SocketAddr]) -> Member {
        self.gateway_at("127.0.0.1:0", scanners)
    }

    /// The same, to be reached there.
    #[track_caller]
    pub fn gateway_at(&self, listen: &str, scanners: &[SocketAddr]) -> Member {
        self.gateway_served_at(listen, "127.0.0.1:0", scanners)
    }

    /// The same, and its admin address is known too.
    #[track_caller]
    pub fn gateway_served_at(&self, listen: &str, admin: &str, scanners: &[SocketAddr]) -> Member {
        let mut command = self.command_at("gateway", listen, admin);
        let scanners: Vec<_> = scanners.iter().map(ToString::to_string).collect();
        command.arg("--scanner").arg(scanners.join(","));
        let gateway = Member::start("gateway", command, "icap");
        gateway.until_ready();
        gateway
    }

    /// Starts what tells autoscalers how busy these are, and waits until it is ready.
    #[track_caller]
    pub fn scaler(&self, scanners: &[SocketAddr]) -> Member {
        let scanners: Vec<_> = scanners.iter().map(ToString::to_string).collect();
        let scaler = self.begin_scaler(&scanners.join(","));
        scaler.until_ready();
        scaler
    }

    /// Starts one that need not be ready.
    #[track_caller]
    pub fn begin_scaler(&self, scanners: &str) -> Member {
        let mut command = self.command("scaler", "127.0.0.1:0");
        command.arg("--scanner").arg(scanners);
        Member::start("scaler", command, "scaler")
    }

    /// A command that was not started, for what is to fail.
    pub fn command(&self, tier: &str, listen: &str) -> Command {
        self.command_at(tier, listen, "127.0.0.1:0")
    }

    fn command_at(&self, tier: &str, listen: &str, admin: &str) -> Command {
        let mut command = Command::new(binary("icapstan"));
        command.args([tier, "--listen", listen, "--admin", admin, "--config"]);
        command.arg(self.dir.path().join("icapstan.yaml")).env("ICAPSTAN_LOG_FORMAT", "json");
        command
    }
}

// === impl Member ===

impl Member {
    /// Starts it and waits until it listens.
    #[track_caller]
    pub fn start(name: &str, command: Command, key: &str) -> Self {
        Self::start_with(name, command, key, &Arc::default())
    }

    /// The same, its lines among those of others.
    #[track_caller]
    pub(crate) fn start_with(name: &str, command: Command, key: &str, logs: &Arc<Logs>) -> Self {
        let begun = |line: &str| Some((address(line, &[key])?, address(line, &["admin"])?));
        // Others may have said so before, of their own addresses.
        let mut before = logs.lines().iter().filter(|line| begun(line).is_some()).count();
        let process = Process::start_with(name, command, logs);
        let (address, admin) = process.wait_for("that it listens", |line| {
            let found = begun(line)?;
            let is_own = before == 0;
            before = before.saturating_sub(1);
            is_own.then_some(found)
        });
        Self { process, address, admin }
    }

    /// Waits until it is ready; panics if it ends.
    #[track_caller]
    pub fn until_ready(&self) {
        eventually("it is ready", || {
            assert!(!self.process.has_ended(), "it ended; it said:\n{}", self.process.logs().text());
            self.admin_get("/readyz").is_some_and(|response| response.status == 200).then_some(())
        });
    }

    /// Where it speaks ICAP, or is asked for scans or figures.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it serves `/metrics` and its like.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// `GET` at the admin address; nothing when nobody answers.
    pub fn admin_get(&self, path: &str) -> Option<Response> {
        Request::get(&format!("http://{}{path}", self.admin)).try_direct().ok()
    }

    /// The text of `/readyz`.
    #[track_caller]
    pub fn readyz(&self) -> String {
        let response = self.admin_get("/readyz").expect("the admin port answers");
        String::from_utf8(response.body).expect("it is text")
    }

    /// The sum of all series of a metric whose labels contain `labels`.
    #[track_caller]
    pub fn metric(&self, name: &str, labels: &str) -> f64 {
        let response = self.admin_get("/metrics").expect("the admin port answers");
        sum(&String::from_utf8(response.body).expect("metrics are text"), name, labels)
    }

    /// Asks it to stop in order.
    pub fn terminate(&self) {
        self.process.signal(Signal::TERM);
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait_exit(&mut self) -> ExitStatus {
        self.process.wait_exit()
    }
}
