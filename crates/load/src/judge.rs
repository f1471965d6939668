//! Whether an answer is right.

use crate::request::Expect;
use crate::response::{Head, Message};
use serde::Serialize;

/// What an answer was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As it must be.
    Right,
    /// A clean body blocked, or an infected one passed.
    Wrong,
    /// The server is overloaded, and says so.
    Refused,
    /// Something else.
    Fault(Fault),
}

/// Why a request has no right answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// No connection could be made.
    Connect,
    /// The server closed the connection before the answer was complete.
    Closed,
    /// The connection was reset before the answer was complete.
    Reset,
    /// There was no answer for half a minute.
    Timeout,
    /// The answer breaks the protocol.
    Malformed,
    /// Bytes came that belong to no request.
    Unasked,
    /// A status that is none of those asked for.
    Status,
    /// What came back is not the message that was sent.
    Echo,
}

/// What to do with the body of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BodyCheck {
    /// It may be anything.
    #[default]
    Any,
    /// It must be the one that was sent.
    Same,
}

// === impl Fault ===

impl Fault {
    /// How many there are.
    pub(crate) const COUNT: usize = 8;

    /// Each of them, in the order of their discriminants.
    pub(crate) const ALL: [Self; Self::COUNT] = [
        Self::Connect,
        Self::Closed,
        Self::Reset,
        Self::Timeout,
        Self::Malformed,
        Self::Unasked,
        Self::Status,
        Self::Echo,
    ];
}

// === impl Outcome ===

impl Outcome {
    /// The same where a server may refuse.
    pub(crate) fn or_refused(self, status: u16) -> Self {
        match self {
            Self::Fault(Fault::Status) if matches!(status, 429 | 500 | 503) => Self::Refused,
            outcome => outcome,
        }
    }
}

// === impl Expect ===

impl Expect {
    /// Judges the heads of a final answer; `continued` says that 100 came before.
    pub(crate) fn judge(self, head: &Head, continued: bool) -> (Outcome, BodyCheck) {
        match self {
            Self::Options => (right_if(head.status == 200, Outcome::Fault(Fault::Status)), BodyCheck::Any),
            Self::Blocked => (blocked(head), BodyCheck::Any),
            Self::Unchanged { allow_204, preview, response, body } => match head.status {
                204 => {
                    let allowed = allow_204 || (preview && !continued);
                    (right_if(allowed, Outcome::Fault(Fault::Status)), BodyCheck::Any)
                }
                200 => echo(head, response, body),
                _ => (Outcome::Fault(Fault::Status), BodyCheck::Any),
            },
        }
    }
}

fn blocked(head: &Head) -> Outcome {
    match head.status {
        200 => right_if(head.http_status == Some(403), Outcome::Wrong),
        204 | 206 => Outcome::Wrong,
        _ => Outcome::Fault(Fault::Status),
    }
}

fn echo(head: &Head, response: bool, body: bool) -> (Outcome, BodyCheck) {
    let outcome = match (head.message, response) {
        // A request that is answered, or a response that became another, is blocked.
        (Some(Message::Response), false) => Outcome::Wrong,
        (Some(Message::Response), true) if head.http_status == Some(403) => Outcome::Wrong,
        (Some(Message::Response), true) => {
            right_if(head.http_status == Some(200) && head.has_body == body, Outcome::Fault(Fault::Echo))
        }
        (Some(Message::Request), false) => right_if(head.has_body == body, Outcome::Fault(Fault::Echo)),
        _ => Outcome::Fault(Fault::Echo),
    };
    (outcome, if outcome == Outcome::Right && body { BodyCheck::Same } else { BodyCheck::Any })
}

fn right_if(right: bool, otherwise: Outcome) -> Outcome {
    if right { Outcome::Right } else { otherwise }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAN: Expect = Expect::Unchanged { allow_204: false, preview: false, response: true, body: true };

    fn head(status: u16) -> Head {
        Head { status, ..Head::default() }
    }

    fn http(message: Message, http_status: Option<u16>) -> Head {
        Head { message: Some(message), http_status, has_body: true, ..head(200) }
    }

    #[test]
    fn an_infected_body_must_be_blocked_with_a_403_page() {
        let judge = |head: &Head| Expect::Blocked.judge(head, false).0;
        assert_eq!(judge(&http(Message::Response, Some(403))), Outcome::Right);
        assert_eq!(judge(&http(Message::Response, Some(200))), Outcome::Wrong);
        assert_eq!(judge(&http(Message::Request, None)), Outcome::Wrong);
        assert_eq!(judge(&head(204)), Outcome::Wrong);
        assert_eq!(judge(&head(503)), Outcome::Fault(Fault::Status));
    }

    #[test]
    fn a_clean_body_must_come_back_unless_204_is_allowed() {
        let judge = |expect: Expect, head: &Head, continued| expect.judge(head, continued);
        let echo = http(Message::Response, Some(200));
        assert_eq!(judge(CLEAN, &echo, false), (Outcome::Right, BodyCheck::Same));
        assert_eq!(judge(CLEAN, &http(Message::Response, Some(403)), false).0, Outcome::Wrong);
        assert_eq!(judge(CLEAN, &http(Message::Response, Some(500)), false).0, Outcome::Fault(Fault::Echo));
        let bodiless = Head { has_body: false, ..echo };
        assert_eq!(judge(CLEAN, &bodiless, false).0, Outcome::Fault(Fault::Echo));
        assert_eq!(judge(CLEAN, &head(204), false).0, Outcome::Fault(Fault::Status));
        assert_eq!(judge(CLEAN, &head(500), false).0, Outcome::Fault(Fault::Status));
        let preview = Expect::Unchanged { allow_204: false, preview: true, response: true, body: true };
        assert_eq!(judge(preview, &head(204), false).0, Outcome::Right);
        assert_eq!(judge(preview, &head(204), true).0, Outcome::Fault(Fault::Status));
        let allowed = Expect::Unchanged { allow_204: true, preview: true, response: true, body: true };
        assert_eq!(judge(allowed, &head(204), true).0, Outcome::Right);
    }

    #[test]
    fn a_clean_upload_that_is_answered_is_blocked() {
        let upload = Expect::Unchanged { allow_204: true, preview: false, response: false, body: true };
        assert_eq!(upload.judge(&http(Message::Response, Some(403)), false).0, Outcome::Wrong);
        assert_eq!(upload.judge(&http(Message::Request, None), false), (Outcome::Right, BodyCheck::Same));
    }

    #[test]
    fn only_what_an_overloaded_server_says_is_a_refusal() {
        let fault = Outcome::Fault(Fault::Status);
        for status in [429, 500, 503] {
            assert_eq!(fault.or_refused(status), Outcome::Refused);
            assert_eq!(Outcome::Wrong.or_refused(status), Outcome::Wrong);
        }
        assert_eq!(fault.or_refused(404), fault);
    }

    #[test]
    fn every_fault_stands_at_its_place() {
        for (place, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!(fault as usize, place);
        }
    }
}
