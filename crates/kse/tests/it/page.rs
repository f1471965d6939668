//! docs/migrating-from-kse.md has every element, and names tests that there are.

use crate::WHOLE;
use std::collections::BTreeSet;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn page() -> String {
    std::fs::read_to_string(root().join("docs/migrating-from-kse.md")).unwrap()
}

/// What stands between backticks, outside of examples.
fn quoted(page: &str) -> Vec<&str> {
    let prose = page.split("```").step_by(2);
    prose.flat_map(|prose| prose.split('`').skip(1).step_by(2)).collect()
}

/// The names of all functions in Rust files below the folder.
fn functions(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let lines = text.lines().map(str::trim_start);
            let lines =
                lines.filter_map(|line| line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn "));
            names.extend(lines.filter_map(|line| line.split('(').next()).map(str::to_owned));
        }
    }
}

#[test]
fn the_page_has_each_element_of_the_sample() {
    let page = page();
    let words: BTreeSet<&str> = quoted(&page).into_iter().flat_map(|quote| quote.split(['/', ' '])).collect();
    let names = WHOLE
        .split('<')
        .filter_map(|piece| piece.split(['>', ' ', '?', '\n']).next())
        .filter(|name| name.starts_with(|c: char| c.is_ascii_uppercase()));
    // The names of sections and of lists' entries aside.
    for name in names.filter(|name| {
        !["Configuration", "Source", "SDKSettings", "ICAPSettings", "UpdateSettings"].contains(name)
    }) {
        assert!(words.contains(name) || words.contains(format!("{name}:").as_str()), "{name} is not there");
    }
}

#[test]
fn the_tests_that_the_page_names_are_there() {
    let mut names = BTreeSet::new();
    for folder in ["crates", "tests/tests"] {
        functions(&root().join(folder), &mut names);
    }
    let page = page();
    let is_test = |quote: &&str| {
        quote.matches('_').count() >= 3
            && quote.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let named: Vec<&str> =
        quoted(&page).into_iter().filter(is_test).filter(|name| !name.starts_with("icapstan_")).collect();
    assert!(named.len() > 20, "the page names tests");
    for name in named {
        assert!(names.contains(name), "there is no test {name}");
    }
}
