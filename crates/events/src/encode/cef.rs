//! Common Event Format, version 0, of ArcSight: `CEF:0|vendor|product|version|class|name|severity|key=value ...`
//!
//! Keys are those of its dictionary. The numbered ones, and the labels that tell what they hold, are those
//! of the reference product (<https://support.kaspersky.com/ScanEngine/2.1/en-US/186631.htm>), so that
//! rules written for it find the same things in the same places; `src` is the user's machine, if it is
//! known. What the dictionary has no key for has one that begins with the name of this product.

use super::fields::{entries, shortened, trace, transaction};
use super::line::SEPARATOR;
use super::{Room, Source, put, put_char};
use crate::event::{Event, EventAction};
use crate::kind::{EventKind, cef, title};
use crate::text::Text;
use crate::time::millis;
use icapstan_model::{Mode, ThreatName, VerdictKind};
use std::fmt::Display;

/// The most bytes of a value in the dictionary, of those that may be long.
const MAX_VALUE: usize = 1023;

/// The most bytes of a host's name in the dictionary.
const MAX_HOST: usize = 100;

/// Adds pairs of keys and values.
struct Extension<'a> {
    out: &'a mut Vec<u8>,
    room: Room,
    is_empty: bool,
}

/// Adds the whole message.
pub(super) fn message(source: &Source, event: &Event, room: Room, out: &mut Vec<u8>) {
    out.extend_from_slice(b"CEF:0");
    let severity = cef(event.severity()).to_string();
    let (class, title) = (event.kind.as_str(), title(event.kind));
    for field in ["icapstan", "icapstan", source.version.as_str(), class, title, &severity] {
        out.push(b'|');
        escape(field, '|', out);
    }
    out.push(b'|');
    let room = Room { text: room.text.min(MAX_VALUE), ..room };
    let mut extension = Extension { out, room, is_empty: true };
    extension.who_and_when(source, event);
    extension.what(event);
    extension.object(event);
    extension.numbered(event);
    extension.own(event);
}

/// The words of rules, which are those of the reference product.
const fn result(verdict: VerdictKind) -> &'static str {
    match verdict {
        VerdictKind::Clean => "CLEAN",
        VerdictKind::NonScanned => "NON_SCANNED",
        VerdictKind::Failed => "FAILED",
        VerdictKind::Macro => "MACRO",
        VerdictKind::Phishing => "PHISHING",
        VerdictKind::Detect => "DETECT",
    }
}

/// The last part of the path.
fn file_name(url: &str) -> Option<&str> {
    let path = &url[..url.find('?').unwrap_or(url.len())];
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    path.rsplit_once('/').map(|(_, name)| name).filter(|name| !name.is_empty())
}

/// Control characters do not occur: texts are inert before they get here.
fn escape(text: &str, separator: char, out: &mut Vec<u8>) {
    for c in text.chars() {
        if c == '\\' || c == separator {
            out.push(b'\\');
        }
        put_char(out, c);
    }
}

// === impl Extension ===

impl Extension<'_> {
    fn who_and_when(&mut self, source: &Source, event: &Event) {
        let time = millis(event.time);
        self.pair("rt", Some(time));
        self.pair("start", Some(time));
        self.pair("externalId", event.transaction.map(transaction));
        let host = Some(shortened(source.host.as_str(), MAX_HOST)).filter(|host| !host.is_empty());
        self.pair("dvchost", host.as_deref());
        self.pair("deviceExternalId", host.as_deref());
        self.pair("dvcpid", Some(source.process));
    }

    fn what(&mut self, event: &Event) {
        self.text("msg", Some(&event.message));
        self.pair("act", event.action.map(EventAction::as_str));
        let is_failed = matches!(
            event.kind,
            EventKind::Failure | EventKind::NotScanned | EventKind::Refusal | EventKind::Abort
        );
        self.pair("outcome", Some(if is_failed { "failure" } else { "success" }));
        match event.reason {
            Some(reason) => self.pair("reason", Some(reason.as_str())),
            None => self.text("reason", event.cause.as_ref()),
        }
        self.pair("cnt", event.count);
        self.text("cat", event.category.as_ref());
    }

    fn object(&mut self, event: &Event) {
        self.pair("src", event.client.or_else(|| event.peer.map(|peer| peer.ip())));
        self.text("suser", event.user.as_ref());
        self.text("request", event.url.as_ref());
        self.text("requestMethod", event.method.as_ref());
        let name = event.url.as_ref().and_then(|url| file_name(url.as_str()));
        self.value("fname", name);
        self.pair("fileHash", event.sha256);
        self.pair("fsize", event.size);
    }

    fn numbered(&mut self, event: &Event) {
        self.labelled("cs1", "Scan result", event.verdict.map(result));
        let user = event.user.as_ref().map(|user| shortened(user.as_str(), self.room.text).into_owned());
        self.labelled("cs2", "X-Client-Username", user.filter(|user| !user.is_empty()));
        self.labelled("cs3", "X-Client-IP", event.client);
        let threats = entries(&event.threats, ThreatName::as_str, self.room).join(SEPARATOR);
        self.labelled("cs4", "Virus name", Some(threats).filter(|names| !names.is_empty()));
        self.labelled("cs5", "SHA256", event.sha256);
        self.labelled("cs6", "ICAP mode", event.mode.map(Mode::as_str));
        self.labelled("cn1", "Request size", event.size);
        self.labelled("cn2", "HTTP status", event.status);
        self.labelled("flexString1", "Signatures", event.signatures);
        self.labelled("flexString2", "ICAP client", event.peer);
    }

    fn own(&mut self, event: &Event) {
        self.text("icapstanService", event.service.as_ref());
        self.text("icapstanRule", event.rule.as_ref());
        self.text("icapstanList", event.list.as_ref());
        self.text("icapstanQuarantine", event.quarantine.as_ref());
        let groups = entries(&event.groups, Text::as_str, self.room).join(SEPARATOR);
        self.pair("icapstanGroups", Some(groups).filter(|groups| !groups.is_empty()));
        self.pair("icapstanIsTag", event.istag);
        self.pair("icapstanTrace", event.trace.map(trace));
    }

    fn text(&mut self, key: &str, text: Option<&Text>) {
        self.value(key, text.map(Text::as_str).filter(|text| !text.is_empty()));
    }

    fn value(&mut self, key: &str, text: Option<&str>) {
        self.pair(key, text.map(|text| shortened(text, self.room.text)));
    }

    fn labelled(&mut self, key: &str, label: &str, value: Option<impl Display>) {
        if value.is_some() {
            self.pair(&format!("{key}Label"), Some(label));
            self.pair(key, value);
        }
    }

    fn pair(&mut self, key: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            if !self.is_empty {
                self.out.push(b' ');
            }
            self.is_empty = false;
            put(self.out, format_args!("{key}="));
            escape(&value.to_string(), '=', self.out);
        }
    }
}
