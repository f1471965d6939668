//! What is remembered of a URL, and what is told of it to others.

use crate::{Id, url};
use icapstan_model::{GenerationId, Verdict};
use std::sync::Arc;
use std::time::Duration;

/// The longest name of a tenant, in bytes.
pub(crate) const MAX_TENANT: usize = 63;

/// A URL that is blocked, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    tenant: Arc<str>,
    url: Arc<str>,
    verdict: Verdict,
    generation: Option<GenerationId>,
}

/// What was said of a URL at some time: that it is blocked, or that it no longer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Of which URL.
    pub id: Id,
    /// When, in milliseconds of the time that Redis has.
    pub at: u64,
    /// For how long from then on.
    pub ttl: Duration,
    /// `None`: whatever was said before no longer counts.
    pub entry: Option<Arc<Entry>>,
}

// === impl Entry ===

impl Entry {
    /// `generation` are the signatures that `verdict` holds for; without it, it holds for all. `None` if
    /// `verdict` is no detection, or if `url` is none that [`exact_url`](crate::exact_url) makes.
    pub fn new(tenant: &str, url: &str, verdict: &Verdict, generation: Option<GenerationId>) -> Option<Self> {
        verdict.threat()?;
        (is_tenant(tenant) && url::is_exact(url)).then(|| Self {
            tenant: tenant.into(),
            url: url.into(),
            verdict: verdict.clone(),
            generation,
        })
    }

    /// Whose services it is for.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What was found there: a threat, a deceptive link or macros.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// By which signatures. Without it, it is by no signature that it is here.
    pub fn generation(&self) -> Option<GenerationId> {
        self.generation
    }

    /// What tells it from others.
    pub fn id(&self) -> Id {
        Id::of(&self.tenant, &self.url)
    }

    /// Whether it holds for what `generation` would judge.
    pub(crate) fn holds_for(&self, generation: Option<GenerationId>) -> bool {
        self.generation.is_none() || self.generation == generation
    }

    /// What it takes in memory besides what is kept of each record.
    pub(crate) fn size(&self) -> usize {
        let threat = self.verdict.threat().map_or(0, |threat| threat.as_str().len());
        self.tenant.len() + self.url.len() + threat + size_of::<Self>()
    }
}

/// Whether it can be the name of a tenant; the empty one is that of all who have none.
pub(crate) fn is_tenant(name: &str) -> bool {
    name.len() <= MAX_TENANT && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

// === impl Record ===

impl Record {
    /// What decides between two records of one URL: the later one, and of two of the same time the removal.
    /// The rest is there only so that all decide alike.
    pub(crate) fn rank(&self) -> impl Ord + use<> {
        let words = self.entry.as_ref().map(|entry| {
            let threat = entry.verdict.threat().map(|threat| threat.as_str().to_owned());
            (entry.generation.map(|generation| generation.0), entry.verdict.kind(), threat)
        });
        (self.at, self.entry.is_none(), words, self.ttl)
    }
}
