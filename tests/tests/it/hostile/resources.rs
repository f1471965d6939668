//! Bodies that claim much, have no end, or come in crumbs (group 15).

use super::ground::{Moves, PROMPT, ground, number};
use crate::common::{GET, assert_block, respmod};
use icapstan_testkit::{
    IcapClient, MARKER_NAME, Message, chunked_by, clean_bytes, clean_text, eicar, eventually, marker,
};

/// The default of `maxObjectSize`.
const MAX_OBJECT: u64 = 10343 << 10;

/// An infected download whose head, or whose preview, claims to be larger than anything.
fn boasts() -> Vec<(String, Message)> {
    let lengths = ["1073741824", "9000000000000000000", "18446744073709551615", "18446744073709551617", "-1"];
    let heads = lengths.map(|length| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"));
    let mut boasts: Vec<_> = heads
        .iter()
        .map(|head| (head.clone(), respmod().response_head(head).allow_204().body(eicar())))
        .collect();
    for announced in ["4294967295", "18446744073709551615", "99999999999999999999"] {
        let framed = [b"44\r\n", &eicar()[..], b"\r\n0; ieof\r\n\r\n"].concat();
        let message = respmod().field("Preview", announced).framed_body(framed);
        boasts.push((format!("Preview: {announced}"), message));
    }
    boasts
}

#[test]
fn abuse_15_what_is_claimed_is_not_set_aside() {
    let ground = ground();
    ground.process().forget_peak();
    let before = ground.process().usage();
    let mut waiting = Vec::new();
    for (what, message) in boasts() {
        let bytes = message.bytes();
        let (start, rest) = bytes.split_at(bytes.len() - 30);
        for _ in 0..16 {
            let mut icap = IcapClient::connect(ground.icap());
            icap.send(start);
            waiting.push((icap, what.clone(), rest.to_vec()));
        }
    }
    eventually("all bodies are being received", || {
        (ground.metric("icapstan_icap_sessions", "") >= 128.0).then_some(())
    });
    ground.tries("128 bodies that claim to be huge", &[], || {
        let held = ground.metric("icapstan_gateway_memory_bytes", "");
        assert!(held <= 128.0 * 64.0 * 1024.0, "{held} bytes are held for a few hundred");
    });
    for (mut icap, what, rest) in waiting {
        icap.send(rest);
        let response = icap.try_read(icapstan_testkit::Kind::Respmod);
        assert_block(&response.unwrap_or_else(|error| panic!("{what}: {error}")), "eicar");
    }
    let after = ground.process().usage();
    println!("{before:?} {after:?}");
    assert!(after.peak_resident < before.resident + (48 << 20), "{before:?} {after:?}");
    assert!(after.peak_mapped < before.peak_mapped + (2 << 30), "{before:?} {after:?}");
}

/// 256 MiB with a threat at the end: dropped as they come, and never called clean.
#[test]
fn abuse_15_a_body_without_end_costs_neither_memory_nor_spool_space() {
    const BLOCK: usize = 1 << 20;
    let ground = ground();
    ground.process().forget_peak();
    let before = ground.process().usage();
    let block = [format!("{BLOCK:x}\r\n").as_bytes(), &clean_bytes(BLOCK, 1), b"\r\n"].concat();
    let moves = [Moves("icapstan_gateway_reasons_total", "reason=\"size\"", 1.0)];
    ground.tries("256 MiB", &moves, || {
        let mut icap = IcapClient::connect(ground.icap());
        icap.send(respmod().allow_204().framed_body(b"").bytes());
        for _ in 0..256 {
            icap.send(&block);
        }
        let spooled = ground.metric("icapstan_gateway_spool_bytes", "");
        assert!(spooled <= number(MAX_OBJECT), "{spooled} bytes in spool files");
        icap.send([format!("{:x}\r\n", marker().len()).as_bytes(), &marker(), b"\r\n0\r\n\r\n"].concat());
        let response = icap.read_respmod();
        let reason = response.get("X-Icapstan-Reason");
        assert_eq!((response.status, reason), (204, Some("non-scanned/size")), "{}", response.shown());
    });
    eventually("the spool file is gone", || {
        (ground.metric("icapstan_gateway_spool_bytes", "") < 1.0).then_some(())
    });
    let after = ground.process().usage();
    println!("{before:?} {after:?}");
    assert!(after.peak_resident < before.resident + (48 << 20), "{before:?} {after:?}");
}

/// Half a million chunks of one byte each, and one segment for each of some: the time that they cost is
/// of the order of their bytes.
#[test]
fn abuse_15_a_body_in_crumbs_costs_no_more_than_its_bytes() {
    let ground = ground();
    let body = [clean_text(500_000), marker()].concat();
    let request = respmod().allow_204().framed_body(chunked_by(&body, 1)).bytes();
    let before = ground.process().cpu_time();
    ground.tries("chunks of one byte", &[], || {
        let mut icap = IcapClient::connect(ground.icap());
        icap.patience(PROMPT);
        let response = icap.send_while(&request, |icap| icap.read_respmod());
        assert_block(&response, MARKER_NAME);
    });
    let small =
        respmod().allow_204().framed_body(chunked_by(&[clean_text(300), marker()].concat(), 1)).bytes();
    ground.tries("a segment for each byte", &[], || {
        let mut icap = IcapClient::connect(ground.icap());
        icap.patience(PROMPT);
        icap.send_bytewise(&small);
        assert_block(&icap.read_respmod(), MARKER_NAME);
    });
    let took = ground.process().cpu_time().saturating_sub(before);
    println!("{took:?} of CPU for {} bytes", request.len());
    assert!(took < PROMPT / 2, "{took:?} of CPU for {} bytes", request.len());
}

/// Requests in crumbs as well: thousands of them in one write are answered one by one.
#[test]
fn abuse_15_thousands_of_requests_in_one_write_are_answered_in_their_order() {
    let ground = ground();
    ground.process().forget_peak();
    let before = ground.process().usage();
    let clean = Message::reqmod("/reqmod").request_head(GET).allow_204().bytes();
    let infected = respmod().allow_204().body(eicar()).bytes();
    let request = [clean.repeat(4000), infected].concat();
    let moves = [Moves("icapstan_icap_requests_total", "method=\"REQMOD\"", 4000.0)];
    ground.tries("4,000 requests", &moves, || {
        let mut icap = IcapClient::connect(ground.icap());
        icap.send_while(&request, |icap| {
            for _ in 0..4000 {
                assert_eq!(icap.read_reqmod().status, 204);
            }
            assert_block(&icap.read_respmod(), "eicar");
        });
    });
    let after = ground.process().usage();
    println!("{before:?} {after:?}");
    assert!(after.peak_resident < before.resident + (16 << 20), "{before:?} {after:?}");
}
