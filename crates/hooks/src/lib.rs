//! Programs and servers that rules call when they decide about a message.
//!
//! ```text
//!  Call ──send──▶ bounded queue ──▶ one thread, a few at once ──▶ a program: arguments, JSON on standard input
//!         (full: dropped, counted)                            └─▶ a server: JSON by POST
//! ```
//!
//! Refuses to do: deciding what is called, and anything that a request would wait for.
//!
//! Invariants
//! 1. Who sends never waits: a hook that is slow, broken or dead costs calls, which are counted, and nothing
//!    else. No answer depends on a hook.
//! 2. Only programs and hosts that the settings of the process list are called. There is no shell; each argument
//!    is one argument whatever a peer has sent, and none that a peer began begins with `-` or `@`.
//! 3. All is bounded: calls that wait, their bytes, how many run, how long each runs. A program ends with all of
//!    its process group.
//! 4. Redirects are not followed.
//!
//! ```
//! use icapstan_api::{ExecHook, HookSettings, RuleHook};
//! use icapstan_events::{Event, EventKind, Source, Text};
//! use icapstan_hooks::{Call, HookMetrics, Hooks};
//! use icapstan_model::Verdict;
//! use std::{sync::Arc, time::Duration};
//!
//! let settings = HookSettings { exec: vec![ExecHook::new("tell", "/bin/true")], ..HookSettings::default() };
//! let metrics = HookMetrics::register(&prometheus::Registry::new())?;
//! let (hooks, guard) = Hooks::start(&settings, &Source::this(), &metrics)?;
//! hooks.send(Call {
//!     hook: RuleHook::exec("tell"),
//!     event: Arc::new(Event::new(EventKind::Block, Text::message("A rule keeps it back."))),
//!     verdict: Verdict::Clean,
//!     rule: Text::name("no-games"),
//! });
//! assert!(guard.stop(Duration::from_secs(10)), "it ran");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod call;
mod exec;
mod hooks;
mod http;
mod metrics;
mod prepare;
mod runner;
mod throttle;

pub use call::Call;
pub use hooks::{Hooks, HooksError, HooksGuard};
pub use metrics::HookMetrics;
