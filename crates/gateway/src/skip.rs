//! What is not scanned because the policy says so.

use crate::sample::Sample;
use crate::store::Store;
use crate::transaction::Transaction;
use icapstan_api::{BodySize, ByteSize, SizeRange};
use icapstan_icap_server::ExchangeError;
use std::net::SocketAddr;

/// Why a message is not scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Skip {
    /// The place of the rule in the policy.
    pub(crate) index: usize,
    /// The body has to have so many bytes. The rule asks it, and the message says so.
    pub(crate) least: u64,
}

/// What of a body is here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Here {
    /// Bytes behind those that are stored.
    pub(crate) more: usize,
    /// There is nothing else.
    pub(crate) ended: bool,
    /// How long the message says that the body is, if that counts.
    pub(crate) claimed: Option<u64>,
}

// === impl Transaction ===

impl Transaction<'_> {
    /// Whether the message is left out, by what of it is here.
    ///
    /// What has come is known. That more is coming is believed if the message says so, unless its head
    /// names another framing beside the length (RFC 9112 section 6.3): whoever lies then can at most have
    /// a short object taken for a long one. That there is no more is never believed: the end of a short
    /// object is waited for, which costs little.
    pub(crate) async fn leaves_out(
        &self,
        peer: SocketAddr,
        store: &Store,
        here: Here,
    ) -> Result<Option<Skip>, ExchangeError> {
        let policy = &self.service.policy;
        if policy.skips().is_empty() {
            return Ok(None);
        }
        let len = store.len() + here.more as u64;
        let size = if here.ended {
            BodySize::Whole(len)
        } else {
            BodySize::AtLeast(len.max(here.claimed.unwrap_or(0)))
        };
        let mut message = self.message(peer, size);
        if policy.asks_for_types() {
            message.sample = Some(Sample::of(self.head, store, here.ended && here.more == 0).await?.strict());
        }
        let Some(index) = policy.skip(&message) else { return Ok(None) };
        let range = policy.skips()[index].when.size;
        let least = range.and_then(|SizeRange { min, .. }| min).map_or(0, ByteSize::bytes);
        Ok(Some(Skip { index, least }))
    }
}
