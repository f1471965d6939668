use super::*;
use crate::event::tests::{filled, hostile, usual};
use crate::kind::EventKind;
use icapstan_model::is_deceptive;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// The least that settings allow.
#[expect(clippy::cast_possible_truncation, reason = "a few KiB")]
const LEAST: usize = icapstan_api::SyslogSettings::MIN_SIZE.bytes() as usize;

const BYTE_ORDER_MARK: char = '\u{feff}';

const FORMATS: [EventFormat; 3] = [EventFormat::Json, EventFormat::Cef, EventFormat::Text];

fn encoder(format: EventFormat, facility: Option<Facility>, most: usize) -> Encoder {
    let source = Source { host: "icap-1".into(), version: "1.2.3".into(), process: 77 };
    Encoder { source: Arc::new(source), format, facility, most }
}

fn record(format: EventFormat, facility: Option<Facility>, most: usize, event: &Event) -> String {
    let mut record = vec![b'x'; 3];
    assert!(encoder(format, facility, most).encode(event, &mut record));
    String::from_utf8(record).unwrap()
}

fn json(record: &str) -> serde_json::Value {
    serde_json::from_str(record).unwrap()
}

/// What a reader of CEF makes of a message: the fields of the head, and the extension. Written from the
/// format's description and not from the encoder.
fn read_cef(message: &str) -> (Vec<String>, BTreeMap<String, String>) {
    let mut head = vec![String::new()];
    let mut chars = message.char_indices();
    let mut rest = "";
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                let (_, next) = chars.next().unwrap();
                assert!(matches!(next, '\\' | '|'));
                head.last_mut().unwrap().push(next);
            }
            '|' if head.len() == 7 => {
                rest = &message[at + 1..];
                break;
            }
            '|' => head.push(String::new()),
            c => head.last_mut().unwrap().push(c),
        }
    }
    // A key reaches from a blank to a `=` that nothing escapes; its value to the blank before the next key.
    let bytes = rest.as_bytes();
    let mut signs = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => {
                assert!(matches!(bytes[at + 1], b'\\' | b'='), "{rest}");
                at += 1;
            }
            b'=' => signs.push(at),
            _ => {}
        }
        at += 1;
    }
    let starts: Vec<usize> =
        signs.iter().map(|at| rest[..*at].rfind(' ').map_or(0, |blank| blank + 1)).collect();
    let mut extension = BTreeMap::new();
    for (index, (start, sign)) in starts.iter().zip(&signs).enumerate() {
        let end = starts.get(index + 1).map_or(rest.len(), |next| next - 1);
        let value = rest[sign + 1..end].replace("\\=", "=").replace("\\\\", "\\");
        let before = extension.insert(rest[*start..*sign].to_owned(), value);
        assert!(before.is_none(), "a key twice: {rest}");
    }
    (head, extension)
}

/// What a reader of RFC 5424 makes of a message: the words of the head, the structured data, the text.
fn read_syslog(message: &str) -> (Vec<&str>, BTreeMap<String, String>, &str) {
    let mut parts = message.splitn(7, ' ');
    let head: Vec<&str> = parts.by_ref().take(6).collect();
    let rest = parts.next().unwrap();
    assert!(head.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_graphic())));
    let mut data = BTreeMap::new();
    if let Some(text) = rest.strip_prefix("- ") {
        return (head, data, text);
    }
    let mut rest = rest.strip_prefix("[icapstan@32473").unwrap();
    while let Some(parameter) = rest.strip_prefix(' ') {
        let (name, mut left) = parameter.split_once("=\"").unwrap();
        let mut value = String::new();
        loop {
            let c = left.chars().next().unwrap();
            left = &left[c.len_utf8()..];
            match c {
                '"' => break,
                ']' => panic!("not escaped: {message}"),
                '\\' => {
                    let next = left.chars().next().unwrap();
                    assert!(matches!(next, '"' | '\\' | ']'));
                    value.push(next);
                    left = &left[1..];
                }
                c => value.push(c),
            }
        }
        assert!(data.insert(name.to_owned(), value).is_none());
        rest = left;
    }
    (head, data, rest.strip_prefix("] ").unwrap())
}

