//! URLs whose download was cut because it turned out to be blocked when part of it was out: whoever
//! asks again gets the page instead of another cut.

use icapstan_model::{GenerationId, Verdict};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Bytes of URLs kept, with what each entry costs besides.
const MAX_BYTES: usize = 5000 << 10;
const OVERHEAD: usize = 160;
/// How long an entry counts.
const TTL: Duration = Duration::from_mins(30);

/// A bounded memory of URLs; the oldest go first.
#[derive(Debug, Default)]
pub(crate) struct BlockedUrls {
    /// So that nobody takes the lock for nothing.
    any: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<Arc<str>, Entry>,
    /// Oldest first. Only the last mention of a URL counts.
    order: VecDeque<(u64, Arc<str>)>,
    mentions: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    mention: u64,
    since: Instant,
    generation: GenerationId,
    verdict: Verdict,
}

// === impl BlockedUrls ===

impl BlockedUrls {
    /// Remembers `url`.
    pub(crate) fn insert(&self, url: &str, generation: GenerationId, verdict: &Verdict, now: Instant) {
        let mut inner = self.inner.lock();
        let url: Arc<str> = url.into();
        inner.mentions += 1;
        let entry = Entry { mention: inner.mentions, since: now, generation, verdict: verdict.clone() };
        if inner.entries.insert(Arc::clone(&url), entry).is_none() {
            inner.bytes += url.len() + OVERHEAD;
        }
        let mention = inner.mentions;
        inner.order.push_back((mention, url));
        inner.evict(now);
        self.any.store(!inner.entries.is_empty(), Ordering::Release);
    }

    /// What `generation` said of `url`. Other signatures may say otherwise.
    pub(crate) fn get(&self, url: &str, generation: GenerationId, now: Instant) -> Option<Verdict> {
        let inner = self.inner.lock();
        let entry = inner.entries.get(url)?;
        (entry.generation == generation && entry.counts(now)).then(|| entry.verdict.clone())
    }

    /// Whether there is anything to be found.
    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }
}

// === impl Entry ===

impl Entry {
    fn counts(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < TTL
    }
}

// === impl Inner ===

impl Inner {
    fn evict(&mut self, now: Instant) {
        if self.order.len() > 2 * self.entries.len() + 64 {
            let entries = &self.entries;
            self.order
                .retain(|(mention, url)| entries.get(url).is_some_and(|entry| entry.mention == *mention));
        }
        while let Some((mention, url)) = self.order.front() {
            let current = self.entries.get(url).filter(|entry| entry.mention == *mention);
            if current.is_some_and(|entry| entry.counts(now)) && self.bytes <= MAX_BYTES {
                return;
            }
            if current.is_some() {
                self.bytes -= url.len() + OVERHEAD;
                self.entries.remove(url);
            }
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: GenerationId = GenerationId([1; 32]);
    const NEW: GenerationId = GenerationId([2; 32]);

    fn infected() -> Verdict {
        Verdict::Infected("Worm".into())
    }

    #[test]
    fn an_entry_counts_for_half_an_hour_from_the_last_time_and_for_its_signatures() {
        let (urls, start) = (BlockedUrls::default(), Instant::now());
        assert!(!urls.any() && urls.get("http://a/", OLD, start).is_none());
        urls.insert("http://a/", OLD, &infected(), start);
        urls.insert("http://a/", OLD, &infected(), start + TTL / 2);
        assert!(urls.any());
        assert_eq!(urls.get("http://a/", OLD, start + TTL), Some(infected()));
        assert_eq!(urls.get("http://a/", NEW, start + TTL), None);
        assert_eq!(urls.get("http://a/?x", OLD, start + TTL), None);
        assert_eq!(urls.get("http://a/", OLD, start + TTL * 2), None);
        urls.insert("http://b/", OLD, &infected(), start + TTL * 2);
        assert_eq!(urls.inner.lock().entries.len(), 1, "what is old is forgotten");
    }

    #[test]
    fn it_never_grows_beyond_its_bound() {
        let (urls, now) = (BlockedUrls::default(), Instant::now());
        for n in 0..20_000 {
            urls.insert(&format!("http://a/{n}/{}", "x".repeat(400)), OLD, &infected(), now);
            urls.insert("http://always/", OLD, &infected(), now);
        }
        let inner = urls.inner.lock();
        assert!(inner.bytes <= MAX_BYTES && inner.order.len() <= 2 * inner.entries.len() + 65);
        assert!(inner.entries.len() > 1000);
        drop(inner);
        assert!(urls.get("http://always/", OLD, now).is_some());
        assert!(urls.get("http://a/0/", OLD, now).is_none());
    }
}
