//! What is promised of metrics, seen from outside.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod counting;
mod exposition;
mod labels;

use icapstan_metrics::label;
use prometheus::{Registry, TextEncoder};

label! {
    /// Which way.
    pub(crate) enum Way as "way" {
        /// In.
        In = "in",
        /// Out.
        Out = "out",
    }
}

/// An enum of someone else.
#[derive(Clone, Copy)]
pub(crate) enum Colour {
    Red,
    Green,
    Blue,
}

label! {
    /// By colour; its name stands before that of the way in the alphabet.
    pub(crate) struct ByColour(Colour) as "colour" { Red, Green, Blue }
}

// === impl Colour ===

impl Colour {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Green => "green",
            Self::Blue => "blue",
        }
    }
}

/// What a scrape sees.
pub(crate) fn text(registry: &Registry) -> String {
    TextEncoder::new().encode_to_string(&registry.gather()).unwrap()
}
