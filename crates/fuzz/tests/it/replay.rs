//! Inputs that were kept: `corpus` reaches much code with few files, `cases` broke a promise once.

use icapstan_fuzz::TARGETS;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// No input takes longer, on a slow machine without optimisation.
const PATIENCE: Duration = Duration::from_secs(10);

/// A corpus is for replays in seconds, not for storing what a fuzzer did.
const MOST_FILES: usize = 200;
const MOST_BYTES: u64 = 200 * 1024;

fn files(folder: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_kept_input_keeps_its_targets_promises() {
    let mut wrong = Vec::new();
    for (name, target) in TARGETS {
        for file in files("corpus", name).into_iter().chain(files("cases", name)) {
            let data = fs::read(&file).unwrap();
            let begin = Instant::now();
            let kept = catch_unwind(AssertUnwindSafe(|| target(&data))).is_ok();
            if !kept || begin.elapsed() > PATIENCE {
                wrong.push(format!("{name} with {} in {:?}", file.display(), begin.elapsed()));
            }
        }
    }
    assert!(wrong.is_empty(), "promises are broken, or take too long:\n{}", wrong.join("\n"));
}

#[test]
fn every_target_has_a_corpus_of_a_modest_size() {
    for (name, _) in TARGETS {
        let files = files("corpus", name);
        let bytes: u64 = files.iter().map(|file| fs::metadata(file).unwrap().len()).sum();
        assert!(!files.is_empty(), "{name} has no corpus");
        assert!(
            files.len() <= MOST_FILES && bytes <= MOST_BYTES,
            "{name}: {} files, {bytes} bytes",
            files.len()
        );
    }
}

#[test]
fn no_kept_input_trips_a_scanner() {
    let eicar = icapstan_testkit::eicar();
    for (name, _) in TARGETS {
        for file in files("corpus", name).into_iter().chain(files("cases", name)) {
            let data = fs::read(&file).unwrap();
            assert!(!data.windows(eicar.len()).any(|window| window == eicar), "{}", file.display());
        }
    }
}
