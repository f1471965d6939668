//! What must be installed for a test, and who may do without it.

use std::path::Path;

/// Names what may be left out: `ICAPSTAN_SKIP=squid,chromium`.
const SKIP: &str = "ICAPSTAN_SKIP";

/// Whether the test of `what` is left out on the explicit wish of whoever runs the tests; says so.
pub fn skipped(what: &str) -> bool {
    let wish = std::env::var(SKIP).unwrap_or_default();
    let skip = wish.split(',').any(|word| word.trim() == what);
    if skip {
        println!("left out: {SKIP} names {what}");
    }
    skip
}

/// The path of a program or folder that a Debian package brings; panics with the package's name.
#[track_caller]
pub fn need(path: &'static str, package: &str, what: &str) -> &'static Path {
    let found = Path::new(path);
    assert!(
        found.exists(),
        "{path} is missing: install the package {package} (`make setup`), or leave these tests out with \
         {SKIP}={what}"
    );
    found
}
