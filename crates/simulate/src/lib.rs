//! A fleet of gateways and scanners on virtual time.
//!
//! Refuses to do: wait, open sockets, read clocks (but to measure what a pick costs).
//!
//! ```text
//!  Plan + seed ──▶ Fleet: gateways { Balancer, RetryBudget } ── network ── scanners { admission, workers }
//!                    ▲  events in the order of their times                         │
//!                    └── faults: slow, stopped, crashed, cut off, replaced; autoscaler ──▶ Figures ──▶ claims
//! ```
//!
//! The balancer, the retry budget and the arithmetic of admission are the product's own. Modelled are the
//! network (delays, loss, cuts), the workers, discovery (0.2 to 1.5 s late), pings (each second, given up after
//! 1.5 s) and the autoscaler.
//!
//! Invariants
//! 1. Equal plans and seeds give equal figures.
//! 2. Every job that comes ends in exactly one of the counts of [`Figures`].

mod events;
mod figures;
mod fleet;
mod load;
mod pick_cost;
mod plan;
mod scanner;
mod scenario;

pub use figures::Figures;
pub use fleet::run;
pub use load::Curve;
pub use pick_cost::pick_cost;
pub use plan::{Fault, Plan, Scaling, Signal};
pub use scenario::{Claim, Scenario, Size, scenarios};
