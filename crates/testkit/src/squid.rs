//! Squid in front of an ICAP server.

use crate::process::Process;
use crate::wait::eventually;
use crate::{env, free_port, tempdir};
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A Squid of its own, with both vectoring points going to one ICAP server. Ended when dropped.
#[derive(Debug)]
pub struct Squid {
    process: Process,
    proxy: SocketAddr,
    dir: TempDir,
}

/// One transaction as Squid saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcapLogLine {
    /// The ICAP status, `-` for none.
    pub status: String,
    /// `OPTIONS`, `REQMOD` or `RESPMOD`.
    pub method: String,
    /// The ICAP URI.
    pub uri: String,
    /// `ICAP_ECHO`, `ICAP_MOD`, `ICAP_SAT`, `ICAP_OPT`, or an error.
    pub outcome: String,
}

/// Lines shown of each log when a test fails.
const SHOWN_LINES: usize = 15;

/// Ports may be taken between being found free and being bound.
const TRIES: usize = 5;

// === impl Squid ===

impl Squid {
    /// Starts one that asks `/reqmod` and `/respmod` of `icap`.
    #[track_caller]
    pub fn start(icap: SocketAddr) -> Self {
        Self::start_with(icap, "")
    }

    /// As [`Squid::start`], with more lines of configuration.
    #[track_caller]
    pub fn start_with(icap: SocketAddr, more: &str) -> Self {
        Self::start_at(&format!("icap://{icap}"), "", more)
    }

    /// Starts one that asks `/reqmod` and `/respmod` of a server such as `icaps://127.0.0.1:11344`, with more
    /// options of `icap_service`, and more lines of configuration.
    #[track_caller]
    pub fn start_at(icap: &str, options: &str, more: &str) -> Self {
        Self::start_before(&[icap.to_owned()], options, more)
    }

    /// Starts one that has these servers as a set: the first one that is up is asked, and another one when that fails.
    #[track_caller]
    pub fn start_over(icap: &[SocketAddr], more: &str) -> Self {
        let servers: Vec<_> = icap.iter().map(|icap| format!("icap://{icap}")).collect();
        Self::start_before(&servers, "", more)
    }

    #[track_caller]
    fn start_before(icap: &[String], options: &str, more: &str) -> Self {
        let program = env::need("/usr/sbin/squid", "squid-openssl", "squid");
        for _ in 0..TRIES {
            if let Some(squid) = Self::try_start(program, icap, options, more) {
                return squid;
            }
        }
        panic!("Squid found no free port in {TRIES} tries");
    }

    #[track_caller]
    fn try_start(program: &Path, icap: &[String], options: &str, more: &str) -> Option<Self> {
        let dir = tempdir();
        give_to_proxy_user(dir.path());
        let proxy = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let config = dir.path().join("squid.conf");
        std::fs::write(&config, configuration(dir.path(), proxy, icap, options, more))
            .expect("the folder is writable");
        let mut command = Command::new(program);
        command.arg("-N").args(["-d", "1"]).arg("-f").arg(&config).current_dir(dir.path());
        let process = Process::start("squid", command);
        let up = process.try_wait_for(|line| match () {
            () if line.contains("Accepting HTTP Socket connections") => Some(true),
            () if line.contains("Cannot bind socket") || line.contains("Unable to open HTTP Socket") => {
                Some(false)
            }
            () => None,
        });
        match up {
            Some(true) => {
                // Said a moment before it is so.
                eventually("Squid takes connections", || TcpStream::connect(proxy).is_ok().then_some(()));
                Some(Self { process, proxy, dir })
            }
            Some(false) => None,
            None => panic!("Squid does not start; it said:\n{}", process.logs().text()),
        }
    }

