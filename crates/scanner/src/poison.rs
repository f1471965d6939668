//! Objects that cost a worker its life, or all of its time, and what came of them.
//!
//! ```text
//!  a worker died of it ─▶ suspect ──scanned alone──▶ died again ─▶ poison: answered at once
//!                            └──────── went well ──▶ forgotten         ▲
//!  a worker was busy with it for most of its time ─────────────────────┘
//! ```
//!
//! What other processes remember is asked too, where they share it. Belongs to one generation of signatures and ends with it: others may do better.

use blake3::{Hash, Hasher};
use icapstan_api::Poison as Settings;
use icapstan_metrics::Gauge;
use icapstan_model::{
    Content, FailedReason, Findings, GenerationId, Object, Origin, PoisonMark, PoisonShare, ScanContext,
    ScanProfile, ScanReport, Unpack, Verdict,
};
use parking_lot::Mutex;
use rustix::io::retry_on_intr;
use rustix::rand::{GetRandomFlags, getrandom};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::time::timeout_at;

use crate::sealed::Source;

/// Up to this size, bytes in memory are hashed where the caller runs: that takes a tenth of a millisecond.
const INLINE: u64 = 256 << 10;

/// What is remembered, for one generation.
#[derive(Debug)]
pub(crate) struct Poison {
    most: usize,
    ttl: Duration,
    secrets: Secrets,
    /// What `state` holds, to be asked without its lock.
    count: AtomicUsize,
    state: Mutex<State>,
    entries: Gauge,
    share: Option<Arc<dyn PoisonShare>>,
}

/// Nobody who does not know these can make objects whose keys meet, or tell from a digest what was seen.
#[derive(Clone)]
pub(crate) struct Secrets {
    of_contents: [u8; 32],
    of_objects: [u8; 32],
}

/// An object, and all that decides what a worker makes of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) object: &'a Object,
    pub(crate) context: &'a ScanContext,
    /// Signatures and hash lists together.
    pub(crate) generation: GenerationId,
}

/// What is known of an object.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// A worker died while it had it. Whether of it nobody knows.
    Suspect,
    /// It is not to be scanned again; this came of it.
    Poison(ScanReport),
}

/// What a scan says of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Suspect,
    Poison,
    /// Suspected before, for nothing.
    Innocent,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Key, Entry>,
    /// In the order of their end.
    order: BTreeMap<u64, Key>,
    /// How many there are of each length: most objects need not be hashed.
    lengths: HashMap<u64, u32>,
    last: u64,
}

#[derive(Debug)]
struct Entry {
    known: Known,
    len: u64,
    since: Instant,
    number: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key([u8; 32]);

// === impl Poison ===

impl Poison {
    /// `share` is what others are told through.
    pub(crate) fn new(
        settings: &Settings,
        secrets: Secrets,
        entries: Gauge,
        share: Option<Arc<dyn PoisonShare>>,
    ) -> Self {
        Self {
            most: settings.entries as usize,
            ttl: settings.ttl,
            secrets,
            count: AtomicUsize::new(0),
            state: Mutex::default(),
            entries,
            share,
        }
    }

    /// What is known of an object. Costs next to nothing as long as none of its length is known.
    pub(crate) async fn recall(&self, subject: Subject<'_>, deadline: Instant) -> Option<Known> {
        let len = subject.object.len;
        let is_own = self.count.load(Ordering::Relaxed) > 0 && self.state.lock().lengths.contains_key(&len);
        let share = self.share.as_ref().filter(|share| share.knows_length(len));
        if !is_own && share.is_none() {
            return None;
        }
        let key = timeout_at(deadline.into(), self.key(subject)).await.ok()?.ok()?;
        let own = self.known(&key, Instant::now());
        if matches!(own, Some(Known::Poison(_))) {
            return own;
        }
        match share.and_then(|share| share.recall(&key.0)) {
            Some(PoisonMark::Poison { findings, sha256 }) => Some(Known::Poison(ScanReport {
                sha256,
                origin: Origin::Poison,
                ..ScanReport::unscanned(findings)
            })),
            Some(PoisonMark::Suspect) => Some(Known::Suspect),
            Some(PoisonMark::Innocent) | None => own,
        }
    }

    /// Remembers what a scan says of its object.
    pub(crate) async fn remember(&self, subject: Subject<'_>, mark: Mark, report: &ScanReport) {
        if self.most == 0 {
            return;
        }
        // An object that cannot be read is not remembered.
        let Ok(key) = self.key(subject).await else { return };
        // Of a scan that was left, while another one came to its end.
        if mark == Mark::Suspect && matches!(self.known(&key, Instant::now()), Some(Known::Poison(_))) {
            return;
        }
        if let Some(share) = &self.share {
            let mark = match mark {
                Mark::Innocent => PoisonMark::Innocent,
                Mark::Suspect => PoisonMark::Suspect,
                Mark::Poison => {
                    PoisonMark::Poison { findings: report.findings.clone(), sha256: report.sha256 }
                }
            };
            share.remember(&key.0, subject.object.len, mark);
        }
        let known = match mark {
            Mark::Innocent => return self.forget(&key),
            Mark::Suspect => Known::Suspect,
            Mark::Poison => Known::Poison(ScanReport {
                waited: Duration::ZERO,
                engine: Duration::ZERO,
                origin: Origin::Poison,
                ..report.clone()
            }),
        };
        self.put(key, subject.object.len, known, Instant::now());
    }

    async fn key(&self, subject: Subject<'_>) -> io::Result<Key> {
        let content = self.secrets.digest(subject.object).await?;
        Ok(self.secrets.key(&content, subject))
    }

