//! A real clamd.

use crate::env::need;
use crate::net::{free_port, tempdir};
use crate::process::Process;
use crate::samples;
use crate::wait::eventually;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A `clamd` with the test signatures, on a Unix socket and on a port of loopback. Ended when dropped.
#[derive(Debug)]
pub struct Clamd {
    process: Option<Process>,
    port: u16,
    dir: TempDir,
}

/// What has to stand in its configuration for icapstan to use it.
pub const CLAMD_ALERTS: &str = "AlertExceedsMax yes\nAlertEncrypted yes\n";

// === impl Clamd ===

impl Clamd {
    /// Starts one with these lines in its configuration besides.
    #[track_caller]
    pub fn start(lines: &str) -> Self {
        let dir = tempdir();
        fs::create_dir(dir.path().join("signatures")).expect("the folder is writable");
        samples::signatures(&dir.path().join("signatures"));
        let mut clamd = Self { process: None, port: free_port(), dir };
        clamd.restart(lines);
        clamd
    }

    /// Ends it at once, as a crash does.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again in the same place, with these lines in its configuration besides.
    #[track_caller]
    pub fn restart(&mut self, lines: &str) {
        self.kill();
        let user = if rustix::process::geteuid().is_root() { "User root\n" } else { "" };
        let (socket, dir) = (self.socket(), self.dir.path().display());
        let _ = fs::create_dir(self.temp());
        let text = format!(
            "{user}Foreground yes\nLocalSocket {}\nTCPAddr 127.0.0.1\nTCPSocket {}\n\
             DatabaseDirectory {dir}/signatures\nTemporaryDirectory {}\nDisableCache yes\n{lines}",
            socket.display(),
            self.port,
            self.temp().display(),
        );
        let config = self.dir.path().join("clamd.conf");
        fs::write(&config, text).expect("the folder is writable");
        let mut command = Command::new(need("/usr/sbin/clamd", "clamav-daemon", "clamd"));
        command.arg("--config-file").arg(&config);
        self.process = Some(Process::start("clamd", command));
        eventually("clamd answers", || {
            let mut stream = UnixStream::connect(&socket).ok()?;
            stream.set_read_timeout(Some(Duration::from_millis(500))).ok()?;
            stream.write_all(b"zPING\0").ok()?;
            let mut answer = [0; 5];
            stream.read_exact(&mut answer).ok()?;
            (&answer == b"PONG\0").then_some(())
        });
    }

    /// Its Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("clamd.ctl")
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it unpacks.
    pub fn temp(&self) -> PathBuf {
        self.dir.path().join("temp")
    }
}
