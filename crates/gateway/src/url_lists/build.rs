//! From the files of lists to one compiled file.

use icapstan_api::{UrlListFormat, UrlListKind, UrlSource};
use icapstan_urls::import::{Format, Report, detect, import};
use icapstan_urls::{CompileError, Compiled, Compiler, Kind, ListInfo, OpenError};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// How much of a list is looked at to tell its format, in bytes.
const BEGINNING: u64 = 64 * 1024;

/// What came of the sources.
#[derive(Debug)]
pub struct Built {
    /// What was written.
    pub compiled: Compiled,
    /// For each source, in their order, what became of its lines.
    pub reports: Vec<Report>,
}

/// Why there are no new lists. Those that were in use still are.
#[derive(Debug, Error)]
pub enum UrlListError {
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
}

/// Compiles the sources to `target`.
pub fn build(sources: &[UrlSource], target: &Path) -> Result<Built, UrlListError> {
    let mut compiler = Compiler::new(target, sources.iter().map(info).collect())?;
    let mut reports = Vec::with_capacity(sources.len());
    for (number, source) in sources.iter().enumerate() {
        reports.push(add(&mut compiler, number, source)?);
    }
    Ok(Built { compiled: compiler.finish()?, reports })
}

fn info(source: &UrlSource) -> ListInfo {
    ListInfo {
        name: source.name.as_str().into(),
        kind: match source.kind {
            UrlListKind::Allow => Kind::Allow,
            UrlListKind::Malware => Kind::Malware,
            UrlListKind::Phishing => Kind::Phishing,
            UrlListKind::Category => Kind::Category,
        },
        category: source.category.as_deref().map(Into::into),
        source: source.path.display().to_string().into(),
    }
}

fn add(compiler: &mut Compiler, number: usize, source: &UrlSource) -> Result<Report, UrlListError> {
    let name = || source.name.clone();
    let unreadable = |fault| UrlListError::Read { name: name(), path: source.path.clone(), source: fault };
    let mut file = open(source)?;
    let format = match source.format {
        Some(format) => self::format(format),
        None => told(&mut file).map_err(unreadable)?.ok_or_else(|| UrlListError::Unclear(name()))?,
    };
    let mut failed = None;
    let report = import(format, BufReader::with_capacity(256 * 1024, file), |line| {
        match compiler.add(number, line.action, &line.entry) {
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
            Err(UrlListError::Nothing { name: name(), format, lines: report.lines })
        }
        None => Ok(report),
    }
}

/// Opens a file, and nothing that would be waited for.
fn open(source: &UrlSource) -> Result<File, UrlListError> {
    let UrlSource { name, path, .. } = source;
    let unreadable = |fault| UrlListError::Read { name: name.clone(), path: path.clone(), source: fault };
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(UrlListError::NoFile { name: name.clone(), path: path.clone() });
    }
    File::open(path).map_err(unreadable)
}

/// The format that the first lines look like. An empty list is one of any.
fn told(file: &mut File) -> io::Result<Option<Format>> {
    let mut beginning = Vec::new();
    file.by_ref().take(BEGINNING).read_to_end(&mut beginning)?;
    file.rewind()?;
    Ok(if beginning.trim_ascii().is_empty() { Some(Format::Plain) } else { detect(&beginning) })
}

fn format(format: UrlListFormat) -> Format {
    match format {
        UrlListFormat::Plain => Format::Plain,
        UrlListFormat::Hosts => Format::Hosts,
        UrlListFormat::Rpz => Format::Rpz,
        UrlListFormat::Adblock => Format::Adblock,
        UrlListFormat::Csv => Format::Csv,
        UrlListFormat::SquidguardDomains => Format::SquidGuardDomains,
        UrlListFormat::SquidguardUrls => Format::SquidGuardUrls,
        UrlListFormat::ClamavGdb => Format::ClamavGdb,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_urls::{CanonicalUrl, Keep, ListFile, Lists};
    use std::time::SystemTime;

    fn source(folder: &Path, name: &str, kind: UrlListKind, text: &str) -> UrlSource {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        let category = (kind == UrlListKind::Category).then(|| "games".to_owned());
        UrlSource { name: name.to_owned(), kind, category, format: None, path }
    }

    #[test]
    fn sources_of_several_formats_are_one_set_of_lists() {
        let folder = tempfile::tempdir().unwrap();
        let sources = [
            source(folder.path(), "bad", UrlListKind::Malware, "evil.test\nhttp://o.test/bad.exe\n"),
            source(folder.path(), "fake", UrlListKind::Phishing, "0.0.0.0 bank.test\n"),
            source(folder.path(), "play", UrlListKind::Category, "||games.test^\n||evil.test^\n"),
            source(folder.path(), "empty", UrlListKind::Allow, ""),
        ];
        let target = folder.path().join("lists");
        let built = build(&sources, &target).unwrap();
        assert_eq!(built.reports.iter().map(|report| report.entries).collect::<Vec<_>>(), [2, 1, 2, 0]);
        let lists = Lists::new(ListFile::open(&target, &Keep::Memory).unwrap(), SystemTime::UNIX_EPOCH);
        let url = |text: &str| CanonicalUrl::parse(text.as_bytes()).unwrap();
        let name = |text| lists.lookup(&url(text)).map(|found| found.list.info.name.to_string());
        assert_eq!(name("http://a.evil.test/x").as_deref(), Some("bad"));
        assert_eq!(name("http://bank.test/").as_deref(), Some("fake"));
        assert_eq!(name("http://www.bank.test/"), None);
        assert_eq!(*lists.categories(&url("http://evil.test/")), [Box::<str>::from("games")]);
        assert_eq!(name("http://o.test/good.exe"), None);
    }

    #[test]
    fn what_is_no_list_is_refused_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |source: &UrlSource| {
            let error = build(std::slice::from_ref(source), &folder.path().join("lists")).unwrap_err();
            assert!(error.to_string().contains(&source.name), "{error}");
            error
        };
        let mut missing = source(folder.path(), "missing", UrlListKind::Malware, "");
        missing.path = folder.path().join("nowhere");
        assert!(matches!(refused(&missing), UrlListError::Read { .. }));
        missing.path = folder.path().to_owned();
        assert!(matches!(refused(&missing), UrlListError::NoFile { .. }));
        let unclear = source(folder.path(), "prose", UrlListKind::Malware, "To be, or not to be, that is\n");
        assert!(matches!(refused(&unclear), UrlListError::Unclear(_)));
        let other = UrlSource { format: Some(UrlListFormat::Hosts), ..unclear };
        assert!(matches!(refused(&other), UrlListError::Nothing { lines: 1, .. }));
        assert!(!folder.path().join("lists").exists());
    }
}
