//! The rows of the table.

use icapstan_testkit::{IcapResponse, Kind, Message, chunked_by};
use std::fmt;

/// What is called clean although it is not, in the order of the table. docs/verdicts.md names them.
pub(super) const KNOWN_HOLES: &[&str] = &[];

/// One way in which content travels.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) expected: Outcome,
    is_request: bool,
    start: &'static str,
    fields: Vec<String>,
    body: Vec<u8>,
    chunk: usize,
}

/// What was made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Detected,
    /// Not found; the reasons.
    Reason(String),
    Clean,
}

/// A download.
pub(super) fn download(name: &'static str, body: impl Into<Vec<u8>>) -> Row {
    Row {
        name,
        expected: Outcome::Detected,
        is_request: false,
        start: "HTTP/1.1 200 OK",
        fields: Vec::new(),
        body: body.into(),
        chunk: usize::MAX,
    }
}

/// An upload of that type.
pub(super) fn upload(name: &'static str, content_type: &str, body: impl Into<Vec<u8>>) -> Row {
    let row = Row { is_request: true, start: "POST http://o.test/x HTTP/1.1", ..download(name, body) };
    row.field("Host", "o.test").field("Content-Type", content_type)
}

// === impl Row ===

impl Row {
    pub(super) fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push(format!("{name}: {value}\r\n"));
        self
    }

    pub(super) fn content_type(self, value: &str) -> Self {
        self.field("Content-Type", value)
    }

    pub(super) fn coding(self, value: &str) -> Self {
        self.field("Content-Encoding", value)
    }

    pub(super) fn start(mut self, start: &'static str) -> Self {
        self.start = start;
        self
    }

    pub(super) fn chunks_of(mut self, size: usize) -> Self {
        self.chunk = size;
        self
    }

    pub(super) fn not_scanned(mut self, reason: &str) -> Self {
        self.expected = Outcome::Reason(format!("non-scanned/{reason}"));
        self
    }

    /// Nothing is found, and no reason is told.
    pub(super) fn clean(mut self) -> Self {
        self.expected = Outcome::Clean;
        self
    }

    pub(super) fn kind(&self) -> Kind {
        if self.is_request { Kind::Reqmod } else { Kind::Respmod }
    }

    pub(super) fn message(&self, service: &str) -> Message {
        let head = format!("{}\r\n{}\r\n", self.start, self.fields.concat());
        let message = if self.is_request {
            Message::reqmod(service).request_head(head)
        } else {
            Message::respmod(service).request_head(crate::common::GET).response_head(head)
        };
        message.allow_204().framed_body(chunked_by(&self.body, self.chunk))
    }
}

// === impl Outcome ===

impl Outcome {
    pub(super) fn of(response: &IcapResponse) -> Self {
        let reasons = response.get("X-Icapstan-Reason").unwrap_or_default();
        if response.get("X-Virus-ID").is_some() {
            Self::Detected
        } else if reasons.is_empty() {
            assert_eq!(response.status, 204, "{}", response.shown());
            Self::Clean
        } else {
            Self::Reason(reasons.to_owned())
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Detected => f.write_str("detected"),
            Self::Reason(reasons) => f.write_str(reasons),
            Self::Clean => f.write_str("clean"),
        }
    }
}
