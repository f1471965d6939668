//! `OPTIONS` (RFC 3507 section 4.10).

use crate::common::{GET, OK, ask_options, assert_204, assert_still_framed, respmod, session};
use icapstan_testkit::{IcapClient, IcapResponse, Kind, Message, ReadError, Standalone};

/// The items of a comma-separated field.
fn items<'a>(response: &'a IcapResponse, name: &str) -> Vec<&'a str> {
    response.get(name).map(|value| value.split(',').map(str::trim).collect()).unwrap_or_default()
}

#[test]
fn rfc3507_4_10_2_c028_c029_methods_are_those_of_the_service() {
    for (path, methods) in [
        ("/reqmod", &["REQMOD"][..]),
        ("/req", &["REQMOD"]),
        ("/respmod", &["RESPMOD"]),
        ("/resp", &["RESPMOD"]),
        ("/avscan", &["REQMOD", "RESPMOD"]),
        ("/virus_scan", &["REQMOD", "RESPMOD"]),
        ("/srv_clamav", &["REQMOD", "RESPMOD"]),
    ] {
        let (response, _icap) = ask_options(&Message::options(path));
        let mut found = items(&response, "Methods");
        found.sort_unstable();
        assert_eq!(found, methods, "{path}");
    }
}

#[test]
fn rfc3507_4_10_2_c030_to_c036_the_answer_describes_the_service() {
    let (response, mut icap) = ask_options(&Message::options("/respmod"));
    assert_eq!(response.status, 200);
    // C-030, C-050: the client checked that there is an ISTag, and its form.
    assert_eq!(response.get("Encapsulated"), Some("null-body=0"), "C-031");
    assert!(!response.head.has("Opt-body-type"), "C-032");
    let service = response.get("Service").expect("C-033");
    assert!(!service.starts_with("Dr.Web"), "C-033: e2guardian treats that name in a way of its own");
    let id = response.get("Service-ID").expect("C-033");
    assert!(!id.contains("KAVIcap") && !id.contains(' '), "C-033: {id}");
    let number = |name: &str| response.get(name).and_then(|value| value.parse::<u32>().ok());
    assert!(number("Max-Connections").is_some_and(|count| count >= 1), "C-034");
    assert!(number("Options-TTL").is_some_and(|seconds| seconds >= 60), "C-035");
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_10_2_c034_max_connections_is_what_the_configuration_says() {
    let server = Standalone::with().config("limits: {sessions: 7}\n").start();
    let mut icap = IcapClient::connect(server.icap());
    icap.send(Message::options("/respmod").bytes());
    assert_eq!(icap.read_options().get("Max-Connections"), Some("7"));
}

#[test]
fn rfc3507_4_10_2_c036_date_is_now() {
    let (response, _icap) = ask_options(&Message::options("/respmod"));
    let date = response.get("Date").expect("there is one");
    let seconds = |text: &str| {
        let output =
            std::process::Command::new("date").args(["-u", "+%s", "-d", text]).output().expect("coreutils");
        String::from_utf8_lossy(&output.stdout)
            .trim()
            .parse::<i64>()
            .unwrap_or_else(|_| panic!("no date: {text}"))
    };
    assert_eq!((date.len(), &date[26..]), (29, "GMT"), "the form of RFC 1123: {date}");
    assert!((seconds(date) - seconds("now")).abs() <= 60, "{date}");
}

#[test]
fn rfc3507_4_10_2_c037_to_c043_what_is_offered_is_exactly_what_clients_can_read() {
    for path in ["/respmod", "/reqmod", "/avscan"] {
        let (response, _icap) = ask_options(&Message::options(path));
        assert_eq!(response.get("Allow"), Some("204"), "C-037: numbers only, 206 is off");
        assert_eq!(response.get("Preview"), Some("4096"), "C-038");
        assert_eq!(response.get("Transfer-Preview"), Some("*"), "C-039");
        for name in ["Transfer-Ignore", "Transfer-Complete"] {
            assert!(!response.head.has(name), "C-040: {name} would let an origin choose by the URL's suffix");
        }
        let wanted = items(&response, "X-Include");
        for name in ["X-Client-IP", "X-Client-Username"] {
            assert!(wanted.contains(&name), "C-042: {wanted:?}");
        }
        let out = items(&response, "X-Allow-Out");
        assert!(out.contains(&"X-Infection-Found"), "C-043: {out:?}");
    }
}

#[test]
fn rfc3507_4_10_2_c038_c041_without_preview_there_is_no_preview_field() {
    let config = "services:\n  - {path: /respmod, modes: [RESPMOD], scan: content, policy: default, allow204: false, preview: off}\n\
                  policies:\n  - {name: default}\n";
    let server = Standalone::with().config(config).start();
    let mut icap = IcapClient::connect(server.icap());
    icap.send(Message::options("/respmod").bytes());
    let response = icap.read_options();
    for name in ["Preview", "Transfer-Preview", "Transfer-Ignore", "Transfer-Complete"] {
        assert!(!response.head.has(name), "{name}");
    }
    assert!(!response.head.names("Allow", "204"), "C-037: 204 is off");
}

#[test]
fn rfc3507_4_10_1_c044_each_form_of_the_request_gets_the_same_answer() {
    let plain = Message::options("/respmod");
    let forms = [
        plain.clone(),
        plain.clone().encapsulated("null-body=0"),
        plain.clone().field("Allow", "206, trailers"),
        plain.clone().field("Allow", "204"),
        plain.clone().field("Allow", "204, 206").field("User-Agent", "a test"),
        plain.clone().field("Connection", "keep-alive").encapsulated("null-body=0"),
    ];
    let without_date = |response: &IcapResponse| {
        let mut head = response.head.clone();
        head.fields.retain(|field| field.name != "Date");
        head.fields
    };
    let (first, _icap) = ask_options(&plain);
    for form in forms {
        let (response, mut icap) = ask_options(&form);
        assert_eq!(response.status, 200);
        assert_eq!(without_date(&response), without_date(&first), "C-110: numbers only, whoever asks");
        assert_still_framed(&mut icap);
    }
}

#[test]
fn rfc3507_4_10_c045_a_body_is_read_or_ends_the_connection() {
    let mut icap = session();
    let asked =
        Message::options("/respmod").encapsulated("opt-body=0").framed_body(b"5\r\nhello\r\n0\r\n\r\n");
    icap.send(asked.bytes());
    let response = icap.read_options();
    match response.status {
        200 => assert_still_framed(&mut icap),
        400 => {
            assert!(response.closes());
            icap.expect_closed();
        }
        other => panic!("{other}"),
    }
}

#[test]
fn rfc3507_4_10_c046_the_connection_goes_on_after_options() {
    let (response, mut icap) = ask_options(&Message::options("/respmod"));
    assert!(!response.closes());
    icap.send(respmod().allow_204().body(b"harmless").bytes());
    assert_204(&icap.read_respmod());
    icap.send(Message::reqmod("/reqmod").request_head(GET).allow_204().bytes());
    assert_204(&icap.read_reqmod());
}

#[test]
fn rfc3507_4_10_c047_c140_options_is_answered_beyond_the_session_limit_and_others_get_429() {
    let server = Standalone::with().in_one_process().config("limits: {sessions: 2}\n").start();
    let request =
        Message::respmod("/respmod").request_head(GET).response_head(OK).allow_204().body(b"harmless");
    let mut within: Vec<_> = (0..2).map(|_| IcapClient::connect(server.icap())).collect();
    // In the midst of a request: idle ones would give way.
    let bytes = request.bytes();
    let (start, rest) = bytes.split_at(bytes.len() - 5);
    for icap in &mut within {
        icap.send(&bytes);
        assert_204(&icap.read_respmod());
        icap.send(start);
    }
    for _ in 0..10 {
        let mut icap = IcapClient::connect(server.icap());
        icap.send(Message::options("/respmod").bytes());
        assert_eq!(icap.read_options().status, 200, "C-047: it is everybody's health check");
        drop(icap);
        let mut icap = IcapClient::connect(server.icap());
        match icap.send_while(&request.bytes(), |icap| icap.try_read(Kind::Respmod)) {
            Ok(response) => {
                assert_eq!(response.status, 429);
                assert!(response.closes());
            }
            Err(error) => assert_eq!(error, ReadError::Silent, "a protocol answer is due: {error}"),
        }
        icap.expect_gone();
    }
    for icap in &mut within {
        icap.send(rest);
        assert_204(&icap.read_respmod());
    }
    drop(within);
    icapstan_testkit::eventually("a session is free again", || {
        let mut icap = IcapClient::connect(server.icap());
        icap.send_while(&request.bytes(), |icap| icap.try_read(Kind::Respmod))
            .is_ok_and(|r| r.status == 204)
            .then_some(())
    });
}
