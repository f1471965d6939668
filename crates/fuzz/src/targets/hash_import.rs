//! Hash lists as others publish them, and compiled ones.

use crate::input::Input;
use icapstan_hashes::import::{Format, Importer, MAX_LINE, Reason, Report, detect, import};
use icapstan_hashes::{Algorithm, Compiler, Entry, Hasher, Kind, ListFile, ListInfo, Lists, MAX_ENTRY_NAME};
use std::fs;
use std::io::BufReader;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::SystemTime;
use tempfile::TempDir;

/// Imports a list, or opens a file; the first byte says which.
///
/// - In whatever pieces a list is read, the same comes of it; the report counts each line.
/// - What would allow has a strong digest, and no entry is that of an empty file.
/// - Whoever wants no more gets no more.
/// - What was compiled is found: what denies before what allows.
/// - A file of any bytes is refused, or it is asked and answers.
pub fn hash_import(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 4 {
        0 => drop(open(input.rest()).map(|lists| ask(&lists))),
        1 => changed(input),
        _ => imported(input),
    }
}

/// Line, entry and name.
type Found = (u64, Entry, String);

fn imported(mut input: Input<'_>) {
    let format = input.pick(&Format::ALL);
    let kind = input.pick(&Kind::ALL);
    let (piece, stop) = (1 + usize::from(input.byte()), usize::from(input.byte()));
    let text = input.rest();
    let (entries, report) = all(format, kind, text, 1 << 16);
    assert_eq!(all(format, kind, text, piece), (entries.clone(), report.clone()));
    assert_eq!(by_lines(format, kind, text), (entries.clone(), report.clone()));
    let newlines = memchr::memchr_iter(b'\n', text).count();
    let last = usize::from(text.last().is_some_and(|byte| *byte != b'\n'));
    assert_eq!((report.lines, report.entries), ((newlines + last) as u64, entries.len() as u64));
    assert!(report.entries + report.left_out <= report.lines && !report.stopped);
    assert_eq!(report.counts().map(|(_, count)| count).sum::<u64>(), report.left_out);
    assert!(report.problems.len() <= 10 * Reason::ALL.len());
    assert!(report.problems.iter().all(|problem| (1..=report.lines).contains(&problem.line)));
    for (line, entry, name) in &entries {
        assert!((1..=report.lines).contains(line) && name.len() <= 4 * MAX_LINE);
        assert!(!name.chars().any(char::is_control));
        assert!(!entry.digest.is_of_nothing());
        assert!(kind == Kind::Deny || entry.digest.algorithm() == Algorithm::Sha256);
        assert!(format == Format::Clamav || entry.size.is_none());
    }
    let mut seen = 0;
    let stopped = import(format, kind, text, |_| {
        seen += 1;
        if seen > stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let stopped = stopped.expect("a slice can be read");
    assert_eq!((stopped.stopped, seen), (entries.len() > stop, entries.len().min(stop + 1)));
    let _ = detect(text);
    compiled(kind, &entries[..entries.len().min(200)]);
}

fn all(format: Format, kind: Kind, text: &[u8], piece: usize) -> (Vec<Found>, Report) {
    let mut entries = Vec::new();
    let report = import(format, kind, BufReader::with_capacity(piece, text), |imported| {
        entries.push((imported.line, imported.entry, imported.name.to_owned()));
        ControlFlow::Continue(())
    });
    (entries, report.expect("a slice can be read"))
}

fn by_lines(format: Format, kind: Kind, text: &[u8]) -> (Vec<Found>, Report) {
    let mut importer = Importer::new(format, kind);
    let mut entries = Vec::new();
    let text = text.strip_suffix(b"\n").or_else(|| (!text.is_empty()).then_some(text));
    for line in text.into_iter().flat_map(|text| text.split(|byte| *byte == b'\n')) {
        let flow = importer.line(line, |imported| {
            entries.push((imported.line, imported.entry, imported.name.to_owned()));
            ControlFlow::Continue(())
        });
        assert!(flow.is_continue());
    }
    (entries, importer.finish())
}

fn compiled(kind: Kind, entries: &[Found]) {
    let folder = folder();
    let path = folder.path().join("lists");
    let info = |name: &str, kind| ListInfo { name: name.into(), kind, source: "fuzz".into() };
    let infos = vec![info("one", kind), info("two", Kind::Deny)];
    let mut compiler = Compiler::new(&path, infos).expect("lists as they should be");
    for (number, (_, entry, name)) in entries.iter().enumerate() {
        compiler.add(0, entry, name).expect("an entry of an importer");
        if number % 3 == 0 {
            compiler.add(1, entry, "").expect("an entry of an importer");
        }
    }
    let written = compiler.finish().expect("there is room");
    let lists = Lists::new(ListFile::open(&path).expect("it was written"), SystemTime::UNIX_EPOCH);
    assert_eq!(lists.identity(), Some(written.identity));
    for (number, (_, entry, _)) in entries.iter().enumerate() {
        let found = lists.lookup_digest(&entry.digest).expect("it was listed");
        assert!(!found.name.is_empty() && found.name.len() <= MAX_ENTRY_NAME);
        assert!(number % 3 != 0 || found.list.info.kind == Kind::Deny);
    }
}

/// A good file, with other bytes in it, as triples of place and byte.
fn changed(mut input: Input<'_>) {
    const SUMMED_FROM: usize = 128;
    const SUM: std::ops::Range<usize> = 16..48;
    let folder = folder();
    let path = folder.path().join("lists");
    let info = |name: &str, kind| ListInfo { name: name.into(), kind, source: "fuzz".into() };
    let mut compiler = Compiler::new(&path, vec![info("bad", Kind::Deny), info("fine", Kind::Allow)])
        .expect("lists as they should be");
    for number in 0..30_u8 {
        for digest in digests(number).iter() {
            let list = usize::from(digest.algorithm() == Algorithm::Sha256 && number % 2 == 0);
            compiler.add(list, &Entry { digest: *digest, size: None }, "Worm").expect("there is room");
        }
    }
    compiler.finish().expect("there is room");
    let mut bytes = fs::read(&path).expect("it was written");
    while !input.is_over() {
        let at = usize::from(u16::from_be_bytes([input.byte(), input.byte()])) % bytes.len();
        bytes[at] = input.byte();
    }
    let sum = blake3::hash(&bytes[SUMMED_FROM..]);
    bytes[SUM].copy_from_slice(sum.as_bytes());
    if let Some(lists) = open(&bytes) {
        ask(&lists);
    }
}

fn digests(number: u8) -> icapstan_hashes::Digests {
    let mut hasher = Hasher::new(Algorithm::ALL);
    hasher.update(&[number]);
    hasher.finish()
}

fn open(bytes: &[u8]) -> Option<Lists> {
    let folder = folder();
    let path = folder.path().join("lists");
    fs::write(&path, bytes).expect("there is room");
    match ListFile::open(&path) {
        Ok(file) => Some(Lists::new(file, SystemTime::UNIX_EPOCH)),
        Err(error) => {
            assert!(error.to_string().len() < 400);
            None
        }
    }
}

fn ask(lists: &Lists) {
    for number in 0..40 {
        if let Some(found) = lists.lookup(&digests(number)) {
            assert!(lists.lists().contains(&found.list));
        }
    }
}

/// In memory, where there is such a folder: files are made and read all the time.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a folder can be made")
}
