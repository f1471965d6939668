//! Answers to OPTIONS, written once a second.

use crate::detection;
use crate::services::Service;
use arc_swap::ArcSwap;
use icapstan_api::DetectionHeaders;
use icapstan_icap_server::proto::OptionsAnswer;
use icapstan_model::IsTag;
use icapstan_policy::Policy;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The answer that was written last.
#[derive(Debug)]
pub(crate) struct OptionsCache(ArcSwap<Written>);

/// What all services say of themselves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Advertised {
    pub(crate) max_connections: Option<u32>,
    /// Seconds; what a service wishes beyond that waits.
    pub(crate) most_ttl: u32,
}

/// An answer, and what it was made from besides the settings.
#[derive(Debug, Default)]
struct Written {
    second: u64,
    ttl: u32,
    istag: Option<IsTag>,
    answer: Vec<u8>,
}

/// What clients may look for in answers: fields of our own, and those that rules add.
pub(crate) fn allow_out(headers: &DetectionHeaders, policy: &Policy) -> String {
    /// As for the fields themselves, clients have room for a few KiB.
    const MOST: usize = 2 * 1024;
    let mut names = format!("{}, X-Response-Info, X-Icapstan-Reason", detection::names(headers));
    for name in policy.icap_fields() {
        if names.len() + ", ".len() + name.len() <= MOST {
            names.push_str(", ");
            names.push_str(name);
        }
    }
    names
}

// === impl OptionsCache ===

impl OptionsCache {
    pub(crate) fn new() -> Self {
        Self(ArcSwap::from_pointee(Written::default()))
    }

    /// Appends the answer of `service` to `out`.
    pub(crate) fn write(
        &self,
        service: &Service,
        istag: IsTag,
        advertised: Advertised,
        close: bool,
        out: &mut Vec<u8>,
    ) {
        let ttl = service.options_ttl.min(advertised.most_ttl);
        let second = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if close {
            return write(service, istag, advertised, second, true, out);
        }
        let known = self.0.load();
        if (known.second, known.ttl, known.istag) == (second, ttl, Some(istag)) {
            return out.extend_from_slice(&known.answer);
        }
        let mut answer = Vec::new();
        write(service, istag, advertised, second, false, &mut answer);
        out.extend_from_slice(&answer);
        self.0.store(Arc::new(Written { second, ttl, istag: Some(istag), answer }));
    }
}

fn write(
    service: &Service,
    istag: IsTag,
    advertised: Advertised,
    second: u64,
    close: bool,
    out: &mut Vec<u8>,
) {
    OptionsAnswer {
        methods: &service.methods,
        service: concat!("icapstan ", env!("CARGO_PKG_VERSION")),
        service_id: "icapstan",
        istag: istag.as_str(),
        max_connections: advertised.max_connections,
        ttl: service.options_ttl.min(advertised.most_ttl),
        date: &httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second)),
        allow_no_content: service.allow_no_content,
        allow_partial_content: service.allow_partial_content,
        preview: service.preview,
        include: service.shared.identity.include(),
        allow_out: &service.allow_out,
        close,
    }
    .write(out);
}
