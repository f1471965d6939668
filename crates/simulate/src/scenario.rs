//! What has to hold in which trouble.

use crate::figures::Figures;
use crate::load::Curve;
use crate::plan::{Fault, Plan, Scaling, Signal};

/// How large the fleet is, and how long the runs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// For tests: 8 gateways, 24 scanners, some twenty virtual seconds.
    Small,
    /// 50 gateways, 200 scanners, a day in eight virtual minutes.
    Full,
}

/// A plan, and what has to hold.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// What is run.
    pub plan: Plan,
    claims: Vec<(&'static str, fn(&Figures) -> f64, Bound)>,
}

/// One thing that has to hold, and how it was.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// What.
    pub what: &'static str,
    /// What came out.
    pub value: f64,
    bound: Bound,
}

#[derive(Clone, Copy, Debug)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

// === impl Scenario ===

impl Scenario {
    fn new(name: &'static str, plan: Plan) -> Self {
        Self { name, plan, claims: Vec::new() }.at_most("jobs that no count has", 0.0, |figures| {
            let ended = figures.answered
                + figures.timed_out
                + figures.refused
                + figures.lost
                + figures.late
                + figures.unplaced;
            crate::load::to_f64(figures.arrived.abs_diff(ended))
        })
    }

    fn at_least(mut self, what: &'static str, least: f64, of: fn(&Figures) -> f64) -> Self {
        self.claims.push((what, of, Bound::AtLeast(least)));
        self
    }

    fn at_most(mut self, what: &'static str, most: f64, of: fn(&Figures) -> f64) -> Self {
        self.claims.push((what, of, Bound::AtMost(most)));
        self
    }

    /// What has to hold, and how it was.
    pub fn judge(&self, figures: &Figures) -> Vec<Claim> {
        self.claims.iter().map(|&(what, of, bound)| Claim { what, value: of(figures), bound }).collect()
    }
}

// === impl Claim ===

impl Claim {
    /// Whether it holds.
    pub fn holds(&self) -> bool {
        match self.bound {
            Bound::AtLeast(least) => self.value >= least,
            Bound::AtMost(most) => self.value <= most,
        }
    }
}

impl std::fmt::Display for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (word, bound) = match self.bound {
            Bound::AtLeast(least) => ("at least", least),
            Bound::AtMost(most) => ("at most", most),
        };
        let mark = if self.holds() { "ok    " } else { "FAILED" };
        write!(f, "  {mark} {}: {:.4} ({word} {bound})", self.what, self.value)
    }
}

/// All of them.
pub fn scenarios(size: Size) -> Vec<Scenario> {
    let (gateways, scanners, seconds) = match size {
        Size::Small => (8, 24, 25),
        Size::Full => (50, 200, 60),
    };
    let plan = |curve: Curve| Plan { curve, ..Plan::new(gateways, scanners, seconds) };
    let with = |curve: Curve, faults: Vec<(u64, Fault)>| Plan { faults, ..plan(curve) };
    let tenth = scanners / 10;
    let day = match size {
        Size::Small => 60,
        Size::Full => 480,
    };
    vec![
        Scenario::new("steady", plan(Curve::Flat(0.7)))
            .at_least("answered", 0.9999, Figures::success)
            .at_most("busiest scanner by the mean", 1.15, |figures| figures.utilisation_spread)
            .at_most("longest queue by the mean", 4.0, |figures| figures.outstanding_spread)
            .at_most("ejections", 0.0, ejections),
        Scenario::new("slow", with(Curve::Flat(0.6), vec![(5, Fault::Slow(tenth, 10.0))]))
            .at_least("answered", 0.999, Figures::success)
            .at_most("p99 in seconds", 0.5, |figures| figures.latency(0.99))
            .at_most("retries on the budget, share", 0.01, Figures::retry_share),
        Scenario::new("stopped", with(Curve::Flat(0.6), vec![(8, Fault::Stop(tenth)), (18, Fault::Resume)]))
            .at_least("answered", 0.9999, Figures::success)
            .at_most("seconds at a stopped scanner", 2.6, |figures| figures.longest_stuck),
        Scenario::new(
            "crashes",
            with(Curve::Flat(0.6), vec![(8, Fault::Crash(tenth)), (14, Fault::Crash(tenth * 2))]),
        )
        .at_least("answered", 0.9999, Figures::success)
        .at_most("retries on the budget, share", 0.01, Figures::retry_share),
        Scenario::new(
            "partition",
            with(
                Curve::Flat(0.5),
                vec![(8, Fault::Cut { gateways: gateways / 2, scanners: scanners / 2 }), (18, Fault::Heal)],
            ),
        )
        .at_least("answered", 0.999, Figures::success)
        .at_most("seconds at a scanner that is cut off", 2.6, |figures| figures.longest_stuck),
        Scenario::new(
            "rolling",
            Plan { seconds: 40, ..with(Curve::Flat(0.6), vec![(6, Fault::Roll(tenth * 2))]) },
        )
        .at_most("jobs lost by drained scanners", 0.0, |figures| crate::load::to_f64(figures.lost_by_drain))
        .at_least("answered", 0.9999, Figures::success),
        Scenario::new("overload", plan(Curve::Step { low: 0.5, high: 3.0, from: 4, to: 60 }))
            .at_least("useful work by capacity", 0.85, |figures| figures.useful)
            .at_most("retries on the budget, share", 0.11, Figures::retry_share)
            .at_most("ejections", 0.0, ejections),
        Scenario::new(
            "day",
            Plan {
                zones: 3,
                seconds: day,
                curve: Curve::Day { night: 0.15, noon: 0.8, seconds: day, bursts: 5 },
                scaling: Some(Scaling {
                    signal: Signal::Demand,
                    target: 1.8,
                    period_ms: 1_000,
                    down_window_ms: day * 1_000 / 24,
                    least: scanners / 6,
                    most: scanners * 3 / 2,
                }),
                start_ms: 1_000,
                ..plan(Curve::Flat(0.0))
            },
        )
        .at_least("answered", 0.998, Figures::success)
        .at_most("turns of the autoscaler", 16.0, |figures| f64::from(figures.turns))
        .at_most("seconds of backlog", 5.0, |figures| figures.longest_backlog)
        .at_most("jobs lost by drained scanners", 0.0, |figures| crate::load::to_f64(figures.lost_by_drain)),
    ]
}

fn ejections(figures: &Figures) -> f64 {
    crate::load::to_f64(figures.ejections)
}