#[test]
fn a_json_record_is_an_object_with_all_that_is_known() {
    let record = record(EventFormat::Json, None, 65_536, &usual());
    assert_eq!(
        record,
        "{\"time\":\"2024-02-29T12:34:56.000042Z\",\"host\":\"icap-1\",\"kind\":\"detection\",\
         \"severity\":\"critical\",\"message\":\"An object was not found clean.\",\
         \"transaction\":\"00000000000000ab\",\"service\":\"respmod\",\"mode\":\"RESPMOD\",\
         \"verdict\":\"detect\",\"threats\":[\"Eicar-Test-Signature\"],\"action\":\"block\",\
         \"rule\":\"default\",\"url\":\"http://o.test/dir/a.zip?q=1\\u0026r=2\",\"client\":\"192.0.2.7\",\
         \"peer\":\"127.0.0.1:50000\",\"user\":\"CORP\\\\ann\",\"groups\":[\"staff\",\"sales, north\"],\
         \"method\":\"GET\",\"status\":200,\"size\":184,\"sha256\":\""
            .to_owned()
            + &"ab".repeat(32)
            + "\",\
         \"generation\":\"cdcdcdcdcdcdcdcd\",\"istag\":\"ICS-1\"}"
    );
    assert_eq!(json(&record)["url"], "http://o.test/dir/a.zip?q=1&r=2");
}

#[test]
fn a_cef_record_has_the_keys_of_the_dictionary_and_the_numbers_of_the_reference_product() {
    let record = record(EventFormat::Cef, None, 65_536, &usual());
    assert!(
        record.starts_with("CEF:0|icapstan|icapstan|1.2.3|detection|Threat detected|8|rt=1709210096000 ")
    );
    assert!(record.contains(" suser=CORP\\\\ann ") && record.contains("a.zip?q\\=1&r\\=2 "));
    let (head, extension) = read_cef(&record);
    assert_eq!(head.len(), 7);
    let sha256 = "ab".repeat(32);
    let expected = [
        ("rt", "1709210096000"),
        ("start", "1709210096000"),
        ("externalId", "00000000000000ab"),
        ("dvchost", "icap-1"),
        ("deviceExternalId", "icap-1"),
        ("dvcpid", "77"),
        ("msg", "An object was not found clean."),
        ("act", "block"),
        ("outcome", "success"),
        ("src", "192.0.2.7"),
        ("suser", "CORP\\ann"),
        ("request", "http://o.test/dir/a.zip?q=1&r=2"),
        ("requestMethod", "GET"),
        ("fname", "a.zip"),
        ("fileHash", &sha256),
        ("fsize", "184"),
        ("cs1", "DETECT"),
        ("cs1Label", "Scan result"),
        ("cs2", "CORP\\ann"),
        ("cs2Label", "X-Client-Username"),
        ("cs3", "192.0.2.7"),
        ("cs3Label", "X-Client-IP"),
        ("cs4", "Eicar-Test-Signature"),
        ("cs4Label", "Virus name"),
        ("cs5", &sha256),
        ("cs5Label", "SHA256"),
        ("cs6", "RESPMOD"),
        ("cs6Label", "ICAP mode"),
        ("cn1", "184"),
        ("cn1Label", "Request size"),
        ("cn2", "200"),
        ("cn2Label", "HTTP status"),
        ("flexString1", "cdcdcdcdcdcdcdcd"),
        ("flexString1Label", "Signatures"),
        ("flexString2", "127.0.0.1:50000"),
        ("flexString2Label", "ICAP client"),
        ("icapstanService", "respmod"),
        ("icapstanRule", "default"),
        ("icapstanGroups", "staff;sales, north"),
        ("icapstanIsTag", "ICS-1"),
    ];
    let expected: BTreeMap<_, _> =
        expected.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
    assert_eq!(extension, expected);
}

#[test]
fn cef_says_who_asked_for_what_and_what_became_of_it() {
    let mut event = filled(EventKind::NotScanned, b"x|y\\z=1");
    event.client = None;
    let (head, extension) = read_cef(&record(EventFormat::Cef, None, 65_536, &event));
    assert_eq!((head[4].as_str(), head[6].as_str()), ("not-scanned", "6"));
    assert_eq!(
        extension["src"], "2001:db8:1111:2222:3333:4444:5555:6666",
        "the ICAP client, for want of another"
    );
    assert_eq!((extension["outcome"].as_str(), extension["reason"].as_str()), ("failure", "partial-content"));
    assert_eq!((extension["cat"].as_str(), extension["icapstanList"].as_str()), ("x|y\\z=1", "x|y\\z=1"));
    assert!(!extension.contains_key("cs3"));
}

