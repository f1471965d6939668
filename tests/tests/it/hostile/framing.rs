//! `Encapsulated` and the fields that frame a request (groups 1 to 4).

use super::ground::{Moves, ground, hidden, infected};
use crate::common::{GET, OK, PUT, assert_204, assert_block, assert_still_framed, replaced, reqmod, respmod};
use icapstan_testkit::{IcapClient, Kind, Message, chunked, eicar};

/// Bytes that the whole table may cost at most: nothing that an offset claims is set aside.
const MOST: u64 = 32 << 20;
const MOST_MAPPED: u64 = 1 << 30;

#[test]
fn abuse_1_offsets_that_miss_the_heads_never_make_a_body_something_else() {
    let ground = ground();
    let (first, second) = (GET.len(), GET.len() + OK.len());
    let framed = chunked(&eicar());
    let end = second + framed.len();
    for (what, value) in [
        (
            "the response head ends 4 bytes early",
            format!("req-hdr=0, res-hdr={first}, res-body={}", second - 4),
        ),
        ("2 bytes early", format!("req-hdr=0, res-hdr={first}, res-body={}", second - 2)),
        ("1 byte early", format!("req-hdr=0, res-hdr={first}, res-body={}", second - 1)),
        ("1 byte late", format!("req-hdr=0, res-hdr={first}, res-body={}", second + 1)),
        ("behind the first chunk line", format!("req-hdr=0, res-hdr={first}, res-body={}", second + 4)),
        ("behind the last chunk", format!("req-hdr=0, res-hdr={first}, res-body={end}")),
        ("behind the last chunk, and no body", format!("req-hdr=0, res-hdr={first}, null-body={end}")),
        (
            "the request head ends 2 bytes early",
            format!("req-hdr=0, res-hdr={}, res-body={second}", first - 2),
        ),
        ("both heads in one", format!("res-hdr=0, res-body={second}")),
        ("as many bytes as the next request has", {
            format!("req-hdr=0, res-hdr={first}, res-body={}", end + hidden().len())
        }),
    ] {
        ground.refuses(what, &infected().encapsulated(&value).bytes(), 400, "\"http-head\"");
    }
}

#[test]
fn abuse_2_offsets_that_are_no_places_cost_nothing() {
    let ground = ground();
    ground.process().forget_peak();
    let before = ground.process().usage();
    let first = GET.len();
    for offset in
        ["-1", "-46", "+46", "0x2e", "46e0", "046e", "4294967342", "18446744073709551662", "46;", "٤٦"]
    {
        let value = format!("req-hdr=0, res-hdr={first}, res-body={offset}");
        ground.refuses(&value, &infected().encapsulated(&value).bytes(), 400, "\"encapsulated\"");
    }
    for offset in [first + 256 * 1024 + 1, 99_999_999, 999_999_999] {
        let value = format!("req-hdr=0, res-hdr={first}, res-body={offset}");
        ground.refuses(&value, &infected().encapsulated(&value).bytes(), 400, "\"http-head-too-large\"");
    }
    for value in [
        "res-hdr=46, res-body=105",
        "req-hdr=0, res-hdr=46, res-body=45",
        "req-hdr=0, res-hdr=46, res-body=46",
        "req-hdr=0, res-hdr=46, res-hdr=60, res-body=105",
        "req-hdr=0, res-hdr=46, res-body=105, null-body=200",
    ] {
        ground.refuses(value, &infected().encapsulated(value).bytes(), 400, "\"encapsulated\"");
    }
    let after = ground.process().usage();
    assert!(after.peak_resident < before.resident + MOST, "{before:?} {after:?}");
    assert!(after.peak_mapped < before.peak_mapped + MOST_MAPPED, "{before:?} {after:?}");
}

