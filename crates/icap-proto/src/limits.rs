//! How much a peer may send before it has to stop.

/// Limits of one request, in bytes unless the name says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Empty lines in front of a request.
    pub leading_empty_lines: u32,
    /// The ICAP request line.
    pub request_line: usize,
    /// The ICAP request line and header fields.
    pub icap_head: usize,
    /// How many ICAP header fields.
    pub icap_fields: usize,
    /// Each encapsulated HTTP head.
    pub http_head: usize,
    /// Body bytes before the end of a preview, whatever the `Preview` field says.
    pub preview: u64,
    /// One chunk line with its extensions.
    pub chunk_line: usize,
    /// All trailer fields of a body.
    pub trailer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            leading_empty_lines: 16,
            request_line: 8 * 1024,
            icap_head: 64 * 1024,
            icap_fields: 256,
            http_head: 256 * 1024,
            preview: 64 * 1024,
            chunk_line: 4 * 1024,
            trailer: 16 * 1024,
        }
    }
}
