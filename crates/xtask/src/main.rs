//! Generates what is generated in this repository.
//!
//! ```text
//! cargo run -p xtask -- metrics           writes docs/metrics.md
//! cargo run -p xtask -- crds              writes deploy/crds/*.yaml and docs/api-reference.md
//! cargo run -p xtask -- COMMAND --check   fails when one of them is not what would be written
//! ```
//!
//! The tests of this crate make the same checks.

mod crds;
mod metrics;
mod reference;

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo run -p xtask -- metrics|crds [--check]";

/// Something that is generated.
struct Page {
    /// Where it stands, from the root of the repository.
    path: String,
    content: String,
    /// Which command writes it.
    command: &'static str,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args[..] {
        ["metrics"] => metrics_page().and_then(|page| page.write()),
        ["metrics", "--check"] => metrics_page().and_then(|page| page.check()),
        ["crds"] => crds::pages().and_then(|pages| pages.iter().try_for_each(Page::write)),
        ["crds", "--check"] => crds::pages().and_then(|pages| pages.iter().try_for_each(Page::check)),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A file of the repository.
fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn metrics_page() -> Result<Page> {
    Ok(Page { path: "docs/metrics.md".to_owned(), content: metrics::page()?, command: "metrics" })
}

// === impl Page ===

impl Page {
    fn write(&self) -> Result<()> {
        std::fs::write(at(&self.path), &self.content).with_context(|| format!("cannot write {}", self.path))
    }

    /// Fails when the file has another content.
    fn check(&self) -> Result<()> {
        let Self { path, content, command } = self;
        let found = std::fs::read_to_string(at(path)).with_context(|| format!("cannot read {path}"))?;
        let differs = found.lines().zip(content.lines()).position(|(found, wanted)| found != wanted);
        if found != *content {
            let line = differs.unwrap_or_else(|| found.lines().count().min(content.lines().count())) + 1;
            bail!("{path} is not up to date (line {line}); run: cargo run -p xtask -- {command}");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_metrics_is_up_to_date() {
        metrics_page().unwrap().check().unwrap();
    }

    #[test]
    fn the_definitions_of_resources_and_their_page_are_up_to_date() {
        let pages = crds::pages().unwrap();
        assert_eq!(pages.len(), 8);
        for page in &pages {
            page.check().unwrap();
        }
        let files = std::fs::read_dir(at("deploy/crds")).unwrap().count();
        assert_eq!(files, 7, "one file for each kind, and none of a kind that is gone");
    }

    #[test]
    fn a_page_that_differs_or_is_missing_is_found() {
        let page = metrics_page().unwrap();
        let other = Page { content: format!("{}\n", page.content), ..page };
        let error = other.check().unwrap_err().to_string();
        assert!(error.contains("is not up to date"), "{error}");
        assert!(Page { path: "docs/no-such-page.md".to_owned(), ..other }.check().is_err());
    }
}
