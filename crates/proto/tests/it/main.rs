//! What must hold of `proto/icapstan`, which processes of different versions speak to each other.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod compatible;
mod keda;
mod listing;
mod style;

use prost_types::FileDescriptorSet;
use std::path::{Path, PathBuf};

/// Relative to the folder of the repository.
fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// All files below `folder`, relative to it.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "proto") {
                found.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Ours, with comments. What is of others, such as KEDA's protocol, is theirs to change.
fn ours() -> FileDescriptorSet {
    let root = at("proto");
    let files: Vec<_> = files(&root).into_iter().filter(|file| file.starts_with("icapstan/")).collect();
    assert!(files.len() >= 2, "{files:?}");
    protox::compile(files, [root]).unwrap()
}
