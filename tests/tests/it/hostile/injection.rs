//! Texts that attack whoever reads them: pages, logs, metrics (groups 20 to 22).

use super::ground::{Ground, ground, infected};
use crate::common::{OK, assert_block, assert_still_framed};
use icapstan_testkit::{IcapClient, IcapResponse, Message, clean_bytes, eicar, eventually};
use serde_json::Value;

/// What readers of logs, terminals, pages, templates, shells and look-ups fall for. No line breaks: in
/// an ICAP head these are no value.
const ATTACKS: [&str; 12] = [
    "\"><script>alert(1)</script>",
    "'onmouseover='alert(1)",
    "javascript:alert(1)//",
    "{{7*7}}${7*7}#{7*7}<%=7*7%>{threat}%s%n$URL",
    "${jndi:ldap://o.test/x}",
    "$(touch /tmp/x)`touch /tmp/x`;|&",
    "%0d%0aX-Evil:%20y%0d%0a%0d%0a<html>",
    "\\r\\nX-Evil: y\\u0000\\x1b[31m",
    "\",\"level\":\"ERROR\",\"message\":\"forged\"}",
    "\u{202e}txt.exe\u{2066}\u{200b}",
    "\u{9b}31m\u{85}\u{2028}forged",
    "../../../../etc/passwd\\..\\",
];

/// An infected download whose URL, host, agent and user are all `attack`.
fn download(attack: &[u8]) -> Message {
    let text = String::from_utf8_lossy(attack);
    let head = [
        b"GET http://o.test/",
        attack,
        b" HTTP/1.1\r\nHost: ",
        attack,
        b"\r\nUser-Agent: ",
        attack,
        b"\r\n\r\n",
    ];
    Message::respmod("/respmod")
        .request_head(head.concat())
        .response_head(OK)
        .field("X-Client-Username", &text)
        .field("X-Client-IP", &text)
        .field("X-Server-IP", &text)
        .body(eicar())
}

#[track_caller]
fn blocked(ground: &Ground, what: &str, message: &Message) -> IcapResponse {
    let mut found = None;
    ground.tries(what, &[], || {
        let mut icap = IcapClient::connect(ground.icap());
        icap.send(message.bytes());
        let response = icap.read_respmod();
        assert_block(&response, "eicar");
        assert!(!response.head.has("X-Evil"));
        assert_still_framed(&mut icap);
        found = Some(response);
    });
    found.expect("it was tried")
}

/// The fields of the log lines since line `from` that tell of decisions.
#[track_caller]
fn decisions(ground: &Ground, from: usize) -> Vec<Value> {
    let lines = ground.process().logs().lines();
    let parsed = lines[from..].iter().map(|line| {
        assert!(!line.chars().any(char::is_control), "a log line that acts on terminals: {line:?}");
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: a broken log line: {line:?}"))
    });
    parsed
        .map(|line: Value| line.get("fields").cloned().unwrap_or(line))
        .filter(|fields| fields.get("transaction").is_some())
        .collect()
}

#[test]
fn abuse_20_abuse_21_pages_show_hostile_texts_as_texts() {
    let ground = ground();
    for attack in ATTACKS {
        let response = blocked(&ground, attack, &download(attack.as_bytes()));
        let page = String::from_utf8(response.body_data().to_vec()).expect("a page in UTF-8");
        for sign in
            ["<script", "onmouseover='", "href", "src=", "<%", "<html><", "\u{202e}", "\u{2066}", "\u{9b}"]
        {
            assert!(!page.contains(sign), "{attack}: {sign} on\n{page}");
        }
        assert!(!page.contains("<title>forged"), "{attack}");
    }
    // Filled in once, and not read as a template again.
    let page = blocked(&ground, "templates", &download(b"{{7*7}}${7*7}"));
    let page = String::from_utf8_lossy(page.body_data()).into_owned();
    assert!(page.contains("{{7*7}}${7*7}"), "as it came on\n{page}");
}

#[test]
fn abuse_20_long_and_broken_texts_are_cut_everywhere() {
    let ground = ground();
    let from = ground.process().logs().count();
    let long = b"a".repeat(100 * 1024);
    let invalid = [b"\xff\xfe\xc0\xaf\xed\xa0\x80".as_slice(), &clean_bytes(2000, 1)].concat();
    let invalid: Vec<u8> = invalid.into_iter().filter(|byte| !b"\r\n \0".contains(byte)).collect();
    for (what, target) in [("100 KiB", &long), ("no UTF-8", &invalid)] {
        let head = [b"GET http://o.test/", &target[..], b" HTTP/1.1\r\nHost: ", target, b"\r\n\r\n"].concat();
        let message = Message::respmod("/respmod").request_head(head).response_head(OK);
        let user = "u".repeat(50 * 1024);
        let response = blocked(&ground, what, &message.field("X-Client-Username", &user).body(eicar()));
        assert!(response.head.bytes.len() < 2048, "{what}: {}", response.head.bytes.len());
        let page = response.body_data();
        assert!(page.len() <= 16 * 1024, "{what}: a page of {} bytes", page.len());
        std::str::from_utf8(page).expect("a page in UTF-8");
    }
    eventually("both are logged", || (decisions(&ground, from).len() >= 2).then_some(()));
    for line in &ground.process().logs().lines()[from..] {
        assert!(line.len() < 32 * 1024, "a log line of {} bytes", line.len());
    }
}

