//! The service tag (RFC 3507 section 4.7). The client checks its form in each response it reads.

use crate::common::{GET, OK, ask_options, ask_reqmod, ask_respmod, reqmod, respmod, session};
use icapstan_testkit::{IcapClient, Message, Standalone, eicar, signatures, tempdir};

/// The tag of a service, as `OPTIONS` tells it.
#[track_caller]
fn tag_of(server: &Standalone, path: &str) -> String {
    let mut icap = IcapClient::connect(server.icap());
    icap.send(Message::options(path).bytes());
    icap.read_options().istag().to_owned()
}

#[test]
fn rfc3507_4_7_c049_c050_every_response_has_the_tag_of_its_service() {
    let (options, _icap) = ask_options(&Message::options("/respmod"));
    let tag = options.istag().to_owned();
    let (clean, _icap) = ask_respmod(&respmod().allow_204().body(b"harmless"));
    let (echo, _icap) = ask_respmod(&respmod().body(b"harmless"));
    let (block, _icap) = ask_respmod(&respmod().body(eicar()));
    for (response, status) in [(clean, 204), (echo, 200), (block, 200)] {
        assert_eq!((response.status, response.istag()), (status, tag.as_str()));
    }
    let (request, _icap) = ask_reqmod(&reqmod().allow_204());
    let (options, _icap) = ask_options(&Message::options("/reqmod"));
    assert_eq!(request.istag(), options.istag());
}

#[test]
fn rfc3507_4_7_c049_errors_have_a_tag_too() {
    let cases = [
        ("OPTIONS icap://h/nope ICAP/1.0\r\nHost: h\r\n\r\n", 404),
        ("REQMOD icap://h/respmod ICAP/1.0\r\nHost: h\r\nEncapsulated: null-body=0\r\n\r\n", 405),
        ("FOO icap://h/respmod ICAP/1.0\r\nHost: h\r\n\r\n", 501),
        ("OPTIONS icap://h/respmod ICAP/9.9\r\nHost: h\r\n\r\n", 505),
        ("garbage\r\n\r\n", 400),
    ];
    for (request, status) in cases {
        let mut icap = session();
        icap.send(request);
        let response = icap.read_options();
        assert_eq!(response.status, status, "{request:?}");
        assert!(!response.istag().is_empty());
    }
}

#[test]
fn rfc3507_4_7_c051_c052_the_tag_follows_the_inputs_and_nothing_else() {
    let folder = tempdir();
    signatures(folder.path());
    let start = || Standalone::with().signature_folder(folder.path()).start();
    let (first, second) = (start(), start());
    let tag = tag_of(&first, "/respmod");
    assert_eq!(tag_of(&second, "/respmod"), tag, "C-052: equal on two processes with equal inputs");
    drop(first);
    assert_eq!(tag_of(&start(), "/respmod"), tag, "C-052: a restart keeps it");
    std::fs::write(folder.path().join("more.ndb"), "Another.Name:0:*:6162636465666768\n").expect("writable");
    assert_ne!(tag_of(&start(), "/respmod"), tag, "C-051: other signatures, another tag");
}

#[test]
fn rfc3507_4_7_c054_a_policy_concerns_the_tags_of_its_services_only() {
    let config = |depth: u32| {
        format!(
            "services:
  - {{path: /reqmod, modes: [REQMOD], scan: all, policy: one}}
  - {{path: /respmod, modes: [RESPMOD], scan: content, policy: two}}
policies:
  - {{name: one, scan: {{maxDepth: 5}}}}
  - {{name: two, scan: {{maxDepth: {depth}}}}}
"
        )
    };
    let folder = tempdir();
    signatures(folder.path());
    let start = |depth| Standalone::with().signature_folder(folder.path()).config(&config(depth)).start();
    let (before, after) = (start(5), start(4));
    assert_eq!(tag_of(&before, "/reqmod"), tag_of(&after, "/reqmod"));
    assert_ne!(tag_of(&before, "/respmod"), tag_of(&after, "/respmod"));
}

#[test]
fn rfc3507_4_7_c049_aliases_have_one_tag() {
    for (path, alias) in [("/respmod", "/resp"), ("/reqmod", "/req"), ("/avscan", "/virus_scan")] {
        let (one, _icap) = ask_options(&Message::options(path));
        let (other, _icap) = ask_options(&Message::options(alias));
        assert_eq!(one.istag(), other.istag(), "{path} and {alias}");
    }
    let message = Message::respmod("/resp").request_head(GET).response_head(OK).allow_204().body(b"harmless");
    let (response, _icap) = ask_respmod(&message);
    assert_eq!(response.status, 204);
}
