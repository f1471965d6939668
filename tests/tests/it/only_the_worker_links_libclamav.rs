//! libclamav is GPL-2.0-only; nothing but its own small program is built against it.

use icapstan_testkit::binary;
use serde_json::Value;
use std::process::Command;

/// The libraries that a program names in its dynamic section.
fn libraries(program: &str) -> Vec<String> {
    let output =
        Command::new("readelf").arg("-d").arg(binary(program)).output().expect("binutils are installed");
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().filter(|line| line.contains("(NEEDED)")).map(str::to_owned).collect()
}

#[test]
fn only_the_worker_links_libclamav() {
    let clamav = |program| libraries(program).iter().any(|line| line.contains("libclamav"));
    assert!(!clamav("icapstan"));
    assert!(clamav("icapstan-clamav-worker"));
    let icapstan = std::fs::read(binary("icapstan")).expect("it was built");
    let opened = b"libclamav.so";
    assert!(
        !icapstan.windows(opened.len()).any(|window| window == opened),
        "icapstan loads libclamav at run time"
    );
}

#[test]
fn licences_of_the_worker_and_of_what_it_is_built_from_fit_together() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let rustc = Command::new("rustc").arg("-vV").output().expect("rustc runs");
    let version = String::from_utf8_lossy(&rustc.stdout).into_owned();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--filter-platform", host])
        .args(["--format-version", "1", "--locked", "--offline", "--manifest-path", manifest])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("a list");
    let licence_of = |id: &Value| {
        let package = packages.iter().find(|package| package["id"] == *id).expect("each node is a package");
        let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
        (text("name"), text("license"))
    };
    let nodes = metadata["resolve"]["nodes"].as_array().expect("a list");
    let node = |id: &Value| nodes.iter().find(|node| node["id"] == *id).expect("each package is a node");
    let linked = |node: &Value| -> Vec<Value> {
        let deps = node["deps"].as_array().expect("a list");
        let normal = deps.iter().filter(|dep| {
            dep["dep_kinds"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
        });
        normal.map(|dep| dep["pkg"].clone()).collect()
    };
    let worker =
        packages.iter().find(|package| package["name"] == "icapstan-clamav-worker").expect("it exists");
    assert_eq!(worker["license"], "GPL-2.0-only");
    let mut open = linked(node(&worker["id"]));
    let mut seen = Vec::new();
    while let Some(id) = open.pop() {
        if seen.contains(&id) {
            continue;
        }
        let (name, licence) = licence_of(&id);
        // Apache-2.0 alone does not go with GPL-2.0-only; where there is a choice, the other is taken.
        let fits = licence.split(" OR ").any(|choice| {
            matches!(
                choice.trim_matches(['(', ')']),
                "MIT" | "BSD-2-Clause" | "BSD-3-Clause" | "ISC" | "Zlib"
            )
        });
        assert!(fits, "the worker is linked with {name}, whose licence is {licence:?}");
        open.extend(linked(node(&id)));
        seen.push(id);
    }
    let gateway = packages.iter().find(|package| package["name"] == "icapstan").expect("it exists");
    assert_eq!(gateway["license"], "Apache-2.0");
    let mut open = linked(node(&gateway["id"]));
    let mut seen = Vec::new();
    while let Some(id) = open.pop() {
        if !seen.contains(&id) {
            let (name, licence) = licence_of(&id);
            let copyleft_only = licence.contains("GPL") && !licence.contains(" OR ");
            assert!(!copyleft_only, "icapstan is linked with {name}, whose licence is {licence:?}");
            open.extend(linked(node(&id)));
            seen.push(id);
        }
    }
}
