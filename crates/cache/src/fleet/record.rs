//! Records as bytes, sealed.
//!
//! ```text
//!  of a verdict:                1 version | 8 at (ms) | 4 ttl (s) | what was found               | 32 seal
//!  of an object that takes
//!  workers:                     1 version | 8 at (ms) | 4 ttl (s) | 8 length | 1 mark | [found]  | 32 seal
//! ```
//!
//! Numbers are big-endian. The seal (BLAKE3, keyed) is of the key that the record stands under, and of all in front
//! of it; each kind has a key of its own. There is one way only to write a record.

use super::codec::{self, MAX_ANY, MAX_CERTAIN, Reader};
use crate::SealKey;
use crate::record::{MAX_TTL, SKEW, Unbelieved};
use icapstan_model::{FailedReason, Findings, PoisonMark, Sha256, Verdict};
use std::time::Duration;

/// The only one so far.
const VERSION: u8 = 1;
const SEAL: usize = 32;
const HEAD: usize = 1 + 8 + 4;
/// No record of a verdict is longer, in bytes.
pub const MAX_VERDICT_RECORD: usize = HEAD + MAX_CERTAIN + SEAL;
/// No record of an object that takes workers is longer, in bytes.
pub const MAX_POISON_RECORD: usize = HEAD + 8 + 1 + MAX_ANY + SEAL;

const SUSPECT: u8 = 1;
const POISON: u8 = 2;
const INNOCENT: u8 = 3;

/// What a complete scan found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerdictRecord {
    /// When, in milliseconds since 1970 by the clock of who found it.
    pub at: u64,
    /// For how long from then on.
    pub ttl: Duration,
    /// Clean, or threats only.
    pub findings: Findings,
    /// Of the object, if something was found.
    pub sha256: Option<Sha256>,
}

/// What was said of an object that takes workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoisonRecord {
    /// When, in milliseconds since 1970 by the clock of who said it.
    pub at: u64,
    /// For how long from then on.
    pub ttl: Duration,
    /// How many bytes the object has.
    pub len: u64,
    /// What it is to be taken for.
    pub mark: PoisonMark,
}

/// The bytes of `record` under `key`. `None` if it says anything else than what is certain.
pub fn encode_verdict(record: &VerdictRecord, key: &[u8; 32], seal: &SealKey) -> Option<Vec<u8>> {
    let mut out = head(record.at, record.ttl)?;
    is_certain(&record.findings).then(|| codec::write(&mut out, &record.findings, record.sha256))??;
    Some(finish(out, key, seal))
}

/// The bytes of `record` under `key`. `None` if it is none.
pub fn encode_poison(record: &PoisonRecord, key: &[u8; 32], seal: &SealKey) -> Option<Vec<u8>> {
    let mut out = head(record.at, record.ttl)?;
    out.extend_from_slice(&record.len.to_be_bytes());
    match &record.mark {
        PoisonMark::Suspect => out.push(SUSPECT),
        PoisonMark::Innocent => out.push(INNOCENT),
        PoisonMark::Poison { findings, sha256 } => {
            out.push(POISON);
            is_poison(findings).then(|| codec::write(&mut out, findings, *sha256))??;
        }
    }
    Some(finish(out, key, seal))
}

/// The record in `bytes`, which stood under `key`, at the time `now`; and for how much longer it counts.
pub fn decode_verdict(
    bytes: &[u8],
    key: &[u8; 32],
    seal: &SealKey,
    now: u64,
) -> Result<(VerdictRecord, Duration), Unbelieved> {
    let (at, ttl, mut reader) = open(bytes, key, seal, MAX_VERDICT_RECORD)?;
    let (findings, sha256) = reader.findings().ok_or(Unbelieved::Malformed)?;
    if !reader.0.is_empty() || !is_certain(&findings) {
        return Err(Unbelieved::Malformed);
    }
    Ok((VerdictRecord { at, ttl, findings, sha256 }, left(at, ttl, now)?))
}

