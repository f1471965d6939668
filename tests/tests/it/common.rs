//! What most of these tests begin with and what they expect.

use icapstan_testkit::{Head, IcapClient, IcapResponse, Message, Standalone};
use parking_lot::Mutex;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Weak};

/// An encapsulated request head without a body.
pub(crate) const GET: &str = "GET http://o.test/x HTTP/1.1\r\nHost: o.test\r\n\r\n";

/// An encapsulated request head with a body.
pub(crate) const PUT: &str = "PUT http://o.test/x HTTP/1.1\r\nHost: o.test\r\n\r\n";

/// An encapsulated response head.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n";

/// An ICAP connection, and the server it leads to.
pub(crate) struct Session {
    client: IcapClient,
    /// Runs as long as this is used.
    _server: Arc<Standalone>,
}

impl Deref for Session {
    type Target = IcapClient;

    fn deref(&self) -> &IcapClient {
        &self.client
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut IcapClient {
        &mut self.client
    }
}

/// A server with the defaults, shared by the tests that run at one time.
#[track_caller]
pub(crate) fn server() -> Arc<Standalone> {
    static SHARED: Mutex<Weak<Standalone>> = Mutex::new(Weak::new());
    shared(&SHARED, Standalone::start)
}

/// The one that is in use, or a new one.
pub(crate) fn shared<T>(slot: &Mutex<Weak<T>>, start: impl FnOnce() -> T) -> Arc<T> {
    let mut slot = slot.lock();
    slot.upgrade().unwrap_or_else(|| {
        let started = Arc::new(start());
        *slot = Arc::downgrade(&started);
        started
    })
}

/// A new connection to [`server`].
#[track_caller]
pub(crate) fn session() -> Session {
    let server = server();
    Session { client: IcapClient::connect(server.icap()), _server: server }
}

/// `RESPMOD` with both heads, and no body yet.
pub(crate) fn respmod() -> Message {
    Message::respmod("/respmod").request_head(GET).response_head(OK)
}

/// `REQMOD` with a head, and no body yet.
pub(crate) fn reqmod() -> Message {
    Message::reqmod("/reqmod").request_head(GET)
}

/// Sends one request on a new connection; what came, and the connection.
#[track_caller]
pub(crate) fn ask_respmod(message: &Message) -> (IcapResponse, Session) {
    let mut session = session();
    session.send(message.bytes());
    (session.read_respmod(), session)
}

/// As [`ask_respmod`].
#[track_caller]
pub(crate) fn ask_reqmod(message: &Message) -> (IcapResponse, Session) {
    let mut session = session();
    session.send(message.bytes());
    (session.read_reqmod(), session)
}

/// As [`ask_respmod`].
#[track_caller]
pub(crate) fn ask_options(message: &Message) -> (IcapResponse, Session) {
    let mut session = session();
    session.send(message.bytes());
    (session.read_options(), session)
}

/// Panics unless the connection still takes requests, and nothing is left over on it.
#[track_caller]
pub(crate) fn assert_still_framed(session: &mut IcapClient) {
    session.send(Message::options("/respmod").bytes());
    let response = session.read_options();
    assert_eq!(response.status, 200, "after the test's own requests: {}", response.shown());
}

/// Clean, without the message; and no word of a threat.
#[track_caller]
pub(crate) fn assert_204(response: &IcapResponse) {
    assert_eq!(response.status, 204, "{}", response.shown());
    assert_eq!(response.get("Encapsulated"), Some("null-body=0"));
    assert_unsuspected(response);
}

/// Clean, with the same response head and body.
#[track_caller]
pub(crate) fn assert_response_echo(response: &IcapResponse, head: impl AsRef<[u8]>, body: &[u8]) {
    assert_eq!(response.status, 200, "{}", response.shown());
    assert_unsuspected(response);
    assert!(response.request_head.is_none(), "a RESPMOD never gets a request head");
    assert_same_head(response.response_head.as_ref(), head.as_ref());
    assert_same_body(response, body);
}

/// Clean, with the same request head and body.
#[track_caller]
pub(crate) fn assert_request_echo(response: &IcapResponse, head: impl AsRef<[u8]>, body: &[u8]) {
    assert_eq!(response.status, 200, "{}", response.shown());
    assert_unsuspected(response);
    assert_same_head(response.request_head.as_ref(), head.as_ref());
    assert_same_body(response, body);
}

#[track_caller]
fn assert_same_head(head: Option<&Head>, wanted: &[u8]) {
    let head = head.expect("an echo has the head");
    assert_eq!(String::from_utf8_lossy(&head.bytes), String::from_utf8_lossy(wanted));
    assert_eq!(head.bytes, wanted);
}

#[track_caller]
fn assert_same_body(response: &IcapResponse, wanted: &[u8]) {
    let body = response.body_data();
    assert_eq!(body.len(), wanted.len(), "length of the body");
    assert!(body == wanted, "the body is another one");
}

/// RFC-free clients take the mere presence of these fields for an infection.
#[track_caller]
pub(crate) fn assert_unsuspected(response: &IcapResponse) {
    for name in ["X-Infection-Found", "X-Virus-ID", "X-Violations-Found"] {
        assert!(!response.head.has(name), "{name} on an object that is not infected: {}", response.shown());
    }
}

/// Blocked for a threat whose name contains `threat`, in whatever case, in the form that clients need.
#[track_caller]
pub(crate) fn assert_block(response: &IcapResponse, threat: &str) {
    assert_refused(response);
    let name = response.get("X-Virus-ID").unwrap_or_else(|| panic!("no X-Virus-ID: {}", response.shown()));
    assert!(name.to_lowercase().contains(&threat.to_lowercase()), "threat {name}, not {threat}");
    let found = format!("Type=0; Resolution=2; Threat={name};");
    assert_eq!(response.get("X-Infection-Found"), Some(found.as_str()));
    let reason = response.get("X-Icapstan-Reason").unwrap_or_default();
    assert!(reason.split(", ").any(|word| word == "detect"), "X-Icapstan-Reason: {reason}");
}

/// Blocked for whatever reason, with the block page.
#[track_caller]
pub(crate) fn assert_refused(response: &IcapResponse) {
    assert_eq!(response.status, 200, "{}", response.shown());
    assert!(response.request_head.is_none(), "a block is an HTTP response");
    let head = response.response_head.as_ref().expect("a block has an HTTP response");
    assert_eq!(head.first_line, "HTTP/1.1 403 Forbidden", "{}", response.shown());
    assert_eq!(response.get("X-Response-Info"), Some("Blocked"));
    assert!(response.head.has("X-Icapstan-Reason"), "every refusal has its reason: {}", response.shown());
    let kind = head.get("Content-Type").unwrap_or_default().to_ascii_lowercase();
    assert!(kind.starts_with("text/html") && kind.contains("charset="), "Content-Type: {kind}");
    assert!(head.names("Cache-Control", "no-store"), "block pages are never cached: {}", response.shown());
    // C-114, C-119: framed by its length alone, and of no further life.
    for name in ["Transfer-Encoding", "Connection", "ETag", "Expires"] {
        assert!(!head.has(name), "{name} on a block page");
    }
    let length = response.body_data().len();
    if response.body.is_some() {
        assert_eq!(head.get("Content-Length"), Some(length.to_string().as_str()));
        assert!(length > 0, "there is a page");
    }
}

/// An ICAP error that ends the connection in order.
#[track_caller]
pub(crate) fn assert_error_and_close(session: &mut IcapClient, response: &IcapResponse, status: u16) {
    assert_eq!(response.status, status, "{}", response.shown());
    assert!(response.closes(), "C-128: a server that closes says so: {}", response.shown());
    session.expect_closed();
}

/// Sends bytes that are no request, and expects 400 and the end.
#[track_caller]
pub(crate) fn assert_400(what: &str, bytes: impl AsRef<[u8]>) {
    let mut session = session();
    session.send(bytes);
    let response = session
        .try_read(icapstan_testkit::Kind::Respmod)
        .unwrap_or_else(|error| panic!("{what}: no 400: {error}"));
    assert_eq!(response.status, 400, "{what}: {}", response.shown());
    assert!(response.closes(), "{what}: C-128: {}", response.shown());
    session.expect_closed();
    drop(session);
}

/// `template` with `from` replaced by `to`, which must be there.
#[track_caller]
pub(crate) fn replaced(template: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = template.windows(from.len()).position(|window| window == from);
    let at = at.unwrap_or_else(|| panic!("{:?} is not there", String::from_utf8_lossy(from)));
    [&template[..at], to, &template[at + from.len()..]].concat()
}
