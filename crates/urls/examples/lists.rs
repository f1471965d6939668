//! What compiled lists cost, with as many made-up entries as given (1 million if none are): time, memory,
//! disk, and what looking up a URL adds to bringing it into canonical form. To be run as
//! `cargo run --release -p icapstan-urls --example lists -- 5000000`.

use icapstan_urls::{
    Action, CanonicalUrl, Compiler, Entry, Keep, Kind, ListFile, ListInfo, Lists, expressions, hash_key,
};
use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// How many URLs are looked up.
const PROBES: u64 = 200_000;

fn main() -> Result<(), Box<dyn Error>> {
    let entries: u64 = std::env::args().nth(1).map_or(Ok(1_000_000), |text| text.parse())?;
    let folder = tempfile::TempDir::new()?;
    let path = folder.path().join("lists");
    println!("{entries} entries: 60 % hosts, 40 % URLs; 1 % of them in two lists");
    compile(&path, entries)?;
    let step = (entries / PROBES).max(1);
    let hits = (0..PROBES).map(|number| listed(number * step % entries)).collect();
    let probes = [("in no list", (0..PROBES).map(unlisted).collect()), ("in a list", hits)];
    for (name, keep) in [("memory", Keep::Memory), ("folder", Keep::Folder(folder.path().to_path_buf()))] {
        look_up(&path, name, &keep, &probes)?;
    }
    with_hashes(folder.path(), entries)
}

fn compile(path: &Path, entries: u64) -> Result<(), Box<dyn Error>> {
    let before = forget_peak()?;
    let started = Instant::now();
    let mut compiler = Compiler::new(path, infos())?;
    for number in 0..entries {
        let entry = Entry::Expression(listed(number).into());
        compiler.add(usize::from(number % 5 > 2), Action::Block, &entry)?;
        if number % 100 == 0 {
            compiler.add(2, Action::Block, &entry)?;
        }
    }
    let added = started.elapsed();
    let compiled = compiler.finish()?;
    let took = started.elapsed();
    println!("compiled in {took:.2?} ({added:.2?} to add the entries), {} MB", compiled.bytes / 1_000_000);
    println!("peak memory {} MB ({before} MB before)", kilobytes("VmHWM")? / 1000);
    Ok(())
}

fn look_up(
    path: &Path,
    name: &str,
    keep: &Keep,
    probes: &[(&str, Vec<String>)],
) -> Result<(), Box<dyn Error>> {
    let before = kilobytes("VmRSS")?;
    let resident = || Ok::<_, Box<dyn Error>>(kilobytes("VmRSS")?.saturating_sub(before) / 1000);
    let started = Instant::now();
    let file = ListFile::open(path, keep)?;
    println!("\nkept in {name}: opened and verified in {:.2?}", started.elapsed());
    let lists = Lists::new(file, SystemTime::now());
    println!("resident after opening: {} MB more", resident()?);
    for (name, urls) in probes {
        let keys = urls.iter().map(|url| keys_of(url)).sum::<u64>() / PROBES;
        let found = urls.iter().filter(|url| lists.lookup(&canonical(url)).is_some()).count();
        println!("{name}: {keys} keys each, {found} of {PROBES} found");
        let parsed = each(urls, |url| drop(black_box(canonical(url))));
        let walked = each(urls, |url| {
            black_box(keys_of(url));
        });
        let looked_up = each(urls, |url| drop(black_box(lists.lookup(&canonical(url)))));
        let (walked, added) = (walked.saturating_sub(parsed), looked_up.saturating_sub(parsed));
        let a_second = 1_000_000_000 / added.max(1);
        println!(
            "  canonical form {parsed} ns; lookup {added} ns more, {walked} of them for its keys ({a_second} a second)"
        );
        println!("  resident: {} MB more", resident()?);
    }
    Ok(())
}

/// What it costs that a list tells hashes only.
fn with_hashes(folder: &Path, entries: u64) -> Result<(), Box<dyn Error>> {
    let path = folder.join("hashes");
    let mut compiler = Compiler::new(&path, infos())?;
    for number in 0..entries.min(100_000) {
        compiler.add(0, Action::Block, &Entry::Hash(hash_key(listed(number).as_bytes())))?;
    }
    compiler.finish()?;
    let lists = Lists::new(ListFile::open(&path, &Keep::Memory)?, SystemTime::now());
    let misses: Vec<String> = (0..PROBES).map(unlisted).collect();
    let parsed = each(&misses, |url| drop(black_box(canonical(url))));
    let looked_up = each(&misses, |url| drop(black_box(lists.lookup(&canonical(url)))));
    println!("\nwith a list of hashes only: lookup {} ns", looked_up.saturating_sub(parsed));
    Ok(())
}

fn infos() -> Vec<ListInfo> {
    let info = |name: &str, kind| ListInfo {
        name: name.into(),
        kind,
        category: Some("any".into()),
        source: "".into(),
    };
    vec![info("malware", Kind::Malware), info("phishing", Kind::Phishing), info("ads", Kind::Category)]
}

/// Nanoseconds for each. In each of five rounds over all URLs, the time of each thousand of them is taken, and
/// of that the least: what else runs on the machine disturbs some of them, and none starts with warm caches.
fn each(urls: &[String], work: impl Fn(&str)) -> u64 {
    let mut least = vec![Duration::MAX; urls.len().div_ceil(1000)];
    for _ in 0..5 {
        for (urls, least) in urls.chunks(1000).zip(&mut least) {
            let started = Instant::now();
            for url in urls {
                work(url);
            }
            *least = started.elapsed().min(*least);
        }
    }
    u64::try_from(least.iter().sum::<Duration>().as_nanos()).unwrap_or(u64::MAX) / PROBES
}

fn canonical(url: &str) -> CanonicalUrl {
    CanonicalUrl::parse(url.as_bytes()).expect("a URL made here")
}

fn keys_of(url: &str) -> u64 {
    let mut keys = 0;
    expressions(&canonical(url), |_| {
        keys += 1;
        ControlFlow::<()>::Continue(())
    });
    keys
}

/// A host (`host/`) or a URL, of some 30 bytes.
fn listed(number: u64) -> String {
    let mixed = mix(number);
    match number % 5 {
        0..3 => format!("{}.bad{:x}.example/", mixed % 1000, mixed >> 28),
        _ => format!("site{:x}.example/{:x}/{}.html", mixed >> 44, mixed & 0xffff_ffff, number % 100),
    }
}

/// A URL with three folders, a query, and a host of four labels.
fn unlisted(number: u64) -> String {
    let mixed = mix(number ^ (1 << 60));
    format!(
        "https://cdn{}.img.shop{:x}.com/assets/{}/{:x}/picture-{number}.jpeg?size={}&v={:x}",
        mixed % 10,
        mixed >> 30,
        mixed % 100,
        mixed & 0xffff,
        mixed % 2000,
        mixed
    )
}

/// The mixing function of SplitMix64.
const fn mix(number: u64) -> u64 {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Forgets the peak of memory so far; returns what is resident now, in MB.
fn forget_peak() -> Result<u64, Box<dyn Error>> {
    fs::write("/proc/self/clear_refs", "5")?;
    Ok(kilobytes("VmRSS")? / 1000)
}

/// A number from /proc/self/status (proc(5)).
fn kilobytes(field: &str) -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).ok_or("no such field")?;
    Ok(line.trim_start_matches(':').trim().trim_end_matches(" kB").parse()?)
}
