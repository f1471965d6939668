//! Runs the simulated fleet and says what holds.

use anyhow::{Result, bail};
use clap::Parser;
use icapstan_simulate::{Size, run, scenarios};
use std::time::Instant;

/// Simulates fleets of gateways and scanners, and says what holds.
#[derive(Debug, Parser)]
struct Cli {
    /// The scenarios to run; all if none is named.
    names: Vec<String>,
    /// 50 gateways, 200 scanners and a whole day instead of the small fleet of the tests.
    #[arg(long)]
    full: bool,
    /// Where chance begins.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let size = if cli.full { Size::Full } else { Size::Small };
    let mut failed = 0;
    let mut found = 0;
    for scenario in scenarios(size) {
        if !cli.names.is_empty() && !cli.names.iter().any(|name| name == scenario.name) {
            continue;
        }
        found += 1;
        let begin = Instant::now();
        let figures = run(&scenario.plan, cli.seed);
        println!(
            "{} (seed {}, took {:.1} s)\n{figures}",
            scenario.name,
            cli.seed,
            begin.elapsed().as_secs_f64()
        );
        for claim in scenario.judge(&figures) {
            println!("{claim}");
            failed += usize::from(!claim.holds());
        }
    }
    if found == 0 {
        bail!("there is no such scenario");
    }
    if failed > 0 {
        bail!("{failed} claims do not hold");
    }
    Ok(())
}
