//! How the keys of a URL are looked up.
//!
//! ```text
//!  URL ─▶ its hosts, hashed ─▶ a block of the filter for each: is anything listed for or below that host?
//!                                │ hardly ever                                    └─ no: that was all
//!                                ▼
//!         each key; for paths: hashed and looked up in the filter ── no: next key
//!                                ▼
//!         SHA-256 ─▶ table: the lists that have it, or none after all
//! ```
//!
//! Most URLs are in no list, nor is anything else on their hosts. What they cost is a hash and a cache line
//! for each of at most five hosts; these lines are asked for together, since memory takes as long to
//! deliver one as five.

use super::filter::{Filter, Mark};
use super::key::{self, Shape, quick};
use super::table::Table;
use crate::canonical::CanonicalUrl;
use crate::expressions::expressions;
use crate::lists::ListIds;
use std::hint;
use std::ops::ControlFlow;

/// More hosts than any URL has, the longest first.
const HOSTS: usize = 8;

/// What keys are looked up in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe<'f> {
    pub(super) seed: u64,
    pub(super) filter: Filter<'f>,
    /// Hashes whose keys are not known: if there are any, each key must go through SHA-256.
    pub(super) hashes: Filter<'f>,
    pub(super) table: Table<'f>,
}

/// What may be listed of the hosts of one URL.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    slots: [Host; HOSTS],
    count: usize,
    /// Whether there was no room for one.
    incomplete: bool,
}

/// What may be listed of a host.
#[derive(Clone, Copy, Debug, Default)]
struct Host {
    /// Which host it is: those of one URL are ends of one name, none as long as another.
    length: usize,
    hash: u64,
    alone: bool,
    all: bool,
    below: bool,
}

// === impl Probe ===

impl<'f> Probe<'f> {
    /// What may be listed of the hosts of this URL.
    pub(crate) fn hosts(self, url: &CanonicalUrl) -> Hosts {
        let mut hosts = Hosts::default();
        expressions(url, |key| {
            // Each host is there as a key of its own.
            if let (Some(b'/'), Shape::Host(host)) = (key.last(), Shape::of(key)) {
                hosts.push(host.len());
            }
            ControlFlow::<()>::Continue(())
        });
        let name = url.host().as_bytes();
        for host in &mut hosts.slots[..hosts.count] {
            host.hash = quick(self.seed, &name[name.len().saturating_sub(host.length)..]);
            hint::black_box(self.filter.touch(host.hash));
        }
        for host in &mut hosts.slots[..hosts.count] {
            host.alone = self.filter.contains(host.hash, Mark::Alone);
            host.all = self.filter.contains(host.hash, Mark::Host);
            host.below = self.filter.contains(host.hash, Mark::Below);
        }
        hosts
    }

    /// Whether keys of a URL with these hosts may be listed at all.
    pub(crate) fn may_have_any(self, hosts: &Hosts) -> bool {
        let (hosts, incomplete) = (&hosts.slots[..hosts.count], hosts.incomplete);
        !self.hashes.is_empty() || incomplete || hosts.iter().any(|host| host.alone | host.all | host.below)
    }

    /// The lists that have this key, of the URL that has these hosts, if any.
    pub(crate) fn find(self, hosts: &Hosts, key: &[u8]) -> Option<ListIds<'f>> {
        let listed = self.may_have(hosts, key);
        if !listed && self.hashes.is_empty() {
            return None;
        }
        let digest = key::digest(key);
        if !listed && !self.hashes.contains(key::of_digest(digest), Mark::Key) {
            return None;
        }
        Some(self.table.find(digest)).filter(|ids| !ids.is_empty())
    }

    /// False only if no list gave this key.
    pub(crate) fn may_have(self, hosts: &Hosts, key: &[u8]) -> bool {
        match Shape::of(key) {
            Shape::Alone(host) => hosts.get(host).is_none_or(|host| host.alone),
            Shape::Host(host) => hosts.get(host).is_none_or(|host| host.all),
            Shape::Below(host) => {
                let below = hosts.get(host).is_none_or(|host| host.below);
                below && self.filter.contains(quick(self.seed, key), Mark::Key)
            }
        }
    }
}

// === impl Hosts ===

impl Hosts {
    /// Takes note of a host.
    fn push(&mut self, length: usize) {
        match self.slots.get_mut(self.count) {
            Some(host) => {
                host.length = length;
                self.count += 1;
            }
            None => self.incomplete = true,
        }
    }

    fn get(&self, host: &[u8]) -> Option<&Host> {
        self.slots[..self.count].iter().find(|other| other.length == host.len())
    }
}
