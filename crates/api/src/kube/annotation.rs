//! Annotations that say something.

/// On a Secret: the hosts, parted by commas, that it may be sent to. Without it, none.
pub const ALLOWED_HOSTS: &str = "icapstan.dev/allowed-hosts";
/// On a FleetPlan: `leaseTransitions` of the lease of who wrote it.
pub const TERM: &str = "icapstan.dev/term";