#[test]
fn what_is_told_by_its_number_has_a_cause_and_a_count_in_every_format() {
    let (kind, message) = (EventKind::Refusal, Text::message("Requests were refused."));
    let event = Event { cause: Some("queue-full".into()), count: Some(7), ..Event::new(kind, message) };
    let (head, extension) = read_cef(&record(EventFormat::Cef, None, 65_536, &event));
    assert_eq!(head[4..], ["refusal", "Requests refused", "6"]);
    assert_eq!((extension["reason"].as_str(), extension["cnt"].as_str()), ("queue-full", "7"));
    assert_eq!(extension["outcome"], "failure");
    let object = json(&record(EventFormat::Json, None, 65_536, &event));
    assert_eq!((&object["cause"], &object["count"]), (&"queue-full".into(), &7.into()));
    let text = record(EventFormat::Text, Some(Facility::Local4), 65_536, &event);
    let (_, data, _) = read_syslog(&text);
    assert_eq!((data["cause"].as_str(), data["count"].as_str()), ("queue-full", "7"));
}

#[test]
fn the_file_name_is_the_last_part_of_the_path() {
    for (url, name) in [
        ("http://o.test/a/b.exe?c=/d", Some("b.exe")),
        ("http://o.test/", None),
        ("http://o.test", None),
        ("o.test:443", None),
        ("/x", Some("x")),
    ] {
        let mut event = usual();
        event.url = Some(Text::url(url));
        let (_, extension) = read_cef(&record(EventFormat::Cef, None, 65_536, &event));
        assert_eq!(extension.get("fname").map(String::as_str), name, "{url}");
    }
}

#[test]
fn a_line_for_people_is_names_and_values() {
    let record = record(EventFormat::Text, None, 65_536, &usual());
    assert!(record.starts_with(
        "time=2024-02-29T12:34:56.000042Z host=icap-1 kind=detection severity=critical \
         message=\"An object was not found clean.\" transaction=00000000000000ab service=respmod mode=RESPMOD \
         verdict=detect threats=Eicar-Test-Signature action=block rule=default \
         url=http://o.test/dir/a.zip?q=1&r=2 client=192.0.2.7 peer=127.0.0.1:50000 user=\"CORP\\\\ann\" \
         groups=\"staff;sales, north\" method=GET status=200 size=184 sha256=abab"
    ));
}

#[test]
fn syslog_messages_have_head_structured_data_and_text() {
    let mut event = usual();
    event.rule = Some("a]\"\\".into());
    let shown = record(EventFormat::Text, Some(Facility::Local4), 2048, &event);
    assert!(shown.starts_with(
        "<162>1 2024-02-29T12:34:56.000042Z icap-1 icapstan 77 detection \
         [icapstan@32473 severity=\"critical\" transaction=\"00000000000000ab\" service=\"respmod\""
    ));
    assert!(
        shown.contains(" rule=\"a\\]\\\"\\\\\" ") && shown.ends_with("\"] An object was not found clean.")
    );
    let (_, data, _) = read_syslog(&shown);
    assert_eq!((data["rule"].as_str(), data["user"].as_str()), ("a]\"\\", "CORP\\ann"));
    event.message = Text::message("найден вирус");
    let shown = record(EventFormat::Text, Some(Facility::User), 2048, &event);
    assert!(shown.starts_with("<10>1 ") && shown.ends_with("] \u{feff}найден вирус"), "a mark before UTF-8");
}

#[test]
fn syslog_messages_hold_json_in_ascii_or_cef() {
    let mut event = usual();
    event.user = Some(Text::name("Анна \u{1f600}"));
    let shown = record(EventFormat::Json, Some(Facility::Daemon), 2048, &event);
    let (head, data, text) = read_syslog(&shown);
    assert_eq!((head[0], head[5]), ("<26>1", "detection"));
    assert!(data.is_empty() && text.is_ascii(), "so that it needs no byte order mark");
    assert_eq!(json(text)["user"], "Анна \u{1f600}");
    let shown = record(EventFormat::Cef, Some(Facility::Daemon), 2048, &event);
    let (_, _, text) = read_syslog(&shown);
    assert_eq!(read_cef(text).1["suser"], "Анна \u{1f600}");
}

#[test]
fn a_host_without_a_name_is_left_out() {
    let mut encoder = encoder(EventFormat::Json, Some(Facility::Local0), 2048);
    for (host, word) in [("", "-"), ("a b\u{e4}c", "abc")] {
        encoder.source = Arc::new(Source { host: host.into(), ..(*encoder.source).clone() });
        let mut record = Vec::new();
        assert!(encoder.encode(&usual(), &mut record));
        assert_eq!(read_syslog(std::str::from_utf8(&record).unwrap()).0[2], word);
    }
}