#[test]
fn abuse_20_log_lines_are_one_object_each_whatever_is_told() {
    let ground = ground();
    let from = ground.process().logs().count();
    for attack in ATTACKS {
        blocked(&ground, attack, &download(attack.as_bytes()));
    }
    // Base64 of "WinNT://D\0\r\n\x1b[31muser".
    let user = "V2luTlQ6Ly9EAA0KG1szMW11c2Vy";
    blocked(&ground, "a user in base64", &infected().field("X-Authenticated-User", user));
    eventually("all are logged", || (decisions(&ground, from).len() > 2 * ATTACKS.len()).then_some(()));
    for fields in decisions(&ground, from) {
        assert_ne!(fields.get("message").and_then(Value::as_str), Some("forged"), "{fields}");
        assert_eq!(fields.get("verdict").and_then(Value::as_str), Some("detect"), "{fields}");
        for (name, value) in fields.as_object().expect("an object") {
            let text = value.as_str().unwrap_or_default();
            assert!(!text.chars().any(char::is_control), "{name}: {text:?}");
        }
    }
}

/// Nothing that a peer chooses becomes a label.
#[test]
fn abuse_20_hostile_texts_make_no_series_of_metrics() {
    let ground = ground();
    let series = || {
        let text = ground.metrics();
        let names = text.lines().filter(|line| !line.starts_with('#'));
        names.filter_map(|line| line.rsplit_once(' ')).map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
    };
    let ask = |word: &str| {
        let mut icap = IcapClient::connect(ground.icap());
        let method = format!("{word}MOD");
        for message in [
            Message::options(&format!("/{word}")),
            Message::options("/respmod")
                .request_line(&format!("{method} icap://{word}/respmod?{word} ICAP/1.0")),
        ] {
            icap.send(message.field("Host", word).field(&format!("X-{word}"), word).without("Host").bytes());
            let status = icap.read_options().status;
            assert!(matches!(status, 404 | 501), "{status}");
        }
        let head = format!("{method} http://{word}.test/{word} HTTP/1.1\r\nHost: {word}.test\r\n\r\n");
        let response = format!("HTTP/1.1 299 {word}\r\nContent-Type: {word}/{word}\r\n\r\n");
        let message = Message::respmod("/respmod").request_head(head).response_head(response);
        icap.send(message.field("X-Client-Username", word).body(eicar()).bytes());
        assert_block(&icap.read_respmod(), "eicar");
        icap.send(infected().encapsulated(&format!("{word}=0")).bytes());
        assert_eq!(icap.read_respmod().status, 400);
    };
    ask("FIRST");
    let before = series();
    ground.tries("many words", &[], || {
        for turn in 0..50 {
            ask(&format!("WORD{turn}"));
        }
    });
    let after = series();
    let new: Vec<_> = after.iter().filter(|name| !before.contains(name)).collect();
    assert!(new.len() < 5, "fifty words, and {} new series: {new:?}", new.len());
    assert!(!after.iter().any(|name| name.contains("WORD") || name.contains("FIRST")), "{after:?}");
}

/// Who claims to be somebody is written down as claiming it, beside the address that it comes from; no
/// verdict depends on it.
#[test]
fn abuse_22_a_client_that_claims_to_be_another_changes_nothing_but_the_record() {
    let ground = ground();
    let from = ground.process().logs().count();
    let groups = "QUFB".repeat(15 * 1024);
    let claims = [
        ("X-Client-IP", "192.0.2.66"),
        ("X-Client-IP", "127.0.0.1"),
        ("X-Client-IP", "::1"),
        ("X-Client-IP", "0.0.0.0"),
        ("X-Authenticated-User", "TG9jYWw6Ly9yb290"),
        ("X-Authenticated-User", &groups),
        ("X-Authenticated-Groups", &groups),
        ("X-Client-Username", "root"),
        ("X-Infection-Found", "Type=0; Resolution=0; Threat=none;"),
        ("X-Virus-ID", "no threats"),
        ("X-Icapstan-Reason", "clean"),
        ("X-Forwarded-For", "127.0.0.1"),
    ];
    for (name, value) in claims {
        let message = infected().field(name, value);
        blocked(&ground, &format!("{name}: {}", &value[..value.len().min(40)]), &message);
    }
    // And those that the neighbours sent meanwhile.
    eventually("all are logged", || (decisions(&ground, from).len() >= 2 * claims.len()).then_some(()));
    let decisions = decisions(&ground, from);
    for fields in &decisions {
        let peer = fields.get("peer").and_then(Value::as_str).unwrap_or_default();
        assert!(peer.starts_with("127.0.0.1:"), "{fields}");
        let user = fields.get("user").and_then(Value::as_str).unwrap_or_default();
        assert!(user.chars().count() <= 256, "a user of {} characters", user.len());
    }
    let claimed = |client: &str| {
        decisions.iter().any(|fields| fields.get("client").and_then(Value::as_str) == Some(client))
    };
    assert!(claimed("192.0.2.66") && claimed("127.0.0.1"), "the record has what was claimed");
}
