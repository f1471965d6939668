//! The lists that URLs are looked up in.

mod ids;
mod list;

pub(crate) use ids::{Found, ListIds, MAX_IDS, id};
pub use list::{Kind, List, ListInfo, UnknownKind};

use crate::canonical::CanonicalUrl;
use crate::entry::Entry;
use crate::expressions::expressions;
use crate::file::{Identity, ListFile, Shape};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::SystemTime;

/// The lists of one file. They never change: others take their place, as a whole.
///
/// Which list wins is decided by its [`Kind`], and within a kind by the order in which the compiler was given
/// the lists. Which entry is more special does not count, so nobody who is in a list of malware gets out
/// by being in a list of something else; only lists of kind [`Kind::Allow`] do that.
///
/// ```
/// use icapstan_urls::{Action, CanonicalUrl, Compiler, Entry, Keep, Kind, ListFile, ListInfo, Lists};
/// use std::time::SystemTime;
///
/// let folder = tempfile::TempDir::new()?;
/// let path = folder.path().join("urls.lists");
/// let bad = ListInfo { name: "bad".into(), kind: Kind::Malware, category: None, source: "by hand".into() };
/// let mut compiler = Compiler::new(&path, vec![bad])?;
/// compiler.add(0, Action::Block, &Entry::Expression("evil.example/".into()))?;
/// let built = compiler.finish().map(|_| SystemTime::now())?;
///
/// let lists = Lists::new(ListFile::open(&path, &Keep::Memory)?, built);
/// let found = lists.lookup(&CanonicalUrl::parse(b"http://www.evil.example/x")?).expect("listed");
/// assert_eq!((&*found.list.info.name, found.list.info.kind), ("bad", Kind::Malware));
/// assert_eq!(lists.lookup(&CanonicalUrl::parse(b"http://good.example/")?), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Lists {
    file: Option<Arc<ListFile>>,
    built: Option<SystemTime>,
}

/// The list that has a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The list: its name, kind and category.
    pub list: Arc<List>,
    /// What of the URL is listed. Where a list disclosed a hash only, this is what has that hash.
    pub entry: Entry,
}

// === impl Lists ===

impl Lists {
    /// No lists, in which nothing is found.
    pub const NONE: Self = Self { file: None, built: None };

    /// The lists of a file that was built at this time, as whoever delivered it says.
    pub fn new(file: ListFile, built: SystemTime) -> Self {
        Self { file: Some(Arc::new(file)), built: Some(built) }
    }

    /// The list that has the URL. Allocates only if there is one.
    pub fn lookup(&self, url: &CanonicalUrl) -> Option<Match> {
        let file = self.file.as_deref()?;
        let found = all(file, url);
        let (id, list) = found?.first(file.lists())?;
        let entry = entry(file, url, id)?;
        Some(Match { list: Arc::clone(list), entry })
    }

    /// The categories of all lists that have the URL, each once; none if a list of kind [`Kind::Allow`] has
    /// it. Takes as long as [`Lists::lookup`], and allocates.
    pub fn categories(&self, url: &CanonicalUrl) -> Vec<Box<str>> {
        let Some(file) = self.file.as_deref() else { return Vec::new() };
        let Some(found) = all(file, url) else { return Vec::new() };
        let mut categories = Vec::new();
        for list in found.of(file.lists()) {
            match &list.info.category {
                _ if list.info.kind == Kind::Allow => return Vec::new(),
                Some(category) if !categories.contains(category) => categories.push(category.clone()),
                _ => {}
            }
        }
        categories
    }

    /// How many entries there are.
    pub fn entries(&self) -> usize {
        self.file.as_deref().map_or(0, ListFile::entries)
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries() == 0
    }

    /// When they were built.
    pub const fn built(&self) -> Option<SystemTime> {
        self.built
    }

    /// Each of them, in the order of precedence.
    pub fn lists(&self) -> &[Arc<List>] {
        self.file.as_deref().map_or(&[], ListFile::lists)
    }

    /// What tells them from others: [`None`] if there are none.
    pub fn identity(&self) -> Option<Identity> {
        self.file.as_deref().map(ListFile::identity)
    }
}

/// All lists that have the URL.
fn all(file: &ListFile, url: &CanonicalUrl) -> Option<Found> {
    let mut found = None;
    let mut add = |ids: ListIds<'_>| found.get_or_insert_with(Found::default).add(ids);
    let probe = file.probe();
    let hosts = probe.hosts(url);
    if probe.may_have_any(&hosts) {
        expressions(url, |key| {
            probe.find(&hosts, key).into_iter().for_each(&mut add);
            ControlFlow::<()>::Continue(())
        });
    }
    if let Some(address) = url.ip() {
        file.networks().find(address).for_each(|(_, ids)| add(ids));
    }
    found
}

/// The first entry of the URL that these lists have.
fn entry(file: &ListFile, url: &CanonicalUrl, id: u16) -> Option<Entry> {
    let of_name = || {
        let probe = file.probe();
        let hosts = probe.hosts(url);
        expressions(url, |key| match probe.find(&hosts, key) {
            Some(ids) if ids.contains(id) => ControlFlow::Break(entry_of(key)),
            _ => ControlFlow::Continue(()),
        })
    };
    let of_address = || {
        let address = url.ip()?.to_canonical();
        let (prefix, _) = file.networks().find(address).filter(|(_, ids)| ids.contains(id)).last()?;
        Some(Entry::Network(crate::networks::first(address, prefix), prefix))
    };
    of_name().or_else(of_address)
}

fn entry_of(key: &[u8]) -> Entry {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned().into_boxed_str();
    match Shape::of(key) {
        Shape::Alone(host) => Entry::Host(text(host)),
        Shape::Host(_) | Shape::Below(_) => Entry::Expression(text(key)),
    }
}

#[cfg(test)]
mod tests;
