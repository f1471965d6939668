//! The fields of an event by the names that logs use.

use super::{Room, Source};
use crate::event::{Event, Few};
use crate::text::{MARK, Text, cut};
use icapstan_telemetry::timestamp;
use std::borrow::Cow;
use std::fmt::Display;

/// The value of a field.
#[derive(Debug)]
pub(super) enum Value<'a> {
    Number(u64),
    Text(Cow<'a, str>),
    /// Never empty.
    List(Vec<Cow<'a, str>>),
}

/// Collects fields.
struct Fields<'a> {
    room: Room,
    all: Vec<(&'static str, Value<'a>)>,
}

/// What every record begins with.
pub(super) fn front<'a>(source: &'a Source, event: &'a Event, room: Room) -> Vec<(&'static str, Value<'a>)> {
    let mut fields = Fields { room, all: Vec::with_capacity(32) };
    fields.push("time", Value::Text(timestamp(event.time).into()));
    fields.text("host", Some(&source.host));
    fields.word("kind", Some(event.kind.as_str()));
    fields.word("severity", Some(event.severity().as_str()));
    fields.text("message", Some(&event.message));
    fields.all
}

/// What is known besides.
pub(super) fn details(event: &Event, room: Room) -> Vec<(&'static str, Value<'_>)> {
    let mut fields = Fields { room, all: Vec::with_capacity(32) };
    fields.shown("transaction", event.transaction.map(transaction));
    fields.shown("trace", event.trace.map(trace));
    fields.text("service", event.service.as_ref());
    fields.word("mode", event.mode.map(icapstan_model::Mode::as_str));
    fields.word("verdict", event.verdict.map(icapstan_model::VerdictKind::as_str));
    fields.word("reason", event.reason.map(icapstan_model::Reason::as_str));
    fields.text("cause", event.cause.as_ref());
    fields.number("count", event.count);
    fields.list("threats", &event.threats, icapstan_model::ThreatName::as_str);
    fields.word("action", event.action.map(crate::EventAction::as_str));
    fields.text("rule", event.rule.as_ref());
    fields.text("url", event.url.as_ref());
    fields.shown("client", event.client);
    fields.shown("peer", event.peer);
    fields.text("user", event.user.as_ref());
    fields.list("groups", &event.groups, Text::as_str);
    fields.text("method", event.method.as_ref());
    fields.number("status", event.status.map(u64::from));
    fields.number("size", event.size);
    fields.shown("sha256", event.sha256);
    fields.text("quarantine", event.quarantine.as_ref());
    fields.text("list", event.list.as_ref());
    fields.text("category", event.category.as_ref());
    fields.shown("generation", event.signatures);
    fields.shown("istag", event.istag);
    fields.all
}

/// As logs and block pages show it.
pub(super) fn transaction(number: u64) -> String {
    format!("{number:016x}")
}

/// As `traceparent` writes it.
pub(super) fn trace(id: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(id))
}

/// At most `most` bytes, with a mark if that is not all.
pub(super) fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    match cut(text, most) {
        (text, true) => Cow::Borrowed(text),
        (front, false) => Cow::Owned(format!("{front}{MARK}")),
    }
}

/// The first of `few`, with a mark behind them if those are not all.
pub(super) fn entries<'a, T>(
    few: &'a Few<T>,
    show: impl Fn(&'a T) -> &'a str,
    room: Room,
) -> Vec<Cow<'a, str>> {
    let mut entries: Vec<_> =
        few.iter().take(room.entries).map(|entry| shortened(show(entry), room.text)).collect();
    if few.has_more() || few.iter().count() > entries.len() {
        entries.push(Cow::Owned(MARK.to_string()));
    }
    entries
}

// === impl Fields ===

impl<'a> Fields<'a> {
    fn push(&mut self, name: &'static str, value: Value<'a>) {
        self.all.push((name, value));
    }

    fn number(&mut self, name: &'static str, number: Option<u64>) {
        if let Some(number) = number {
            self.push(name, Value::Number(number));
        }
    }

    fn word(&mut self, name: &'static str, word: Option<&'static str>) {
        if let Some(word) = word {
            self.push(name, Value::Text(Cow::Borrowed(word)));
        }
    }

    /// What is short by its type.
    fn shown(&mut self, name: &'static str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.push(name, Value::Text(Cow::Owned(value.to_string())));
        }
    }

    fn text(&mut self, name: &'static str, text: Option<&'a Text>) {
        if let Some(text) = text.filter(|text| !text.as_str().is_empty()) {
            self.push(name, Value::Text(shortened(text.as_str(), self.room.text)));
        }
    }

    fn list<T>(&mut self, name: &'static str, few: &'a Few<T>, show: impl Fn(&'a T) -> &'a str) {
        let entries = entries(few, show, self.room);
        if !entries.is_empty() {
            self.push(name, Value::List(entries));
        }
    }
}
