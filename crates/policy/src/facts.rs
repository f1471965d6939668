//! A message of which nothing is known.

use icapstan_api::{BodySize, Facts};
use std::net::IpAddr;

/// For decisions about nothing but a verdict: rules with conditions match nothing then.
#[derive(Clone, Copy, Debug)]
pub struct NoFacts;

impl Facts for NoFacts {
    fn service(&self) -> &'static str {
        ""
    }

    fn client(&self) -> Option<IpAddr> {
        None
    }

    fn client_certificate(&self) -> &'static [Box<str>] {
        &[]
    }

    fn user(&self) -> Option<&'static str> {
        None
    }

    fn groups(&self) -> &'static [String] {
        &[]
    }

    fn host(&self) -> &'static str {
        ""
    }

    fn url(&self) -> &'static str {
        ""
    }

    fn categories(&self) -> &'static [Box<str>] {
        &[]
    }

    fn method(&self) -> &'static str {
        ""
    }

    fn size(&self) -> BodySize {
        BodySize::AtLeast(0)
    }

    fn media_type(&self) -> Option<&'static str> {
        None
    }
}
