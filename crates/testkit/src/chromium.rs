//! Headless Chromium behind a proxy.

use crate::process::Process;
use crate::{env, tempdir};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A browser that goes through `proxy`, loopback included. Each use is a run of its own with a new profile.
#[derive(Debug)]
pub struct Chromium {
    proxy: SocketAddr,
    dir: TempDir,
}

// === impl Chromium ===

impl Chromium {
    /// Panics when Chromium is not installed.
    #[track_caller]
    pub fn behind(proxy: SocketAddr) -> Self {
        env::need("/usr/bin/chromium", "chromium", "chromium");
        Self { proxy, dir: tempdir() }
    }

    /// The document that the page at `url` became, scripts run.
    #[track_caller]
    pub fn dump_dom(&self, url: &str) -> String {
        self.run("--dump-dom", url)
    }

    /// Writes a picture of the page as a PNG file.
    #[track_caller]
    pub fn screenshot(&self, url: &str, file: &Path) {
        self.run(&format!("--screenshot={}", file.display()), url);
        assert!(file.is_file(), "Chromium wrote no picture");
    }

    #[track_caller]
    fn run(&self, action: &str, url: &str) -> String {
        let profile = tempfile::tempdir_in(self.dir.path()).expect("the folder is writable");
        let mut command = Command::new("/usr/bin/chromium");
        command
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--window-size=1000,700", "--timeout=60000"])
            .arg("--proxy-bypass-list=<-loopback>")
            .arg(format!("--proxy-server=http://{}", self.proxy))
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args([action, url])
            .current_dir(self.dir.path());
        let mut process = Process::start("chromium", command);
        let status = process.wait_exit();
        assert!(status.success(), "Chromium ended with {status}; it said:\n{}", process.logs().text());
        process.logs().output()
    }
}
