//! What is to be run.

use serde::{Serialize, Serializer};
use std::net::SocketAddr;
use std::time::Duration;

/// One measurement, complete and consistent.
#[derive(Clone, Debug, Serialize)]
pub struct Settings {
    /// The server as it was named; also the authority in the ICAP URI.
    pub target: String,
    /// Where that is.
    pub address: SocketAddr,
    /// The path of the ICAP service, with or without its slash.
    pub service: String,
    /// What is asked.
    pub shape: Shape,
    /// Connections that ask.
    pub connections: u32,
    /// The length of the measured window.
    #[serde(rename = "duration_seconds", serialize_with = "secs")]
    pub duration: Duration,
    /// Load that is not counted, before the window.
    #[serde(rename = "warm_up_seconds", serialize_with = "secs")]
    pub warm_up: Duration,
    /// Requests a second; without it each connection asks as fast as it is answered.
    pub rate: Option<f64>,
    /// Whether answers 429, 500 and 503 are no faults.
    pub refusals: bool,
    /// The size of the encapsulated body.
    #[serde(rename = "body_bytes")]
    pub body: Option<usize>,
    /// What the body looks like.
    pub kind: Kind,
    /// Whether no two bodies, and no two URLs, are equal.
    pub unique: bool,
    /// Whether no two URLs have the same host.
    pub unique_hosts: bool,
    /// The length of the preview.
    pub preview: Option<usize>,
    /// Whether messages with a body carry `Allow: 204`.
    pub allow_204: bool,
    /// Whether each request has a connection of its own.
    pub new_connections: bool,
    /// Further connections that ask once and then stay.
    pub idle: u32,
    /// Further connections that do not go on.
    pub slow: Option<Slow>,
    /// The share of bodies that are the EICAR test file.
    pub infected: f64,
    /// The server's processes; their descendants count with them.
    pub server_pids: Vec<i32>,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// OPTIONS
    Options,
    /// REQMOD of a GET, or with a body of a POST
    Reqmod,
    /// RESPMOD of a response with a body
    Respmod,
}

/// What bodies look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// English words
    Text,
    /// A web page
    Html,
    /// Bytes that nothing compresses
    Random,
}

/// Connections that do not go on.
#[derive(Clone, Debug, Serialize)]
pub struct Slow {
    /// How many.
    pub count: u32,
    /// Where they stay.
    pub state: SlowState,
    /// The time from one byte to the next.
    #[serde(rename = "interval_seconds", serialize_with = "secs")]
    pub interval: Duration,
}

/// Where a slow connection stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum SlowState {
    /// Connected, and nothing sent
    Idle,
    /// In the request line
    Line,
    /// In the ICAP head
    Head,
    /// In the encapsulated HTTP head
    Encapsulated,
    /// In the preview
    Preview,
    /// In what follows 100 Continue
    Continue,
    /// In a body without preview
    Body,
    /// All is sent, and the answer is never read
    Read,
}

// === impl Settings ===

impl Settings {
    /// The descriptors that the run needs.
    pub(crate) fn descriptors(&self) -> u64 {
        let slow = self.slow.as_ref().map_or(0, |slow| slow.count);
        u64::from(self.connections) + u64::from(self.idle) + u64::from(slow) + 64
    }

    /// `icap://HOST:PORT/PATH`
    pub(crate) fn uri(&self) -> String {
        format!("icap://{}/{}", self.target, self.service.trim_start_matches('/'))
    }
}

fn secs<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// Settings that ask once at a server that is nowhere.
#[cfg(test)]
pub(crate) fn test_settings(shape: Shape) -> Settings {
    Settings {
        target: "icap.test:1344".to_owned(),
        address: SocketAddr::from(([127, 0, 0, 1], 1)),
        service: "/avscan".to_owned(),
        shape,
        connections: 1,
        duration: Duration::from_millis(200),
        warm_up: Duration::ZERO,
        rate: None,
        refusals: false,
        body: None,
        kind: Kind::Text,
        unique: false,
        unique_hosts: false,
        preview: None,
        allow_204: false,
        new_connections: false,
        idle: 0,
        slow: None,
        infected: 0.0,
        server_pids: vec![],
    }
}