#[test]
fn abuse_3_fields_that_contradict_themselves_are_refused() {
    let ground = ground();
    let message = infected();
    for (what, message) in [
        ("two hosts", message.clone().field("Host", "other")),
        ("two hosts in different case", message.clone().field("HOST", "other")),
        (
            "a second Encapsulated without a body",
            message.clone().field("eNCAPSULATED", "req-hdr=0, null-body=46"),
        ),
        ("a second Encapsulated, empty", message.clone().field("Encapsulated", "")),
        ("Preview as well, twice", message.clone().field("Preview", "0").field("preview", "68")),
        ("Preview, empty the second time", message.clone().field("Preview", "68").field("Preview", "")),
    ] {
        ground.refuses(what, &message.bytes(), 400, "\"contradiction\"");
    }
    let bytes = message.bytes();
    for (what, from, to) in [
        ("folded before an entry", &b"res-hdr"[..], &b"\r\n res-hdr"[..]),
        ("folded by a tab", b"res-hdr", b"\r\n\tres-hdr"),
        ("folded with nothing in front", b"req-hdr=0, ", b"\r\n req-hdr=0, "),
    ] {
        ground.refuses(what, &replaced(&bytes, from, to), 400, "\"field\"");
    }
    ground.refuses(
        "a bare CR before an entry",
        &replaced(&bytes, b"res-hdr", b"\r res-hdr"),
        400,
        "\"field\"",
    );
}

#[test]
fn abuse_3_fields_that_merely_repeat_themselves_hide_nothing() {
    let ground = ground();
    let value = format!("req-hdr=0, res-hdr={}, res-body={}", GET.len(), GET.len() + OK.len());
    for (what, message) in [
        ("the same host twice", infected().field("Host", "h")),
        ("the same Encapsulated twice", infected().field("Encapsulated", &value)),
        ("Allow twice", infected().field("Allow", "206")),
    ] {
        ground.tries(what, &[], || {
            let mut icap = IcapClient::connect(ground.icap());
            icap.send(message.bytes());
            assert_block(&icap.read_respmod(), "eicar");
            assert_still_framed(&mut icap);
        });
    }
    for (first, second) in [("close", "keep-alive"), ("keep-alive", "close")] {
        ground.tries(&format!("Connection: {first}, then {second}"), &[], || {
            let mut icap = IcapClient::connect(ground.icap());
            icap.send(infected().field("Connection", first).field("Connection", second).bytes());
            let response = icap.read_respmod();
            assert_block(&response, "eicar");
            assert!(response.closes(), "whoever wants to close is followed");
            icap.expect_closed();
        });
    }
}

/// The sender says that there is no body, and gets its answer to that. What it sends then is a request,
/// and none: the infected bytes are not passed by anybody.
#[test]
fn abuse_4_a_body_behind_null_body_is_no_request() {
    let ground = ground();
    let moves = || {
        [
            Moves("icapstan_icap_malformed_requests_total", "\"request-line\"", 1.0),
            Moves("icapstan_icap_requests_total", "method=\"OPTIONS\"", 0.0),
        ]
    };
    let tail = [chunked(&eicar()), hidden()].concat();
    for (what, kind, message) in [
        ("REQMOD", Kind::Reqmod, reqmod().allow_204()),
        ("REQMOD with Preview: 0", Kind::Reqmod, reqmod().field("Preview", "0")),
        ("RESPMOD", Kind::Respmod, respmod().allow_204()),
        ("RESPMOD with a preview", Kind::Respmod, respmod().field("Preview", "4096")),
    ] {
        ground.tries(what, &moves(), || {
            let mut icap = IcapClient::connect(ground.icap());
            icap.send([message.bytes(), tail.clone()].concat());
            assert_204(&icap.read(kind));
            let response = icap.read(kind);
            assert!(response.status == 400 && response.closes(), "{}", response.shown());
            icap.expect_closed();
        });
    }
}

#[test]
fn abuse_4_a_body_that_is_announced_and_does_not_come_is_not_made_up() {
    let ground = ground();
    let declared = Message::reqmod("/reqmod")
        .request_head(PUT)
        .allow_204()
        .encapsulated(&format!("req-hdr=0, req-body={}", PUT.len()));
    ground.refuses("followed by a request", &declared.bytes(), 400, "\"chunk\"");
    ground.tries(
        "followed by the end",
        &[Moves("icapstan_icap_sessions_ended_total", "cause=\"gone\"", 1.0)],
        || {
            let mut icap = IcapClient::connect(ground.icap());
            icap.send(declared.bytes());
            icap.end_sending();
            icap.expect_gone();
        },
    );
}
