//! The status codes that this server sends.

/// An ICAP status code (RFC 3507 section 4.3.3; 206 from draft-icap-ext-partial-content-07;
/// 429 as other ICAP servers use it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Status(pub u16);

// === impl Status ===

impl Status {
    /// The answer follows.
    pub const OK: Self = Self(200);
    /// No change is needed.
    pub const NO_CONTENT: Self = Self(204);
    /// The answer follows and the rest of the body is the original's.
    pub const PARTIAL_CONTENT: Self = Self(206);
    /// The request cannot be understood.
    pub const BAD_REQUEST: Self = Self(400);
    /// The client may not use this server.
    pub const FORBIDDEN: Self = Self(403);
    /// There is no such service.
    pub const NOT_FOUND: Self = Self(404);
    /// The service does not offer the method.
    pub const METHOD_NOT_ALLOWED: Self = Self(405);
    /// The client has not said who it is, or not rightly (RFC 3507 section 7.1).
    pub const AUTHENTICATION_REQUIRED: Self = Self(407);
    /// The request did not arrive in time.
    pub const REQUEST_TIMEOUT: Self = Self(408);
    /// A body is longer than it may be.
    pub const TOO_LARGE: Self = Self(413);
    /// The request line is too long.
    pub const URI_TOO_LONG: Self = Self(414);
    /// There are too many sessions.
    pub const TOO_MANY_REQUESTS: Self = Self(429);
    /// A fault here, or a full queue.
    pub const SERVER_ERROR: Self = Self(500);
    /// The method does not exist.
    pub const NOT_IMPLEMENTED: Self = Self(501);
    /// Memory or spool space is used up.
    pub const UNAVAILABLE: Self = Self(503);
    /// The ICAP version is not 1.0.
    pub const VERSION: Self = Self(505);

    /// The reason phrase.
    pub const fn phrase(self) -> &'static str {
        match self.0 {
            100 => "Continue",
            200 => "OK",
            204 => "No Content",
            206 => "Partial Content",
            400 => "Bad Request",
            403 => "Forbidden",
            404 => "ICAP Service Not Found",
            405 => "Method Not Allowed For Service",
            407 => "Proxy Authentication Required",
            408 => "Request Timeout",
            413 => "Request Entity Too Large",
            414 => "Request-URI Too Long",
            429 => "Too Many Requests",
            500 => "Internal Server Error",
            501 => "Method Not Implemented",
            502 => "Bad Gateway",
            503 => "Service Overloaded",
            505 => "ICAP Version Not Supported",
            _ => "Status",
        }
    }
}
