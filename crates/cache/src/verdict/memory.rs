//! The verdicts of one generation of signatures.

use super::key::Key;
use super::metrics::{Cause, VerdictMetrics};
use icapstan_metrics::Counters;
use icapstan_model::{Findings, GenerationId, Origin, ScanReport, Sha256, Verdict};
use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, Weighter};
use std::fmt;
use std::hash::RandomState;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What an entry takes, its threats aside: key, entry and links, half as much again for keys that are remembered
/// without a verdict so that what comes once does not drive out what comes often, the table, and room that grows by
/// doubling. A test measures it.
const ENTRY: u64 = 256;
/// What is found takes so much, besides the names of threats.
const FOUND: u64 = 128;

/// A bounded number of bytes of verdicts, each until its time is over.
pub(super) struct Memory {
    generation: GenerationId,
    kept: Cache<Key, Kept, Weights, RandomState, Evictions>,
    ttl: Duration,
    metrics: VerdictMetrics,
}

/// One verdict.
#[derive(Clone)]
struct Kept {
    until: Instant,
    /// `None`: it was clean. Most are.
    found: Option<Arc<Found>>,
}

struct Found {
    findings: Findings,
    sha256: Option<Sha256>,
}

/// What each takes.
#[derive(Clone)]
struct Weights;

/// Counts what has to give way.
#[derive(Clone)]
struct Evictions(Counters<Cause>);

// === impl Memory ===

impl Memory {
    /// An empty one that takes `room` bytes at most.
    pub(super) fn new(generation: GenerationId, room: u64, ttl: Duration, metrics: &VerdictMetrics) -> Self {
        let entries = usize::try_from(room / ENTRY).unwrap_or(usize::MAX);
        let evictions = Evictions(metrics.evicted.clone());
        let kept = Cache::with(entries, room, Weights, RandomState::new(), evictions);
        Self { generation, kept, ttl, metrics: metrics.clone() }
    }

    pub(super) fn generation(&self) -> GenerationId {
        self.generation
    }

    pub(super) fn get(&self, key: &Key) -> Option<ScanReport> {
        let kept = self.kept.get(key)?;
        if kept.until <= Instant::now() {
            if self.kept.remove_if(key, |now| now.until == kept.until).is_some() {
                self.metrics.evicted.inc(Cause::Expired);
            }
            return None;
        }
        let (findings, sha256) = match kept.found {
            None => (Findings::clean(), None),
            Some(found) => (found.findings.clone(), found.sha256),
        };
        Some(ScanReport { sha256, origin: Origin::Cache, ..ScanReport::unscanned(findings) })
    }

    /// Remembers what a complete scan found just now.
    pub(super) fn insert(&self, key: Key, report: &ScanReport) {
        self.insert_for(key, report, self.ttl);
    }

    /// Remembers what a complete scan found, which counts for so much longer.
    pub(super) fn insert_for(&self, key: Key, report: &ScanReport, left: Duration) {
        let found = (!report.findings.is_clean())
            .then(|| Arc::new(Found { findings: report.findings.clone(), sha256: report.sha256 }));
        self.metrics.inserted.inc();
        self.kept.insert(key, Kept { until: Instant::now() + left, found });
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.kept.weight()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("generation", &self.generation).finish_non_exhaustive()
    }
}

// === impl Weights ===

impl Weighter<Key, Kept> for Weights {
    fn weight(&self, _: &Key, kept: &Kept) -> u64 {
        let Some(found) = &kept.found else { return ENTRY };
        let of = |verdict: &Verdict| {
            let name = verdict.threat().map_or(0, |name| name.as_str().len());
            (size_of::<Verdict>() + name) as u64 + 16
        };
        // The list of verdicts has grown by doubling.
        ENTRY + FOUND + 2 * found.findings.iter().map(of).sum::<u64>()
    }
}

// === impl Evictions ===

