//! The HTTP endpoint for probes and metrics.

mod answer;
mod connections;

use crate::process::register_process_metrics;
use answer::Answers;
use connections::Connections;
use prometheus::Registry;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::oneshot;

/// How long a failed accept is not repeated: the process may be out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Asked for each `/readyz`. Not to wait for anything; after a second it counts as failed.
pub type Readiness = Arc<dyn Fn() -> Ready + Send + Sync>;

/// Asked for each `/version`, and for other documents.
pub type Version = Arc<dyn Fn() -> serde_json::Value + Send + Sync>;

/// A path, and who is asked for the JSON that is answered there.
pub type Document = (&'static str, Version);

/// Whether the process can do its work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// What was looked at. Ready means that each of these is fine.
    pub checks: Vec<Check>,
    /// What somebody should see to, although it is no cause to be not ready.
    pub notes: Vec<Note>,
}

/// Something that should be seen to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What it is about, in one word.
    pub name: String,
    /// What is the matter.
    pub text: String,
}

/// One thing that has to be fine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at, in one word.
    pub name: String,
    /// What is missing, if anything is.
    pub result: Result<(), String>,
}

/// A running endpoint. Ends when dropped.
#[derive(Debug)]
pub struct AdminServer {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Why the endpoint cannot start.
#[derive(Debug, Error)]
pub enum AdminError {
    /// The address is taken, not ours, or not allowed.
    #[error("cannot listen on {addr} for probes and metrics")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No thread or no runtime could be had.
    #[error("cannot start the thread for probes and metrics")]
    Thread(#[source] io::Error),
    /// The registry has other metrics under the names of the process metrics.
    #[error("cannot register the process metrics")]
    Metrics(#[source] prometheus::Error),
}

// === impl AdminServer ===

impl AdminServer {
    /// Listens on `addr`, whose port may be 0, and answers from a thread of its own. Adds the process
    /// metrics to `registry`, unless they are there already.
    pub fn start(
        addr: SocketAddr,
        registry: Arc<Registry>,
        readiness: Readiness,
        version: Version,
    ) -> Result<Self, AdminError> {
        Self::start_with(addr, registry, readiness, vec![("/version", version)])
    }

    /// The same with these documents, `/version` among them.
    pub fn start_with(
        addr: SocketAddr,
        registry: Arc<Registry>,
        readiness: Readiness,
        documents: Vec<Document>,
    ) -> Result<Self, AdminError> {
        register_process_metrics(&registry).map_err(AdminError::Metrics)?;
        let listen = |source| AdminError::Listen { addr, source };
        let listener = TcpListener::bind(addr).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let addr = listener.local_addr().map_err(listen)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(answer::MAX_ASKING)
            .thread_name("icapstan-ask")
            .build()
            .map_err(AdminError::Thread)?;
        let listener = {
            let _context = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(listen)?
        };
        let answers = Arc::new(Answers::new(registry, readiness, documents));
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("icapstan-admin".to_owned())
            .spawn(move || {
                runtime.block_on(serve(listener, answers, stopped));
                // Not waiting for closures of others that may hang.
                runtime.shutdown_background();
            })
            .map_err(AdminError::Thread)?;
        Ok(Self { addr, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens, with the port that the system chose if none was given.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Closes the listener and all connections, and waits until that is done.
    pub fn shutdown(self) {}
}

impl Drop for AdminServer {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: tokio::net::TcpListener, answers: Arc<Answers>, mut stopped: oneshot::Receiver<()>) {
    let mut connections = Connections::default();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = &mut stopped => return,
            accepted = listener.accept() => accepted,
        };
        if let Ok((stream, _)) = accepted {
            connections.add(stream, Arc::clone(&answers));
        } else {
            tokio::select! {
                _ = &mut stopped => return,
                () = tokio::time::sleep(ACCEPT_PAUSE) => {}
            }
        }
    }
}

// === impl Ready ===

impl Ready {
    /// Nothing was looked at yet, so nothing is missing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check.
    #[must_use]
    pub fn check(mut self, name: &str, result: Result<(), String>) -> Self {
        self.checks.push(Check { name: name.to_owned(), result });
        self
    }

    /// Adds a note, if there is one.
    #[must_use]
    pub fn note(mut self, name: &str, text: Option<String>) -> Self {
        self.notes.extend(text.map(|text| Note { name: name.to_owned(), text }));
        self
    }

    /// Whether each check is fine.
    pub fn is_ready(&self) -> bool {
        self.checks.iter().all(|check| check.result.is_ok())
    }
}
