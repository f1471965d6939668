//! What was answered before.

use crate::Answer;
use crate::question::Key;
use quick_cache::sync::Cache as Entries;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A bounded number of answers, each until its time is over.
#[derive(Debug)]
pub(crate) struct Cache {
    /// `None`: nothing is remembered.
    entries: Option<Entries<Key, Entry>>,
    longest: Duration,
}

#[derive(Clone, Debug)]
struct Entry {
    answer: Arc<Answer>,
    until: Instant,
}

// === impl Cache ===

impl Cache {
    /// With room for `most`, none of which holds longer than `longest`.
    pub(crate) fn new(most: usize, longest: Duration) -> Self {
        Self { entries: (most > 0).then(|| Entries::new(most)), longest }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Answer>> {
        let entry = self.entries.as_ref()?.get(key)?;
        (Instant::now() < entry.until).then_some(entry.answer)
    }

    pub(crate) fn insert(&self, key: Key, answer: &Arc<Answer>) {
        let ttl = answer.ttl.map_or(self.longest, |ttl| ttl.min(self.longest));
        if let Some(entries) = self.entries.as_ref().filter(|_| !ttl.is_zero()) {
            entries.insert(key, Entry { answer: Arc::clone(answer), until: Instant::now() + ttl });
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.as_ref().map_or(0, Entries::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(ttl: Option<u64>) -> Arc<Answer> {
        let ttl = ttl.map_or_else(|| "null".to_owned(), |ttl| ttl.to_string());
        let body = format!(r#"{{"verdict":"clean","ttlSeconds":{ttl}}}"#);
        Arc::new(Answer::parse(body.as_bytes()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn answers_hold_as_long_as_the_service_says_and_no_longer_than_the_settings() {
        let cache = Cache::new(10, Duration::from_mins(1));
        for (key, ttl) in [(0, None), (1, Some(10)), (2, Some(u64::MAX)), (3, Some(0))] {
            cache.insert([key; 32], &answer(ttl));
        }
        let held = || (0..4).filter(|key| cache.get(&[*key; 32]).is_some()).collect::<Vec<_>>();
        assert_eq!(held(), [0, 1, 2]);
        tokio::time::sleep(Duration::from_secs(11)).await;
        assert_eq!(held(), [0, 2]);
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert!(held().is_empty());
    }

    #[test]
    fn there_are_never_more_than_there_is_room_for() {
        let cache = Cache::new(100, Duration::from_mins(1));
        for number in 0..10_000_u32 {
            cache.insert(*blake3::hash(&number.to_le_bytes()).as_bytes(), &answer(None));
        }
        assert!((1..=110).contains(&cache.len()), "{}", cache.len());
        let none = Cache::new(0, Duration::from_mins(1));
        none.insert([0; 32], &answer(None));
        assert_eq!((none.len(), none.get(&[0; 32])), (0, None));
    }
}
