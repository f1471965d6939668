//! From a candidate to what the fleet judges by, stage by stage, or back.

mod effect;
mod observed;
mod record;
mod state;

pub use effect::Effect;
pub use observed::{BakeLimits, Health, Observed, Offer, PlanView, RolloutPart, Spec, Verbs};
pub use record::{Outcome, Record};
pub use state::{Assigned, Counts, Failed, Phase, State, Trouble};
