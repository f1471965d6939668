//! etcd and kube-apiserver, on loopback.

use super::kubeconfig;
use super::programs::built;
use crate::env::need;
use crate::net::free_port;
use crate::process::Process;
use crate::tls::Authority;
use crate::wait::PATIENCE;
use kube::Client;
use kube::config::Kubeconfig;
use rcgen::{KeyPair, PublicKeyData};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Both programs, ended when dropped, and by the kernel when the process ends.
#[derive(Debug)]
pub(super) struct ControlPlane {
    _etcd: Process,
    _apiserver: Process,
    /// Where it is, for an administrator.
    pub(super) kubeconfig: Kubeconfig,
}

/// The keys of a control plane.
#[derive(Debug)]
struct Keys {
    cert: PathBuf,
    key: PathBuf,
    ca: PathBuf,
    /// Signs the tokens of service accounts.
    signing: PathBuf,
    verifying: PathBuf,
    /// One line: a token, and whose it is.
    tokens: PathBuf,
    token: String,
}

/// A port that was free may be taken before it is bound.
const TRIES: usize = 5;
/// What etcd says once it serves, in this and in later releases.
const ETCD_READY: [&str; 2] = ["ready to serve client requests", "serving insecure client requests"];
/// Whom tokens of service accounts are from.
const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// How long an API server may take: it makes its roles and priorities first.
const START: Duration = PATIENCE.saturating_mul(2);
/// How often it is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(50);

// === impl ControlPlane ===

impl ControlPlane {
    /// Starts one that keeps what it has in `folder`, and returns once it is ready.
    #[track_caller]
    pub(super) fn start(folder: &Path) -> Self {
        let keys = Keys::new(folder);
        let (etcd, etcd_port) = start_etcd(folder);
        for _ in 0..TRIES {
            let port = free_port();
            let apiserver = Process::start("kube-apiserver", apiserver(folder, &keys, etcd_port, port));
            let kubeconfig = kubeconfig::new(&format!("https://127.0.0.1:{port}"), &keys.ca, &keys.token);
            if is_ready(&apiserver, port, &kubeconfig) {
                return Self { _etcd: etcd, _apiserver: apiserver, kubeconfig };
            }
            let said = apiserver.logs().text();
            assert!(said.contains("address already in use"), "kube-apiserver does not start:\n{said}");
        }
        panic!("kube-apiserver finds no port");
    }
}

// === impl Keys ===

impl Keys {
    fn new(folder: &Path) -> Self {
        let authority = Authority::new();
        let (cert, key) = authority.files("127.0.0.1");
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).expect("the folder is writable");
            path
        };
        // What the authority wrote goes with it.
        let keep = |name: &str, from: &Path| {
            write(name, &std::fs::read_to_string(from).expect("the authority wrote it"))
        };
        let pair = KeyPair::generate().expect("there is chance");
        let token = crate::hex(KeyPair::generate().expect("there is chance").der_bytes());
        Self {
            cert: keep("server.crt", &cert),
            key: keep("server.key", &key),
            ca: keep("ca.crt", &authority.ca_file()),
            signing: write("service-accounts.key", &pair.serialize_pem()),
            verifying: write("service-accounts.pub", &pair.public_key_pem()),
            tokens: write("tokens.csv", &format!("{token},admin,admin,system:masters\n")),
            token,
        }
    }
}

fn start_etcd(folder: &Path) -> (Process, u16) {
    let program = need("/usr/bin/etcd", "etcd-server", "kube");
    for attempt in 0..TRIES {
        let (port, peers) = (free_port(), free_port());
        let [clients, peers] = [port, peers].map(|port| format!("http://127.0.0.1:{port}"));
        let mut command = Command::new(program);
        command.arg("--data-dir").arg(folder.join(format!("etcd-{attempt}")));
        command.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
        command.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
        command.args(["--initial-cluster", &format!("default={peers}"), "--unsafe-no-fsync"]);
        // Settings of somebody else's etcd.
        let foreign = std::env::vars_os().map(|(name, _)| name);
        for name in foreign.filter(|name| name.as_encoded_bytes().starts_with(b"ETCD_")) {
            command.env_remove(name);
        }
        let etcd = Process::start("etcd", command);
        let is_ready = |line: &str| ETCD_READY.iter().any(|words| line.contains(words)).then_some(());
        if etcd.try_wait_for(is_ready).is_some() {
            return (etcd, port);
        }
        let said = etcd.logs().text();
        assert!(said.contains("address already in use"), "etcd does not start:\n{said}");
    }
    panic!("etcd finds no ports");
}

fn apiserver(folder: &Path, keys: &Keys, etcd: u16, port: u16) -> Command {
    let mut command = Command::new(built("kube-apiserver"));
    let flag = |name: &str, path: &Path| format!("--{name}={}", path.display());
    command.args([
        flag("cert-dir", folder),
        flag("tls-cert-file", &keys.cert),
        flag("tls-private-key-file", &keys.key),
        flag("token-auth-file", &keys.tokens),
        flag("service-account-signing-key-file", &keys.signing),
        flag("service-account-key-file", &keys.verifying),
        format!("--service-account-issuer={ISSUER}"),
        format!("--etcd-servers=http://127.0.0.1:{etcd}"),
        format!("--secure-port={port}"),
    ]);
    command.args([
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        // An address on loopback is none that a Service may have.
        "--endpoint-reconciler-type=none",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--profiling=false",
    ]);
    command
}

/// Whether it answers that it is ready; not where it ended before.
fn is_ready(apiserver: &Process, port: u16, kubeconfig: &Kubeconfig) -> bool {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("there is memory");
    let begun = Instant::now();
    let ready = async {
        let client = Client::try_from(kubeconfig::config(kubeconfig).await).expect("the settings fit");
        while !apiserver.has_ended() {
            assert!(begun.elapsed() < START, "kube-apiserver is not ready:\n{}", apiserver.logs().text());
            // Without this the client would take its time between tries.
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                let request = http::Request::get("/readyz").body(Vec::new()).expect("it is a request");
                let answer = tokio::time::timeout(PATIENCE, client.request_text(request)).await;
                // The certificate says that it is this one, and no other that was given the same port.
                if matches!(answer, Ok(Ok(text)) if text == "ok") {
                    return true;
                }
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        false
    };
    runtime.block_on(ready)
}
