//! Files for tests.

use super::*;
use crate::canonical::CanonicalUrl;
use crate::file::{Keep, ListFile};
use crate::lists::Lists;
use std::time::SystemTime;
use tempfile::TempDir;

/// An entry, the number of its list, and whether it is listed there or excepted.
pub(crate) type Line = (usize, Action, Entry);

/// A list that needs no more said of it.
pub(crate) fn info(name: &str, kind: Kind) -> ListInfo {
    let category = (kind == Kind::Category).then(|| format!("category of {name}").into());
    ListInfo { name: name.into(), kind, category, source: "https://lists.example/".into() }
}

/// What is listed as this expression.
pub(crate) fn expression(list: usize, text: &str) -> Line {
    (list, Action::Block, Entry::Expression(text.into()))
}

/// What is listed as this network.
pub(crate) fn network(list: usize, address: &str, prefix: u8) -> Line {
    (list, Action::Block, Entry::Network(address.parse().unwrap(), prefix))
}

/// A file with these entries.
pub(crate) fn compile(target: &Path, lists: &[ListInfo], lines: &[Line]) -> Compiled {
    let mut compiler = Compiler::new(target, lists.to_vec()).unwrap();
    for (list, action, entry) in lines {
        compiler.add(*list, *action, entry).unwrap();
    }
    compiler.finish().unwrap()
}

/// The bytes of a file with these entries.
pub(crate) fn bytes(lists: &[ListInfo], lines: &[Line]) -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let target = folder.path().join("lists");
    compile(&target, lists, lines);
    std::fs::read(target).unwrap()
}

/// Lists with these entries.
pub(crate) fn lists(lists: &[ListInfo], lines: &[Line]) -> Lists {
    let folder = TempDir::new().unwrap();
    let target = folder.path().join("lists");
    compile(&target, lists, lines);
    Lists::new(ListFile::open(&target, &Keep::Memory).unwrap(), SystemTime::UNIX_EPOCH)
}

/// The name of the list that has a URL, and the entry.
pub(crate) fn lookup(lists: &Lists, url: &str) -> Option<(String, Entry)> {
    let found = lists.lookup(&CanonicalUrl::parse(url.as_bytes()).unwrap())?;
    Some((found.list.info.name.to_string(), found.entry))
}

/// The name of the list that has a URL.
pub(crate) fn list_of(lists: &Lists, url: &str) -> Option<String> {
    lookup(lists, url).map(|(name, _)| name)
}
