//! The programs for libFuzzer, which the workspace does not build.

use icapstan_fuzz::TARGETS;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn names(folder: &str) -> BTreeSet<String> {
    let entries =
        fs::read_dir(root().join(folder)).map(|entries| entries.map(|entry| entry.unwrap()).collect());
    let entries: Vec<fs::DirEntry> = entries.unwrap_or_default();
    let name = |entry: &fs::DirEntry| entry.file_name().into_string().unwrap().replace(".rs", "");
    entries.iter().map(name).collect()
}

fn targets() -> BTreeSet<String> {
    TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect()
}

#[test]
fn every_target_has_its_program_and_no_program_lacks_its_target() {
    assert_eq!(names("fuzz/fuzz_targets"), targets());
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    let listed: BTreeSet<String> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""))
        .map(ToOwned::to_owned)
        .collect();
    assert_eq!(listed, targets());
    for name in targets() {
        let program = fs::read_to_string(root().join(format!("fuzz/fuzz_targets/{name}.rs"))).unwrap();
        assert!(program.ends_with(&format!("fuzz_target!(|data: &[u8]| icapstan_fuzz::{name}(data));\n")));
    }
}

#[test]
fn no_kept_input_lacks_its_target() {
    for folder in ["corpus", "cases"] {
        assert!(names(folder).is_subset(&targets()), "{folder}: {:?}", names(folder));
    }
    assert!(TARGETS.is_sorted_by_key(|(name, _)| name));
}
