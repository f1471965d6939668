//! Promises about what is large, slow, many or hostile, proved with a running server.
//!
//! Each case starts a server of its own, so that none inherits memory or connections from another.

mod big_body;
mod bombs;
mod idle;
mod load;
mod poison;
mod pulse;
mod report;
mod server;
mod slow;
mod stalls;
mod stream;
mod tiers;
mod tree;

use crate::Exit;
use crate::cli::Endure;
use crate::context::{self, Context, Needs};
use crate::interrupt::{self, Interrupt};
use anyhow::bail;
use report::{CaseReport, Report};
use std::io::Write;
use std::time::Duration;

/// A case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    BigBody,
    Idle,
    Hold,
    Slow,
    Bombs,
    Poison,
    Tiers,
    Stalls,
}

/// What was asked for.
#[derive(Clone, Copy, Debug)]
struct Asked {
    minutes: Option<u32>,
    seed: u64,
}

/// Proves, prints, and writes the file that was asked for.
pub(crate) fn run(args: &Endure) -> anyhow::Result<Exit> {
    let cases = selected(&args.only)?;
    // Opened first: a path that cannot be written should be known before minutes of measuring.
    let json = args.json.as_deref().map(context::create).transpose()?;
    let needs = Needs { c_icap: false, clamd: false, url_check: false, load: true, clamscan: false };
    let context = Context::new(false, Interrupt::listen()?, needs)?;
    let mut report = Report::default();
    let asked = Asked { minutes: args.minutes, seed: args.seed.unwrap_or_else(some_seed) };
    let mut interrupted = None;
    for case in cases {
        let mut result = CaseReport::new(case.name());
        let done = case.measure(&context, asked, &mut result);
        if let Err(error) = done {
            if interrupt::is_interrupt(&error) {
                interrupted = Some(error);
                break;
            }
            // The other cases may be sound.
            result.fault = Some(format!("{error:#}"));
        }
        print!("{}", result.table());
        // Seen at once also where the output goes to a file.
        let _ = std::io::stdout().flush();
        report.cases.push(result);
    }
    report.complete = interrupted.is_none();
    println!("{}", report.summary());
    if let Some(mut file) = json {
        serde_json::to_writer_pretty(&mut file, &report)?;
        writeln!(file)?;
        file.flush()?;
    }
    interrupted.map_or_else(|| Ok(report.exit()), Err)
}

fn selected(only: &[String]) -> anyhow::Result<Vec<Case>> {
    let wanted = |case: &Case| only.is_empty() || only.iter().any(|part| case.name().contains(part.as_str()));
    let cases: Vec<_> = Case::ALL.into_iter().filter(wanted).collect();
    if cases.is_empty() {
        bail!("no case is called so; there are {}", Case::ALL.map(Case::name).join(", "));
    }
    Ok(cases)
}

// === impl Case ===

impl Case {
    const ALL: [Self; 8] = [
        Self::BigBody,
        Self::Idle,
        Self::Hold,
        Self::Slow,
        Self::Bombs,
        Self::Poison,
        Self::Tiers,
        Self::Stalls,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::BigBody => "big-body",
            Self::Idle => "idle-1000",
            Self::Hold => "hold-10000",
            Self::Slow => "slow-500",
            Self::Bombs => "bombs",
            Self::Poison => "poison",
            Self::Tiers => "tiers",
            Self::Stalls => "stalls",
        }
    }

    fn measure(self, context: &Context, asked: Asked, report: &mut CaseReport) -> anyhow::Result<()> {
        let usual = if self == Self::Tiers { 10 } else { 5 };
        let time = Duration::from_mins(asked.minutes.unwrap_or(usual).into());
        match self {
            Self::BigBody => big_body::measure(context, report),
            Self::Idle => idle::measure(context, report),
            Self::Hold => idle::hold(context, report),
            Self::Slow => slow::measure(context, time, report),
            Self::Bombs => bombs::measure(context, time, report),
            Self::Poison => poison::measure(context, time, report),
            Self::Tiers => tiers::measure(context, time, asked.seed, report),
            Self::Stalls => stalls::measure(context, asked.seed, report),
        }
    }
}

/// Another one each time.
fn some_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(()) % 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_chosen_by_a_part_of_their_name() {
        let names = |only: &[&str]| {
            let only: Vec<_> = only.iter().map(|part| (*part).to_owned()).collect();
            selected(&only).map(|cases| cases.into_iter().map(Case::name).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).unwrap().len(), 8);
        assert_eq!(names(&["bo"]).unwrap(), ["big-body", "bombs"]);
        assert!(names(&["other"]).unwrap_err().to_string().contains("hold-10000"));
    }
}
