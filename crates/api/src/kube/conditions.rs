//! The list of conditions of a status, and what is asked of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::{Schema, SchemaGenerator, json_schema};

/// The most that an object has.
pub const MAX: usize = 16;

/// The condition of that type.
pub fn find<'a>(list: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    list.iter().find(|condition| condition.type_ == kind)
}

/// Whether the condition of that type is true, of that generation of the object.
pub fn is_true(list: &[Condition], kind: &str, generation: i64) -> bool {
    find(list, kind)
        .is_some_and(|found| found.status == "True" && found.observed_generation == Some(generation))
}

/// Sets a condition. Its time is `now` only if its status changed, so that a status that stays the same is written
/// the same.
pub fn set(
    list: &mut Vec<Condition>,
    kind: &str,
    (status, reason, message): (bool, &str, &str),
    generation: i64,
    now: jiff::Timestamp,
) {
    let status = if status { "True" } else { "False" };
    let mut next = Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: clip(message),
        observed_generation: Some(generation),
        last_transition_time: Time(now),
    };
    match list.iter_mut().find(|condition| condition.type_ == kind) {
        Some(before) => {
            if before.status == next.status {
                next.last_transition_time = before.last_transition_time.clone();
            }
            *before = next;
        }
        None => list.push(next),
    }
}

/// Takes a condition away: of those that are there only while they are true.
pub fn clear(list: &mut Vec<Condition>, kind: &str) {
    list.retain(|condition| condition.type_ != kind);
}

/// No message is longer, in characters.
const MAX_MESSAGE: usize = 1024;

fn clip(message: &str) -> String {
    message.chars().take(MAX_MESSAGE).collect()
}

/// `metav1.Condition`, with the bounds that it has in Kubernetes itself.
pub(super) fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": MAX,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {
                    "type": "string",
                    "description": "What it is about.",
                    "maxLength": 316,
                    "pattern": "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
                },
                "status": {
                    "type": "string",
                    "description": "Whether it is so.",
                    "enum": ["True", "False", "Unknown"],
                },
                "reason": {
                    "type": "string",
                    "description": "Why, in one word for programs.",
                    "minLength": 1,
                    "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                },
                "message": {"type": "string", "description": "Why, for people.", "maxLength": 32768},
                "observedGeneration": {
                    "type": "integer",
                    "format": "int64",
                    "minimum": 0,
                    "description": "The generation of the object that it is about.",
                },
                "lastTransitionTime": {
                    "type": "string",
                    "format": "date-time",
                    "description": "Since when it is so.",
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::condition::READY;

    #[test]
    fn a_condition_keeps_its_time_until_its_status_changes() {
        let at = |second| jiff::Timestamp::from_second(second).unwrap();
        let mut list = Vec::new();
        set(&mut list, READY, (false, "Fetching", ""), 1, at(1));
        set(&mut list, READY, (false, "Verifying", "soon"), 2, at(2));
        assert_eq!((list.len(), list[0].last_transition_time.0, &*list[0].reason), (1, at(1), "Verifying"));
        assert!(!is_true(&list, READY, 2));
        set(&mut list, READY, (true, "Fetched", &"x".repeat(9999)), 2, at(3));
        assert_eq!((list[0].last_transition_time.0, list[0].message.len()), (at(3), 1024));
        assert!(is_true(&list, READY, 2));
        assert!(!is_true(&list, READY, 3), "of another generation");
        clear(&mut list, READY);
        assert_eq!(find(&list, READY), None);
    }
}
