//! Answers to OPTIONS (RFC 3507 section 4.10.2).

use crate::answer::put_field;
use crate::{Method, Status};
use std::io::Write;

/// What a service tells of itself.
#[derive(Clone, Debug)]
pub struct OptionsAnswer<'a> {
    /// REQMOD, RESPMOD or both.
    pub methods: &'a [Method],
    /// Text for people.
    pub service: &'a str,
    /// A short token.
    pub service_id: &'a str,
    /// The service tag without quotes.
    pub istag: &'a str,
    /// `Max-Connections`; never 0, since clients take that as "never".
    pub max_connections: Option<u32>,
    /// `Options-TTL`, in seconds.
    pub ttl: u32,
    /// The time now, as HTTP writes it.
    pub date: &'a str,
    /// `Allow: 204`.
    pub allow_no_content: bool,
    /// `Allow: 206`.
    pub allow_partial_content: bool,
    /// `Preview`, in bytes. Clients such as Squid send previews only when `Transfer-Preview` comes with it.
    pub preview: Option<u32>,
    /// `X-Include`: identity fields that are wanted (draft-stecher-icap-subid-00).
    pub include: &'a str,
    /// `X-Allow-Out`: fields that answers may carry.
    pub allow_out: &'a str,
    /// Whether the connection ends after this answer.
    pub close: bool,
}

// === impl OptionsAnswer ===

impl OptionsAnswer<'_> {
    /// Appends the answer to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let status = Status::OK;
        let _ = write!(out, "ICAP/1.0 {} {}\r\n", status.0, status.phrase());
        let methods: Vec<_> = self.methods.iter().map(|method| method.as_str()).collect();
        put_field(out, "Methods", &methods.join(", "));
        put_field(out, "Service", self.service);
        put_field(out, "Service-ID", self.service_id);
        let _ = write!(out, "ISTag: \"{}\"\r\n", self.istag);
        if let Some(max) = self.max_connections.filter(|&max| max > 0) {
            let _ = write!(out, "Max-Connections: {max}\r\n");
        }
        let _ = write!(out, "Options-TTL: {}\r\nDate: {}\r\n", self.ttl, self.date);
        let allow = match (self.allow_no_content, self.allow_partial_content) {
            (true, true) => "Allow: 204, 206\r\n",
            (true, false) => "Allow: 204\r\n",
            (false, true) => "Allow: 206\r\n",
            (false, false) => "",
        };
        out.extend_from_slice(allow.as_bytes());
        if let Some(preview) = self.preview {
            let _ = write!(out, "Preview: {preview}\r\nTransfer-Preview: *\r\n");
        }
        for (name, value) in [("X-Include", self.include), ("X-Allow-Out", self.allow_out)] {
            if !value.is_empty() {
                put_field(out, name, value);
            }
        }
        if self.close {
            out.extend_from_slice(b"Connection: close\r\n");
        }
        out.extend_from_slice(b"Encapsulated: null-body=0\r\n\r\n");
    }
}
