//! The command line.

use crate::sigdb::{Counts, Preset};
use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use std::path::PathBuf;
use std::time::Duration;

/// Measures icapstan beside other ICAP servers, and makes signatures to measure with.
#[derive(Debug, Parser)]
#[command(name = "icapstan-bench", version, about, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a folder of synthetic ClamAV signatures; the same arguments give the same bytes
    Sigdb(Sigdb),
    /// Measure icapstan, c-icap and a bare loop side by side
    #[command(after_help = COMPARE_HELP)]
    Compare(Compare),
    /// Prove that icapstan bears what is large, slow, many or hostile
    #[command(after_help = ENDURE_HELP)]
    Endure(Endure),
}

#[derive(Debug, Args)]
pub(crate) struct Sigdb {
    /// The folder; made if it is missing, and what an earlier run left there is replaced
    #[arg(value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// How many signatures
    #[arg(long, default_value = "tiny")]
    pub(crate) preset: Preset,
    /// Hashes of whole files, instead of the preset's number
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(..=50_000_000))]
    pub(crate) hashes: Option<u32>,
    /// Patterns (.ndb), instead of the preset's number
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(..=50_000_000))]
    pub(crate) ndb: Option<u32>,
    /// Logical signatures (.ldb), instead of the preset's number
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(..=50_000_000))]
    pub(crate) ldb: Option<u32>,
    /// Another seed gives other signatures of the same shape
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// The folder with real lists (main.ldb.gz, daily.ndb.gz, main.hdb.gz) for the preset `official`
    #[arg(long, env = REAL_SIGNATURES, value_name = "DIR")]
    pub(crate) real: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// What to measure
    #[arg(long, default_value = "all")]
    pub(crate) suite: Suite,
    /// How many times each server is measured in each case, in turn with the others
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// How long one measurement lasts, at most an hour
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_time)]
    pub(crate) duration: Duration,
    /// How long the load runs before it is measured
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = parse_time)]
    pub(crate) warm_up: Duration,
    /// Only cases whose name contains one of these
    #[arg(long, value_name = "NAME", num_args = 1..)]
    pub(crate) only: Vec<String>,
    /// Write everything that was measured to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Servers on core 0, load on core 1, instead of all on all
    #[arg(long)]
    pub(crate) pin: bool,
    /// The folder with real lists, for the cases `official/...`; without it these are left out
    #[arg(long, env = REAL_SIGNATURES, value_name = "DIR")]
    pub(crate) real: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Endure {
    /// Only cases whose name contains one of these
    #[arg(long, value_name = "NAME", num_args = 1..)]
    pub(crate) only: Vec<String>,
    /// Write everything that was measured to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// How long hostile objects are sent, and the longest time that slow clients are watched [default: 5]; how long
    /// gateways and scanners are killed [default: 10]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=600))]
    pub(crate) minutes: Option<u32>,
    /// What is random where gateways and scanners are disturbed; another one each time, and told, if it is not given
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
}

/// Sets of cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// Messages that nobody looks into: OPTIONS, 204, echoes
    Protocol,
    /// Clean objects, each another one, scanned with the same signatures
    Scan,
    /// The same clean object each time, which icapstan scans once
    Cache,
    /// URL lists beside c-icap's url_check, five million entries, a policy of a thousand rules
    Urls,
    /// Time to the first verdict, memory of many workers
    Start,
    /// A gateway and a scanner beside one process
    Hop,
    /// Twice the load that a server can bear, beside c-icap
    Overload,
    /// All of these
    All,
}

/// The environment variable that names the folder with real lists.
pub(crate) const REAL_SIGNATURES: &str = "ICAPSTAN_REAL_SIGNATURES";

/// No measurement needs longer.
const MAX_TIME: Duration = Duration::from_hours(1);

const COMPARE_HELP: &str = "\
Needs the Debian packages c-icap, libc-icap-mod-virus-scan, libc-icap-mod-urlcheck, clamav and
clamav-daemon, and icapstan, icapstan-clamav-worker and icapstan-load beside this program.

Exit codes: 0 all targets met, 1 a target missed, 2 something could not be measured validly.

Examples:
  icapstan-bench compare --suite protocol --json protocol.json
  icapstan-bench compare --rounds 1 --duration 1s --warm-up 0s --only options";

const ENDURE_HELP: &str = "\
Needs icapstan, icapstan-clamav-worker and icapstan-load beside this program, and a limit of 12,500
open files.

Exit codes: 0 all promises kept, 1 one was not, 2 something could not be measured validly.

Examples:
  icapstan-bench endure --json endure.json
  icapstan-bench endure --only bombs --minutes 60
  icapstan-bench endure --only tiers stalls --seed 7";

// === impl Sigdb ===

impl Sigdb {
    /// The preset's numbers, save those that were given.
    pub(crate) fn counts(&self) -> Counts {
        let preset = self.preset.counts();
        Counts {
            hashes: self.hashes.unwrap_or(preset.hashes),
            ndb: self.ndb.unwrap_or(preset.ndb),
            ldb: self.ldb.unwrap_or(preset.ldb),
        }
    }
}

// === impl Suite ===

impl Suite {
    /// Whether this set holds that one.
    pub(crate) fn has(self, other: Self) -> bool {
        self == Self::All || self == other
    }
}

/// A time of at most [`MAX_TIME`].
fn parse_time(text: &str) -> Result<Duration, String> {
    let time = icapstan_api::parse_duration(text).map_err(|error| error.to_string())?;
    if time <= MAX_TIME { Ok(time) } else { Err("longer than an hour".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_have_units_and_a_bound() {
        assert_eq!(parse_time("0s"), Ok(Duration::ZERO));
        assert_eq!(parse_time("1h"), Ok(MAX_TIME));
        for wrong in ["10", "", "-1s", "61m", "999999999999999999m"] {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn given_numbers_replace_those_of_the_preset() {
        let parse =
            |args: &[&str]| match Cli::try_parse_from([&["icapstan-bench", "sigdb", "out"], args].concat()) {
                Ok(Cli { command: Command::Sigdb(args) }) => args.counts(),
                other => panic!("{other:?}"),
            };
        assert_eq!(parse(&[]), Counts { hashes: 0, ndb: 0, ldb: 0 });
        assert_eq!(parse(&["--preset", "medium"]), Counts { hashes: 500_000, ndb: 100_000, ldb: 2_000 });
        assert_eq!(
            parse(&["--preset", "medium", "--ndb", "7"]),
            Counts { hashes: 500_000, ndb: 7, ldb: 2_000 }
        );
    }
}
