//! All pages that there are, and the choice among them.

use super::custom::CustomPage;
use super::folder::{Folder, PageFile, TemplateFault, TemplatesError};
use super::wording::Words;
use super::{BlockPage, CUSTOM_CONTENT, Format, PageContext, Wishes};
use crate::TemplateId;
use icapstan_api::{LanguageTag, RuleAction, ScanPolicy, TemplateSettings};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The shipped pages and those of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Templates {
    /// What is spoken to readers who ask for no language that there is.
    language: LanguageTag,
    pages: BTreeMap<(TemplateId, Format), Variants>,
}

/// The pages of a folder that differ in their language only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Variants {
    by_language: BTreeMap<LanguageTag, CustomPage>,
    /// For every other language.
    any: Option<CustomPage>,
}

/// Where the page of a language comes from.
enum Source<'t> {
    Custom(&'t str, &'t CustomPage),
    Shipped(&'static Words),
}

// === impl Templates ===

impl Templates {
    /// The most bytes of a file.
    pub const MAX_FILE: usize = Folder::MAX_FILE;
    /// The most bytes of all files together.
    pub const MAX_TOTAL: usize = Folder::MAX_TOTAL;

    /// Reads and checks the pages that are set, and whether they are those that rules name. To be called
    /// again when any of them may have changed.
    pub fn load(settings: &TemplateSettings, policies: &[ScanPolicy]) -> Result<Self, TemplatesError> {
        let entries = settings.folder.as_deref().map_or_else(|| Ok(Vec::new()), Folder::read)?;
        let language = &settings.language;
        let mut known: Vec<_> = Words::ALL.iter().map(|words| words.tag).collect();
        known.extend(entries.iter().filter_map(|entry| entry.language.as_ref()).map(LanguageTag::as_str));
        if !known.contains(&language.as_str()) {
            known.sort_unstable();
            known.dedup();
            let message = format!("language: no page is in \"{language}\"; there are: {}", known.join(", "));
            return Err(TemplatesError { faults: vec![TemplateFault::new(Path::new(""), message)] });
        }
        let mut templates = Self { language: language.clone(), pages: BTreeMap::new() };
        let mut faults = Vec::new();
        for entry in entries {
            faults.extend(templates.add(entry).err());
        }
        faults.extend(templates.strangers(&named(policies)));
        if faults.is_empty() { Ok(templates) } else { Err(TemplatesError { faults }) }
    }

    fn add(&mut self, PageFile { template, format, language, page }: PageFile) -> Result<(), TemplateFault> {
        let variants = self.pages.entry((template, format)).or_default();
        let Some(tag) = language else {
            variants.any = Some(page);
            return Ok(());
        };
        match variants.by_language.entry(tag) {
            Entry::Vacant(place) => {
                place.insert(page);
                Ok(())
            }
            // File names tell upper from lower case, languages do not.
            Entry::Occupied(place) => {
                let message = format!("folder: two files have the page {template} in \"{}\"", place.key());
                Err(TemplateFault::new(Path::new(""), message))
            }
        }
    }

    /// Pages that nothing shows, and those that a rule names and nobody wrote: both are typing mistakes.
    fn strangers(&self, named: &BTreeSet<TemplateId>) -> Vec<TemplateFault> {
        let is_custom = |template: &&TemplateId| matches!(template, TemplateId::Custom(_));
        let here: BTreeSet<_> = self.pages.keys().map(|(template, _)| *template).collect();
        let unused = here.difference(named).filter(is_custom).map(|template| {
            format!(
                "folder: no rule names the page \"{template}\"; shipped are: {}",
                TemplateId::shipped_words()
            )
        });
        let missing = named.difference(&here).filter(is_custom).map(|template| {
            format!("folder: a rule names the page \"{template}\", and there is no file for it")
        });
        unused.chain(missing).map(|message| TemplateFault::new(Path::new(""), message)).collect()
    }

    /// The page that the reader wants, or what comes next to it. `rule` is what decided.
    pub fn page(
        &self,
        template: TemplateId,
        wishes: &Wishes,
        context: &PageContext<'_>,
        rule: &str,
    ) -> BlockPage {
        let format = wishes.format();
        let (tag, page) = match self.source(template, format, wishes) {
            Source::Custom(tag, page) => (tag, page),
            Source::Shipped(words) => return BlockPage::shipped(words, format, template, context),
        };
        BlockPage::new(page.fill(context, rule), format, tag, CUSTOM_CONTENT)
    }

    fn source(&self, template: TemplateId, format: Format, wishes: &Wishes) -> Source<'_> {
        let variants = self.pages.get(&(template, format));
        let any = variants.and_then(|variants| variants.any.as_ref());
        let custom = variants.into_iter().flat_map(|variants| &variants.by_language);
        // A page for every language stands before the shipped ones, whatever theirs is.
        let shipped = Words::ALL.iter().filter(|_| any.is_none()).map(|words| words.tag);
        let tags: Vec<_> = custom.map(|(tag, _)| tag.as_str()).chain(shipped).collect();
        let preferred = self.language.as_str();
        let wanted = wishes.language(tags.iter().copied(), preferred);
        let fallback = || tags.iter().copied().find(|tag| *tag == preferred).filter(|_| any.is_none());
        let tag = wanted.or_else(fallback);
        let page = variants
            .zip(tag)
            .and_then(|(variants, tag)| variants.by_language.iter().find(|(known, _)| known.as_str() == tag));
        match (page, any) {
            (Some((tag, page)), _) => Source::Custom(tag.as_str(), page),
            (None, Some(page)) => Source::Custom("", page),
            (None, None) => {
                let words = Words::ALL.into_iter().find(|words| Some(words.tag) == tag);
                Source::Shipped(words.unwrap_or_else(Words::english))
            }
        }
    }
}

/// The pages that rules name.
fn named(policies: &[ScanPolicy]) -> BTreeSet<TemplateId> {
    let rules = policies.iter().flat_map(|policy| &policy.rules);
    let pages = rules.filter_map(|rule| match &rule.action {
        RuleAction::Block(template) => Some(*template),
        _ => None,
    });
    pages.collect()
}

#[cfg(test)]
mod tests;
