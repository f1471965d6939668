//! The whole way from the files to a configuration.

use crate::document::{self, Element, Section};
use crate::draft::Draft;
use crate::note::Note;
use crate::{icap, rules, sdk, update, yaml};
use icapstan_api::{Config, Problem};
use std::collections::BTreeSet;
use thiserror::Error;

/// Neither file may be longer, in bytes.
pub const MAX_INPUT_LEN: u64 = 1024 * 1024;

/// The name of the root element.
const ROOT: &str = "Configuration";

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The configuration; it passes its check.
    pub config: Config,
    /// What is lost, what differs, and what to know.
    pub notes: Vec<Note>,
    written: BTreeSet<&'static str>,
}

/// Why nothing can be taken over.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImportError {
    /// The settings are too long.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// [`MAX_INPUT_LEN`].
        limit: u64,
    },
    /// The rules are too long.
    #[error("the rules are larger than {limit} bytes")]
    RulesTooLarge {
        /// [`MAX_INPUT_LEN`].
        limit: u64,
    },
    /// The settings are no text.
    #[error("not UTF-8 text; convert it first")]
    NotText,
    /// The settings are no XML.
    #[error("not XML: {message}")]
    NotXml {
        /// What is wrong, and where.
        message: String,
    },
    /// There is a document type, which could bring entities.
    #[error("has a document type (<!DOCTYPE ...>); kavicapd.xml has none, and it is not read")]
    DocumentType,
    /// Too many elements.
    #[error("more than {limit} elements, attributes and texts")]
    TooManyNodes {
        /// How many are read.
        limit: u32,
    },
    /// Elements too deep in each other.
    #[error("elements nested deeper than {limit}")]
    TooDeep {
        /// How deep is read.
        limit: usize,
    },
    /// Another kind of document.
    #[error("the root element is <{found}>, not <Configuration>: this is no kavicapd.xml")]
    WrongRoot {
        /// The name of the root element.
        found: String,
    },
    /// Nothing in it.
    #[error("has none of the sections ICAPSettings, SDKSettings and UpdateSettings: this is no kavicapd.xml")]
    NoSections,
    /// What came out cannot be used; a fault of this program.
    #[error("cannot be expressed: {}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("; "))]
    Inexpressible(Vec<Problem>),
}

/// Takes over the settings in `kavicapd.xml`, and the rules in its rules file.
pub fn import(xml: &[u8], rules: Option<&str>) -> Result<Imported, ImportError> {
    if xml.len() as u64 > MAX_INPUT_LEN {
        return Err(ImportError::TooLarge { limit: MAX_INPUT_LEN });
    }
    if rules.is_some_and(|rules| rules.len() as u64 > MAX_INPUT_LEN) {
        return Err(ImportError::RulesTooLarge { limit: MAX_INPUT_LEN });
    }
    let text = std::str::from_utf8(xml).map_err(|_| ImportError::NotText)?;
    let document = document::parse(text)?;
    let root = Element::root(&document);
    if root.name() != ROOT {
        return Err(ImportError::WrongRoot { found: crate::note::quotable(root.name()) });
    }
    let mut draft = Draft::default();
    let mut root = section(Some(root), &mut draft);
    // All of them once: only what is left over is unknown.
    let [sdk, kav, icap, update] = ["SDKSettings", "KAVScanningSettings", "ICAPSettings", "UpdateSettings"]
        .map(|name| root.take(name, &mut draft));
    if sdk.is_none() && icap.is_none() && update.is_none() {
        return Err(ImportError::NoSections);
    }
    let icap = section(icap, &mut draft);
    icap::import(icap, rules.is_some(), &mut draft);
    for sdk in [sdk, kav] {
        let sdk = section(sdk, &mut draft);
        sdk::import(sdk, &mut draft);
    }
    let update = section(update, &mut draft);
    update::import(update, &mut draft);
    sdk::fit(&mut draft);
    icap::fit(&mut draft);
    root.finish(&mut draft);
    if let Some(rules) = rules {
        rules::import(rules, &mut draft);
    }
    match draft.config.check() {
        Ok(()) => {
            Ok(Imported { config: draft.config, notes: draft.notes.into_vec(), written: draft.written })
        }
        Err(problems) => Err(ImportError::Inexpressible(problems)),
    }
}

/// What is in the section; nothing if there is none.
fn section<'a>(element: Option<Element<'a>>, draft: &mut Draft) -> Section<'a> {
    let Some(element) = element else { return Section::default() };
    element.has_only_attributes(&[], draft);
    element.section()
}

// === impl Imported ===

impl Imported {
    /// The text of `icapstan.yaml`: what was taken over, and what differs from icapstan's defaults.
    pub fn to_yaml(&self) -> String {
        yaml::text(&self.config, &self.written)
    }
}
