//! ICAP requests, right by default and wrong on request.

use std::fmt::Write;

/// A request under construction. [`Message::bytes`] computes `Encapsulated` unless it was given.
#[derive(Clone, Debug)]
pub struct Message {
    request_line: String,
    fields: Vec<(String, String)>,
    encapsulated: Encapsulated,
    request_head: Option<Vec<u8>>,
    response_head: Option<Vec<u8>>,
    body_kind: &'static str,
    framed_body: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
enum Encapsulated {
    Computed,
    Given(String),
    Absent,
}

// === impl Message ===

impl Message {
    /// `OPTIONS` of the service at `path`, which begins with a slash.
    pub fn options(path: &str) -> Self {
        let mut message = Self::new("OPTIONS", path, "opt-body");
        message.encapsulated = Encapsulated::Absent;
        message
    }

    /// `REQMOD`; see [`Message::request_head`] and [`Message::body`].
    pub fn reqmod(path: &str) -> Self {
        Self::new("REQMOD", path, "req-body")
    }

    /// `RESPMOD`; see [`Message::request_head`], [`Message::response_head`] and [`Message::body`].
    pub fn respmod(path: &str) -> Self {
        Self::new("RESPMOD", path, "res-body")
    }

    fn new(method: &str, path: &str, body_kind: &'static str) -> Self {
        Self {
            request_line: format!("{method} icap://h{path} ICAP/1.0"),
            fields: vec![("Host".to_owned(), "h".to_owned())],
            encapsulated: Encapsulated::Computed,
            request_head: None,
            response_head: None,
            body_kind,
            framed_body: None,
        }
    }

    /// Replaces the request line.
    #[must_use]
    pub fn request_line(mut self, line: &str) -> Self {
        line.clone_into(&mut self.request_line);
        self
    }

    /// Adds an ICAP header field after `Host`.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Leaves out a field that is there by default.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(present, _)| present != name);
        self
    }

    /// `Allow: 204`.
    #[must_use]
    pub fn allow_204(self) -> Self {
        self.field("Allow", "204")
    }

    /// The encapsulated HTTP request head, with its empty line.
    #[must_use]
    pub fn request_head(mut self, head: impl AsRef<[u8]>) -> Self {
        self.request_head = Some(head.as_ref().to_vec());
        self
    }

    /// The encapsulated HTTP response head, with its empty line.
    #[must_use]
    pub fn response_head(mut self, head: impl AsRef<[u8]>) -> Self {
        self.response_head = Some(head.as_ref().to_vec());
        self
    }

    /// The encapsulated body, as one chunk and the last one.
    #[must_use]
    pub fn body(self, body: impl AsRef<[u8]>) -> Self {
        let framed = crate::chunked(body.as_ref());
        self.framed_body(framed)
    }

    /// The encapsulated body with its framing, written as it is.
    #[must_use]
    pub fn framed_body(mut self, framed: impl AsRef<[u8]>) -> Self {
        self.framed_body = Some(framed.as_ref().to_vec());
        self
    }

    /// `Preview` with the whole body and `ieof`.
    #[must_use]
    pub fn whole_in_preview(self, body: &[u8]) -> Self {
        let mut framed = crate::chunked(body);
        framed.truncate(framed.len() - "\r\n\r\n".len());
        framed.extend_from_slice(b"; ieof\r\n\r\n");
        self.field("Preview", &body.len().to_string()).framed_body(framed)
    }

    /// `Preview` with `start`, more to come after `100 Continue`.
    #[must_use]
    pub fn preview(self, start: &[u8]) -> Self {
        self.field("Preview", &start.len().to_string()).body(start)
    }

    /// Writes this instead of the computed value of `Encapsulated`.
    #[must_use]
    pub fn encapsulated(mut self, value: &str) -> Self {
        self.encapsulated = Encapsulated::Given(value.to_owned());
        self
    }

    /// Leaves `Encapsulated` out.
    #[must_use]
    pub fn without_encapsulated(mut self) -> Self {
        self.encapsulated = Encapsulated::Absent;
        self
    }

    /// Everything up to the empty line of the ICAP head.
    pub fn head_bytes(&self) -> Vec<u8> {
        let mut head = format!("{}\r\n", self.request_line);
        for (name, value) in &self.fields {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = match &self.encapsulated {
            Encapsulated::Absent => Ok(()),
            Encapsulated::Given(value) => write!(head, "Encapsulated: {value}\r\n"),
            Encapsulated::Computed => write!(head, "Encapsulated: {}\r\n", self.offsets()),
        };
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// The whole request.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head_bytes();
        for part in [&self.request_head, &self.response_head, &self.framed_body].into_iter().flatten() {
            bytes.extend_from_slice(part);
        }
        bytes
    }

    fn offsets(&self) -> String {
        let mut offset = 0;
        let mut entries = Vec::new();
        for (name, head) in [("req-hdr", &self.request_head), ("res-hdr", &self.response_head)] {
            if let Some(head) = head {
                entries.push(format!("{name}={offset}"));
                offset += head.len();
            }
        }
        let body = if self.framed_body.is_some() { self.body_kind } else { "null-body" };
        entries.push(format!("{body}={offset}"));
        entries.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_follow_the_heads() {
        let message = Message::respmod("/respmod")
            .request_head("GET / HTTP/1.1\r\n\r\n")
            .response_head("HTTP/1.1 200 OK\r\n\r\n");
        let text = |message: &Message| String::from_utf8(message.bytes()).unwrap();
        assert!(text(&message).contains("\r\nEncapsulated: req-hdr=0, res-hdr=18, null-body=37\r\n\r\n"));
        assert!(text(&message.body(b"x")).ends_with(
            "res-body=37\r\n\r\nGET / HTTP/1.1\r\n\r\nHTTP/1.1 200 OK\r\n\r\n1\r\nx\r\n0\r\n\r\n"
        ));
        assert!(!text(&Message::options("/x")).contains("Encapsulated"));
    }

    #[test]
    fn a_preview_that_holds_the_whole_body_ends_with_ieof() {
        let bytes = Message::reqmod("/reqmod").whole_in_preview(b"abc").bytes();
        assert!(bytes.ends_with(b"Encapsulated: req-body=0\r\n\r\n3\r\nabc\r\n0; ieof\r\n\r\n"));
    }
}
