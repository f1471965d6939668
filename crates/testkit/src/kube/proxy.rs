//! What can go wrong between a client and an API server.
//!
//! ```text
//!  client ──TLS──▶ gate ──▶ HTTP/1.1 ──▶ fault? ──▶ task of its own ──TLS──▶ kube-apiserver
//!                  refused, silent       answered    held, its answer dropped
//! ```
//!
//! Requests pass as they are, with the identity that they came with. One that has been read reaches the server even if
//! who sent it is gone, unless a fault says otherwise: that is what a write that was under way does. No connection
//! is upgraded, so that there is no `exec` through it.

mod faults;
mod forward;
mod gate;
mod requests;

pub use faults::Held;
pub use requests::{Seen, Which};

use super::cluster::Cluster;
use super::kubeconfig;
use crate::net::free_port;
use crate::tls::Authority;
use faults::{Fault, Faults, Line};
use forward::Upstream;
use gate::Gate;
use http::StatusCode;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use kube::Client;
use kube::config::Kubeconfig;
use rustls::ServerConfig;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// A way to the API server on which faults are switched on and off at any time. Ended when dropped.
///
/// It works on a thread of its own, whatever the test does meanwhile, and each fault is there when the call that asks for
/// it returns.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    authority: Authority,
    faults: Arc<Faults>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// How long it is tried to listen again where somebody listened before.
const BIND_EVERY: Duration = Duration::from_millis(20);

// === impl FaultProxy ===

impl FaultProxy {
    /// One before the server of `cluster`; until told otherwise it passes everything.
    #[track_caller]
    pub fn before(cluster: &Cluster) -> Self {
        let authority = Authority::new();
        let tls = authority.identity("127.0.0.1").config();
        let faults = Arc::new(Faults::default());
        let upstream = Upstream::new(cluster.config());
        let (stop, stopped) = oneshot::channel();
        let (listening, address) = std::sync::mpsc::sync_channel(1);
        let for_thread = Arc::clone(&faults);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("there is memory").block_on(async {
                let listener = listen().await;
                listening.send(listener.local_addr().expect("it listens")).expect("somebody waits");
                tokio::select! {
                    () = serve(listener, tls, for_thread, Arc::new(upstream)) => {}
                    _ = stopped => {}
                }
            });
        });
        let address = address.recv().expect("the proxy listens");
        Self { address, authority, faults, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The file `kubeconfig`, by way of this proxy, as another file.
    #[track_caller]
    pub fn kubeconfig(&self, kubeconfig: &Path) -> PathBuf {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = self.authority.ca_file();
        let folder = folder.parent().expect("a file is in a folder");
        kubeconfig::write(&self.changed(kubeconfig), folder, &format!("by-way-{number}"))
    }

    /// A client that is who `kubeconfig` says, by way of this proxy.
    pub async fn client(&self, kubeconfig: &Path) -> Client {
        let config = kubeconfig::config(&self.changed(kubeconfig)).await;
        Client::try_from(config).expect("the settings fit")
    }

    #[track_caller]
    fn changed(&self, path: &Path) -> Kubeconfig {
        let contents = Kubeconfig::read_from(path).unwrap_or_else(|error| panic!("no kubeconfig: {error}"));
        let server = format!("https://{}", self.address);
        kubeconfig::by_way_of(&contents, &server, &self.authority.ca_file())
    }

    /// Ends all connections, and refuses new ones.
    pub fn refuse(&self) {
        self.faults.set(|line| {
            line.refuses = true;
            line.cuts += 1;
        });
        self.faults.wait_until(false);
    }

    /// Lets connections be, and come, and says nothing on them: no answer, no event, no end.
    pub fn fall_silent(&self) {
        self.faults.silence(true);
    }

    /// Ends all connections, and takes new ones.
    pub fn cut(&self) {
        self.faults.set(|line| line.cuts += 1);
    }

    /// Ends the watches that there are, as a server does that is restarted: in the middle of an answer.
    pub fn cut_watches(&self) {
        self.faults.set(|line| line.watch_cuts += 1);
    }

    /// Each answer comes later by this.
    pub fn delay(&self, by: Duration) {
        self.faults.set(|line| line.delay = by);
    }

    /// The next `times` of these requests are answered with `status`, and go no further. With 429 comes
    /// `Retry-After: 1`; 410 is for a watch, as from the server, an event in an answer of 200.
    pub fn fail(&self, which: Which, status: u16, times: usize) {
        let status = StatusCode::from_u16(status).expect("it is a status");
        self.faults.add(which, Fault::Answer(status), times);
    }

    /// The next `times` of these requests are done, and their connections closed in the place of an answer.
    pub fn drop_answers(&self, which: Which, times: usize) {
        self.faults.add(which, Fault::DropAnswer, times);
    }

    /// Keeps these requests back until [`Held::release`] or [`Held::lose`].
    pub fn hold(&self, which: Which) -> Held {
        Held::new(&self.faults, which)
    }

    /// Everything passes from now on. What is held stays so.
    pub fn heal(&self) {
        self.faults.clear();
        self.faults.set(|line| {
            line.refuses = false;
            line.delay = Duration::ZERO;
        });
        self.faults.silence(false);
        self.faults.wait_until(true);
    }

    /// All requests until now, in the order in which they came.
    pub fn seen(&self) -> Vec<Seen> {
        self.faults.seen()
    }

    /// How many of these requests there were until now.
    pub fn count(&self, which: &Which) -> usize {
        self.faults.count(which)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        // What is held would be waited for by nobody; with the runtime all of it ends.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn listen() -> TcpListener {
    loop {
        // A port of its own, since it has to be listened to again after connections were refused.
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, free_port())).await {
            return listener;
        }
    }
}

async fn serve(first: TcpListener, tls: Arc<ServerConfig>, faults: Arc<Faults>, upstream: Arc<Upstream>) {
    let address = first.local_addr().expect("it listens");
    let mut listener = Some(first);
    let mut line = faults.line();
    loop {
        if line.borrow_and_update().refuses {
            // Who comes now is told so by the kernel.
            listener = None;
            faults.listens(false);
            if line.wait_for(|line| !line.refuses).await.is_err() {
                return;
            }
        }
        let listening = match listener.take() {
            Some(listening) => listening,
            None => listen_again(address).await,
        };
        faults.listens(true);
        tokio::select! {
            accepted = listening.accept() => if let Ok((stream, _)) = accepted {
                tokio::spawn(connection(stream, Arc::clone(&tls), Arc::clone(&faults), Arc::clone(&upstream)));
            },
            changed = line.changed() => if changed.is_err() { return },
        }
        listener = Some(listening);
    }
}

async fn listen_again(address: SocketAddr) -> TcpListener {
    loop {
        if let Ok(listener) = TcpListener::bind(address).await {
            return listener;
        }
        tokio::time::sleep(BIND_EVERY).await;
    }
}

async fn connection(stream: TcpStream, tls: Arc<ServerConfig>, faults: Arc<Faults>, upstream: Arc<Upstream>) {
    let mut line = faults.line();
    let cuts = line.borrow().cuts;
    let gate = Gate::new(stream, Arc::clone(&faults), cuts);
    let served = async {
        let secured = TlsAcceptor::from(tls).accept(gate).await.ok()?;
        let service =
            service_fn(move |request| forward::answer(request, Arc::clone(&faults), Arc::clone(&upstream)));
        http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(secured), service)
            .await
            .ok()
    };
    let is_cut = |line: &Line| line.cuts != cuts;
    tokio::select! {
        biased;
        _ = line.wait_for(is_cut) => {}
        // How it ended its client knows.
        _ = served => {}
    }
}
