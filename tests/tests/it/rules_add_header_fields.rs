//! Rules add header fields to ICAP answers and to HTTP messages, which nobody else can forge.

use crate::common::{GET, OK, PUT, assert_block, assert_refused, shared};
use icapstan_testkit::http::Request;
use icapstan_testkit::{
    Framing, IcapClient, IcapResponse, Message, Origin, Reply, Squid, Standalone, clean_bytes, eicar, hex,
    marker, signatures, skipped, tempdir,
};
use parking_lot::Mutex;
use std::fs;
use std::sync::{Arc, Weak};

const CONFIG: &str = "
services:
- {path: /reqmod, modes: [REQMOD]}
- {path: /respmod, modes: [RESPMOD]}
- {path: /part, allow206: true}
- {path: /icap-only, policy: icap-only}
policies:
- name: default
  scan: {maxObjectSize: 200Ki}
  rules:
  - name: clean
    verdict: CLEAN
    action: none
    headers:
    - {name: X-Scanned, value: 'clean; id={transaction}; at={service}', to: http}
    - {name: X-Verdict, value: '{verdict}', to: icap}
    - {name: X-Threat, value: '{threat}', to: http}
  - name: threats
    verdict: DETECT
    action: {block: detected}
    headers:
    - {name: X-Scanned, value: '{verdict}', to: http}
    - {name: X-Threat, value: '{threat}', to: http}
    - {name: X-Found, value: '{threat} by {rule}', to: icap}
    - {name: Cache-Control, value: public, to: http}
  - verdict: NON_SCANNED
    action: log
    headers:
    - {name: X-Scanned, value: 'no; reason={reason}', to: http}
    - {name: X-Rule, value: '{rule}', to: icap}
- name: icap-only
  rules: [{verdict: CLEAN, action: none, headers: [{name: X-Verdict, value: '{verdict}', to: icap}]}]
";

#[test]
fn options_names_the_fields_that_rules_may_add() {
    let server = server();
    for (path, is_named) in [("/respmod", true), ("/icap-only", false)] {
        let mut icap = IcapClient::connect(server.icap());
        icap.send(Message::options(path).bytes());
        let answer = icap.read_options();
        let out = answer.get("X-Allow-Out").expect("what answers may have").to_owned();
        assert!(out.contains("X-Verdict") && !out.contains("X-Scanned"), "{out}");
        assert_eq!(out.contains("X-Found"), is_named, "{out}");
    }
}

/// One that is shared by the tests that run at one time.
fn server() -> Arc<Standalone> {
    static SHARED: Mutex<Weak<Standalone>> = Mutex::new(Weak::new());
    shared(&SHARED, || Standalone::with().config(CONFIG).start())
}

fn ask(server: &Standalone, message: &Message) -> IcapResponse {
    let mut icap = IcapClient::connect(server.icap());
    icap.send(message.bytes());
    icap.read_respmod()
}

fn respmod() -> Message {
    Message::respmod("/respmod").request_head(GET).response_head(OK)
}

/// The values of all fields of that name in the HTTP response.
fn values<'r>(response: &'r IcapResponse, name: &str) -> Vec<&'r str> {
    let head = response.response_head.as_ref().or(response.request_head.as_ref()).expect("there is a head");
    let own = head.fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
    own.map(|field| field.value.as_str()).collect()
}

#[test]
fn what_passes_has_its_fields_and_the_same_body_even_where_204_is_allowed() {
    let server = server();
    for size in [0, 1, 5000, 150_000] {
        let body = clean_bytes(size, 1);
        for message in [respmod().body(&body), respmod().allow_204().body(&body)] {
            let response = ask(&server, &message);
            assert_eq!((response.status, response.get("X-Verdict")), (200, Some("clean")));
            assert!(!response.head.has("X-Icapstan-Reason"));
            let scanned = values(&response, "X-Scanned");
            assert!(scanned.len() == 1 && scanned[0].starts_with("clean; id="), "{scanned:?}");
            assert!(scanned[0].ends_with("; at=respmod"), "{scanned:?}");
            assert!(values(&response, "X-Threat").is_empty(), "it has no value");
            let head = response.response_head.as_ref().expect("it is a response");
            let plain = [&OK.as_bytes()[..OK.len() - 2], b"X-Scanned: ", scanned[0].as_bytes(), b"\r\n\r\n"];
            assert_eq!(head.bytes, plain.concat(), "all else is as it came");
            assert!(response.body_data() == body, "{size}");
        }
    }
}

