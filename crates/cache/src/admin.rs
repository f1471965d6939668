//! What administrators do with the records in Redis.

use crate::record::{MAX_TTL, Unbelieved};
use crate::redis::{Finder, Put, RedisError};
use crate::share::token;
use crate::{Entry, Id, Record};
use icapstan_model::{ThreatName, Verdict};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Everything that is there.
#[derive(Debug)]
pub struct Listed {
    /// What is blocked, the newest first.
    pub entries: Vec<Shown>,
    /// How many records are not believed, by why.
    pub unbelieved: BTreeMap<&'static str, u64>,
}

/// An entry and its times.
#[derive(Clone, Debug)]
pub struct Shown {
    /// What is blocked.
    pub entry: Arc<Entry>,
    /// When that was found, in milliseconds since 1970 by the clock of Redis.
    pub since: u64,
    /// For how much longer it counts, if nobody's settings say less.
    pub left: Duration,
}

impl Finder {
    /// Reads all records.
    pub async fn list(&self) -> Result<Listed, RedisError> {
        let (mut stored, found, _) = self.connect().await?;
        // Some may be read twice while others are added.
        let mut records = BTreeMap::new();
        let mut unbelieved = BTreeMap::new();
        stored
            .read(found.clock, |told| match told {
                Ok(record) => {
                    records.insert(record.id, record);
                }
                Err(Unbelieved::Expired) => {}
                Err(why) => *unbelieved.entry(why.as_str()).or_default() += 1,
            })
            .await?;
        let now = found.clock.now();
        let mut entries: Vec<Shown> =
            records.into_values().filter_map(|record| shown(&record, now)).collect();
        entries.sort_by(|a, b| b.since.cmp(&a.since).then_with(|| a.entry.url().cmp(b.entry.url())));
        Ok(Listed { entries, unbelieved })
    }

    /// Blocks `urls`, as [`exact_url`](crate::exact_url) has them, for `ttl`, whatever the signatures are.
    pub async fn add(
        &self,
        tenant: &str,
        urls: &[String],
        threat: &ThreatName,
        ttl: Duration,
    ) -> Result<Vec<Put>, RedisError> {
        let verdict = Verdict::Infected(threat.clone());
        self.write(tenant, urls, ttl, |url| Entry::new(tenant, url, &verdict, None)).await
    }

    /// Blocks `urls` no longer, until they are found again. That is known for longer than any entry counts,
    /// whatever the processes are set to.
    pub async fn remove(&self, tenant: &str, urls: &[String]) -> Result<Vec<Put>, RedisError> {
        self.write(tenant, urls, Duration::from_secs(MAX_TTL), |_| None).await
    }

    async fn write(
        &self,
        tenant: &str,
        urls: &[String],
        ttl: Duration,
        entry: impl Fn(&str) -> Option<Entry>,
    ) -> Result<Vec<Put>, RedisError> {
        let (mut stored, found, _) = self.connect().await?;
        let mut said = Vec::new();
        for urls in urls.chunks(crate::redis::BATCH) {
            let at = found.clock.now();
            let records: Vec<_> = urls
                .iter()
                .map(|url| {
                    let entry = entry(url).map(Arc::new);
                    Record { id: Id::of(tenant, url), at, ttl, entry }
                })
                .collect();
            said.extend(stored.put(&records, &token()).await?);
        }
        Ok(said)
    }
}

fn shown(record: &Record, now: u64) -> Option<Shown> {
    let entry = Arc::clone(record.entry.as_ref()?);
    let age = Duration::from_millis(now.saturating_sub(record.at));
    Some(Shown { entry, since: record.at, left: record.ttl.saturating_sub(age) })
}
