//! The definitions of the custom resources, and the page about their fields.

use crate::{Page, reference};
use anyhow::Result;

const COMMAND: &str = "crds";

/// One file for each kind, and the page.
pub(crate) fn pages() -> Result<Vec<Page>> {
    let mut pages: Vec<_> = icapstan_api::kube::manifests()?
        .into_iter()
        .map(|(name, content)| Page { path: format!("deploy/crds/{name}.yaml"), content, command: COMMAND })
        .collect();
    let content = reference::page()?;
    pages.push(Page { path: "docs/api-reference.md".to_owned(), content, command: COMMAND });
    Ok(pages)
}
