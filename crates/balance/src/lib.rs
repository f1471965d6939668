//! Which scanner gets the next job.
//!
//! Refuses to do: connections, discovery, waiting, clocks (each call is told the time), retries themselves (it
//! says whether one may be made).
//!
//! ```text
//!  discovery ── update ─────────────────▶ Roster (a lock; seldom) ── publish ──▶ Routes: who may be picked
//!  connections ── connected, draining, ─▶   ▲                                     │ no lock
//!      generations, heard, disconnected     │ too many failures; probes           ▼
//!  a job ── pick ─────────────────────────────────────────── two are drawn, the better one: Pick
//!           Pick::finish(outcome) ──────────┴─ counts, reported load, slowness of its endpoint ◀┘
//! ```
//!
//! The better of two is the one whose load is lower: what this process has there, and what the scanner said
//! it has of others, by its workers ([`admission`] has the arithmetic of scanners). How long jobs took counts a little, a silence while there are jobs counts
//! as load, and what was just connected counts as loaded until it has warmed up.
//!
//! Invariants
//! 1. A job counts at its endpoint exactly as long as its [`Pick`] lives, whatever becomes of the endpoint.
//! 2. Only endpoints that are connected, not draining and not ejected are picked, and none twice for a job
//!    that excludes it.
//! 3. Never are more endpoints ejected than the settings allow, and never the last one.
//! 4. Who is ejected gets one job when its time is over, and more only when that was answered.
//! 5. Endpoints, generations of each, jobs at each, retries and times are bounded.
//!
//! ```
//! use icapstan_balance::{Balancer, Endpoint, Job, Outcome, Settings};
//! use std::net::SocketAddr;
//! use std::time::{Duration, Instant};
//!
//! let now = Instant::now();
//! let balancer = Balancer::new(Settings::default(), 1, now);
//! let scanners: Vec<SocketAddr> = vec!["10.0.0.1:7344".parse()?, "10.0.0.2:7344".parse()?];
//! let endpoints: Vec<Endpoint> = scanners.into_iter().map(Endpoint::from).collect();
//! for id in balancer.update(&endpoints, now).added {
//!     balancer.connected(id, now);
//! }
//! let pick = balancer.pick(Job { bytes: 10_240, ..Job::default() }, now).expect("two are connected");
//! assert_eq!(balancer.view().jobs, 1);
//! let took = Duration::from_millis(2);
//! pick.finish(Outcome::Answered { took, load: None }, now + took);
//! assert_eq!(balancer.view().jobs, 0);
//! # Ok::<(), std::net::AddrParseError>(())
//! ```

pub mod admission;
mod balancer;
mod budget;
mod endpoint;
mod member;
mod pick;
mod random;
mod roster;
mod routes;
mod settings;
mod view;

pub use balancer::Balancer;
pub use budget::{Retry, RetryBudget, RetrySettings};
pub use endpoint::{Changes, Endpoint, EndpointId, Job, Outcome, ReportedLoad, Standing};
pub use pick::Pick;
pub use settings::{Ejection, Settings};
pub use view::{Counts, EndpointView, View};
