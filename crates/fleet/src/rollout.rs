//! From a candidate to what the fleet judges by, stage by stage, or back.
//!
//! ```text
//!  Idle ─▶ Staging ─▶ CanaryLoading ─▶ CanarySoak ─▶ [AwaitingApproval] ─▶ Rolling ─▶ Activating ─▶ Baking ─▶ Idle
//!             │ nothing is active yet: no canary ─────────────────────────────▲           │ flip        │
//!             └───────────────┴── fails ─────┴────────────────┴──────────────┴───────────┘             │ worse, or undo
//!                                   ▼                                                                    ▼
//!                     Paused, or RollingBack ─▶ RolledBack ◀── flip ──────────────────────────── RollingBack
//! ```
//!
//! What the plan has to say follows from the state and what was seen ([`Effect::SetPlan`]), so that a crash between
//! any two of its effects costs nothing but time.

mod bake;
mod effect;
mod ending;
mod hold;
mod observed;
mod record;
mod soak;
mod spread;
mod stages;
mod state;
mod step;
mod tell;
mod verbs;

pub use effect::Effect;
pub use observed::{BakeLimits, Health, Observed, Offer, PlanView, RolloutPart, Spec, Verbs};
pub use record::{Outcome, Record};
pub use state::{Assigned, Counts, Failed, Phase, State, Trouble};
pub use step::step;
