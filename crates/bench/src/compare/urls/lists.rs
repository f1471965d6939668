//! Lists of names that nobody has, the same for every server, and URLs that are in them and in none.

use crate::context::{Context, Core};
use anyhow::{Context as _, bail};
use icapstan_testkit::Process;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A list as text and compiled, and what compiling took.
#[derive(Clone, Debug)]
pub(in crate::compare) struct Lists {
    /// One entry a line.
    pub(in crate::compare) text: PathBuf,
    /// What `icapstan lists compile` made of it.
    pub(in crate::compare) compiled: PathBuf,
    pub(super) took: Duration,
    /// The most memory that the process had, in bytes.
    pub(super) peak: u64,
}

/// What is in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::compare) enum Entries {
    /// So many domains, which every server understands.
    Domains(u32),
    /// Of so many three fifths domains, the others URLs.
    Mixed(u32),
}

/// How long compiling may take.
const LONG: Duration = Duration::from_mins(10);

// === impl Lists ===

impl Lists {
    /// Makes the list in the folder of the context.
    pub(in crate::compare) fn make(context: &Context, entries: Entries) -> anyhow::Result<Self> {
        let folder = context.subfolder("lists")?;
        let (text, compiled) = (folder.join("list.txt"), folder.join("list.compiled"));
        entries.write(&text).with_context(|| text.display().to_string())?;
        let config = folder.join("compile.yaml");
        fs::write(
            &config,
            format!(
                "urlLists: {{sources: [{{name: bench, kind: malware, format: plain, path: {}}}]}}\n",
                text.display()
            ),
        )?;
        let mut command = context.command(&context.programs.icapstan, Core::Server);
        command.args(["lists", "compile", "--config"]).arg(&config).arg(&compiled);
        let begun = Instant::now();
        let process = Process::start("icapstan lists compile", command);
        let mut peak = 0;
        context.wait(&process, LONG, || {
            peak = peak.max(peak_of(process.pid()));
            process.has_ended().then_some(())
        })?;
        let took = begun.elapsed();
        if !compiled.exists() {
            bail!("the list is not compiled; it said:\n{}", process.logs().text());
        }
        Ok(Self { text, compiled, took, peak })
    }
}

/// The most memory of a process so far, in bytes; 0 when it has ended.
fn peak_of(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or_default() * 1024
}

// === impl Entries ===

impl Entries {
    /// How many.
    pub(super) const fn count(self) -> u32 {
        match self {
            Self::Domains(count) | Self::Mixed(count) => count,
        }
    }

    /// One of them, as a list has it.
    fn entry(self, number: u32) -> String {
        let mixed = mix(number.into());
        match self {
            Self::Mixed(_) if number % 5 > 2 => {
                format!("site{:x}.example/{:x}/{number}.html", mixed >> 44, mixed & 0xffff_ffff)
            }
            _ => format!("bad{mixed:x}.example"),
        }
    }

    /// A URL that is listed.
    pub(in crate::compare) fn listed(self, number: u32) -> String {
        let entry = self.entry(number % self.count());
        if entry.contains('/') { format!("http://{entry}") } else { format!("http://www.{entry}/any/page") }
    }

    fn write(self, path: &Path) -> std::io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        for number in 0..self.count() {
            writeln!(file, "{}", self.entry(number))?;
        }
        file.flush()
    }
}

/// A URL that is in no list: a host of four labels, three folders and a query.
pub(in crate::compare) fn unlisted(number: u32) -> String {
    let mixed = mix(u64::from(number) | 1 << 60);
    format!(
        "https://cdn{}.img.shop{:x}.com/assets/{}/{:x}/picture-{number}.jpeg?size={}",
        mixed % 10,
        mixed >> 30,
        mixed % 100,
        mixed & 0xffff,
        mixed % 2000,
    )
}

/// The mixing function of SplitMix64: of no two numbers the same.
const fn mix(number: u64) -> u64 {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
impl Lists {
    /// Lists that are nowhere.
    pub(in crate::compare) fn nowhere() -> Self {
        let (text, compiled) = (PathBuf::from("/l/list.txt"), PathBuf::from("/l/list.compiled"));
        Self { text, compiled, took: Duration::ZERO, peak: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_list_has_as_many_different_entries_as_are_asked_for_and_no_url_of_others() {
        let dir = icapstan_testkit::tempdir();
        let path = dir.path().join("list");
        for (entries, urls) in [(Entries::Domains(1000), 0), (Entries::Mixed(1000), 400)] {
            entries.write(&path).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            let lines: BTreeSet<_> = text.lines().collect();
            assert_eq!(lines.len(), 1000);
            assert_eq!(lines.iter().filter(|line| line.contains('/')).count(), urls);
            assert!(lines.iter().all(|line| !unlisted(7).contains(line)));
        }
        assert!(Entries::Mixed(10).listed(3).starts_with("http://site"));
        assert!(Entries::Mixed(10).listed(10).starts_with("http://www.bad"));
    }
}
