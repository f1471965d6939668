//! Pieces of objects: what the policy wants done with them.

use crate::context;
use crate::transaction::Transaction;
use icapstan_api::{Ranges, ScanScope};
use icapstan_icap_server::proto::HttpHead;
use icapstan_model::{Findings, Mode, NonScannedReason, Verdict};
use std::net::SocketAddr;

/// What asks for a piece, and what makes that depend on the object.
const FIELDS: [&str; 2] = ["Range", "If-Range"];

// === impl Transaction ===

impl Transaction<'_> {
    /// What a piece is blocked for, whatever is in it. `None` where it is not a piece, or may pass.
    pub(crate) fn blocked_piece(&self, peer: SocketAddr) -> Option<Findings> {
        let looks = self.service.scope.content() && self.head.has_body();
        if self.service.policy.ranges() != Ranges::Block || !looks || !context::is_partial(self.head) {
            return None;
        }
        let piece = Findings::from(Verdict::NonScanned(NonScannedReason::PartialContent));
        self.blocks(peer, &piece).then_some(piece)
    }

    /// Has the request go on without asking for a piece, if the policy wants that. No other method asks for one
    /// (RFC 9110 section 14.2).
    pub(crate) fn ask_for_all(&mut self) {
        let wanted = self.mode == Mode::Reqmod
            && self.service.policy.ranges() == Ranges::Strip
            && self.service.scope != ScanScope::None;
        let asks = |request: HttpHead<'_>| {
            request.method() == b"GET" && FIELDS.iter().any(|name| request.value(name).is_some())
        };
        if wanted && self.head.http_request().is_some_and(asks) {
            self.added.without(&FIELDS);
        }
    }
}