    fn known(&self, key: &Key, now: Instant) -> Option<Known> {
        let mut state = self.state.lock();
        self.expire(&mut state, now);
        state.entries.get(key).map(|entry| entry.known.clone())
    }

    fn put(&self, key: Key, len: u64, known: Known, now: Instant) {
        let mut state = self.state.lock();
        state.remove(&key);
        self.expire(&mut state, now);
        while state.entries.len() >= self.most {
            let Some((_, oldest)) = state.order.first_key_value() else { break };
            let oldest = *oldest;
            state.remove(&oldest);
        }
        state.insert(key, len, known, now);
        self.show(&state);
    }

    fn forget(&self, key: &Key) {
        let mut state = self.state.lock();
        state.remove(key);
        self.show(&state);
    }

    fn expire(&self, state: &mut State, now: Instant) {
        let before = state.entries.len();
        while let Some((_, oldest)) = state.order.first_key_value() {
            let oldest = *oldest;
            if state.entries.get(&oldest).is_some_and(|entry| now.duration_since(entry.since) < self.ttl) {
                break;
            }
            state.remove(&oldest);
        }
        if state.entries.len() != before {
            self.show(state);
        }
    }

    /// Tells others how many there are. The gauge is shared with other generations.
    fn show(&self, state: &State) {
        let now = state.entries.len();
        let before = self.count.swap(now, Ordering::Relaxed);
        self.entries.add(signed(now) - signed(before));
    }
}

impl Drop for Poison {
    fn drop(&mut self) {
        self.entries.sub(signed(*self.count.get_mut()));
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

// === impl State ===

impl State {
    fn insert(&mut self, key: Key, len: u64, known: Known, since: Instant) {
        self.last += 1;
        self.order.insert(self.last, key);
        *self.lengths.entry(len).or_default() += 1;
        self.entries.insert(key, Entry { known, len, since, number: self.last });
    }

    fn remove(&mut self, key: &Key) {
        let Some(entry) = self.entries.remove(key) else { return };
        self.order.remove(&entry.number);
        if let Some(count) = self.lengths.get_mut(&entry.len) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&entry.len);
            }
        }
    }
}

// === impl Secrets ===

impl Secrets {
    /// Of all processes that share; else of this one.
    pub(crate) fn new(share: Option<&dyn PoisonShare>) -> io::Result<Self> {
        share.map_or_else(Self::of_this_process, |share| Ok(Self::of(&share.secret())))
    }

    fn of_this_process() -> io::Result<Self> {
        let mut secret = [0; 32];
        let mut filled = 0;
        while filled < secret.len() {
            filled += retry_on_intr(|| getrandom(&mut secret[filled..], GetRandomFlags::empty()))?;
        }
        Ok(Self::of(&secret))
    }

    fn of(secret: &[u8; 32]) -> Self {
        Self {
            of_contents: blake3::derive_key("icapstan poison: contents v1", secret),
            of_objects: blake3::derive_key("icapstan poison: objects v1", secret),
        }
    }

    /// Of the bytes of an object. Tells nothing to who does not know the secret.
    pub(crate) async fn digest(&self, object: &Object) -> io::Result<Hash> {
        let source = Source::new(&object.content, object.len);
        if matches!(&object.content, Content::Memory(_)) && object.len <= INLINE {
            return self.digest_blocking(&source);
        }
        let secrets = self.clone();
        tokio::task::spawn_blocking(move || secrets.digest_blocking(&source))
            .await
            .map_err(io::Error::other)?
    }

    /// The same, where that may block.
    pub(crate) fn digest_blocking(&self, source: &Source) -> io::Result<Hash> {
        let mut hasher = Hasher::new_keyed(&self.of_contents);
        source.each(|bytes| {
            hasher.update(bytes);
            ControlFlow::Continue(())
        })?;
        Ok(hasher.finalize())
    }

    fn key(&self, content: &Hash, subject: Subject<'_>) -> Key {
        // Taken apart by name, so that a new field cannot be forgotten.
        // Equal objects of two traces are equal.
        let ScanContext { mode, content_encoding, content_types, partial, profile, trace: _ } =
            subject.context;
        let ScanProfile {
            max_object_size,
            max_total_size,
            timeout,
            max_depth,
            max_files,
            unpack: Unpack { packed, archives, mail, mail_databases },
            heuristics,
            phishing,
            macros,
            // Says nothing of a scan.
            cache: _,
        } = **profile;
        let mut hasher = Hasher::new_keyed(&self.of_objects);
        // Each of a fixed length, or with its length in front: there is one way to read them.
        hasher.update(content.as_bytes());
        hasher.update(&subject.generation.0);
        let numbers =
            [subject.object.len, max_object_size, max_total_size, max_depth.into(), max_files.into()];
        for number in numbers {
            hasher.update(&number.to_le_bytes());
        }
        hasher.update(&timeout.as_nanos().to_le_bytes());
        let flags = [*partial, packed, archives, mail, mail_databases, phishing, macros];
        hasher.update(&flags.map(u8::from));
        hasher.update(&[heuristics as u8]);
        hasher.update(&(content_types.len() as u64).to_le_bytes());
        for text in
            [mode.as_str(), content_encoding].into_iter().chain(content_types.iter().map(String::as_str))
        {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        Key(*hasher.finalize().as_bytes())
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

/// Why an object with these findings is not scanned again.
pub(crate) fn reason(findings: &Findings) -> FailedReason {
    let has_crashed = findings.iter().any(|verdict| *verdict == Verdict::Failed(FailedReason::Crash));
    if has_crashed { FailedReason::Crash } else { FailedReason::Time }
}

#[cfg(test)]
mod tests;
