//! What the lists say of the URL that a message is about.

mod build;
mod metrics;
mod watch;

pub use build::{Built, UrlListError, build as build_url_lists};
pub use metrics::UrlListMetrics;
pub use watch::{FixedUrlLists, LoadedUrlLists, UrlListWatcher, WatchedUrlLists};

use crate::reputation;
use arc_swap::ArcSwap;
use icapstan_icap_server::proto::RequestHead;
use icapstan_model::{Findings, NonScannedReason, ThreatName, Verdict};
use icapstan_reputation::Answer;
use icapstan_urls::{CanonicalUrl, Identity, Kind, Lists, Match};
use std::sync::Arc;

/// The lists that URLs are looked up in now. Others take their place while requests go on: each
/// transaction keeps those that it began with.
#[derive(Clone, Debug, Default)]
pub struct UrlLists(Arc<ArcSwap<Lists>>);

/// A URL, and the lists that it is looked up in.
#[derive(Debug)]
pub(crate) struct Looked {
    /// `None`: the message has no URL that could be looked up.
    url: Option<CanonicalUrl>,
    lists: Arc<Lists>,
    /// What the service said that was asked because no list has a finding.
    pub(crate) answer: Option<Arc<Answer>>,
}

// === impl UrlLists ===

impl UrlLists {
    /// Puts `lists` in the place of those that were in use.
    pub fn replace(&self, lists: Lists) {
        self.0.store(Arc::new(lists));
    }

    /// What is in use.
    pub fn get(&self) -> Arc<Lists> {
        self.0.load_full()
    }

    /// What tells the lists in use from others.
    pub(crate) fn identity(&self) -> Option<Identity> {
        self.0.load().identity()
    }

    /// Reads the URL of a message. `None`: there are no lists, and nobody else `is_asked`.
    pub(crate) fn look(&self, head: &RequestHead, is_asked: bool) -> Option<Looked> {
        let lists = self.0.load();
        if lists.identity().is_none() && !is_asked {
            return None;
        }
        let url = head.http_request().and_then(|request| {
            CanonicalUrl::of_request(request.method(), request.target(), request.value("host")).ok()
        });
        Some(Looked { url, lists: Arc::clone(&lists), answer: None })
    }
}

// === impl Looked ===

impl Looked {
    /// What the lists say of the URL.
    pub(crate) fn findings(&self) -> Findings {
        let Some(url) = &self.url else {
            return Verdict::NonScanned(NonScannedReason::Unsupported).into();
        };
        match self.lists.lookup(url) {
            Some(found) => verdict(&found).into(),
            // Its end was not looked at.
            None if url.is_cut() => Verdict::NonScanned(NonScannedReason::Size).into(),
            None => Findings::clean(),
        }
    }

    /// The URL, if no list has a finding for it or says that it is fine.
    pub(crate) fn unlisted(&self) -> Option<&CanonicalUrl> {
        let url = self.url.as_ref().filter(|url| !url.is_cut())?;
        let found = self.lists.lookup(url);
        found.is_none_or(|found| found.list.info.kind == Kind::Category).then_some(url)
    }

    /// The list that the URL is in, for people.
    pub(crate) fn list(&self) -> Option<Box<str>> {
        if self.answer.as_deref().and_then(reputation::verdict).is_some() {
            return Some("reputation".into());
        }
        let found = self.lists.lookup(self.url.as_ref()?)?;
        Some(found.list.info.name.clone())
    }

    /// The categories that rules may ask for.
    pub(crate) fn categories(&self) -> Vec<Box<str>> {
        let mut categories = self.url.as_ref().map(|url| self.lists.categories(url)).unwrap_or_default();
        for category in self.answer.iter().flat_map(|answer| &answer.categories) {
            if !categories.contains(category) {
                categories.push(category.clone());
            }
        }
        categories
    }
}

fn verdict(found: &Match) -> Verdict {
    let name = || ThreatName::from(format!("URL.{}", found.list.info.name).as_str());
    match found.list.info.kind {
        Kind::Malware => Verdict::Infected(name()),
        Kind::Phishing => Verdict::Phishing(name()),
        Kind::Allow | Kind::Category => Verdict::Clean,
    }
}
