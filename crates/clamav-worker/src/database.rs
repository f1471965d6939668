//! Loads signature folders, wholly or not at all.
//!
//! `cl_load` stops at a broken file with an error, but `cl_engine_compile` would then make an engine
//! of what was loaded so far, and that engine calls most things clean. Some files it leaves out
//! without any error: a link that leads nowhere, a file of unsigned bytecode. At a folder with the
//! name of a signature file it reads for ever. So each folder is looked at first, every warning
//! counts, and so does the number of signatures.

mod census;

use crate::args::Settings;
use crate::engine::{self, Engine, EngineError};
use crate::pages::Large;
use crate::{messages, sys};
use census::Census;
use std::ffi::{CStr, CString, OsStr};
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// A loaded and compiled engine.
pub(crate) struct Database {
    pub(crate) engine: Engine,
    pub(crate) signatures: u64,
    /// Whether a signature asks for fuzzy hashes of pictures. They cost 25 times the rest of the
    /// scan of a picture, so they are made only then.
    pub(crate) image_hashes: bool,
}

/// Why the databases cannot be used: for the operator, with the words of libclamav.
#[derive(Debug)]
pub(crate) enum LoadError {
    /// A file or folder that cannot be used, and why.
    Path(String, String),
    /// A call failed. With the folder, if it is about one, and what libclamav said.
    Engine(Option<String>, EngineError, String),
    /// The call succeeded, but libclamav complained.
    Warned(String, String),
    /// Hash signatures would find nothing.
    NoHashes,
    /// No signature at all.
    Empty,
    /// Fewer signatures than the files hold.
    Short { expected: u64, loaded: u64 },
}

/// Loads all folders into one engine.
pub(crate) fn load(settings: &Settings) -> Result<Database, LoadError> {
    let _large = Large::begin();
    if !sys::is_writable_dir(&settings.temp_dir) {
        return Err(LoadError::path(&settings.temp_dir, "not a folder in which files can be made"));
    }
    let engine = quiet(None, Engine::new)?;
    if !engine::has_hashes() {
        return Err(LoadError::NoHashes);
    }
    quiet(None, || engine.set_temp_dir(&settings.temp_dir))?;
    let mut census = Census::default();
    let mut loaded: u64 = 0;
    for folder in &settings.databases {
        census.take(folder, &settings.temp_dir)?;
        loaded = loaded.saturating_add(quiet(Some(folder), || engine.load(folder))?);
    }
    if loaded == 0 {
        return Err(LoadError::Empty);
    }
    if let Some(expected) = census.expected.filter(|expected| loaded < *expected) {
        return Err(LoadError::Short { expected, loaded });
    }
    quiet(None, || engine.compile())?;
    if census.rule_files > 0 {
        crate::log(&format!("{} files of YARA rules are left out: not for libclamav", census.rule_files));
    }
    Ok(Database { engine, signatures: loaded, image_hashes: census.image_hashes })
}

/// Calls libclamav. A warning is a failure, unless it is only about the age of things.
fn quiet<T>(folder: Option<&CStr>, call: impl FnOnce() -> Result<T, EngineError>) -> Result<T, LoadError> {
    drop(messages::take());
    let result = call();
    let said = messages::take();
    let folder = folder.map(lossy);
    match result {
        Err(error) => Err(LoadError::Engine(folder, error, said.joined())),
        Ok(_) if said.has_fault() => Err(LoadError::Warned(folder.unwrap_or_default(), said.joined())),
        Ok(value) => Ok(value),
    }
}

fn lossy(path: &CStr) -> String {
    path.to_string_lossy().into_owned()
}

fn as_path(path: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(path.to_bytes()))
}

fn as_c(path: &Path) -> Option<CString> {
    CString::new(path.as_os_str().as_bytes()).ok()
}

// === impl LoadError ===

impl LoadError {
    fn path(path: &CStr, what: impl fmt::Display) -> Self {
        Self::Path(lossy(path), what.to_string())
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path, what) => write!(f, "{path}: {what}"),
            Self::Engine(folder, error, said) => {
                if let Some(folder) = folder {
                    write!(f, "{folder}: ")?;
                }
                write!(f, "{error}")?;
                if said.is_empty() { Ok(()) } else { write!(f, " ({said})") }
            }
            Self::Warned(folder, said) => write!(f, "{folder}: {said}"),
            Self::NoHashes => f.write_str("libclamav cannot compute SHA-256"),
            Self::Empty => f.write_str("the folders hold no signature"),
            Self::Short { expected, loaded } => {
                write!(f, "only {loaded} of {expected} signatures were loaded")
            }
        }
    }
}

impl std::error::Error for LoadError {}
