//! Where hostile inputs are tried: one server, one input at a time, and somebody else who uses it.

use crate::common::{assert_204, assert_block, respmod, shared};
use icapstan_testkit::{IcapClient, Kind, Message, ReadError, Standalone, eicar, eventually};
use parking_lot::{Mutex, MutexGuard};
use std::ops::Deref;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Half of the shortest deadline that a server with the defaults has for a request: what ends sooner
/// was decided, not waited out.
pub(super) const PROMPT: Duration = Duration::from_secs(10);

/// A server for hostile inputs, with the defaults; nobody else uses it at the same time, so that its
/// counters and its memory tell of one input alone.
pub(super) struct Ground {
    server: Arc<Standalone>,
    _turn: MutexGuard<'static, ()>,
}

/// A series of `/metrics` and by how much it is to move.
pub(super) struct Moves(pub(super) &'static str, pub(super) &'static str, pub(super) f64);

/// Somebody else, in the midst of a request.
struct Neighbour {
    icap: IcapClient,
    rest: Vec<u8>,
}

/// Says which input it was, when a test fails while that is tried.
struct Naming<'a>(&'a str);

/// The next turn on the shared server.
#[track_caller]
pub(super) fn ground() -> Ground {
    static TURN: Mutex<()> = Mutex::new(());
    static SHARED: Mutex<Weak<Standalone>> = Mutex::new(Weak::new());
    // Held while waiting for the turn, so that one server serves all who wait.
    let server = shared(&SHARED, Standalone::start);
    Ground { server, _turn: TURN.lock() }
}

/// An infected download that 204 could answer, were it clean.
pub(super) fn infected() -> Message {
    respmod().allow_204().body(eicar())
}

/// A number to compare with a metric.
pub(super) fn number(count: impl TryInto<u32>) -> f64 {
    count.try_into().map_or(f64::INFINITY, f64::from)
}

/// A request that must never be answered where it stands inside of another.
pub(super) fn hidden() -> Vec<u8> {
    Message::options("/respmod").bytes()
}

// === impl Ground ===

impl Deref for Ground {
    type Target = Standalone;

    fn deref(&self) -> &Standalone {
        &self.server
    }
}

impl Ground {
    /// Runs `attack` while a neighbour is in the midst of a request, and checks what it must not and
    /// what it must change. `moves` name the counters that tell of it.
    #[track_caller]
    pub(super) fn tries(&self, what: &str, moves: &[Moves], attack: impl FnOnce()) {
        self.tries_within(PROMPT, what, moves, attack);
    }

    /// As [`Ground::tries`], for inputs whose verdict takes its time.
    #[track_caller]
    pub(super) fn tries_within(&self, limit: Duration, what: &str, moves: &[Moves], attack: impl FnOnce()) {
        let _naming = Naming(what);
        let open = self.metric("icapstan_icap_sessions", "");
        let neighbour = Neighbour::begin(&self.server);
        let before: Vec<f64> = moves.iter().map(|Moves(name, labels, _)| self.metric(name, labels)).collect();
        let begun = Instant::now();
        attack();
        let took = begun.elapsed();
        assert!(took < limit, "{what}: took {took:?}");
        for (Moves(name, labels, by), before) in moves.iter().zip(before) {
            self.has_moved(what, name, labels, before + by);
        }
        neighbour.finish();
        // Counters move a moment after the bytes that they count, but before their connection is over: what
        // is tried next must not count what was tried here.
        eventually("the connections are over", || {
            (self.metric("icapstan_icap_sessions", "") < open + 0.5).then_some(())
        });
    }

    /// Counters move a moment after the bytes that they count.
    #[track_caller]
    fn has_moved(&self, what: &str, name: &str, labels: &str, wanted: f64) {
        let begun = Instant::now();
        while self.metric(name, labels) < wanted && begun.elapsed() < PROMPT {
            std::thread::sleep(Duration::from_millis(5));
        }
        let text = self.metrics();
        let series: Vec<_> = text.lines().filter(|line| line.starts_with(name)).collect();
        let now = self.metric(name, labels);
        assert!(
            (now - wanted).abs() < 0.5,
            "{what}: {labels} is {now}, not {wanted}:\n{}",
            series.join("\n")
        );
    }

    /// `bytes` are no request: they are answered `status`, counted as `error`, and end the connection,
    /// whether or not a request went before. What is behind them is never looked at.
    #[track_caller]
    pub(super) fn refuses(&self, what: &str, bytes: &[u8], status: u16, error: &'static str) {
        let moves = || {
            [
                Moves("icapstan_icap_malformed_requests_total", error, 1.0),
                Moves("icapstan_icap_sessions_ended_total", "cause=\"malformed\"", 1.0),
                Moves("icapstan_icap_requests_total", "method=\"OPTIONS\"", 0.0),
            ]
        };
        let wire = [bytes, &hidden()].concat();
        self.tries(what, &moves(), || {
            let mut icap = IcapClient::connect(self.icap());
            icap.patience(PROMPT);
            icap.send_while(&wire, |icap| refused(what, icap, status));
        });
        let behind = format!("{what}, behind an infected object");
        let wire = [infected().bytes(), wire].concat();
        self.tries(&behind, &moves(), || {
            let mut icap = IcapClient::connect(self.icap());
            icap.patience(PROMPT);
            icap.send_while(&wire, |icap| {
                assert_block(&icap.read_respmod(), "eicar");
                refused(&behind, icap, status);
            });
        });
    }
}

/// The one answer and the end.
#[track_caller]
fn refused(what: &str, icap: &mut IcapClient, status: u16) {
    match icap.try_read(Kind::Respmod) {
        Ok(response) => {
            assert_eq!(response.status, status, "{what}: {}", response.shown());
            assert!(response.closes(), "{what}: {}", response.shown());
        }
        // A client that still sends may lose the answer to the reset that its bytes bring about.
        Err(error) => assert_eq!(error, ReadError::Reset, "{what}: {error}"),
    }
    icap.expect_gone();
}

// === impl Neighbour ===

impl Neighbour {
    #[track_caller]
    fn begin(server: &Standalone) -> Self {
        let mut icap = IcapClient::connect(server.icap());
        let request = infected().bytes();
        let (start, rest) = request.split_at(request.len() - 40);
        icap.send(start);
        Self { icap, rest: rest.to_vec() }
    }

    /// Its own verdicts, then and for the next requests of others.
    #[track_caller]
    fn finish(mut self) {
        self.icap.send(&self.rest);
        assert_block(&self.icap.read_respmod(), "eicar");
        self.icap.send(respmod().allow_204().body(b"harmless").bytes());
        assert_204(&self.icap.read_respmod());
    }
}

// === impl Naming ===

impl Drop for Naming<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the input was: {}", self.0);
        }
    }
}
