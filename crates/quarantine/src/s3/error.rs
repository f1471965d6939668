//! Why a store did not do what it was asked for.

use super::credentials::CredentialsError;
use crate::metrics::Failure;
use crate::store::Failed;
use hyper::StatusCode;
use icapstan_telemetry::chain;
use icapstan_tls::TlsError;
use std::fmt;
use std::io;
use std::time::Duration;
use thiserror::Error;

/// No more of what a store says of a fault is shown, in characters.
const MAX_TEXT: usize = 200;

/// Why something cannot be done in an object store.
#[derive(Debug, Error)]
pub enum S3Error {
    /// The settings name none.
    #[error("quarantine.s3.endpoint is no URL of a store")]
    Endpoint,
    /// Nothing to sign with.
    #[error("quarantine.s3.credentialsFile cannot be used")]
    Credentials(#[from] CredentialsError),
    /// Its certificate could not be told from others.
    #[error("quarantine.s3.caFile cannot be used")]
    Authorities(#[from] TlsError),
    /// No thread, no timer.
    #[error("the object store cannot be used")]
    Setup(#[source] io::Error),
    /// No answer.
    #[error("there is no connection to the object store")]
    Connect(#[source] io::Error),
    /// The same, with TLS.
    #[error("the connection to the object store cannot be secured")]
    Secure(#[source] io::Error),
    /// No HTTP, or not to its end.
    #[error("the connection to the object store broke")]
    Broken(#[source] hyper::Error),
    /// It took too long.
    #[error("the object store took longer than {0:?}")]
    Timeout(Duration),
    /// The request is none.
    #[error("a request to the object store cannot be made")]
    Request(#[from] hyper::http::Error),
    /// The object cannot be read.
    #[error("the object cannot be read")]
    Object(#[source] io::Error),
    /// The store does not want to.
    #[error("the object store answered {0}")]
    Answer(Answer),
    /// It says something else than S3 has.
    #[error("the object store answered what is no S3: {0}")]
    Unusable(&'static str),
}

/// What a store said instead of doing it.
#[derive(Debug)]
pub struct Answer {
    pub(super) status: StatusCode,
    /// Inert, and bounded.
    text: String,
}

// === impl S3Error ===

impl S3Error {
    fn cause(&self) -> Failure {
        match self {
            Self::Connect(_) | Self::Secure(_) | Self::Broken(_) => Failure::Unreachable,
            Self::Timeout(_) => Failure::Timeout,
            Self::Answer(answer) if answer.status == StatusCode::INSUFFICIENT_STORAGE => Failure::NoSpace,
            Self::Answer(answer) if answer.may_pass() => Failure::Unreachable,
            Self::Answer(_) | Self::Unusable(_) | Self::Request(_) => Failure::Refused,
            Self::Endpoint
            | Self::Credentials(_)
            | Self::Authorities(_)
            | Self::Setup(_)
            | Self::Object(_) => Failure::Io,
        }
    }
}

impl From<S3Error> for Failed {
    fn from(error: S3Error) -> Self {
        let may_pass = match &error {
            S3Error::Connect(_) | S3Error::Broken(_) | S3Error::Timeout(_) => true,
            // A certificate that is not believed stays so; a connection that ended meanwhile does not.
            S3Error::Secure(error) => error.kind() != io::ErrorKind::InvalidData,
            S3Error::Answer(answer) => answer.may_pass(),
            _ => false,
        };
        Self { cause: error.cause(), error: chain(&error), may_pass }
    }
}

// === impl Answer ===

impl Answer {
    /// From the body of an answer, which says more than its status in `<Error><Code/><Message/></Error>`.
    pub(super) fn new(status: StatusCode, body: &[u8]) -> Self {
        let text = std::str::from_utf8(body).ok();
        let xml = text.and_then(|text| roxmltree::Document::parse(text).ok());
        let part = |name: &str| {
            let node = xml.as_ref()?.root_element().children().find(|node| node.has_tag_name(name))?;
            Some(inert(node.text()?))
        };
        let text = match (part("Code"), part("Message")) {
            (Some(code), Some(message)) => format!(": {code}: {message}"),
            (Some(only), None) | (None, Some(only)) => format!(": {only}"),
            (None, None) => String::new(),
        };
        Self { status, text }
    }

    /// Whether it is the bucket that is not there.
    pub(super) fn is_about_bucket(&self) -> bool {
        self.text.starts_with(": NoSuchBucket")
    }

    fn may_pass(&self) -> bool {
        let is_hasty = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&self.status);
        self.status.is_server_error() && self.status != StatusCode::NOT_IMPLEMENTED || is_hasty
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.status.as_u16(), self.text)
    }
}

/// A store is asked over a network: what it says goes into a log.
fn inert(text: &str) -> String {
    let inert = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '_' };
    text.chars().take(MAX_TEXT).map(inert).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_tell_what_and_whether_it_may_pass() {
        let told = |status: u16, body: &str| {
            let answer = Answer::new(StatusCode::from_u16(status).unwrap(), body.as_bytes());
            let failed = Failed::from(S3Error::Answer(answer));
            (failed.cause.as_str(), failed.may_pass, failed.error)
        };
        let body = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>No\u{1b}[2J\n.</Message></Error>";
        // A control character is no XML.
        assert_eq!(told(403, body), ("refused", false, "the object store answered 403".to_owned()));
        let body = body.replace('\u{1b}', "\u{202e}");
        let text = "the object store answered 403: AccessDenied: No_[2J_.".to_owned();
        assert_eq!(told(403, &body), ("refused", false, text));
        let long = format!("<Error><Message>{}</Message></Error>", "x".repeat(10_000));
        assert!(told(404, &long).2.len() < 300);
        assert_eq!(told(503, "").0, "unreachable");
        for (status, may_pass) in
            [(408, true), (429, true), (500, true), (501, false), (503, true), (301, false), (400, false)]
        {
            assert_eq!(told(status, "x").1, may_pass, "{status}");
        }
        assert_eq!(told(507, "").0, "no-space");
        // Entities that grow are not expanded.
        let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\">]><Error><Code>&a;</Code></Error>";
        assert_eq!(told(500, bomb).2, "the object store answered 500");
    }
}
