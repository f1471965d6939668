//! Real Redis servers, Sentinels and clusters.

use crate::env::need;
use crate::net::{free_port, tempdir};
use crate::process::{Process, Signal};
use crate::wait::{PATIENCE, eventually};
use std::io::{BufRead, BufReader, Result, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// One `redis-server`. Ended when dropped.
#[derive(Debug)]
pub struct Redis {
    process: Option<Process>,
    port: u16,
    dir: TempDir,
    args: Vec<String>,
}

/// A `redis-sentinel` that watches a master with one replica.
#[derive(Debug)]
pub struct Sentinels {
    _process: Process,
    port: u16,
    /// The first master.
    pub master: Redis,
    /// What becomes the next one.
    pub replica: Redis,
    _dir: TempDir,
}

/// A cluster of three masters.
#[derive(Debug)]
pub struct RedisCluster {
    /// Its nodes.
    pub nodes: [Redis; 3],
}

/// What the servers say once they serve.
const READY: &str = "Ready to accept connections";
/// A port that was free may be taken before it is bound.
const TRIES: usize = 5;
/// Slots of a cluster.
const SLOTS: usize = 16_384;

// === impl Redis ===

impl Redis {
    /// Starts one that keeps nothing on disk.
    #[track_caller]
    pub fn start() -> Self {
        Self::with(&["--save", ""])
    }

    /// Starts one with these arguments besides.
    #[track_caller]
    pub fn with(args: &[&str]) -> Self {
        Self::with_port(args, |port| vec!["--port".to_owned(), port.to_string()])
    }

    /// Starts one that serves TLS only, and shows `cert`. Clients have to show one that `ca` signed.
    #[track_caller]
    pub fn secured(cert: &Path, key: &Path, ca: &Path, args: &[&str]) -> Self {
        let [cert, key, ca] = [cert, key, ca].map(|path| path.display().to_string());
        let tls = ["--save", "", "--port", "0", "--tls-cert-file", &cert, "--tls-key-file", &key];
        let all = [&tls[..], &["--tls-ca-cert-file", &ca], args].concat();
        Self::with_port(&all, |port| vec!["--tls-port".to_owned(), port.to_string()])
    }

    #[track_caller]
    fn with_port(args: &[&str], port_args: impl Fn(u16) -> Vec<String>) -> Self {
        for _ in 0..TRIES {
            let port = free_port();
            let mut all = port_args(port);
            all.extend(args.iter().map(|&arg| arg.to_owned()));
            let mut redis = Self { process: None, port, dir: tempdir(), args: all };
            if redis.try_start() {
                return redis;
            }
        }
        panic!("redis-server does not start; the Debian package is redis-server");
    }

    fn try_start(&mut self) -> bool {
        let program = need("/usr/bin/redis-server", "redis-server", "redis");
        let mut command = Command::new(program);
        command.args(["--bind", "127.0.0.1", "--daemonize", "no", "--loglevel", "notice", "--dir"]);
        command.arg(self.dir.path()).args(&self.args);
        let process = Process::start("redis-server", command);
        let is_ready = process.try_wait_for(|line| line.contains(READY).then_some(())).is_some();
        self.process = is_ready.then_some(process);
        is_ready
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it is, for settings.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends it at once, as a crash does.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again, on the same port.
    #[track_caller]
    pub fn restart(&mut self) {
        self.kill();
        // Nobody else was given the port; what it had open may take a moment to be gone.
        eventually("redis-server is back", || self.try_start().then_some(()));
    }

    /// Sends it a signal, such as STOP and CONT.
    pub fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    /// What it says to a command, as lines; errors begin with `-`.
    #[track_caller]
    pub fn ask(&self, command: &[impl AsRef<[u8]>]) -> Vec<String> {
        self.ask_all(&[command]).remove(0)
    }

    /// The same, for several commands on one connection.
    #[track_caller]
    pub fn ask_all(&self, commands: &[&[impl AsRef<[u8]>]]) -> Vec<Vec<String>> {
        let ask = || -> Result<Vec<Vec<String>>> {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
            stream.set_read_timeout(Some(PATIENCE))?;
            let mut stream = BufReader::new(stream);
            let mut said = Vec::new();
            for command in commands {
                let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
                for part in *command {
                    bytes.extend_from_slice(format!("${}\r\n", part.as_ref().len()).as_bytes());
                    bytes.extend_from_slice(part.as_ref());
                    bytes.extend_from_slice(b"\r\n");
                }
                stream.get_mut().write_all(&bytes)?;
                let mut lines = Vec::new();
                read(&mut stream, &mut lines)?;
                said.push(lines);
            }
            Ok(said)
        };
        ask().unwrap_or_else(|error| panic!("Redis does not answer: {error}"))
    }
}

/// Appends an answer to `lines`: each text and each number one.
fn read(stream: &mut impl BufRead, lines: &mut Vec<String>) -> Result<()> {
    let mut head = String::new();
    stream.read_line(&mut head)?;
    let head = head.trim_end();
    let count = head.get(1..).and_then(|rest| rest.parse::<i64>().ok()).unwrap_or(-1);
    match head.as_bytes().first() {
        Some(b'$') if count >= 0 => {
            let mut bytes = vec![0; usize::try_from(count).unwrap_or(0) + 2];
            stream.read_exact(&mut bytes)?;
            bytes.truncate(bytes.len() - 2);
            lines.push(String::from_utf8_lossy(&bytes).into_owned());
        }
        Some(b'*') => {
            for _ in 0..count {
                read(stream, lines)?;
            }
        }
        Some(b'$') => {}
        Some(b'-') => lines.push(head.to_owned()),
        _ => lines.push(head.get(1..).unwrap_or_default().to_owned()),
    }
    Ok(())
}

// === impl Sentinels ===

impl Sentinels {
    /// Starts a master called `main`, a replica, and a Sentinel that fails over within seconds.
    #[track_caller]
    pub fn start() -> Self {
        let master = Redis::start();
        let port = master.port().to_string();
        let replica = Redis::with(&["--save", "", "--replicaof", "127.0.0.1", &port]);
        eventually("the replica follows", || {
            replica.ask(&["ROLE"]).iter().any(|line| line == "connected").then_some(())
        });
        for _ in 0..TRIES {
            let (dir, port) = (tempdir(), free_port());
            let path = dir.path().join("sentinel.conf");
            let config = format!(
                "bind 127.0.0.1
port {port}
dir {}
sentinel monitor main 127.0.0.1 {} 1
sentinel down-after-milliseconds main 500
sentinel failover-timeout main 3000
",
                dir.path().display(),
                master.port()
            );
            std::fs::write(&path, config).expect("the folder is writable");
            if let Some(process) = start_sentinel(&path) {
                let this = Self { _process: process, port, master, replica, _dir: dir };
                eventually("the Sentinel knows the replica", || {
                    let known = this.ask(&["SENTINEL", "REPLICAS", "main"]);
                    known.contains(&this.replica.port().to_string()).then_some(())
                });
                return this;
            }
        }
        panic!("redis-sentinel does not start; the Debian package is redis-sentinel");
    }

    /// Where the Sentinel is.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port of the master, as the Sentinel sees it.
    pub fn master_port(&self) -> Option<u16> {
        self.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"]).get(1)?.parse().ok()
    }

    fn ask(&self, command: &[&str]) -> Vec<String> {
        let sentinel = Redis { process: None, port: self.port, dir: tempdir(), args: Vec::new() };
        sentinel.ask(command)
    }
}

fn start_sentinel(config: &PathBuf) -> Option<Process> {
    let program = need("/usr/bin/redis-sentinel", "redis-sentinel", "redis");
    let mut command = Command::new(program);
    command.arg(config);
    let process = Process::start("redis-sentinel", command);
    process.try_wait_for(|line| line.contains("+monitor master").then_some(()))?;
    Some(process)
}

// === impl RedisCluster ===

impl RedisCluster {
    /// Starts three nodes that share the slots.
    #[track_caller]
    pub fn start() -> Self {
        let buses = [free_port(), free_port(), free_port()];
        let nodes = buses.map(|bus| {
            Redis::with(&[
                "--save",
                "",
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &bus.to_string(),
                "--cluster-node-timeout",
                "5000",
            ])
        });
        for (index, node) in nodes.iter().enumerate() {
            let (first, last) = (SLOTS * index / 3, SLOTS * (index + 1) / 3 - 1);
            assert_eq!(
                node.ask(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]),
                ["OK"]
            );
        }
        for (node, bus) in nodes.iter().zip(buses).skip(1) {
            let (port, bus) = (node.port().to_string(), bus.to_string());
            assert_eq!(nodes[0].ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]), ["OK"]);
        }
        let cluster = Self { nodes };
        eventually("the cluster is whole", || {
            let is_whole = |node: &Redis| {
                let info = node.ask(&["CLUSTER", "INFO"]).concat();
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            };
            cluster.nodes.iter().all(is_whole).then_some(())
        });
        cluster
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skipped;

    #[test]
    fn it_answers_and_comes_back() {
        if skipped("redis") {
            return;
        }
        let mut redis = Redis::start();
        assert_eq!(redis.ask(&["SET", "k", "v w\r\n"]), ["OK"]);
        assert_eq!(redis.ask(&["GET", "k"]), ["v w\r\n"]);
        assert!(redis.ask(&["NONE"])[0].starts_with("-ERR"));
        redis.restart();
        assert_eq!(redis.ask(&["EXISTS", "k"]), ["0"]);
    }
}
