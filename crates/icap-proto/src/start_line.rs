//! The ICAP request line (RFC 3507 section 4.3.2).

use crate::DecodeError;
use crate::fields::is_token;
use std::ops::Range;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Modify a request (section 4.8).
    Reqmod,
    /// Modify a response (section 4.9).
    Respmod,
    /// Learn about a service (section 4.10).
    Options,
    /// Anything else.
    Other,
}

/// The parts of an ICAP URI that matter to a server. Borrowed from the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcapUri<'a> {
    path: &'a str,
    query: &'a str,
}

/// Where the parts of a request line lie in the head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestLine {
    pub(crate) method: Option<Method>,
    pub(crate) path: Range<usize>,
    pub(crate) query: Range<usize>,
}

// === impl Method ===

impl Method {
    /// As on the wire; of an unknown method, a stand-in.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reqmod => "REQMOD",
            Self::Respmod => "RESPMOD",
            Self::Options => "OPTIONS",
            Self::Other => "OTHER",
        }
    }
}

// === impl IcapUri ===

impl<'a> IcapUri<'a> {
    pub(crate) fn new(path: &'a str, query: &'a str) -> Self {
        Self { path, query }
    }

    /// The path without the slashes around it: `/respmod/` and `//respmod` name `respmod`.
    pub fn service(&self) -> &'a str {
        self.path.trim_matches('/')
    }

    /// What follows the question mark; empty when nothing does.
    pub fn query(&self) -> &'a str {
        self.query
    }
}

// === impl RequestLine ===

impl RequestLine {
    /// Nobody's method is longer, in bytes.
    pub(crate) const LONGEST_METHOD: usize = 32;

    /// Parses a line without its CRLF. Ranges count from the start of the line.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, DecodeError> {
        let mut words = line.split(|&b| b == b' ');
        let (Some(method), Some(uri), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(DecodeError::RequestLine);
        };
        if method.len() > Self::LONGEST_METHOD {
            return Err(DecodeError::NotIcap);
        }
        // Any other token is a method (RFC 9110 section 9.1); unknown ones are the server's to refuse.
        if method.is_empty() || !method.iter().all(|&b| is_token(b)) {
            return Err(DecodeError::RequestLine);
        }
        let number = version.strip_prefix(b"ICAP/").ok_or(DecodeError::RequestLine)?;
        if number != b"1.0" {
            let versioned =
                matches!(number, [major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit());
            return Err(if versioned { DecodeError::Version } else { DecodeError::RequestLine });
        }
        let method = match method {
            b"REQMOD" => Method::Reqmod,
            b"RESPMOD" => Method::Respmod,
            b"OPTIONS" => Method::Options,
            _ => Method::Other,
        };
        let start = uri.as_ptr().addr() - line.as_ptr().addr();
        let (path, query) = Self::uri(uri, start)?;
        Ok(Self { method: Some(method), path, query })
    }

    /// `icap[s]://authority[/path][?query]`, printable ASCII only.
    fn uri(uri: &[u8], start: usize) -> Result<(Range<usize>, Range<usize>), DecodeError> {
        if !uri.iter().all(u8::is_ascii_graphic) {
            return Err(DecodeError::RequestLine);
        }
        let scheme = memchr::memchr(b':', uri)
            .filter(|&at| uri[at..].starts_with(b"://"))
            .ok_or(DecodeError::RequestLine)?;
        let known =
            uri[..scheme].eq_ignore_ascii_case(b"icap") || uri[..scheme].eq_ignore_ascii_case(b"icaps");
        if !known {
            return Err(DecodeError::RequestLine);
        }
        let authority = scheme + 3;
        let path = memchr::memchr2(b'/', b'?', &uri[authority..]).map_or(uri.len(), |at| authority + at);
        if path == authority {
            return Err(DecodeError::RequestLine);
        }
        let path_end = memchr::memchr(b'?', &uri[path..]).map_or(uri.len(), |at| path + at);
        let query = (path_end + 1).min(uri.len());
        Ok((start + path..start + path_end, start + query..start + uri.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(line: &str) -> Result<(String, String), DecodeError> {
        let parsed = RequestLine::parse(line.as_bytes())?;
        let uri = IcapUri::new(&line[parsed.path], &line[parsed.query]);
        Ok((uri.service().to_owned(), uri.query().to_owned()))
    }

    #[test]
    fn rfc3507_4_2_uri_forms_name_their_service() {
        for (form, service, query) in [
            ("icap://h/resp", "resp", ""),
            ("icap://h:1344/resp", "resp", ""),
            ("ICAP://h/resp", "resp", ""),
            ("icaps://h/resp", "resp", ""),
            ("icap://[::1]:1344/resp", "resp", ""),
            ("icap://h/resp/", "resp", ""),
            ("icap://h//resp", "resp", ""),
            ("icap://h/a/b", "a/b", ""),
            ("icap://h/resp?allow204=on&mode=simple", "resp", "allow204=on&mode=simple"),
            ("icap://h", "", ""),
            ("icap://h?", "", ""),
            ("icap://h?x", "", "x"),
        ] {
            let line = format!("OPTIONS {form} ICAP/1.0");
            assert_eq!(uri(&line), Ok((service.to_owned(), query.to_owned())), "{form}");
        }
    }

    #[test]
    fn rfc3507_4_3_2_lines_that_are_no_icap_request_are_refused() {
        for line in [
            "",
            " ",
            "OPTIONS",
            "OPTIONS ",
            "OPTIONS icap://h/resp",
            "OPTIONS /x ICAP/1.0",
            "OPTIONS icap:// ICAP/1.0",
            "OPTIONS icap:///x ICAP/1.0",
            "OPTIONS http://h/x ICAP/1.0",
            "OPT(IONS icap://h/x ICAP/1.0",
            "OPTIONS  icap://h/x ICAP/1.0",
            "OPTIONS icap://h/x ICAP/1.0 ",
            "OPTIONS icap://h/\u{e4} ICAP/1.0",
            "GET / HTTP/1.1",
            "OPTIONS icap://h/x HTTP/1.1",
            "OPTIONS icap://h/x ICAP/",
            "OPTIONS icap://h/x ICAP/1",
            "OPTIONS icap://h/x\ty ICAP/1.0",
        ] {
            assert_eq!(uri(line), Err(DecodeError::RequestLine), "{line:?}");
        }
        for version in ["1.1", "2.0", "0.9"] {
            assert_eq!(uri(&format!("OPTIONS icap://h/x ICAP/{version}")), Err(DecodeError::Version));
        }
    }
}
