//! What is to be done.

use super::observed::RolloutPart;
use super::record::Record;
use crate::Event;
use icapstan_api::fleet::ContentDigest;
use std::time::Duration;

/// What is to be done, after the state was stored. All but events are asked for again until they are seen to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The plan is to say this.
    SetPlan(RolloutPart),
    /// The fleet is to judge by this: a wish for [`crate::flip::step`].
    RequestFlip {
        /// Which.
        revision: ContentDigest,
    },
    /// Somebody is to be told.
    EmitEvent(Event),
    /// This is to be remembered of a revision.
    RecordRevision(Record),
    /// This revision may be forgotten.
    ForgetRevision {
        /// Which.
        revision: ContentDigest,
    },
    /// Something is due by then, though nothing happens.
    Requeue {
        /// From now on.
        after: Duration,
    },
}
