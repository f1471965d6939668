//! The scenarios.

use super::{Scenario, Size};
use crate::figures::Figures;
use crate::load::{Curve, to_f64};
use crate::plan::{Fault, Plan, Scaling, Signal};

/// All of them.
pub fn scenarios(size: Size) -> Vec<Scenario> {
    vec![
        steady(size),
        slow(size),
        stopped(size),
        hung(size),
        all_hung(size),
        crashes(size),
        partition(size),
        rolling(size),
        overload(size),
        surge(size),
        day(size),
    ]
}

fn plan(size: Size, seconds: u64, level: f64, faults: &[(u64, Fault)]) -> Plan {
    let (gateways, scanners) = match size {
        Size::Small => (8, 24),
        Size::Full => (50, 200),
    };
    Plan { curve: Curve::Flat(level), faults: faults.to_vec(), ..Plan::new(gateways, scanners, seconds) }
}

/// A tenth of the scanners.
fn tenth(size: Size) -> usize {
    plan(size, 0, 0.0, &[]).scanners / 10
}

/// The longest of more queues is longer. By chance it would be 7.5 times the mean in the small fleet.
fn steady(size: Size) -> Scenario {
    let longest_queue = match size {
        Size::Small => 6.5,
        Size::Full => 12.0,
    };
    Scenario::new("steady", plan(size, 25, 0.7, &[]))
        .at_least("answered", 0.9999, Figures::success)
        .at_most("busiest scanner by the mean", 1.2, |figures| figures.utilisation_spread)
        .at_most("longest queue by the mean", longest_queue, |figures| figures.outstanding_spread)
        .at_most("p99 in seconds", 0.25, |figures| figures.latency(0.99))
        .at_most("ejections", 0.0, ejections)
}

fn slow(size: Size) -> Scenario {
    Scenario::new("slow", plan(size, 25, 0.6, &[(5, Fault::Slow(tenth(size), 10.0))]))
        .at_least("answered", 0.9999, Figures::success)
        .at_most("p99 in seconds", 0.3, |figures| figures.latency(0.99))
        .at_most("retries on the budget, share", 0.001, Figures::retry_share)
}

fn stopped(size: Size) -> Scenario {
    let faults = [(8, Fault::Stop(tenth(size))), (18, Fault::Resume)];
    Scenario::new("stopped", plan(size, 25, 0.6, &faults))
        .at_least("answered", 0.9999, Figures::success)
        .at_most("seconds at a stopped scanner", 2.6, |figures| figures.longest_stuck)
}

/// They take jobs and answer pings, so that only deadlines tell.
fn hung(size: Size) -> Scenario {
    let faults = [(6, Fault::Hang(tenth(size))), (30, Fault::Resume)];
    Scenario::new("hung", plan(size, 45, 0.6, &faults))
        .at_least("answered", 0.995, Figures::success)
        .at_least("ejections", 1.0, ejections)
        .at_most("share that a gateway ejected", 0.33, |figures| figures.most_ejected)
        .at_most("retries on the budget, share", 0.02, Figures::retry_share)
}

/// Of the last two that are connected one may be ejected; that is the half.
fn all_hung(size: Size) -> Scenario {
    let all = plan(size, 0, 0.0, &[]).scanners;
    let faults = [(6, Fault::Hang(all)), (20, Fault::Resume)];
    Scenario::new("all-hung", plan(size, 40, 0.3, &faults))
        .at_most("share that a gateway ejected", 0.5, |figures| figures.most_ejected)
        .at_most("retries on the budget, share", 0.11, Figures::retry_share)
}

fn crashes(size: Size) -> Scenario {
    let faults = [(8, Fault::Crash(tenth(size))), (14, Fault::Crash(tenth(size) * 2))];
    Scenario::new("crashes", plan(size, 25, 0.6, &faults))
        .at_least("answered", 0.9999, Figures::success)
        .at_most("retries on the budget, share", 0.001, Figures::retry_share)
}

/// Half of the gateways cannot reach half of the scanners.
fn partition(size: Size) -> Scenario {
    let whole = plan(size, 0, 0.0, &[]);
    let cut = Fault::Cut { gateways: whole.gateways / 2, scanners: whole.scanners / 2 };
    Scenario::new("partition", plan(size, 25, 0.5, &[(8, cut), (18, Fault::Heal)]))
        .at_least("answered", 0.9995, Figures::success)
        .at_most("seconds at a scanner that is cut off", 2.6, |figures| figures.longest_stuck)
}

fn rolling(size: Size) -> Scenario {
    Scenario::new("rolling", plan(size, 40, 0.6, &[(6, Fault::Roll(tenth(size) * 2))]))
        .at_most("jobs lost by drained scanners", 0.0, lost_by_drain)
        .at_least("answered", 0.9999, Figures::success)
}

/// Three times what the fleet can do.
fn overload(size: Size) -> Scenario {
    let curve = Curve::Step { low: 0.5, high: 3.0, from: 4, to: 60 };
    Scenario::new("overload", Plan { curve, ..plan(size, 20, 0.0, &[]) })
        .at_least("useful work by capacity", 0.85, |figures| figures.useful)
        .at_most("retries on the budget, share", 0.11, Figures::retry_share)
        .at_most("ejections", 0.0, ejections)
}

/// Nearly five times as much from one moment to the next, and back.
/// Nearly five times the load from one moment to the next: what comes until further scanners have started is refused.
fn surge(size: Size) -> Scenario {
    let curve = Curve::Step { low: 0.3, high: 1.4, from: 15, to: 40 };
    let plan = plan(size, 60, 0.0, &[]);
    let scaling = Some(scaling(&plan, plan.scanners * 3, 10_000));
    Scenario::new("surge", Plan { curve, scaling, ..plan })
        .at_least("answered", 0.88, Figures::success)
        .at_most("turns of the autoscaler", 3.0, turns)
        .at_most("seconds of backlog", 6.0, |figures| figures.longest_backlog)
}

/// The times of the autoscaler are shortened as the day is.
fn day(size: Size) -> Scenario {
    let seconds = match size {
        Size::Small => 60,
        Size::Full => 240,
    };
    let curve = Curve::Day { night: 0.15, noon: 0.8, seconds, bursts: 5 };
    let plan = plan(size, seconds, 0.0, &[]);
    let scaling = Some(scaling(&plan, plan.scanners * 3 / 2, seconds * 1_000 / 24));
    Scenario::new("day", Plan { zones: 3, curve, scaling, start_ms: 1_000, ..plan })
        .at_least("answered", 0.999, Figures::success)
        .at_most("turns of the autoscaler", 16.0, turns)
        .at_most("seconds of backlog", 5.0, |figures| figures.longest_backlog)
        .at_most("jobs lost by drained scanners", 0.0, lost_by_drain)
}

/// Three workers each: 60 % of them busy.
fn scaling(plan: &Plan, most: usize, down_window_ms: u64) -> Scaling {
    let least = plan.scanners / 6;
    Scaling { signal: Signal::Demand, target: 1.8, period_ms: 1_000, down_window_ms, least, most }
}

fn ejections(figures: &Figures) -> f64 {
    to_f64(figures.ejections)
}

fn turns(figures: &Figures) -> f64 {
    f64::from(figures.turns)
}

fn lost_by_drain(figures: &Figures) -> f64 {
    to_f64(figures.lost_by_drain)
}
