//! HAProxy in front of an ICAP server.

use crate::process::Process;
use crate::wait::eventually;
use crate::{env, free_port, tempdir};
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use tempfile::TempDir;

/// An HAProxy of its own, that passes connections on. Ended when dropped.
#[derive(Debug)]
pub struct Haproxy {
    _process: Process,
    address: SocketAddr,
    _dir: TempDir,
}

// === impl Haproxy ===

impl Haproxy {
    /// Starts one in front of `server`, with options such as `send-proxy-v2`.
    #[track_caller]
    pub fn start(server: SocketAddr, options: &str) -> Self {
        Self::start_with(&format!("  server icapstan {server} {options}\n"))
    }

    /// Starts one in front of several, given as where they are served and where `/readyz` is. Only those that are ready
    /// get connections, in turn.
    #[track_caller]
    pub fn start_over(servers: &[(SocketAddr, SocketAddr)]) -> Self {
        let mut lines =
            "  balance roundrobin\n  option httpchk GET /readyz\n  option redispatch 1\n".to_owned();
        for (number, (server, admin)) in servers.iter().enumerate() {
            let check = format!("check addr {} port {} inter 200ms fall 1 rise 1", admin.ip(), admin.port());
            let _ = writeln!(lines, "  server icapstan{number} {server} {check}");
        }
        Self::start_with(&lines)
    }

    #[track_caller]
    fn start_with(lines: &str) -> Self {
        let program = env::need("/usr/sbin/haproxy", "haproxy", "haproxy");
        let dir = tempdir();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let config = dir.path().join("haproxy.cfg");
        let text = format!(
            "defaults
  mode tcp
  timeout connect 10s
  timeout client 60s
  timeout server 60s
listen icap
  bind {address}
{lines}"
        );
        std::fs::write(&config, text).expect("the folder is writable");
        let mut command = Command::new(program);
        command.arg("-db").arg("-f").arg(&config);
        let process = Process::start("haproxy", command);
        eventually("HAProxy takes connections", || TcpStream::connect(address).is_ok().then_some(()));
        Self { _process: process, address, _dir: dir }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
