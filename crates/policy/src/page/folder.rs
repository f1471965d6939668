//! The folder with the pages of an operator.

use super::Format;
use super::custom::{CustomPage, PageError};
use crate::TemplateId;
use icapstan_api::LanguageTag;
use std::fmt;
use std::fs::{self, DirEntry, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// One file of the folder.
pub(super) struct PageFile {
    pub(super) template: TemplateId,
    pub(super) format: Format,
    /// `None` for a page that is for every language.
    pub(super) language: Option<LanguageTag>,
    pub(super) page: CustomPage,
}

/// Reads a folder within bounds.
pub(super) struct Folder;

/// Templates that cannot be used, with all that is wrong with them. Of each file the first fault.
#[derive(Debug, Error)]
pub struct TemplatesError {
    /// What is wrong; never empty.
    pub faults: Vec<TemplateFault>,
}

/// One thing that is wrong with templates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFault {
    /// The file or folder; empty for the settings.
    pub file: PathBuf,
    /// The line, from 1, if it is about one.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
}

// === impl Folder ===

impl Folder {
    /// The most bytes of a file.
    pub(super) const MAX_FILE: usize = 64 * 1024;
    /// The most bytes of all files together.
    pub(super) const MAX_TOTAL: usize = 8 * 1024 * 1024;
    /// The most files, hidden ones included.
    pub(super) const MAX_FILES: usize = 1024;
    /// The most faults that are told.
    const MAX_FAULTS: usize = 32;

    /// Reads all pages in `folder`, in the order of their names.
    pub(super) fn read(folder: &Path) -> Result<Vec<PageFile>, TemplatesError> {
        let whole = |message: String| TemplatesError { faults: vec![TemplateFault::new(folder, message)] };
        let unreadable = |error: io::Error| whole(format!("cannot be read: {error}"));
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            if files.len() == Self::MAX_FILES {
                return Err(whole(format!("holds more than {} files", Self::MAX_FILES)));
            }
            files.push(entry.map_err(unreadable)?);
        }
        files.sort_unstable_by_key(DirEntry::file_name);
        let (mut entries, mut faults, mut total) = (Vec::new(), Vec::new(), 0);
        for file in files {
            match Self::entry(&file, &mut total) {
                Ok(entry) => entries.extend(entry),
                Err(fault) => faults.push(fault),
            }
            if faults.len() == Self::MAX_FAULTS || total > Self::MAX_TOTAL {
                break;
            }
        }
        if total > Self::MAX_TOTAL {
            faults.push(TemplateFault::new(folder, format!("holds more than {} bytes", Self::MAX_TOTAL)));
        }
        if faults.is_empty() { Ok(entries) } else { Err(TemplatesError { faults }) }
    }

    /// Hidden files and folders are none of ours: Kubernetes keeps both beside the files of a ConfigMap.
    fn entry(file: &DirEntry, total: &mut usize) -> Result<Option<PageFile>, TemplateFault> {
        let path = file.path();
        let name = file.file_name();
        if name.as_encoded_bytes().starts_with(b".") {
            return Ok(None);
        }
        let fault = |message: String| TemplateFault::new(&path, message);
        let unreadable = |error: io::Error| fault(format!("cannot be read: {error}"));
        let about = fs::metadata(&path).map_err(unreadable)?;
        if about.is_dir() {
            return Ok(None);
        }
        if !about.is_file() {
            return Err(fault("is no file".to_owned()));
        }
        let (template, language, format) = name.to_str().ok_or(String::new()).and_then(parse_name).map_err(|problem| {
            let colon = if problem.is_empty() { "" } else { ": " };
            fault(format!(
                "has no name such as detected.html or detected.de.html, with .html, .txt or .json{colon}{problem}"
            ))
        })?;
        let mut bytes = Vec::new();
        let most = Self::MAX_FILE as u64 + 1;
        File::open(&path).and_then(|file| file.take(most).read_to_end(&mut bytes)).map_err(unreadable)?;
        if bytes.len() > Self::MAX_FILE {
            return Err(fault(format!("has more than {} bytes", Self::MAX_FILE)));
        }
        *total += bytes.len();
        let page = CustomPage::parse(&bytes, format).map_err(|PageError { line, problem }| {
            TemplateFault { line: Some(line), ..fault(problem.to_string()) }
        })?;
        Ok(Some(PageFile { template, format, language, page }))
    }
}

/// `detected.html` or `detected.de.html`; else why not.
fn parse_name(name: &str) -> Result<(TemplateId, Option<LanguageTag>, Format), String> {
    let (front, extension) = name.rsplit_once('.').ok_or_else(String::new)?;
    let format = Format::of_extension(extension).ok_or_else(String::new)?;
    let (word, language) = match front.split_once('.') {
        None => (front, None),
        Some((word, tag)) => {
            let tag = LanguageTag::try_from(tag.to_owned()).map_err(|error| error.to_string())?;
            (word, Some(tag))
        }
    };
    let template = TemplateId::try_from(word).map_err(|error| error.to_string())?;
    Ok((template, language, format))
}

// === impl TemplateFault ===

impl TemplateFault {
    pub(super) fn new(file: &Path, message: String) -> Self {
        Self { file: file.to_owned(), line: None, message }
    }
}

impl fmt::Display for TemplateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.as_os_str().is_empty() {
            // A name may hold anything.
            let shown = self.file.to_string_lossy();
            let shown: String = shown.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
            write!(f, "{shown}:")?;
            if let Some(line) = self.line {
                write!(f, "{line}:")?;
            }
            f.write_str(" ")?;
        }
        f.write_str(&self.message)
    }
}

// === impl TemplatesError ===

impl fmt::Display for TemplatesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}templates: {fault}")?;
        }
        Ok(())
    }
}
