//! A server of this process on a loopback port, and conversations with it.

use crate::input::Pieces;
use icapstan_icap_server::{Budget, Server, ServerConfig, ServerMetrics, Service, Shutdown};
use prometheus::Registry;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use tokio::time::timeout;

/// One server with its runtime, for one thread. Made once: it is never stopped.
pub(crate) struct Line {
    runtime: Runtime,
    addr: SocketAddr,
    memory: Arc<Budget>,
    _running: Shutdown,
}

/// Nothing in a conversation waits for anything but its own bytes.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often a wire is cut at most: each cut takes two switches between tasks.
const MOST_PIECES: usize = 16;

/// Larger inputs would come to limits that are known to the second, not to the byte.
pub(crate) const MOST_BYTES: usize = 60_000;

// === impl Line ===

impl Line {
    /// Starts a server for the service that `make` makes, with the budget that it gives to sessions.
    pub(crate) fn start<S: Service>(make: impl FnOnce(&Arc<Budget>) -> S) -> &'static Self {
        // Sockets are looked at after every step of a task, so that cuts are seen as they were made.
        let built = Builder::new_current_thread().enable_all().event_interval(1).build();
        let runtime = built.expect("a runtime needs a few descriptors");
        let memory = Budget::unwatched(64 << 20);
        let service = make(&memory);
        let (addr, running) = runtime.block_on(async {
            let metrics = ServerMetrics::register(&Registry::new()).expect("names are unique");
            let config = ServerConfig { memory: Arc::clone(&memory), ..ServerConfig::default() };
            let any = "127.0.0.1:0".parse().expect("an address");
            let server = Server::bind(any, config, metrics).expect("a free port");
            (server.local_addr(), server.start(service).expect("a free port"))
        });
        Box::leak(Box::new(Self { runtime, addr, memory, _running: running }))
    }

    /// Sends `wire` cut by `seed`, says that it is over, and returns all that came back.
    pub(crate) fn talk(&self, wire: &[u8], seed: u8) -> Vec<u8> {
        self.runtime.block_on(async {
            let talk = timeout(PATIENCE, self.converse(wire, seed)).await;
            talk.expect("a conversation came to its end")
        })
    }

    async fn converse(&self, wire: &[u8], seed: u8) -> Vec<u8> {
        let stream = TcpStream::connect(self.addr).await.expect("the server listens");
        stream.set_nodelay(true).expect("a socket of our own");
        let (mut read, mut write) = stream.into_split();
        let send = async move {
            let mut sent = 0;
            for (count, piece) in Pieces::new(seed, wire.len()).enumerate() {
                let end = if count == MOST_PIECES { wire.len() } else { piece.end };
                // A server that has closed does not read on.
                if write.write_all(&wire[sent..end]).await.is_err() || end == wire.len() {
                    break;
                }
                sent = end;
                yield_now().await;
                yield_now().await;
            }
            let _ = write.shutdown().await;
            write
        };
        let mut received = Vec::new();
        // An aborted connection is an end as well.
        let (write, _) = tokio::join!(send, read.read_to_end(&mut received));
        drop((read, write));
        // The end of a session may be seen before it has given everything back.
        while self.memory.taken() > 0 {
            yield_now().await;
        }
        received
    }
}
