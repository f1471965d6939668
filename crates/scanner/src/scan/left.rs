//! What is known of an object when nobody waits for its scan any more.
//!
//! ```text
//!  client leaves ─▶ a worker had died before ─────────────▶ suspect
//!               └─▶ its worker dies within the grace ─▶ told in the log, suspect; poison if it had nothing else
//! ```
//!
//! Else whoever leaves at the right moment could have worker after worker die of one object.

use super::Task;
use crate::breaker::{Class, Turn};
use crate::engine::Engine;
use crate::obituary::{Case, Obituary};
use crate::poison::Mark;
use crate::sealed::Source;
use crate::shared::Shared;
use icapstan_model::{FailedReason, GenerationId, Object, ScanContext, ScanReport, Verdict};
use std::sync::Arc;

/// Holds the object for as long as its worker may go on, and until it is remembered.
pub(crate) struct Left {
    shared: Arc<Shared>,
    engine: Arc<dyn Engine>,
    object: Object,
    context: ScanContext,
    generation: GenerationId,
    class: Option<Class>,
    turn: Option<Turn>,
    /// Bytes that the worker was given.
    given: u64,
}

// === impl Left ===

impl Left {
    pub(super) fn new(
        shared: &Arc<Shared>,
        engine: &Arc<dyn Engine>,
        task: &Task,
        turn: Option<Turn>,
        given: u64,
    ) -> Self {
        Self {
            shared: shared.clone(),
            engine: engine.clone(),
            object: task.object.clone(),
            context: task.context.clone(),
            generation: task.generation,
            class: Class::of(&task.object),
            turn,
            given,
        }
    }

    /// The worker that had it has died; `isolated` if it had nothing else.
    pub(crate) async fn died(self, obituary: Option<Obituary>, isolated: bool) {
        self.shared.breaker.crashed(self.class, self.turn.as_ref(), &self.shared.runtime);
        if let Some(obituary) = obituary {
            self.shared.tell(Case {
                obituary,
                generation: self.engine.signatures().id.to_string(),
                object: Source::new(&self.object.content, self.object.len),
                kind: self.class.map_or("", |class| class.kind),
                given: self.given,
                isolated,
            });
        }
        self.remember(if isolated { Mark::Poison } else { Mark::Suspect }).await;
    }

    /// Says so to whoever brings an equal one.
    pub(super) async fn remember(self, mark: Mark) {
        let report = ScanReport::unscanned(Verdict::Failed(FailedReason::Crash).into());
        let subject = crate::poison::Subject {
            object: &self.object,
            context: &self.context,
            generation: self.generation,
        };
        self.engine.poison().remember(subject, mark, &report).await;
    }
}

impl std::fmt::Debug for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Left").field("class", &self.class).field("given", &self.given).finish_non_exhaustive()
    }
}