    /// Where it takes requests.
    pub fn proxy(&self) -> SocketAddr {
        self.proxy
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// All ICAP transactions that ended until now.
    pub fn icap_log(&self) -> Vec<IcapLogLine> {
        let text = std::fs::read_to_string(self.dir.path().join("icap.log")).unwrap_or_default();
        text.lines().filter_map(IcapLogLine::parse).collect()
    }

    /// Waits until `count` transactions are logged for which `wanted` holds.
    #[track_caller]
    pub fn wait_for_log(
        &self,
        what: &str,
        count: usize,
        wanted: impl Fn(&IcapLogLine) -> bool,
    ) -> Vec<IcapLogLine> {
        eventually(&format!("Squid logs {count} of {what}"), || {
            let lines: Vec<_> = self.icap_log().into_iter().filter(&wanted).collect();
            (lines.len() >= count).then_some(lines)
        })
    }

    /// Panics when any ICAP transaction failed or a service was taken for down.
    #[track_caller]
    pub fn assert_no_icap_error(&self) {
        let failed: Vec<_> = self.icap_log().into_iter().filter(IcapLogLine::failed).collect();
        assert!(failed.is_empty(), "failed ICAP transactions: {failed:#?}");
        let said = std::fs::read_to_string(self.dir.path().join("cache.log")).unwrap_or_default();
        let bad: Vec<_> =
            said.lines().filter(|line| line.contains("[down") || line.contains("suspending ICAP")).collect();
        assert!(bad.is_empty(), "Squid's cache.log: {bad:#?}");
    }
}

impl Drop for Squid {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for name in ["access.log", "icap.log"] {
                let text = std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
                let lines: Vec<_> = text.lines().collect();
                let last = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
                eprintln!("the end of Squid's {name}:\n{}", last.join("\n"));
            }
        }
    }
}

// === impl IcapLogLine ===

impl IcapLogLine {
    /// Whether it failed, for Squid.
    pub fn failed(&self) -> bool {
        !matches!(self.outcome.as_str(), "ICAP_OPT" | "ICAP_ECHO" | "ICAP_MOD" | "ICAP_SAT")
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ').filter(|word| !word.is_empty()).skip(2).map(str::to_owned);
        let (status, method) = (words.next()?, words.next()?);
        let (uri, outcome) = (words.next()?, words.next()?);
        Some(Self { status, method, uri, outcome })
    }
}

fn configuration(dir: &Path, proxy: SocketAddr, icap: &[String], options: &str, more: &str) -> String {
    let dir = dir.display();
    let services = services(icap, options);
    format!(
        "http_port {proxy}
pid_filename {dir}/squid.pid
cache deny all
cache_mem 8 MB
memory_cache_shared off
pinger_enable off
access_log stdio:{dir}/access.log
cache_log {dir}/cache.log
coredump_dir {dir}
cache_effective_user proxy
visible_hostname squid.test
unique_hostname squid.test
acl local src 127.0.0.1/32
http_access allow local
http_access deny all
shutdown_lifetime 1 seconds
via off
icap_enable on
icap_preview_enable on
icap_send_client_ip on
icap_persistent_connections on
{services}adaptation_access av_req allow all
adaptation_access av_resp allow all
logformat icap %ts.%03tu %icap::tt %icap::Hs %icap::rm %icap::ru %icap::to
icap_log stdio:{dir}/icap.log icap
{more}
"
    )
}

/// `av_req` and `av_resp`: services, or sets of them where there are several servers.
fn services(icap: &[String], options: &str) -> String {
    let mut text = String::new();
    for (name, point) in [("av_req", "reqmod"), ("av_resp", "respmod")] {
        let mut set = format!("adaptation_service_set {name}");
        for (number, server) in icap.iter().enumerate() {
            let member = if icap.len() == 1 { name.to_owned() } else { format!("{name}_{number}") };
            let _ = writeln!(
                text,
                "icap_service {member} {point}_precache {server}/{point} bypass=off {options}"
            );
            let _ = write!(set, " {member}");
        }
        if icap.len() > 1 {
            let _ = writeln!(text, "{set}");
        }
    }
    text
}

/// Squid started as root becomes the user `proxy`, who must be able to write its logs.
fn give_to_proxy_user(dir: &Path) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("there is a user database");
    let mut ids = users
        .lines()
        .find_map(|line| line.strip_prefix("proxy:"))
        .expect("Debian has a user proxy")
        .split(':')
        .skip(1);
    let mut id = || ids.next().and_then(|id| id.parse().ok());
    std::os::unix::fs::chown(dir, id(), id()).expect("root may");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_are_read() {
        let line = "1700000000.123     42 204 RESPMOD icap://127.0.0.1:1344/respmod ICAP_ECHO";
        let parsed = IcapLogLine::parse(line).unwrap();
        assert_eq!((parsed.status.as_str(), parsed.method.as_str()), ("204", "RESPMOD"));
        assert!(!parsed.failed());
        assert!(IcapLogLine { outcome: "ICAP_ERR_OTHER".to_owned(), ..parsed }.failed());
    }
}
