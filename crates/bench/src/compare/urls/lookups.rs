//! What a list of five million entries takes: to compile, in memory, for a lookup.

use super::cpu_time;
use super::lists::{Entries, Lists, unlisted};
use crate::context::Context;
use crate::stats::Spread;
use anyhow::{Context as _, bail};
use icapstan_urls::{CanonicalUrl, Keep, ListFile};
use serde::Serialize;
use std::fs;
use std::hint::black_box;
use std::time::{Instant, SystemTime};

/// What was measured. Sizes are in bytes.
#[derive(Debug, Serialize)]
pub(in crate::compare) struct LookupReport {
    pub(in crate::compare) entries: u32,
    pub(in crate::compare) compile_seconds: f64,
    pub(in crate::compare) compile_peak: u64,
    pub(in crate::compare) file: u64,
    /// To open the file and verify it.
    pub(in crate::compare) open_seconds: f64,
    /// More memory with the lists open, and all lookups done.
    pub(in crate::compare) resident: u64,
    pub(in crate::compare) hit: Lookup,
    pub(in crate::compare) miss: Lookup,
}

/// Nanoseconds of processor time for one URL.
#[derive(Debug, Serialize)]
pub(in crate::compare) struct Lookup {
    /// To bring it into canonical form.
    pub(in crate::compare) canonical: Spread,
    /// To look it up beyond that.
    pub(in crate::compare) lookup: Spread,
}

/// How many URLs are looked up in a round: more than caches hold.
const URLS: u32 = 200_000;

/// Compiles, opens, and looks up.
pub(super) fn measure(context: &Context, rounds: u32, entries: Entries) -> anyhow::Result<LookupReport> {
    eprintln!("compiling {} entries", entries.count());
    let made = Lists::make(context, entries)?;
    let step = (entries.count() / URLS).max(1);
    let hits: Vec<String> = (0..URLS).map(|number| entries.listed(number * step)).collect();
    let misses: Vec<String> = (0..URLS).map(unlisted).collect();
    let before = resident()?;
    let begun = Instant::now();
    let file = ListFile::open(&made.compiled, &Keep::Memory)?;
    let open_seconds = begun.elapsed().as_secs_f64();
    if file.entries() != entries.count() as usize {
        bail!("the list has {} entries instead of {}", file.entries(), entries.count());
    }
    let lists = icapstan_urls::Lists::new(file, SystemTime::now());
    let hit = look_up(context, rounds, &lists, &hits, true)?;
    let miss = look_up(context, rounds, &lists, &misses, false)?;
    Ok(LookupReport {
        entries: entries.count(),
        compile_seconds: made.took.as_secs_f64(),
        compile_peak: made.peak,
        file: fs::metadata(&made.compiled)?.len(),
        open_seconds,
        resident: resident()?.saturating_sub(before),
        hit,
        miss,
    })
}

fn look_up(
    context: &Context,
    rounds: u32,
    lists: &icapstan_urls::Lists,
    urls: &[String],
    listed: bool,
) -> anyhow::Result<Lookup> {
    let canonical = |url: &String| CanonicalUrl::parse(url.as_bytes());
    // All of them once, which also brings the pages in.
    for url in urls {
        let found = lists.lookup(&canonical(url)?).is_some();
        if found != listed {
            bail!("{url} is {} a list", if listed { "not in" } else { "in" });
        }
    }
    let (mut forms, mut lookups) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        context.check()?;
        let form = each(urls, |url| drop(black_box(canonical(url))));
        let whole = each(urls, |url| {
            black_box(canonical(url).ok().and_then(|url| lists.lookup(&url)));
        });
        forms.push(form);
        lookups.push((whole - form).max(0.0));
    }
    let spread = |values: &[f64]| Spread::of(values).context("a time is no number");
    Ok(Lookup { canonical: spread(&forms)?, lookup: spread(&lookups)? })
}

/// Nanoseconds of processor time for each.
#[expect(clippy::cast_precision_loss, reason = "a few hundred thousand")]
fn each(urls: &[String], work: impl Fn(&String)) -> f64 {
    let begun = cpu_time();
    urls.iter().for_each(work);
    cpu_time().saturating_sub(begun).as_secs_f64() * 1e9 / urls.len() as f64
}

/// Memory of this process, in bytes.
fn resident() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
