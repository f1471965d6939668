//! Records as bytes, sealed.
//!
//! ```text
//!  1 version | 8 at (ms) | 4 ttl (s) | 1 kind | 32 id | 1 has generation | [32 generation]
//!  | 1 length, tenant | 1 length, threat | 2 length, URL | 32 seal (BLAKE3, keyed)
//! ```
//!
//! Numbers are big-endian. A removal ends behind the id. Who puts records into Redis knows the key, or the
//! seal does not fit; the name that a record stands under is part of it.

use crate::entry::{MAX_TENANT, is_tenant};
use crate::{Entry, Id, MAX_URL, Record, SealKey};
use icapstan_metrics::label;
use icapstan_model::{GenerationId, ThreatName, Verdict};
use std::sync::Arc;
use std::time::Duration;

/// The only one so far.
const VERSION: u8 = 1;
const SEAL: usize = 32;
/// What stands in front of the id.
const HEAD: usize = 1 + 8 + 4 + 1;
/// No record is longer, in bytes.
pub const MAX_RECORD: usize =
    HEAD + 32 + 33 + (1 + MAX_TENANT) + (1 + ThreatName::MAX_LEN) + (2 + MAX_URL) + SEAL;
/// No record counts for longer than settings allow.
pub(crate) const MAX_TTL: u64 = 24 * 3600;
/// How far the clock of one Redis may be ahead of the next one's, in milliseconds.
pub(crate) const SKEW: u64 = 60_000;

const REMOVED: u8 = 0;
const DETECT: u8 = 1;
const PHISHING: u8 = 2;
const MACRO: u8 = 3;

label! {
    /// Why a record is not believed.
    pub enum Unbelieved as "reason" {
        /// It is longer than any record can be.
        Oversized = "oversized",
        /// It is no record.
        Malformed = "malformed",
        /// Nobody who has the key made it, or it was changed, or it is of another prefix.
        Forged = "forged",
        /// It is about another URL, or another tenant, than the one that it stands under.
        Misplaced = "misplaced",
        /// It says that it was made later than now.
        Future = "future",
        /// Its time is over.
        Expired = "expired",
    }
}

/// Reads what [`encode`] wrote.
struct Reader<'a>(&'a [u8]);

/// The bytes of `record`.
pub fn encode(record: &Record, key: &SealKey) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.push(VERSION);
    out.extend_from_slice(&record.at.to_be_bytes());
    let secs = u32::try_from(record.ttl.as_secs()).unwrap_or(u32::MAX);
    out.extend_from_slice(&secs.to_be_bytes());
    let (kind, name) = match record.entry.as_deref().map(Entry::verdict) {
        Some(Verdict::Infected(name)) => (DETECT, Some(name)),
        Some(Verdict::Phishing(name)) => (PHISHING, Some(name)),
        Some(Verdict::Macro(name)) => (MACRO, Some(name)),
        _ => (REMOVED, None),
    };
    out.push(kind);
    out.extend_from_slice(&record.id.0);
    if let (Some(entry), Some(name)) = (&record.entry, name) {
        out.push(entry.generation().is_some().into());
        if let Some(generation) = entry.generation() {
            out.extend_from_slice(&generation.0);
        }
        // Bounded where entries are made.
        for (text, width) in [(entry.tenant(), 1), (name.as_str(), 1), (entry.url(), 2)] {
            out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(0).to_be_bytes()[2 - width..]);
            out.extend_from_slice(text.as_bytes());
        }
    }
    let seal = key.seal(&out);
    out.extend_from_slice(seal.as_bytes());
    out
}

/// `body` with the seal of `key`, whatever it is; nothing if no record is so long. For tests: what is in a record
/// is looked at even where somebody has the key.
#[doc(hidden)]
pub fn sealed(body: &[u8], key: &SealKey) -> Option<Vec<u8>> {
    (body.len() <= MAX_RECORD - SEAL).then(|| [body, key.seal(body).as_bytes()].concat())
}

/// The record in `bytes`, which stood under `id`, at the time `now`.
pub fn decode(id: &[u8], bytes: &[u8], key: &SealKey, now: u64) -> Result<Record, Unbelieved> {
    if bytes.len() > MAX_RECORD {
        return Err(Unbelieved::Oversized);
    }
    let (body, seal) = bytes.split_last_chunk::<SEAL>().ok_or(Unbelieved::Malformed)?;
    if body.len() < HEAD || body[0] != VERSION {
        return Err(Unbelieved::Malformed);
    }
    // Compared in constant time.
    if key.seal(body) != blake3::Hash::from_bytes(*seal) {
        return Err(Unbelieved::Forged);
    }
    let record = read(body).ok_or(Unbelieved::Malformed)?;
    let is_its_own = record.entry.as_ref().is_none_or(|entry| entry.id() == record.id);
    if id != record.id.0 || !is_its_own {
        return Err(Unbelieved::Misplaced);
    }
    let ttl = u64::try_from(record.ttl.as_millis()).unwrap_or(u64::MAX);
    if record.at > now.saturating_add(SKEW) {
        Err(Unbelieved::Future)
    } else if record.at.saturating_add(ttl) <= now {
        Err(Unbelieved::Expired)
    } else {
        Ok(record)
    }
}

fn read(body: &[u8]) -> Option<Record> {
    let mut reader = Reader(body);
    let [_version] = reader.take()?;
    let at = u64::from_be_bytes(reader.take()?);
    let secs = u64::from(u32::from_be_bytes(reader.take()?));
    let [kind] = reader.take()?;
    let id = Id(reader.take()?);
    let entry = if kind == REMOVED { None } else { Some(Arc::new(reader.entry(kind)?)) };
    let is_whole = reader.0.is_empty() && (1..=MAX_TTL).contains(&secs);
    is_whole.then(|| Record { id, at, ttl: Duration::from_secs(secs), entry })
}

// === impl Reader ===

impl<'a> Reader<'a> {
    fn entry(&mut self, kind: u8) -> Option<Entry> {
        let generation = match self.take()? {
            [0] => None,
            [1] => Some(GenerationId(self.take()?)),
            [_] => return None,
        };
        let [len] = self.take()?;
        let tenant = self.text(len.into())?;
        let [len] = self.take()?;
        let threat = self.text(len.into())?;
        let len = u16::from_be_bytes(self.take()?);
        let url = self.text(len.into())?;
        let name = ThreatName::from(threat);
        let verdict = match kind {
            DETECT => Verdict::Infected(name),
            PHISHING => Verdict::Phishing(name),
            MACRO => Verdict::Macro(name),
            _ => return None,
        };
        let is_plain = is_tenant(tenant) && verdict.threat()?.as_str() == threat;
        Entry::new(tenant, url, &verdict, generation).filter(|_| is_plain)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*front)
    }

    fn text(&mut self, len: usize) -> Option<&'a str> {
        let (front, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        std::str::from_utf8(front).ok()
    }
}

#[cfg(test)]
mod tests;
