//! Compiled lists, as they were made and as somebody left them who means harm.

use crate::input::Input;
use crate::targets::canonical::keys;
use icapstan_urls::import::{Format, Imported, import};
use icapstan_urls::{
    Action, CanonicalUrl, Compiler, Entry, Keep, Kind, ListFile, ListInfo, Lists, Match, hash_key,
};
use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::SystemTime;
use tempfile::TempDir;

/// Makes files of lists and asks them: what of them, then by that
/// - changes to a good file as triples of place and byte, 255 for the end of them, and URLs, each ended by NUL;
/// - or a whole file;
/// - or the lines of up to four lists, each ended by NUL, and URLs.
///
/// What must hold:
/// - Whatever the bytes are, opening ends with lists or an error, and a lookup with an answer.
/// - What is found is a key of the URL that was asked for, or a network of its address.
/// - A file with a wrong bit in what is summed is refused.
/// - What was compiled is found in the list that comes first, with the categories of all, and nothing else is.
pub fn list_file(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 4 {
        0 => changed(input, true),
        1 => changed(input, false),
        2 => drop(open(input.rest()).map(|file| ask(file, &mut Input::new(b"http://a.test/")))),
        _ => compiled(input),
    }
}

/// The bytes that a file is summed over, and where the sum stands: see the layout of the file.
const SUMMED_FROM: usize = 128;
const SUM: std::ops::Range<usize> = 16..48;

/// No more lines of a list.
const MOST_LINES: usize = 500;

/// A file with something in each of its parts.
static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = folder();
    let path = folder.path().join("lists");
    let lists = vec![
        info("bad", Kind::Malware, None),
        info("fake", Kind::Phishing, Some("fraud")),
        info("ads", Kind::Category, Some("ads")),
        info("good", Kind::Allow, None),
    ];
    let mut compiler = Compiler::new(&path, lists).expect("lists as they should be");
    let mut add =
        |list: usize, action, entry: Entry| compiler.add(list, action, &entry).expect("there is room");
    for number in 0..40 {
        add(number % 4, Action::Block, Entry::Expression(format!("{number}.test/a").into()));
        add(number % 3, Action::Block, Entry::Expression(format!("h{number}.test/").into()));
        add(
            number % 3,
            Action::Block,
            Entry::Network([10, 0, 0, u8::try_from(number).unwrap_or(0)].into(), 32),
        );
    }
    add(1, Action::Block, Entry::Host("alone.test".into()));
    add(0, Action::Allow, Entry::Expression("0.test/a".into()));
    add(2, Action::Block, Entry::Network("2001:db8::".parse().expect("an address"), 32));
    add(2, Action::Block, Entry::Hash(hash_key(b"hidden.test/")));
    compiler.finish().expect("there is room");
    fs::read(&path).expect("it was written")
});

fn info(name: &str, kind: Kind, category: Option<&str>) -> ListInfo {
    ListInfo { name: name.into(), kind, category: category.map(Into::into), source: "fuzz".into() }
}

/// In memory, where there is such a folder: files are made and read all the time.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a folder can be made")
}

fn open(bytes: &[u8]) -> Option<ListFile> {
    static FOLDER: LazyLock<TempDir> = LazyLock::new(folder);
    let path: PathBuf = FOLDER.path().join(format!("{:?}", std::thread::current().id()));
    fs::write(&path, bytes).expect("there is room");
    let keep =
        if bytes.len().is_multiple_of(2) { Keep::Memory } else { Keep::Folder(FOLDER.path().to_path_buf()) };
    match ListFile::open(&path, &keep) {
        Ok(file) => Some(file),
        Err(error) => {
            assert!(error.to_string().len() < 400);
            None
        }
    }
}

/// The good file, with other bytes in it and perhaps another length.
fn changed(mut input: Input<'_>, summed: bool) {
    let mut bytes = GOOD.clone();
    while !input.is_over() {
        let (high, low) = (input.byte(), input.byte());
        if high == 255 {
            // The rest is URLs; by `low` something is cut off.
            bytes.truncate(bytes.len() - usize::from(low) * 16 % bytes.len());
            break;
        }
        let at = usize::from(u16::from_be_bytes([high, low])) % bytes.len();
        bytes[at] = input.byte();
    }
    let intact = bytes.len() == GOOD.len()
        && bytes[..SUM.end] == GOOD[..SUM.end]
        && bytes[SUMMED_FROM..] == GOOD[SUMMED_FROM..];
    if summed && bytes.len() >= SUMMED_FROM {
        let sum = blake3::hash(&bytes[SUMMED_FROM..]);
        bytes[SUM].copy_from_slice(sum.as_bytes());
    }
    let file = open(&bytes);
    assert!(summed || intact == file.is_some());
    if let Some(file) = file {
        ask(file, &mut input);
    }
}

