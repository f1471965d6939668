//! Connections of the endpoint: few, short, and the newest first.

use super::answer::Answers;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

/// How many connections are open at once.
const MAX_CONNECTIONS: usize = 64;
/// From the connection to the end of the request head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// From the connection to the last byte of the answer.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(15);
/// The request line and all header fields, in bytes.
const MAX_HEAD: usize = 16 * 1024;
/// How many header fields.
const MAX_FIELDS: usize = 64;

/// All that are open, oldest first.
#[derive(Default)]
pub(super) struct Connections(VecDeque<AbortHandle>);

// === impl Connections ===

impl Connections {
    /// Serves one request on `stream`. When as many are open as may, the oldest gives way: whoever
    /// holds connections without using them keeps no probe out.
    pub(super) fn add(&mut self, stream: TcpStream, answers: Arc<Answers>) {
        self.0.retain(|connection| !connection.is_finished());
        if self.0.len() >= MAX_CONNECTIONS
            && let Some(oldest) = self.0.pop_front()
        {
            oldest.abort();
        }
        self.0.push_back(tokio::spawn(serve(stream, answers)).abort_handle());
    }
}

async fn serve(stream: TcpStream, answers: Arc<Answers>) {
    let service = service_fn(move |request| {
        let answers = Arc::clone(&answers);
        async move { answers.to(&request).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_FIELDS)
        // Probes and scrapes are seconds apart; nothing is gained by keeping their connections.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // How a connection ends is the client's business; there is nobody to tell.
    let _ = tokio::time::timeout(TOTAL_TIMEOUT, connection).await;
}