/// The record in `bytes`, which stood under `key`, at the time `now`; and for how much longer it counts.
pub fn decode_poison(
    bytes: &[u8],
    key: &[u8; 32],
    seal: &SealKey,
    now: u64,
) -> Result<(PoisonRecord, Duration), Unbelieved> {
    let (at, ttl, mut reader) = open(bytes, key, seal, MAX_POISON_RECORD)?;
    let (len, mark) = reader.poison().filter(|_| reader.0.is_empty()).ok_or(Unbelieved::Malformed)?;
    Ok((PoisonRecord { at, ttl, len, mark }, left(at, ttl, now)?))
}

/// `body` with the seal that it needs under `key`, whatever it is; nothing if no record is so long. For tests:
/// what is in a record is looked at even where somebody has the secret.
#[doc(hidden)]
pub fn sealed_under(body: &[u8], key: &[u8; 32], seal: &SealKey) -> Option<Vec<u8>> {
    (body.len() <= MAX_POISON_RECORD - SEAL).then(|| finish(body.to_vec(), key, seal))
}

fn head(at: u64, ttl: Duration) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(128);
    out.push(VERSION);
    out.extend_from_slice(&at.to_be_bytes());
    let secs = Some(ttl.as_secs()).filter(|secs| (1..=MAX_TTL).contains(secs))?;
    out.extend_from_slice(&u32::try_from(secs).ok()?.to_be_bytes());
    Some(out)
}

fn finish(mut out: Vec<u8>, key: &[u8; 32], seal: &SealKey) -> Vec<u8> {
    let seal = seal.seal_under(key, &out);
    out.extend_from_slice(seal.as_bytes());
    out
}

/// The time of what is sealed, and the rest of it.
fn open<'a>(
    bytes: &'a [u8],
    key: &[u8; 32],
    seal: &SealKey,
    longest: usize,
) -> Result<(u64, Duration, Reader<'a>), Unbelieved> {
    if bytes.len() > longest {
        return Err(Unbelieved::Oversized);
    }
    let (body, found) = bytes.split_last_chunk::<SEAL>().ok_or(Unbelieved::Malformed)?;
    if body.len() < HEAD || body[0] != VERSION {
        return Err(Unbelieved::Malformed);
    }
    // Compared in constant time.
    if seal.seal_under(key, body) != blake3::Hash::from_bytes(*found) {
        return Err(Unbelieved::Forged);
    }
    let mut reader = Reader(&body[1..]);
    let at = reader.take().map(u64::from_be_bytes).ok_or(Unbelieved::Malformed)?;
    let secs = reader.take().map(u32::from_be_bytes).ok_or(Unbelieved::Malformed)?;
    let secs = Some(u64::from(secs)).filter(|secs| (1..=MAX_TTL).contains(secs));
    Ok((at, Duration::from_secs(secs.ok_or(Unbelieved::Malformed)?), reader))
}

/// For how much longer counts what was said at `at` for `ttl`.
fn left(at: u64, ttl: Duration, now: u64) -> Result<Duration, Unbelieved> {
    if at > now.saturating_add(SKEW) {
        return Err(Unbelieved::Future);
    }
    let left = ttl.saturating_sub(Duration::from_millis(now.saturating_sub(at)));
    if left.is_zero() { Err(Unbelieved::Expired) } else { Ok(left) }
}

/// Whether nothing of it may be otherwise the next time.
fn is_certain(findings: &Findings) -> bool {
    findings.iter().all(|verdict| verdict.reason().is_none())
}

/// Whether it says why the object is not scanned again.
fn is_poison(findings: &Findings) -> bool {
    let is_why =
        |verdict: &Verdict| matches!(verdict, Verdict::Failed(FailedReason::Crash | FailedReason::Time));
    findings.iter().any(is_why)
}

// === impl Reader ===

impl Reader<'_> {
    fn poison(&mut self) -> Option<(u64, PoisonMark)> {
        let len = u64::from_be_bytes(self.take()?);
        let mark = match self.take()? {
            [SUSPECT] => PoisonMark::Suspect,
            [INNOCENT] => PoisonMark::Innocent,
            [POISON] => {
                let (findings, sha256) = self.findings()?;
                is_poison(&findings).then_some(PoisonMark::Poison { findings, sha256 })?
            }
            [_] => return None,
        };
        Some((len, mark))
    }
}

#[cfg(test)]
mod tests;