/// Looks URLs up, those that were listed once and those that the input has.
fn ask(file: ListFile, input: &mut Input<'_>) {
    assert!(file.entries() <= file.bytes());
    let known =
        ["0.test/a", "x.h1.test/b", "alone.test", "10.0.0.3", "[2001:db8::1]", "hidden.test/x", "no.test"];
    let lists = Lists::new(file, SystemTime::UNIX_EPOCH);
    let known = known.iter().map(|url| url.as_bytes());
    let urls: Vec<&[u8]> = std::iter::from_fn(|| (!input.is_over()).then(|| input.text())).take(64).collect();
    for url in known.chain(urls).filter_map(|url| CanonicalUrl::parse(url).ok()) {
        if let Some(Match { list, entry }) = lists.lookup(&url) {
            assert!(lists.lists().contains(&list));
            assert!(has(&url, &entry), "{url}: {entry}");
        }
        let categories = lists.categories(&url);
        assert_eq!(categories.iter().collect::<BTreeSet<_>>().len(), categories.len());
    }
}

/// Whether this is a key of the URL, or a network of its address.
fn has(url: &CanonicalUrl, entry: &Entry) -> bool {
    match entry {
        Entry::Network(network, prefix) => url.ip().is_some_and(|ip| is_in(ip, *network, *prefix)),
        Entry::Hash(hash) => keys(url).iter().any(|key| hash_key(key) == *hash),
        _ => entry.key().is_some_and(|key| keys(url).iter().any(|other| **other == *key)),
    }
}

fn is_in(ip: IpAddr, network: IpAddr, prefix: u8) -> bool {
    let prefix = u32::from(prefix);
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            (ip.to_bits() ^ network.to_bits()).checked_shr(32 - prefix).unwrap_or_default() == 0
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => {
            (ip.to_bits() ^ network.to_bits()).checked_shr(128 - prefix).unwrap_or_default() == 0
        }
        _ => false,
    }
}

/// Lists of lines, compiled, against a look at each entry of each list.
fn compiled(mut input: Input<'_>) {
    let kinds = [Kind::Allow, Kind::Malware, Kind::Phishing, Kind::Category];
    let count = 1 + usize::from(input.byte() % 4);
    let mut lists: Vec<(ListInfo, Vec<Imported>)> = Vec::new();
    for number in 0..count {
        let (kind, format) = (input.pick(&kinds), input.pick(&Format::ALL));
        let category = (kind == Kind::Category || number % 2 == 0).then_some(["one", "two"][number % 2]);
        let mut entries = Vec::new();
        let report = import(format, input.text(), |imported| {
            entries.push(imported);
            if entries.len() < MOST_LINES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        report.expect("a slice can be read");
        lists.push((info(&number.to_string(), kind, category), entries));
    }
    let folder = folder();
    let path = folder.path().join("lists");
    let infos = lists.iter().map(|(info, _)| info.clone()).collect();
    let mut compiler = Compiler::new(&path, infos).expect("lists as they should be");
    for (number, (_, entries)) in lists.iter().enumerate() {
        for imported in entries {
            compiler.add(number, imported.action, &imported.entry).expect("an entry of an importer");
        }
    }
    let written = compiler.finish().expect("there is room");
    let file = ListFile::open(&path, &Keep::Memory).expect("it was written");
    assert_eq!((file.identity(), file.bytes() as u64), (written.identity, written.bytes));
    let compiled = Lists::new(file, SystemTime::UNIX_EPOCH);
    // Within a kind in the order given.
    lists.sort_by_key(|(info, _)| info.kind);
    let listed = lists.iter().flat_map(|(_, entries)| entries).map(|imported| imported.entry.to_string());
    let asked: Vec<Vec<u8>> =
        std::iter::from_fn(|| (!input.is_over()).then(|| input.text().to_vec())).collect();
    let urls = listed.map(String::into_bytes).chain(asked).take(64);
    for url in urls.filter_map(|url| CanonicalUrl::parse(&url).ok()) {
        let having: Vec<&ListInfo> =
            lists.iter().filter(|(_, entries)| is_listed(entries, &url)).map(|(info, _)| info).collect();
        let found = compiled.lookup(&url);
        assert_eq!(found.as_ref().map(|found| &found.list.info), having.first().copied(), "{url}");
        assert!(found.is_none_or(|found| has(&url, &found.entry)), "{url}");
        let mut categories: Vec<&str> = having.iter().filter_map(|info| info.category.as_deref()).collect();
        if having.first().is_some_and(|info| info.kind == Kind::Allow) {
            categories.clear();
        }
        let categories: BTreeSet<&str> = categories.into_iter().collect();
        assert_eq!(
            compiled.categories(&url).iter().map(|one| &**one).collect::<BTreeSet<_>>(),
            categories,
            "{url}"
        );
    }
}

/// Whether a list has the URL, and makes no exception of it.
fn is_listed(entries: &[Imported], url: &CanonicalUrl) -> bool {
    let any = |action| entries.iter().any(|one| one.action == action && has(url, &one.entry));
    any(Action::Block) && !any(Action::Allow)
}
