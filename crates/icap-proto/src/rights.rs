//! Which answers the client can take now.

use crate::RequestHead;

/// What may be answered, by what was asked and by whether 100 was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// 204: always to a preview, elsewhere only with `Allow: 204` (RFC 3507 sections 4.5 and 4.6).
    /// After 100 the exception for previews is over.
    pub no_content: bool,
    /// 206: to a preview with `Allow: 206`, elsewhere only with `Allow: 204, 206`
    /// (draft-icap-ext-partial-content-07).
    pub partial_content: bool,
    /// Fields behind the body (draft-rousskov-icap-trailers-01).
    pub trailers: bool,
}

// === impl Rights ===

impl Rights {
    /// The rights of a request, before (`continued: false`) or after 100 was sent.
    pub fn of(head: &RequestHead, continued: bool) -> Self {
        let allow = head.allow();
        let previewing = head.preview().is_some() && !continued;
        Self {
            no_content: previewing || allow.no_content,
            partial_content: allow.partial_content && (previewing || allow.no_content),
            trailers: allow.trailers,
        }
    }
}
