//! Pieces of objects that clients ask for.

use serde::{Deserialize, Serialize};

/// What becomes of pieces (`policies[].ranges`): clients ask for them by `Range` (RFC 9110 section 14), to go on
/// with a download that broke off, to play a film from its middle, or to get malware past a scanner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Ranges {
    /// They are scanned by themselves, pass, and are told to be pieces.
    #[default]
    Mark,
    /// GET requests go on without `Range` and `If-Range`, so that whole objects come. Pieces that come all the
    /// same are marked.
    Strip,
    /// They are blocked, unless a rule lets them pass.
    Block,
}
