//! How new signatures and settings become those of a whole fleet.
//!
//! Refuses to do: I/O, waiting, clocks (each call is told the time), Kubernetes, fetching and verifying.
//!
//! ```text
//!  SignatureSet.status ─▶ rollout::State ─┐                       ┌▶ State: to be stored first
//!  sources, scanners, people ─▶ Observed ─┴▶ rollout::step ───────┼▶ SetPlan(RolloutPart) ───────┐
//!                                                                 ├▶ RequestFlip ─▶ flip::Wish ┐ │
//!                                                                 └▶ events, records, requeue  │ │
//!  FleetPlan.status ─▶ flip::FlipState ─┐                                                      │ │
//!  settings, gateways, scanners ────────┴▶ FlipObserved ─▶ flip::step ◀────────────────────────┘ │
//!                                                              └▶ FlipPart ─▶ plan::assemble ◀───┘
//!                                                                               └▶ FleetPlan.spec
//! ```
//!
//! Who calls it gathers what there is, stores the states, and writes the plan with the version that it read, so that of
//! two that believe to lead only one is heard. All of it is asked for again until it is seen to be done: a call with
//! the same input changes nothing more, and a process may end between any two of its doings.
//!
//! Invariants
//! 1. No epoch names signatures that a scanner did not load and try, and none becomes active before enough scanners
//!    have them.
//! 2. What is active is held by at least half of the scanners, and as many as are wished, but for those that end.
//! 3. Tags belong to what is judged by: an epoch names both, and changes either signatures or settings.
//! 4. What is gone back to stays on disk.
//! 5. No epoch gets its instant while a gateway that is ready, and does not know itself behind, is not prepared; none
//!    that has it is taken back.
//! 6. A rollout changes tags at most once, and one that fails before it is active never. What was active and was taken
//!    back does not come back by itself.
//! 7. States, messages, and lists are bounded; numbers of epochs and generations only rise.
//!
//! ```
//! use icapstan_api::fleet::{FleetPlanSpec, Issuer, PlannedRevision};
//! use icapstan_fleet::flip::{self, FlipObserved, FlipPart, FlipState, Wish};
//! use icapstan_fleet::plan::{self, Parts};
//! use icapstan_fleet::rollout::{self, Effect, Observed, Offer, Phase, PlanView, State};
//! use icapstan_fleet::{Scanner, Stage};
//!
//! let now = "2026-11-24T00:00:00Z".parse()?;
//! let (state, flip_state, plan) = (State::default(), FlipState::default(), FleetPlanSpec::default());
//! let seen = Observed {
//!     offer: Offer::Revision(PlannedRevision::built_in()),
//!     scanners: vec![Scanner { name: "scanner-0".to_owned(), heard: true, ..Scanner::default() }],
//!     plan: PlanView::of(&plan, flip_state.retiring()),
//!     ..Observed::default()
//! };
//! let (state, effects) = rollout::step(&state, &seen, now);
//! assert_eq!(state.phase, Phase::Staging);
//!
//! // Once it is stored, what it asks for is done.
//! let mut rollout = seen.plan.part.clone();
//! let mut wish = Wish { verdict_version: 5, ..Wish::default() };
//! for effect in effects {
//!     match effect {
//!         Effect::SetPlan(part) => rollout = part,
//!         Effect::RequestFlip { revision } => wish.revision = Some(revision),
//!         _ => {} // Events, records, and when to look again.
//!     }
//! }
//! let part = FlipPart::of(&plan);
//! let seen = FlipObserved { generation: plan.generation, part, wish, ..FlipObserved::default() };
//! let flipped = flip::step(&flip_state, &seen, now);
//! let parts = Parts { rollout, flip: flipped.part, ..Parts::default() };
//! let issuer = Issuer { holder: "operator-0".to_owned(), term: 1 };
//! let next = plan::assemble(&plan, parts, &issuer)?.expect("scanners are to fetch it");
//! assert_eq!((next.generation, next.revisions.len()), (1, 1));
//! # let _ = Stage::of(2, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cohort;
mod condition;
mod event;
pub mod flip;
pub mod plan;
mod reason;
pub mod rollout;
mod scanner;
mod text;

pub use condition::{Condition, ConditionType, Status};
pub use event::{Event, EventType};
pub use reason::Reason;
pub use scanner::{Failure, Mirrored, Report, Scanner, Stage};
