//! Temporary files: gone, or too many.

use crate::harness::{Bench, PATIENCE, context, eicar, names, text};
use flate2::Compression;
use flate2::write::GzEncoder;
use icapstan_model::{FailedReason, ScanProfile, Verdict};
use std::fs;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

#[tokio::test]
async fn with_the_temporary_folders_gone_nothing_is_clean_until_they_are_made_again() {
    let bench = Bench::start(|_| {}).await;
    for entry in fs::read_dir(bench.temp.path()).unwrap() {
        fs::remove_dir_all(entry.unwrap().path()).unwrap();
    }
    let begin = Instant::now();
    let mut found_in_a_row = 0;
    while found_in_a_row < 5 {
        let found = bench.scan(&eicar()).await;
        assert!(!found.is_clean());
        found_in_a_row = if names(&found).is_empty() { 0 } else { found_in_a_row + 1 };
        assert!(begin.elapsed() < PATIENCE, "it recovers");
    }
    assert!(bench.deaths("temp-folder") > 0.5, "the workers without a folder were replaced");
    bench.end().await;
}

#[tokio::test]
async fn a_worker_whose_files_outgrow_its_share_is_killed_and_the_next_scan_is_right() {
    let bench = Bench::start(|config| config.temp_share = 8 << 20).await;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&text(48 << 20, 7)).unwrap();
    let large = encoder.finish().unwrap();
    let mut roomy = context();
    roomy.profile = Arc::new(ScanProfile { max_object_size: 64 << 20, ..ScanProfile::default() });
    let found = bench.try_scan(&large, roomy, PATIENCE).await.unwrap().findings;
    assert_eq!(*found.strongest(), Verdict::Failed(FailedReason::TempSpace));
    assert!((bench.deaths("temp-share") - 1.0).abs() < 0.1);
    assert_eq!(names(&bench.scan(&eicar()).await), ["Eicar-Test-Signature.UNOFFICIAL"]);
    bench.end().await;
}