#[test]
fn requests_have_their_fields_too() {
    let server = server();
    let mut icap = IcapClient::connect(server.icap());
    for (head, body) in [(PUT, Some(clean_bytes(3000, 2))), (GET, None)] {
        let message = Message::reqmod("/reqmod").request_head(head).allow_204();
        let message = match &body {
            Some(body) => message.body(body),
            None => message,
        };
        icap.send(message.bytes());
        let response = icap.read_reqmod();
        assert_eq!(response.status, 200, "{}", response.shown());
        assert!(response.request_head.is_some() && response.get("X-Verdict") == Some("clean"));
        assert!(values(&response, "X-Scanned")[0].ends_with("; at=reqmod"));
        assert!(response.body_data() == body.unwrap_or_default());
    }
    icap.send(Message::reqmod("/reqmod").request_head(PUT).allow_204().body(eicar()).bytes());
    let blocked = icap.read_reqmod();
    assert_block(&blocked, "eicar");
    assert_eq!(values(&blocked, "X-Scanned"), ["detect"]);
}

#[test]
fn a_page_has_fields_and_keeps_its_own() {
    let server = server();
    for message in [respmod().body(eicar()), respmod().allow_204().body(eicar())] {
        let blocked = ask(&server, &message);
        assert_block(&blocked, "eicar");
        let threat = blocked.get("X-Virus-ID").expect("it has a name").to_owned();
        assert_eq!(values(&blocked, "X-Threat"), [threat.as_str()]);
        assert_eq!(values(&blocked, "X-Scanned"), ["detect"]);
        assert_eq!(blocked.get("X-Found"), Some(format!("{threat} by threats").as_str()));
        assert_eq!(values(&blocked, "Cache-Control"), ["no-store"]);
    }
}

#[test]
fn fields_for_icap_alone_leave_204_as_it_is() {
    let server = server();
    let message = Message::respmod("/icap-only").request_head(GET).response_head(OK).allow_204();
    let response = ask(&server, &message.body(clean_bytes(100, 3)));
    assert_eq!((response.status, response.get("X-Verdict")), (204, Some("clean")));
}

#[test]
fn a_body_beyond_the_limit_has_its_reason() {
    let server = server();
    let body = clean_bytes(300_000, 4);
    let mut icap = IcapClient::connect(server.icap());
    let message = respmod().allow_204().body(&body);
    let response = icap.send_while(&message.bytes(), IcapClient::read_respmod);
    assert_eq!(response.status, 200);
    assert_eq!(response.get("X-Rule"), Some("rules[2]"));
    assert_eq!(values(&response, "X-Scanned"), ["no; reason=size"]);
    assert!(response.body_data() == body);
}

#[test]
fn after_a_preview_the_rest_is_asked_for_and_comes_back() {
    let server = server();
    let body = clean_bytes(9000, 5);
    // All of it in the preview.
    let mut icap = IcapClient::connect(server.icap());
    icap.send(respmod().allow_204().whole_in_preview(&body).bytes());
    let response = icap.read_respmod();
    assert!(response.status == 200 && response.body_data() == body, "{}", response.shown());
    assert_eq!(values(&response, "X-Scanned").len(), 1);
    // Not all of it.
    icap.send(respmod().allow_204().preview(&body[..1000]).bytes());
    let interim = icap.try_read(icapstan_testkit::Kind::Respmod).expect("it says to go on");
    assert_eq!(interim.status, 100);
    let rest = &body[1000..];
    icap.send([format!("{:x}\r\n", rest.len()).as_bytes(), rest, b"\r\n0\r\n\r\n"].concat());
    let response = icap.read_respmod();
    assert!(response.status == 200 && response.body_data() == body, "{}", response.shown());
    assert_eq!(values(&response, "X-Scanned").len(), 1);
}

#[test]
fn a_client_that_can_keep_the_body_gets_the_head_alone() {
    let server = server();
    let message = Message::respmod("/part").request_head(GET).response_head(OK).field("Allow", "204, 206");
    let response = ask(&server, &message.body(clean_bytes(5000, 6)));
    assert_eq!(response.status, 206, "{}", response.shown());
    assert!(values(&response, "X-Scanned")[0].starts_with("clean; id="));
    let body = response.body.expect("it has a body");
    assert_eq!((body.data.len(), body.use_original_body), (0, Some(0)));
}

