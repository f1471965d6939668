//! How a line of the access log looks.

use super::AccessRecord;
use crate::inert;
use crate::log::LogFormat;
use crate::time::timestamp;
use std::io::Write;

/// The value of a field.
enum Value<'a> {
    /// As it is.
    Number(u64),
    /// Left out if empty.
    Text(&'a str),
}

/// Adds `record` as one line.
pub(super) fn line(format: LogFormat, record: &AccessRecord, out: &mut Vec<u8>) {
    let time = timestamp(record.time);
    let transaction = format!("{:016x}", record.transaction);
    let trace = record.trace.map(|id| format!("{:032x}", u128::from_be_bytes(id))).unwrap_or_default();
    let peer = record.peer.to_string();
    let client = record.client.map(|client| client.to_string()).unwrap_or_default();
    let micros = u64::try_from(record.duration.as_micros()).unwrap_or(u64::MAX);
    let fields = [
        ("time", Value::Text(&time)),
        ("transaction", Value::Text(&transaction)),
        ("trace", Value::Text(&trace)),
        ("peer", Value::Text(&peer)),
        ("peer_certificate", Value::Text(&record.peer_certificate)),
        ("peer_user", Value::Text(&record.peer_user)),
        ("client", Value::Text(&client)),
        ("method", Value::Text(record.method)),
        ("service", Value::Text(&record.service)),
        ("status", Value::Number(record.status.into())),
        ("verdict", Value::Text(record.verdict)),
        ("reason", Value::Text(record.reason)),
        ("action", Value::Text(record.action)),
        ("cache", Value::Text(record.cache)),
        ("received_bytes", Value::Number(record.received)),
        ("sent_bytes", Value::Number(record.sent)),
        ("duration_us", Value::Number(micros)),
        ("url", Value::Text(record.url.as_ref().map_or("", |url| &url.0))),
    ];
    let shown = fields.into_iter().filter(|(_, value)| !matches!(value, Value::Text("")));
    match format {
        LogFormat::Json => json(shown, out),
        LogFormat::Text => text(shown, out),
    }
    out.push(b'\n');
}

fn json<'a>(fields: impl Iterator<Item = (&'static str, Value<'a>)>, out: &mut Vec<u8>) {
    let mut before = '{';
    for (name, value) in fields {
        put(out, format_args!("{before}\"{name}\":"));
        match value {
            Value::Number(number) => put(out, format_args!("{number}")),
            Value::Text(text) => quoted(text, out),
        }
        before = ',';
    }
    out.push(b'}');
}

fn text<'a>(fields: impl Iterator<Item = (&'static str, Value<'a>)>, out: &mut Vec<u8>) {
    let mut before = "";
    for (name, value) in fields {
        put(out, format_args!("{before}{name}="));
        match value {
            Value::Number(number) => put(out, format_args!("{number}")),
            Value::Text(text) if text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"') => {
                out.extend_from_slice(text.as_bytes());
            }
            Value::Text(text) => quoted(text, out),
        }
        before = " ";
    }
}

/// In quotation marks, as JSON has it.
fn quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for c in text.chars() {
        match c {
            '"' | '\\' => put(out, format_args!("\\{c}")),
            c => inert::push(c, out),
        }
    }
    out.push(b'"');
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("memory takes everything");
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::access::AccessUrl;
    use icapstan_model::is_deceptive;
    use proptest::prelude::*;
    use std::time::{Duration, UNIX_EPOCH};

    pub(in crate::access) fn record() -> AccessRecord {
        AccessRecord {
            time: UNIX_EPOCH + Duration::from_micros(1_709_210_096_000_042),
            trace: Some([0xab; 16]),
            transaction: 0xab,
            peer: "[::1]:50000".parse().unwrap(),
            peer_certificate: "dns:proxy1.example".into(),
            peer_user: "squid".into(),
            client: Some("192.0.2.7".parse().unwrap()),
            method: "RESPMOD",
            service: "respmod".into(),
            status: 200,
            verdict: "detect",
            reason: "",
            action: "block",
            cache: "hit",
            received: 1234,
            sent: 567,
            duration: Duration::from_micros(2345),
            url: Some(AccessUrl::of("http://o.test/a%20b")),
        }
    }

    fn shown(format: LogFormat, record: &AccessRecord) -> String {
        let mut out = Vec::new();
        line(format, record, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_json_line_is_one_object_with_all_that_is_known() {
        let line = shown(LogFormat::Json, &record());
        assert_eq!(
            line,
            "{\"time\":\"2024-02-29T12:34:56.000042Z\",\"transaction\":\"00000000000000ab\",\
             \"trace\":\"abababababababababababababababab\",\
             \"peer\":\"[::1]:50000\",\"peer_certificate\":\"dns:proxy1.example\",\
             \"peer_user\":\"squid\",\"client\":\"192.0.2.7\",\"method\":\"RESPMOD\",\"service\":\"respmod\",\
             \"status\":200,\"verdict\":\"detect\",\"action\":\"block\",\"cache\":\"hit\",\"received_bytes\":1234,\
             \"sent_bytes\":567,\"duration_us\":2345,\"url\":\"http://o.test/a%20b\"}\n"
        );
        serde_json::from_str::<serde_json::Value>(&line).unwrap();
    }

    #[test]
    fn a_text_line_is_words_and_values() {
        let mut record = record();
        (record.client, record.url, record.trace) = (None, None, None);
        (record.peer_certificate, record.peer_user) = (Box::default(), Box::default());
        assert_eq!(
            shown(LogFormat::Text, &record),
            "time=2024-02-29T12:34:56.000042Z transaction=00000000000000ab peer=[::1]:50000 method=RESPMOD \
             service=respmod status=200 verdict=detect action=block cache=hit received_bytes=1234 \
             sent_bytes=567 duration_us=2345\n"
        );
    }

    proptest! {
        #[test]
        fn whatever_is_in_a_value_a_line_is_one_line_of_printable_text(
            raw in prop_oneof!["[\r\n\"\\\\ \u{1b}\u{9b}\u{202e}\u{2028}\u{e0041}ä{}\\[m]{0,60}", "\\PC{0,60}", ".{0,60}"]
        ) {
            let mut record = record();
            let path = raw.replace(['?', '#', '@'], "");
            record.url = Some(AccessUrl::of(&format!("http://o.test/{path}")));
            record.peer_user = raw.as_str().into();
            record.peer_certificate = raw.as_str().into();
            let json = shown(LogFormat::Json, &record);
            let value: serde_json::Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(value["url"].as_str().unwrap(), format!("http://o.test/{path}"));
            for line in [json, shown(LogFormat::Text, &record)] {
                prop_assert!(line.ends_with('\n') && !line.trim_end_matches('\n').chars().any(is_deceptive));
            }
        }
    }
}
