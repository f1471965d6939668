//! An object store: a program of this workspace that speaks S3, over a folder.

use crate::net::{free_port, tempdir};
use crate::pem::Pem;
use crate::process::Process;
use crate::standalone::binary;
use crate::wait::eventually;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// One `icapstan-s3-server`. It checks signatures and digests. Ended when dropped.
#[derive(Debug)]
pub struct S3Server {
    process: Option<Process>,
    address: SocketAddr,
    secured: Option<Pem>,
    dir: TempDir,
}

/// Whose signatures it believes.
const ACCESS_KEY: &str = "TESTACCESSKEY";
const SECRET_KEY: &str = "test/secret+key";

// === impl S3Server ===

impl S3Server {
    /// Starts one with a bucket called `bucket`.
    #[track_caller]
    pub fn start(bucket: &str) -> Self {
        Self::start_with(bucket, None)
    }

    /// The same with TLS: it shows this.
    #[track_caller]
    pub fn secured(bucket: &str, pem: Pem) -> Self {
        Self::start_with(bucket, Some(pem))
    }

    #[track_caller]
    fn start_with(bucket: &str, secured: Option<Pem>) -> Self {
        let dir = tempdir();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut server = Self { process: None, address, secured, dir };
        std::fs::create_dir_all(server.bucket(bucket)).expect("the folder is writable");
        // A port that is free now and not given away again, so that the server can come back to it.
        eventually("the object store starts", || {
            server.address.set_port(free_port());
            server.try_start().then_some(())
        });
        server
    }

    fn try_start(&mut self) -> bool {
        let mut command = Command::new(binary("icapstan-s3-server"));
        command.args(["--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY]);
        command.args(["--listen", &self.address.to_string()]);
        if let Some(pem) = &self.secured {
            command.arg("--cert").arg(&pem.cert).arg("--key").arg(&pem.key);
        }
        command.arg(self.root());
        let process = Process::start("icapstan-s3-server", command);
        let is_up = process.try_wait_for(|line| line.starts_with("listening on").then_some(())).is_some();
        self.process = is_up.then_some(process);
        is_up
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it is, for settings.
    pub fn url(&self) -> String {
        let scheme = if self.secured.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The folder of a bucket: its files are the objects.
    pub fn bucket(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// A file with keys that it believes.
    #[track_caller]
    pub fn credentials(&self) -> PathBuf {
        self.credentials_with("credentials", SECRET_KEY)
    }

    /// A file with a key that it does not believe.
    #[track_caller]
    pub fn foreign_credentials(&self) -> PathBuf {
        self.credentials_with("foreign", "another")
    }

    fn credentials_with(&self, name: &str, secret: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        let text = format!("[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {secret}\n");
        std::fs::write(&path, text).expect("the folder is writable");
        path
    }

    /// Ends it at once, as a crash does.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again, at the same address.
    #[track_caller]
    pub fn restart(&mut self) {
        self.kill();
        eventually("the object store is back", || self.try_start().then_some(()));
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("buckets")
    }
}
