//! The formats that pages come in.

/// The format of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Format {
    /// For people with browsers.
    #[default]
    Html,
    /// For people with terminals.
    Text,
    /// For programs (RFC 9457).
    Json,
}

// === impl Format ===

impl Format {
    /// The format of files whose names end so.
    pub(super) fn of_extension(extension: &str) -> Option<Self> {
        Some(match extension {
            "html" => Self::Html,
            "txt" => Self::Text,
            "json" => Self::Json,
            _ => return None,
        })
    }

    /// For `Content-Type`.
    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Text => "text/plain; charset=utf-8",
            Self::Json => "application/problem+json",
        }
    }
}
