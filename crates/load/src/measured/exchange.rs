//! One request and its answer.

use crate::Moment;
use crate::judge::{BodyCheck, Fault, Outcome};
use crate::plan::{Plan, Turn};
use crate::request::Request;
use crate::response::Head;

/// How far a request and its answer are.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) turn: Turn,
    /// From when latency counts.
    pub(super) intended: Moment,
    pub(super) begun: Moment,
    pub(super) sent: usize,
    /// What may be sent now: up to the end of the preview, or all.
    pub(super) goal: usize,
    /// Nothing can be sent any more.
    pub(super) broken: bool,
    /// The final answer is complete; the request may be not.
    pub(super) answered: bool,
    pub(super) closes: bool,
    pub(super) status: u16,
    pub(super) outcome: Outcome,
    continued: bool,
    check: BodyCheck,
    /// Bytes of the answer's body so far.
    received: usize,
}

/// What follows from a piece of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The answer is not complete.
    More,
    /// The rest of the request may be sent.
    Continue,
    /// The answer is complete.
    Answered,
    /// It has no place here.
    Malformed,
}

// === impl Exchange ===

impl Default for Exchange {
    fn default() -> Self {
        Self {
            turn: Turn::default(),
            intended: Moment::NEVER,
            begun: Moment::NEVER,
            sent: 0,
            goal: 0,
            broken: false,
            answered: false,
            closes: false,
            status: 0,
            outcome: Outcome::Right,
            continued: false,
            check: BodyCheck::Any,
            received: 0,
        }
    }
}

impl Exchange {
    pub(super) fn new(turn: Turn, request: &Request, intended: Moment, begun: Moment) -> Self {
        Self { turn, intended, begun, goal: request.first, ..Self::default() }
    }

    /// The heads of an answer, interim or final.
    pub(super) fn head(&mut self, head: &Head, request: &Request) -> Step {
        self.status = head.status;
        if head.status == 100 {
            // Once, after a preview that was not the whole body.
            let awaited = !self.continued && self.sent == self.goal && self.goal < request.whole;
            return if awaited && !head.has_body { Step::More } else { Step::Malformed };
        }
        self.closes = head.closes;
        (self.outcome, self.check) = request.expect.judge(head, self.continued);
        Step::More
    }

    pub(super) fn data(&mut self, data: &[u8], plan: &mut Plan) -> Step {
        if self.check == BodyCheck::Same && !plan.is_echo(self.turn, self.received, data) {
            self.outcome = Outcome::Fault(Fault::Echo);
            self.check = BodyCheck::Any;
        }
        self.received += data.len();
        Step::More
    }

    pub(super) fn end(&mut self, request: &Request) -> Step {
        if self.status == 100 {
            self.continued = true;
            self.goal = request.whole;
            return Step::Continue;
        }
        if self.check == BodyCheck::Same && self.received != request.body().len() {
            self.outcome = Outcome::Fault(Fault::Echo);
        }
        Step::Answered
    }
}
