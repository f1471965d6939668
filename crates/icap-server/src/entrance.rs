//! What a connection has to pass before it can send requests.
//!
//! ```text
//!  accept ─▶ [PROXY header] ─▶ [TLS handshake] ─▶ address allowed? ─▶ session
//!                 └───── one deadline ─────┘           └─ 403, closed
//! ```

mod held;
mod metrics;
mod proxy;
mod tls;

pub(crate) use metrics::{EntranceMetrics, Header, Refusal};

use crate::clients::Guest;
use crate::idle::Room;
use crate::server::Shared;
use crate::session::Session;
use crate::{Caller, Io, Service};
use icapstan_tls::Acceptor;
use ipnet::IpNet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// What connections of a listener begin with. By default, with requests.
#[derive(Clone, Debug, Default)]
pub struct Entrance {
    /// They begin with a PROXY header, and come from these networks only.
    pub proxies: Option<Arc<[IpNet]>>,
    /// They are secured.
    pub tls: Option<Acceptor>,
}

// === impl Entrance ===

impl Entrance {
    /// Serves a connection until it ends.
    pub(crate) async fn serve<S: Service>(
        &self,
        shared: &Shared<S>,
        mut stream: TcpStream,
        peer: SocketAddr,
        mut room: Room,
        mut guest: Option<Guest>,
    ) {
        if self.proxies.is_none() && self.tls.is_none() {
            return enter(shared, stream, Caller::at(peer), room, guest).await;
        }
        let deadline = Instant::now() + shared.config.timeouts.handshake;
        // Apart, so that connections without all this are not made larger by it.
        let mut peer = peer;
        if let Some(trusted) = &self.proxies {
            let client = Box::pin(proxy::client(shared, &mut stream, peer, trusted, deadline));
            let Some(client) = unless_needed(shared, &mut room, client).await.flatten() else { return };
            peer = client;
            let Ok(known) = shared.enter(peer) else { return };
            guest = known;
        }
        let Some(acceptor) = &self.tls else {
            return enter(shared, stream, Caller::at(peer), room, guest).await;
        };
        // Before the handshake, which is work too.
        if !shared.config.access.admits(peer.ip()) {
            shared.metrics.entrance.refused(Refusal::Address, peer);
            return;
        }
        let hello = Box::pin(tls::hello(shared, stream, peer, deadline));
        let Some(hello) = unless_needed(shared, &mut room, hello).await.flatten() else { return };
        let secure = Box::pin(tls::secure(shared, hello, peer, acceptor, deadline));
        let Some((stream, caller)) = unless_stopping(shared, secure).await.flatten() else { return };
        Box::pin(enter(shared, stream, caller, room, guest)).await;
    }
}

/// Waits for who has sent nothing that counts yet: its place is given away like that of an idle connection.
async fn unless_needed<S: Service, T>(
    shared: &Shared<S>,
    room: &mut Room,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut resting = shared.idle.rest(room, Instant::now());
    let done = tokio::select! {
        biased;
        done = unless_stopping(shared, work) => done,
        () = resting.replaced() => None,
    };
    *room = resting.end();
    room.seat = room.seat.take().or_else(|| shared.take_seat());
    done.filter(|_| room.seat.is_some())
}

/// What has not come in soon after the server was told to stop never will.
async fn unless_stopping<S, T>(shared: &Shared<S>, work: impl Future<Output = T>) -> Option<T> {
    let stopping = async {
        shared.stopping().await;
        tokio::time::sleep(shared.config.timeouts.stop_idle).await;
    };
    tokio::select! {
        biased;
        done = work => Some(done),
        () = stopping => None,
    }
}

async fn enter<S: Service, I: Io>(
    shared: &Shared<S>,
    io: I,
    caller: Caller,
    mut room: Room,
    guest: Option<Guest>,
) {
    let is_allowed = shared.config.access.admits(caller.address.ip());
    if !is_allowed {
        shared.metrics.entrance.refused(Refusal::Address, caller.address);
        room.slot = None;
        return Session::new(shared, io, caller, room, guest).turn_away().await;
    }
    Session::new(shared, io, caller, room, guest).run().await;
}

/// Sends what fits, and reads what the peer has sent meanwhile: a close with unread bytes would destroy what
/// is on its way to it.
async fn last_words(mut stream: TcpStream, words: &[u8]) {
    const MOST: usize = 64 * 1024;
    const PATIENCE: Duration = Duration::from_secs(1);
    // The queue of a new connection takes it at once.
    let _ = stream.try_write(words);
    let read = async {
        stream.shutdown().await?;
        let (mut buffer, mut left) = ([0; 4096], MOST);
        while left > 0 {
            let count = stream.read(&mut buffer).await?;
            if count == 0 {
                break;
            }
            left = left.saturating_sub(count);
        }
        std::io::Result::Ok(())
    };
    // However it ends, that was all.
    let _ = timeout(PATIENCE, read).await;
}
