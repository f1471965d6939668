//! Annotations that are verbs: set on an object, each new value asks the operator once.

/// Looks at the object now, rather than when its interval is over. On all kinds.
pub const RECONCILE_AT: &str = "icapstan.dev/reconcile-at";
/// Goes on behind the canary of a set, or behind a pause.
pub const PROMOTE: &str = "icapstan.dev/promote";
/// Ends the rollout of a set: scanners go back to what is in use.
pub const ABORT: &str = "icapstan.dev/abort";
/// Tries what failed once more, at once.
pub const RETRY: &str = "icapstan.dev/retry";
/// Goes back to the signatures before those in use.
pub const UNDO: &str = "icapstan.dev/undo";
/// Leaves all as it is while the value is `true`.
pub const SUSPEND: &str = "icapstan.dev/suspend";
/// Leaves out the soak, the waves and the bake time of the rollout under way.
pub const EMERGENCY: &str = "icapstan.dev/emergency";
