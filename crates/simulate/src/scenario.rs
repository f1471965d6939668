//! What has to hold in which trouble.

mod list;

pub use list::scenarios;

use crate::figures::Figures;
use crate::plan::Plan;

/// How large the fleet is, and how long the runs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// For tests: 8 gateways, 24 scanners, some twenty virtual seconds.
    Small,
    /// 50 gateways, 200 scanners, a day in four virtual minutes.
    Full,
}

/// What is taken from a run.
type Figure = fn(&Figures) -> f64;

/// A plan, and what has to hold.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// What is run.
    pub plan: Plan,
    claims: Vec<(&'static str, Figure, Bound)>,
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

    fn at_least(mut self, what: &'static str, least: f64, of: Figure) -> Self {
        self.claims.push((what, of, Bound::AtLeast(least)));
        self
    }

    fn at_most(mut self, what: &'static str, most: f64, of: Figure) -> Self {
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