impl Lifecycle<Key, Kept> for Evictions {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: Key, _: Kept) {
        self.0.inc(Cause::Size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::Registry;

    const HOUR: Duration = Duration::from_hours(1);

    fn memory(room: u64, ttl: Duration) -> Memory {
        let metrics = VerdictMetrics::register(&Registry::new()).unwrap();
        Memory::new(GenerationId([1; 32]), room, ttl, &metrics)
    }

    fn clean() -> ScanReport {
        ScanReport::unscanned(Findings::clean())
    }

    fn infected(names: usize) -> ScanReport {
        let mut findings = Findings::clean();
        (0..names).for_each(|name| findings.add(Verdict::Infected(format!("{name:0>128}").as_str().into())));
        ScanReport { sha256: Some(Sha256([7; 32])), ..ScanReport::unscanned(findings) }
    }

    #[tokio::test]
    async fn what_was_found_is_told_again_without_times_that_nobody_took() {
        let memory = memory(1 << 20, HOUR);
        assert!(memory.get(&Key::of(1)).is_none());
        let second = Duration::from_secs(1);
        for (number, report) in [(1, clean()), (2, infected(2))] {
            let took = ScanReport { waited: second, engine: second, ..report.clone() };
            memory.insert(Key::of(number), &took);
            let known = memory.get(&Key::of(number)).unwrap();
            assert_eq!((&known.findings, known.sha256), (&report.findings, report.sha256));
            assert_eq!((known.waited, known.engine), (Duration::ZERO, Duration::ZERO));
            assert_eq!(known.origin, Origin::Cache);
        }
        assert!(memory.get(&Key::of(3)).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_verdict_counts_for_its_time_however_often_it_is_asked_for() {
        let memory = memory(1 << 20, HOUR);
        memory.insert(Key::of(1), &clean());
        for _ in 0..59 {
            tokio::time::advance(Duration::from_mins(1)).await;
            assert!(memory.get(&Key::of(1)).is_some());
        }
        tokio::time::advance(Duration::from_mins(1)).await;
        assert!(memory.get(&Key::of(1)).is_none());
        assert_eq!((memory.len(), memory.metrics.evicted.get(Cause::Expired)), (0, 1));
        // What another process found counts for the rest of its time.
        memory.insert_for(Key::of(2), &clean(), Duration::from_mins(5));
        tokio::time::advance(Duration::from_mins(4)).await;
        assert!(memory.get(&Key::of(2)).is_some());
        tokio::time::advance(Duration::from_mins(1)).await;
        assert!(memory.get(&Key::of(2)).is_none());
    }

    #[tokio::test]
    async fn it_takes_no_more_memory_than_it_may() {
        let room = 4 << 20;
        for report in [clean(), infected(1), infected(8)] {
            let memory = memory(room, HOUR);
            (0..100_000).for_each(|number| memory.insert(Key::of(number), &report));
            let used = memory.kept.memory_used();
            let beside = memory.kept.iter().filter_map(|(_, kept)| kept.found).map(|found| {
                let list = found.findings.iter().map(|verdict| {
                    size_of::<Verdict>() + verdict.threat().map_or(0, |name| name.as_str().len())
                });
                // With the counts of the Arc.
                size_of::<Found>() + 16 + list.sum::<usize>()
            });
            let all = (used.entries + used.map + beside.sum::<usize>()) as u64;
            println!("{} entries, {} bytes by weight, {all} in truth", memory.len(), memory.bytes());
            assert!(memory.bytes() <= room && all <= room, "{all} bytes of {room}");
            assert!(memory.len() as u64 * 6000 > room, "{} entries", memory.len());
            let gone = memory.metrics.evicted.get(Cause::Size);
            assert_eq!(gone + memory.len() as u64, 100_000);
        }
    }

    #[tokio::test]
    async fn what_comes_once_does_not_drive_out_what_comes_often() {
        let memory = memory(1 << 20, HOUR);
        let often = 0..500;
        let mut hits = 0;
        for round in 0..200_u64 {
            for number in often.clone() {
                match memory.get(&Key::of(number)) {
                    Some(_) => hits += 1,
                    None => memory.insert(Key::of(number), &clean()),
                }
            }
            // In all of them together twenty times what there is room for, each once.
            (0..400).for_each(|number| memory.insert(Key::of(1_000_000 + round * 400 + number), &clean()));
        }
        assert!(hits > 90_000, "{hits} of 99,500");
    }
}
