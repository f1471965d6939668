//! How each format shows kinds and severities.

pub use icapstan_api::{EventKind, Severity};

/// What happened, for people.
pub(crate) const fn title(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Detection => "Threat detected",
        EventKind::Block => "Message blocked",
        EventKind::NotScanned => "Object not scanned",
        EventKind::Failure => "Failure",
        EventKind::Refusal => "Requests refused",
        EventKind::Abort => "Transactions broken off",
        EventKind::ConfigurationChange => "Configuration changed",
        EventKind::ListChange => "Signatures or lists changed",
        EventKind::Start => "Service started",
        EventKind::Stop => "Service stopped",
        EventKind::Pass => "Message passed",
    }
}

/// The number in syslog (RFC 5424 section 6.2.1).
pub(crate) const fn syslog(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 6,
        Severity::Notice => 5,
        Severity::Warning => 4,
        Severity::Error => 3,
        Severity::Critical => 2,
    }
}

/// The number in CEF, from 0 to 10. Those that the reference product uses
/// (<https://support.kaspersky.com/ScanEngine/2.1/en-US/186631.htm>).
pub(crate) const fn cef(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 3,
        Severity::Notice => 5,
        Severity::Warning => 6,
        Severity::Error => 7,
        Severity::Critical => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_fit_a_message_id() {
        for kind in EventKind::ALL {
            assert!(kind.as_str().len() <= 32, "the most that a MSGID may have (RFC 5424 section 6)");
        }
    }

    #[test]
    fn what_matters_more_has_the_higher_number_in_cef_and_the_lower_in_syslog() {
        let all = [Severity::Info, Severity::Notice, Severity::Warning, Severity::Error, Severity::Critical];
        assert!(all.is_sorted());
        assert!(all.is_sorted_by_key(|severity| cef(*severity)));
        assert!(all.is_sorted_by(|a, b| syslog(*a) > syslog(*b)));
    }
}
