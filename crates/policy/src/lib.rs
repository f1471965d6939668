//! What follows from what a scan found, and the page that tells the user so.
//!
//! ```text
//!  ScanPolicy ──compile──▶ Policy { profile, hash }
//!  Findings, Facts ──decide──▶ Decision { pass | block(template) | redirect, log } ──▶ BlockPage { head, body }
//! ```
//!
//! Refuses to do: scanning, sockets, clocks, and files other than those of a folder of pages.
//!
//! Invariants
//! 1. Every finding meets the rules: one that passes never hides another that blocks, so adding a
//!    finding never turns a block into a pass.
//! 2. Two policies have the same hash exactly when they scan alike and decide alike.
//! 3. Whatever a peer sent is inert on the page: no markup, no invisible characters, bounded length.
//!
//! ```
//! use icapstan_model::{Findings, Mode, Verdict};
//! use icapstan_policy::{Action, NoFacts, Policy, TemplateId};
//!
//! let policy = Policy::compile(&icapstan_api::ScanPolicy::new("default"))?;
//! let findings = Findings::from(Verdict::Infected("Eicar-Test-Signature".into()));
//! assert_eq!(policy.decide(Mode::Respmod, &findings, &NoFacts).action, Action::Block(TemplateId::Detected));
//! # Ok::<(), icapstan_policy::CompileError>(())
//! ```

mod compile;
mod decide;
mod examples;
mod explain;
mod facts;
mod given;
mod met;
mod page;
mod text;
mod types;
mod url;

pub use compile::{CompileError, Policy};
pub use decide::{Action, DecidedBy, Decision};
pub use examples::check_policies;
pub use explain::{Asked, Explanation, Step};
pub use facts::NoFacts;
pub use icapstan_api::Template as TemplateId;
pub use met::Met;
pub use page::{BlockPage, PageContext, TemplateFault, Templates, TemplatesError, Wishes};
pub use url::{plain_url, url_authority, url_host};
