//! A service that is asked about URLs, and answers as a test wants.

use crate::http::{read_framed, read_head};
use crate::tls::Identity;
use crate::wait::PATIENCE;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::HashMap;
use std::io::{BufReader, Read, Result, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// A server; see [`ReputationServer::know`]. What it does not know it calls `unknown`.
#[derive(Debug)]
pub struct ReputationServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// How it behaves, of all that is asked.
#[derive(Clone, Debug, Default)]
pub enum Manner {
    /// It answers.
    #[default]
    Prompt,
    /// It answers after this time.
    Slow(Duration),
    /// It takes questions and says nothing.
    Mute,
    /// It closes instead of an answer.
    Rude,
    /// It says these bytes, whatever is asked.
    Says(Vec<u8>),
    /// It answers 200 with a body that never ends.
    Endless,
}

/// Something to read and to write.
trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

#[derive(Debug, Default)]
struct Shared {
    known: Mutex<HashMap<String, String>>,
    manner: Mutex<Manner>,
    asked: Mutex<Vec<Value>>,
    connections: AtomicUsize,
    stop: AtomicBool,
}

/// What is remembered of questions.
const MAX_ASKED: usize = 10_000;

/// An endless body ends after this, when nobody has closed.
const ENDLESS: usize = 64 << 20;

// === impl ReputationServer ===

impl ReputationServer {
    /// Starts one on a free port.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// Starts one that speaks TLS.
    #[track_caller]
    pub fn secured(identity: Identity) -> Self {
        Self::start_with(Some(identity))
    }

    #[track_caller]
    fn start_with(identity: Option<Identity>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared::default());
        let for_all = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if for_all.stop.load(Ordering::Relaxed) {
                    break;
                }
                for_all.connections.fetch_add(1, Ordering::Relaxed);
                let (shared, identity) = (Arc::clone(&for_all), identity.clone());
                thread::spawn(move || {
                    // A peer that goes away is its own business.
                    let _ = serve(stream, identity.as_ref(), &shared);
                });
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it is asked, without encryption.
    pub fn url(&self) -> String {
        format!("http://{}/v1/url", self.address)
    }

    /// Answers this, as JSON, to questions about `host`.
    pub fn know(&self, host: &str, answer: impl Into<String>) {
        self.shared.known.lock().insert(host.to_owned(), answer.into());
    }

    /// Behaves so from now on.
    pub fn behave(&self, manner: Manner) {
        *self.shared.manner.lock() = manner;
    }

    /// What was asked, in its order.
    pub fn asked(&self) -> Vec<Value> {
        self.shared.asked.lock().clone()
    }

    /// How many questions were about `host`.
    pub fn asked_about(&self, host: &str) -> usize {
        self.shared.asked.lock().iter().filter(|asked| asked["host"] == host).count()
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }
}

impl Drop for ReputationServer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the listener.
        drop(TcpStream::connect(self.address));
    }
}

fn serve(stream: TcpStream, identity: Option<&Identity>, shared: &Shared) -> Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    match identity {
        Some(identity) => converse(identity.secure(stream), shared),
        None => converse(stream, shared),
    }
}

fn converse(stream: impl Stream, shared: &Shared) -> Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(head) = read_head(&mut stream)? {
        let body = read_framed(&mut stream, &head)?.unwrap_or_default();
        let question: Value = serde_json::from_slice(&body)?;
        let host = question["host"].as_str().unwrap_or_default().to_owned();
        {
            let mut asked = shared.asked.lock();
            if asked.len() < MAX_ASKED {
                asked.push(question);
            }
        }
        let known = shared.known.lock().get(&host).cloned();
        let answer = known.unwrap_or_else(|| r#"{"verdict":"unknown"}"#.to_owned());
        let out = stream.get_mut();
        let manner = shared.manner.lock().clone();
        match manner {
            Manner::Prompt => {}
            Manner::Slow(delay) => thread::sleep(delay),
            Manner::Mute => {
                // Until the other side has enough of it.
                let _ = stream.read(&mut [0]);
                return Ok(());
            }
            Manner::Rude => return Ok(()),
            Manner::Says(bytes) => {
                out.write_all(&bytes)?;
                return out.flush();
            }
            Manner::Endless => return endless(out),
        }
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        out.write_all(&[head.as_bytes(), answer.as_bytes()].concat())?;
        out.flush()?;
    }
    Ok(())
}

fn endless(out: &mut impl Write) -> Result<()> {
    out.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    let chunk = [b"10000\r\n".as_slice(), &vec![b' '; 65_536], b"\r\n"].concat();
    for _ in 0..ENDLESS / chunk.len() {
        out.write_all(&chunk)?;
    }
    Ok(())
}
