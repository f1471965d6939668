//! What gives plans.

use icapstan_api::fleet::FleetPlanSpec;
use std::pin::Pin;
use thiserror::Error;

use crate::plan::{Origin, ReadError};

/// Where plans come from. It says what there is; what is followed the [`Follower`](crate::Follower) decides.
pub trait PlanSource: Send + 'static {
    /// Waits for what there is to be said next. It is dropped and asked again at any time, and loses nothing then.
    ///
    /// It waits between failures by itself.
    fn hear(&mut self) -> Hearing<'_>;

    /// What plans from here are marked with.
    fn origin(&self) -> Origin;

    /// What it is, for logs.
    fn describe(&self) -> String;
}

/// What [`PlanSource::hear`] gives.
pub type Hearing<'a> = Pin<Box<dyn Future<Output = Heard> + Send + 'a>>;

/// What a source says.
#[derive(Debug)]
pub enum Heard {
    /// This is the plan.
    Plan(Box<FleetPlanSpec>),
    /// It was asked, and nothing is new.
    Same,
    /// It was asked, and there is no plan.
    None,
    /// It could not be asked, or what it said is no plan.
    Trouble(SourceError),
}

/// Why a source has no plan.
#[derive(Debug, Error)]
pub enum SourceError {
    /// It cannot be asked.
    #[error("the plan cannot be had: {0}")]
    Unreachable(String),
    /// What it says is no plan that can be followed.
    #[error("the plan cannot be followed: {0}")]
    Unusable(#[from] ReadError),
}