#[test]
fn what_a_peer_has_put_there_is_gone_in_any_form() {
    let server = server();
    for forged in [
        "X-Scanned: clean; id=forged\r\n",
        "x-scanned : forged\r\nX_SCANNED: forged\r\n",
        "Other: x\r\n X-Scanned: forged\r\n",
        "Other: x\nX-Scanned: forged\r\n",
        "Connection: X-Scanned\r\nX-Scanned: forged\r\n",
        "X-Threat: none, forged\r\n",
    ] {
        let head = format!("HTTP/1.1 200 OK\r\n{forged}Content-Length: 500\r\n\r\n");
        let message = Message::respmod("/respmod").request_head(GET).response_head(&head).allow_204();
        let response = ask(&server, &message.body(clean_bytes(500, 7)));
        assert_eq!(response.status, 200, "{forged:?}: {}", response.shown());
        let bytes = &response.response_head.as_ref().expect("it is a response").bytes;
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains("forged"), "{forged:?}: {text:?}");
        assert_eq!(text.matches("X-Scanned: clean; id=").count(), 1, "{forged:?}: {text:?}");
        assert!(text.contains("\r\nContent-Length: 500\r\n"), "for any reader: {forged:?}: {text:?}");
    }
}

#[test]
fn hostile_names_of_threats_are_inert_in_fields() {
    let dir = tempdir();
    let folder = dir.path().join("signatures");
    fs::create_dir(&folder).expect("it is writable");
    signatures(&folder);
    let content = b"hostile by its name alone";
    let line = format!("Evil|x\"<b>\u{e9};{{rule}}:0:*:{}\n", hex(content));
    fs::write(folder.join("hostile.ndb"), line).expect("it is writable");
    let server = Standalone::with().config(CONFIG).signature_folder(&folder).start();
    let blocked = ask(&server, &respmod().body(content));
    assert_refused(&blocked);
    let threat = values(&blocked, "X-Threat");
    assert!(threat.len() == 1 && threat[0].starts_with("Evil|x"), "{threat:?}");
    assert!(threat[0].bytes().all(|byte| byte.is_ascii_graphic()), "{threat:?}");
    let found = blocked.get("X-Found").expect("there is such a field");
    assert_eq!(found, format!("{} by threats", threat[0]), "nothing is filled in twice");
}

#[test]
fn clients_and_origins_behind_squid_see_the_fields() {
    if skipped("squid") {
        return;
    }
    let config = CONFIG.replace("maxObjectSize: 200Ki", "maxObjectSize: 10Mi");
    let server = Standalone::with().config(&config).start();
    let squid = Squid::start(server.icap());
    let origin = Origin::start();
    for size in [0, 10, 30_000] {
        let body = clean_bytes(size, 8);
        for framing in [Framing::KnownLength, Framing::Chunked(1000)] {
            let reply = Reply::bytes(body.clone()).framing(framing).field("X-Scanned", "forged");
            let url = origin.put(&format!("/{size}"), reply);
            let seen = origin.seen(&format!("/{size}")).len();
            let response = Request::get(&url)
                .field("X-Scanned", "clean; id=forged")
                .field("Cache-Control", "no-cache")
                .through(squid.proxy());
            assert_eq!(response.status, 200);
            let scanned: Vec<_> =
                response.head.fields.iter().filter(|field| field.name == "X-Scanned").collect();
            assert!(scanned.len() == 1 && scanned[0].value.ends_with("; at=respmod"), "{scanned:?}");
            assert!(response.body == body, "{size}");
            let seen = origin.seen(&format!("/{size}")).into_iter().nth(seen).expect("it came there");
            let sent = seen.head.get("X-Scanned").unwrap_or_default();
            assert!(sent.starts_with("clean; id=") && sent.ends_with("; at=reqmod"), "{sent}");
        }
    }
    let upload = Request::new("POST", &origin.url("/echo")).body(&clean_bytes(20_000, 9));
    assert_eq!(upload.through(squid.proxy()).status, 200);
    let bad = origin.put("/bad", Reply::bytes(marker()));
    let blocked = Request::get(&bad).through(squid.proxy());
    assert_eq!((blocked.status, blocked.head.get("X-Scanned")), (403, Some("detect")));
    squid.assert_no_icap_error();
}
