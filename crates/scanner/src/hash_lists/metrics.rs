//! What operators see of hash lists.

use icapstan_hashes::{Kind, Lists};
use icapstan_metrics::{Counters, Families, Gauge, Gauges, label};
use prometheus::Registry;
use std::time::SystemTime;

/// Metrics of the lists in use.
#[derive(Clone, Debug)]
pub struct HashListMetrics {
    entries: Gauges<ByKind>,
    loads: Counters<Load>,
    left_out: Gauge,
    oldest: Gauge,
    stale: Gauge,
}

label! {
    /// By the kind of the list.
    pub(crate) struct ByKind(Kind) as "kind" { Deny, Allow }
}

label! {
    /// How a load ended.
    enum Load as "result" {
        /// New lists can be used.
        Ok = "ok",
        /// Those before stay in use.
        Error = "error",
    }
}

// === impl HashListMetrics ===

impl HashListMetrics {
    /// Makes them and adds them to `registry`.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = Families::of(registry);
        Ok(Self {
            entries: make
                .gauges("icapstan_hash_list_entries", "Entries of the hash lists in use, by kind.")?,
            loads: make.counters("icapstan_hash_list_loads_total", "Loads of hash lists, by result.")?,
            left_out: make.gauge(
                "icapstan_hash_list_lines_left_out",
                "Lines of the hash lists in use that could not be used.",
            )?,
            oldest: make.gauge(
                "icapstan_hash_list_oldest_timestamp_seconds",
                "When the hash list changed that has not changed for longest; 0 without lists.",
            )?,
            stale: make.gauge(
                "icapstan_hash_lists_stale",
                "Hash lists that have not changed for longer than hashLists.maxAge.",
            )?,
        })
    }

    pub(super) fn tried(&self, is_ok: bool) {
        self.loads.inc(if is_ok { Load::Ok } else { Load::Error });
    }

    pub(super) fn in_use(&self, lists: &Lists, left_out: u64) {
        self.left_out.set(i64::try_from(left_out).unwrap_or(i64::MAX));
        for kind in Kind::ALL {
            let of_kind = lists.lists().iter().filter(|list| list.info.kind == kind);
            let entries = i64::try_from(of_kind.map(|list| list.entries).sum::<u64>()).unwrap_or(i64::MAX);
            self.entries.add(kind, entries - self.entries.get(kind));
        }
    }

    pub(super) fn aged(&self, oldest: Option<SystemTime>, stale: usize) {
        let since = oldest.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        self.oldest.set(since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX)));
        self.stale.set(i64::try_from(stale).unwrap_or(i64::MAX));
    }

    /// What somebody should see to, if there are lists.
    pub fn note(&self) -> Option<String> {
        if self.oldest.get() == 0 {
            return None;
        }
        if Kind::ALL.iter().all(|kind| self.entries.get(*kind) == 0) {
            return Some("the hash lists are empty: no object is found in them".to_owned());
        }
        let stale = self.stale.get();
        (stale > 0).then(|| format!("{stale} of the lists have not changed for longer than hashLists.maxAge"))
    }
}
