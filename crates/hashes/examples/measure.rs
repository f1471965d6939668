//! What lists of many entries take: `cargo run --release -p icapstan-hashes --example measure -- 10000000 FOLDER`.

#![expect(clippy::unwrap_used, clippy::cast_precision_loss, reason = "figures for people")]

use icapstan_hashes::import::{Format, import};
use icapstan_hashes::{Algorithm, Compiler, Digest, Hasher, Kind, ListFile, ListInfo, Lists};
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

/// Looked up of each sort.
const LOOKUPS: u64 = 2_000_000;

fn main() {
    let mut args = std::env::args().skip(1);
    let count: u64 = args.next().map_or(1_000_000, |count| count.parse().unwrap());
    let folder = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(folder).unwrap();
    let (list, target) = (folder.path().join("list.hsb"), folder.path().join("compiled"));
    let mut file = BufWriter::new(File::create(&list).unwrap());
    for number in 0..count {
        writeln!(file, "{}:*:Synthetic.{}:73", digest(number), number % 5000).unwrap();
    }
    file.into_inner().unwrap().sync_all().unwrap();
    println!("{count} SHA-256, list of {} MB", fs::metadata(&list).unwrap().len() / 1_000_000);

    let before = memory("VmHWM:");
    let start = Instant::now();
    let info = ListInfo { name: "synthetic".into(), kind: Kind::Deny, source: "measure".into() };
    let mut compiler = Compiler::new(&target, vec![info]).unwrap();
    let input = BufReader::with_capacity(256 << 10, File::open(&list).unwrap());
    let report = import(Format::Clamav, Kind::Deny, input, |imported| {
        compiler.add(0, &imported.entry, imported.name).unwrap();
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(report.entries, count);
    let compiled = compiler.finish().unwrap();
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "compile: {seconds:.1} s, {:.2} million a second, peak {} MB of memory, file {} bytes ({:.2} an entry)",
        count as f64 / seconds / 1e6,
        (memory("VmHWM:") - before) / 1000,
        compiled.bytes,
        compiled.bytes as f64 / count as f64
    );

    let (before, start) = (memory("VmRSS:"), Instant::now());
    let lists = Lists::new(ListFile::open(&target).unwrap(), SystemTime::now());
    println!(
        "open: {:.2} s, {} MB of memory",
        start.elapsed().as_secs_f64(),
        (memory("VmRSS:") - before) / 1000
    );

    for (sort, from) in [("listed", 0), ("not listed", count)] {
        // In an order that no cache foresees.
        let asked: Vec<Digest> =
            (0..LOOKUPS).map(|nth| digest(from + nth.wrapping_mul(7_919_777) % count)).collect();
        let start = Instant::now();
        let found = asked.iter().filter(|digest| lists.lookup_digest(digest).is_some()).count();
        let nanoseconds = start.elapsed().as_nanos() / u128::from(LOOKUPS);
        println!("{sort}: {found} of {LOOKUPS} found, {nanoseconds} ns each");
        assert_eq!(found as u64, if from == 0 { LOOKUPS } else { 0 });
    }
    for size in [4 << 10, 1 << 20] {
        let bytes = vec![7_u8; size];
        for algorithm in Algorithm::ALL {
            let (start, rounds) = (Instant::now(), (64 << 20) / size);
            for _ in 0..rounds {
                let mut hasher = Hasher::new([algorithm]);
                hasher.update(&bytes);
                assert_eq!(hasher.finish().iter().count(), 1);
            }
            let micros = start.elapsed().as_secs_f64() * 1e6 / rounds as f64;
            println!("{algorithm} of {size} bytes: {micros:.1} us");
        }
    }
}

fn digest(number: u64) -> Digest {
    let mut hasher = Hasher::new([Algorithm::Sha256]);
    hasher.update(&number.to_le_bytes());
    *hasher.finish().iter().next().unwrap()
}

/// Of this process, in kB.
fn memory(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