#[test]
fn the_largest_event_fits_into_the_smallest_record() {
    for kind in EventKind::ALL {
        // Characters that every format makes longer, each in its own way.
        for raw in [&b"\\"[..], b"\"", b"]", b"=", b"&", "\u{e4}".as_bytes(), "\u{1f600}".as_bytes(), b"\xff"]
        {
            let mut event = filled(kind, &raw.repeat(5000));
            event.url = Some(Text::url([b"http://o/", raw.repeat(5000).as_slice()].concat()));
            for format in FORMATS {
                for facility in [None, Some(Facility::Local7)] {
                    let mut encoder = encoder(format, facility, LEAST);
                    let host = Text::name("h".repeat(300));
                    encoder.source = Arc::new(Source { host, version: "10.20.30".into(), process: u32::MAX });
                    let mut record = Vec::new();
                    let fits = encoder.encode(&event, &mut record);
                    assert!(fits, "{format:?} {facility:?} {raw:?}: {}", record.len());
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn hostile_values_are_inert_and_bounded_in_every_format(
        raw in hostile(),
        kind in proptest::sample::select(EventKind::ALL.to_vec()),
        most in LEAST..10_000,
    ) {
        let event = filled(kind, &raw);
        for format in FORMATS {
            for facility in [None, Some(Facility::Local4)] {
                let record = record(format, facility, most, &event);
                prop_assert!(record.len() <= most);
                let marks = record.chars().filter(|c| *c == BYTE_ORDER_MARK).count();
                let is_marked = format == EventFormat::Text && facility.is_some_and(|_| !read_syslog(&record).2.is_ascii());
                prop_assert_eq!(marks, usize::from(is_marked));
                let acts = |c: char| c != BYTE_ORDER_MARK && is_deceptive(c);
                prop_assert!(!record.chars().any(acts));
                prop_assert!(facility.is_some() || !record.contains(['<', '>']));
            }
        }
    }

    #[test]
    fn hostile_values_come_back_from_json_and_stay_in_their_field(raw in hostile()) {
        let event = filled(EventKind::Detection, &raw);
        for facility in [None, Some(Facility::Local4)] {
            let record = record(EventFormat::Json, facility, usize::MAX, &event);
            let object = json(facility.map_or(record.as_str(), |_| read_syslog(&record).2));
            let text = |text: &Option<Text>| text.as_ref().map(|text| text.as_str().to_owned()).unwrap_or_default();
            for (name, value) in [("url", text(&event.url)), ("user", text(&event.user)), ("method", text(&event.method))] {
                prop_assert_eq!(object.get(name).and_then(serde_json::Value::as_str).unwrap_or_default(), value);
            }
            prop_assert_eq!(object["action"].as_str(), Some("redirect"));
            prop_assert_eq!(object["threats"].as_array().unwrap().len(), 17, "16 and the mark");
        }
    }

    #[test]
    fn hostile_values_come_back_from_cef_and_stay_in_their_field(raw in hostile()) {
        let event = filled(EventKind::Detection, &raw);
        let (head, extension) = read_cef(&record(EventFormat::Cef, None, usize::MAX, &event));
        prop_assert_eq!(head.len(), 7);
        prop_assert_eq!(&extension["act"], "redirect");
        let user = event.user.as_ref().unwrap().as_str();
        prop_assert_eq!(extension.get("suser").map_or("", String::as_str), user);
        let method = extension.get("requestMethod").map_or("", String::as_str);
        prop_assert_eq!(method, event.method.as_ref().unwrap().as_str());
        prop_assert!(extension.keys().all(|key| key.bytes().all(|byte| byte.is_ascii_alphanumeric())));
        prop_assert!(extension.len() <= 50);
    }

    #[test]
    fn hostile_values_come_back_from_structured_data_and_stay_in_their_field(raw in hostile()) {
        let event = filled(EventKind::Detection, &raw);
        let record = record(EventFormat::Text, Some(Facility::Local4), usize::MAX, &event);
        let (head, data, text) = read_syslog(&record);
        prop_assert_eq!(head.len(), 6);
        prop_assert_eq!(&data["action"], "redirect");
        let user = event.user.as_ref().unwrap().as_str();
        prop_assert_eq!(data.get("user").map_or("", String::as_str), user);
        prop_assert_eq!(text.trim_start_matches(BYTE_ORDER_MARK), event.message.as_str());
    }
}
