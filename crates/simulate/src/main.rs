//! Runs the simulated fleet and says what holds.

use clap::Parser;
use icapstan_simulate::{Signal, Size, pick_cost, run, scenarios};
use std::process::ExitCode;
use std::time::Instant;

/// Simulates fleets of gateways and scanners, and says what holds.
#[derive(Debug, Parser)]
struct Cli {
    /// The scenarios to run; all if none is named.
    names: Vec<String>,
    /// 50 gateways, 200 scanners and a whole day instead of the small fleet of the tests.
    #[arg(long)]
    full: bool,
    /// Gateways that do not look at the load, to compare with.
    #[arg(long)]
    blind: bool,
    /// Autoscale on the estimated work of scanners, so many seconds for each.
    #[arg(long)]
    by_work: Option<f64>,
    /// Measure what a pick costs, and simulate nothing.
    #[arg(long)]
    pick_cost: bool,
    /// Where chance begins.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.pick_cost {
        for threads in [1, 2] {
            println!("{threads} threads at it: {:?} for each pick and its end", pick_cost(threads));
        }
        return ExitCode::SUCCESS;
    }
    let size = if cli.full { Size::Full } else { Size::Small };
    let mut failed = 0;
    let mut found = 0;
    for mut scenario in scenarios(size) {
        scenario.plan.is_blind = cli.blind;
        if let (Some(target), Some(scaling)) = (cli.by_work, &mut scenario.plan.scaling) {
            scaling.signal = Signal::Work;
            scaling.target = target;
        }
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
        eprintln!("there is no such scenario");
    }
    if failed > 0 {
        eprintln!("{failed} claims do not hold");
    }
    if found > 0 && failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
