//! From the files of lists to one compiled file.

use icapstan_api::{HashListFormat, HashListKind, HashSource};
use icapstan_hashes::import::{Format, Report, detect, import};
use icapstan_hashes::{CompileError, Compiled, Compiler, Kind, ListInfo, OpenError};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// How much of a list is looked at to tell its format, in bytes.
const BEGINNING: u64 = 64 * 1024;

/// What came of the sources.
#[derive(Debug)]
pub struct BuiltHashLists {
    /// What was written.
    pub compiled: Compiled,
    /// For each source, in their order, what became of its lines.
    pub reports: Vec<Report>,
}

/// Why there are no new lists. Those that were in use still are.
#[derive(Debug, Error)]
pub enum HashListError {
    /// A source cannot be read.
    #[error("the list {name}: {} cannot be read", path.display())]
    Read {
        /// What the source is called.
        name: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nothing of a source could be used.
    #[error("the list {name}: of {lines} lines none is an entry; is it of another format than {format}?")]
    Nothing {
        /// What the source is called.
        name: String,
        /// How it was read.
        format: Format,
        /// How many there are.
        lines: u64,
    },
    /// The format cannot be told.
    #[error("the list {0}: its format cannot be told from its first lines; name it (`format`)")]
    Unclear(String),
    /// A folder or the like.
    #[error("the list {name}: {} is no file", path.display())]
    NoFile {
        /// What the source is called.
        name: String,
        /// What is there.
        path: PathBuf,
    },
    /// The compiled file cannot be written.
    #[error("the lists cannot be compiled")]
    Compile(#[from] CompileError),
    /// The compiled file cannot be used.
    #[error("the compiled lists cannot be used")]
    Open(#[from] OpenError),
    /// No folder for the compiled file.
    #[error("there is no place to compile the lists in")]
    Folder(#[source] io::Error),
    /// Nobody to watch them.
    #[error("no thread for the lists can be had")]
    Thread(#[source] io::Error),
}

/// Compiles the sources to `target`.
pub fn build(sources: &[HashSource], target: &Path) -> Result<BuiltHashLists, HashListError> {
    let mut compiler = Compiler::new(target, sources.iter().map(info).collect())?;
    let reports = sources.iter().enumerate().map(|(number, source)| add(&mut compiler, number, source));
    let reports = reports.collect::<Result<_, _>>()?;
    Ok(BuiltHashLists { compiled: compiler.finish()?, reports })
}

fn info(source: &HashSource) -> ListInfo {
    let path = source.path.display().to_string();
    ListInfo { name: source.name.as_str().into(), kind: kind(source.kind), source: path.into() }
}

fn add(compiler: &mut Compiler, number: usize, source: &HashSource) -> Result<Report, HashListError> {
    let name = || source.name.clone();
    let unreadable = |fault| HashListError::Read { name: name(), path: source.path.clone(), source: fault };
    // Opening what is no file might wait for ever.
    if !std::fs::metadata(&source.path).map_err(unreadable)?.is_file() {
        return Err(HashListError::NoFile { name: name(), path: source.path.clone() });
    }
    let mut file = File::open(&source.path).map_err(unreadable)?;
    let format = match source.format {
        Some(format) => self::format(format),
        None => told(&mut file).map_err(unreadable)?.ok_or_else(|| HashListError::Unclear(name()))?,
    };
    let mut failed = None;
    let lines = BufReader::with_capacity(256 * 1024, file);
    let report = import(format, kind(source.kind), lines, |imported| {
        match compiler.add(number, &imported.entry, imported.name) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })
    .map_err(unreadable)?;
    match failed {
        Some(error) => Err(error.into()),
        // Of an empty list nothing is left out.
        None if report.entries == 0 && report.left_out > 0 => {
            Err(HashListError::Nothing { name: name(), format, lines: report.lines })
        }
        None => Ok(report),
    }
}

/// The format that the first lines look like. An empty list is one of any.
fn told(file: &mut File) -> io::Result<Option<Format>> {
    let mut beginning = Vec::new();
    file.by_ref().take(BEGINNING).read_to_end(&mut beginning)?;
    file.rewind()?;
    let lines = beginning.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let is_empty = lines.into_iter().all(|line| line.is_empty() || line.starts_with(b"#"));
    Ok(detect(&beginning).or_else(|| is_empty.then_some(Format::Plain)))
}

const fn kind(kind: HashListKind) -> Kind {
    match kind {
        HashListKind::Deny => Kind::Deny,
        HashListKind::Allow => Kind::Allow,
    }
}

const fn format(format: HashListFormat) -> Format {
    match format {
        HashListFormat::Plain => Format::Plain,
        HashListFormat::Sha256sum => Format::Sha256sum,
        HashListFormat::Csv => Format::Csv,
        HashListFormat::Clamav => Format::Clamav,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_hashes::{ListFile, Lists};
    use std::time::SystemTime;

    const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";
    const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn source(folder: &Path, name: &str, kind: HashListKind, text: &str) -> HashSource {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        HashSource { name: name.to_owned(), kind, format: None, path }
    }

    #[test]
    fn sources_of_several_formats_are_one_set_of_lists() {
        let folder = tempfile::tempdir().unwrap();
        let sources = [
            source(folder.path(), "fine", HashListKind::Allow, &format!("{SHA256}  abc\n{MD5}  abc\n")),
            source(folder.path(), "bad", HashListKind::Deny, &format!("{MD5}:4:Worm\nno digest:4:x\n")),
            source(folder.path(), "empty", HashListKind::Deny, "# nothing yet\n"),
        ];
        let target = folder.path().join("lists");
        let built = build(&sources, &target).unwrap();
        let counts: Vec<_> = built.reports.iter().map(|report| (report.entries, report.left_out)).collect();
        assert_eq!(counts, [(1, 1), (1, 1), (0, 0)]);
        let lists = Lists::new(ListFile::open(&target).unwrap(), SystemTime::UNIX_EPOCH);
        let mut hasher = lists.hasher();
        hasher.update(b"abc");
        let found = lists.lookup(&hasher.finish()).unwrap();
        assert_eq!(&*found.list.info.name, "fine", "the other is of another size");
    }

    #[test]
    fn what_is_no_list_is_refused_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |source: &HashSource| {
            let error = build(std::slice::from_ref(source), &folder.path().join("lists")).unwrap_err();
            assert!(error.to_string().contains(&source.name), "{error}");
            error
        };
        let mut missing = source(folder.path(), "missing", HashListKind::Deny, "");
        missing.path = folder.path().join("nowhere");
        assert!(matches!(refused(&missing), HashListError::Read { .. }));
        missing.path = folder.path().to_owned();
        assert!(matches!(refused(&missing), HashListError::NoFile { .. }));
        let unclear = source(folder.path(), "prose", HashListKind::Deny, "To be, or not to be, that is\n");
        assert!(matches!(refused(&unclear), HashListError::Unclear(_)));
        let other = HashSource { format: Some(HashListFormat::Clamav), ..unclear };
        assert!(matches!(refused(&other), HashListError::Nothing { lines: 1, .. }));
        let weak = source(folder.path(), "weak", HashListKind::Allow, MD5);
        assert!(matches!(refused(&weak), HashListError::Nothing { lines: 1, .. }));
        assert!(!folder.path().join("lists").exists());
    }
}
