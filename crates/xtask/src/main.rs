//! Generates what is generated in this repository.
//!
//! ```text
//! cargo run -p xtask -- metrics           writes docs/metrics.md
//! cargo run -p xtask -- metrics --check   fails when docs/metrics.md is not what would be written
//! ```
//!
//! The tests of this crate make the same checks.

mod metrics;

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo run -p xtask -- metrics [--check]";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args[..] {
        ["metrics"] => metrics::page().and_then(|page| write("docs/metrics.md", &page)),
        ["metrics", "--check"] => metrics::page().and_then(|page| check("docs/metrics.md", &page)),
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

fn write(path: &str, content: &str) -> Result<()> {
    std::fs::write(at(path), content).with_context(|| format!("cannot write {path}"))
}

/// Fails when `path` has another content.
fn check(path: &str, content: &str) -> Result<()> {
    let found = std::fs::read_to_string(at(path)).with_context(|| format!("cannot read {path}"))?;
    let differs = found.lines().zip(content.lines()).position(|(found, wanted)| found != wanted);
    if found != content {
        let line = differs.unwrap_or_else(|| found.lines().count().min(content.lines().count())) + 1;
        bail!("{path} is not up to date (line {line}); run: cargo run -p xtask -- metrics");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_metrics_is_up_to_date() {
        check("docs/metrics.md", &metrics::page().unwrap()).unwrap();
    }

    #[test]
    fn a_page_that_differs_or_is_missing_is_found() {
        let page = metrics::page().unwrap();
        let error = check("docs/metrics.md", &format!("{page}\n")).unwrap_err().to_string();
        assert!(error.contains("is not up to date"), "{error}");
        assert!(check("docs/no-such-page.md", &page).is_err());
    }
}
