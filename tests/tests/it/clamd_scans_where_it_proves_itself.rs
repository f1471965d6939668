//! A clamd scans in place of worker processes, as long as it finds what it should.

use crate::common::{assert_204, assert_block, assert_refused};
use crate::detection_matrix::build::{zip, zip_packed};
use crate::detection_matrix::encrypted::{compound, shared_zip, word};
use icapstan_testkit::{
    CLAMD_ALERTS, Clamd, IcapClient, IcapResponse, Message, Standalone, clean_bytes, eicar, eventually, gzip,
    marker, skipped, zstd,
};
use std::fs;

fn config(address: &str, more: &str) -> String {
    format!("scanner: {{clamd: {{address: '{address}'{more}}}}}\nverdictCache: {{enabled: false}}\n")
}

fn over_unix(clamd: &Clamd) -> Standalone {
    let socket = clamd.socket().display().to_string();
    Standalone::with().config(&config(&socket, "")).start()
}

fn ask(server: &Standalone, fields: &str, body: &[u8]) -> IcapResponse {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n{fields}\r\n");
    let message = Message::respmod("/respmod").response_head(head).allow_204().body(body);
    let mut client = IcapClient::connect(server.icap());
    client.send(message.bytes());
    client.read_respmod()
}

fn readiness(server: &Standalone) -> String {
    server
        .admin_get("/readyz")
        .map(|response| String::from_utf8_lossy(&response.body).into_owned())
        .unwrap_or_default()
}

/// What a client is told of text that nobody can have seen before.
fn reason(server: &Standalone, seed: u64) -> String {
    let response = ask(server, "", &clean_bytes(5000, seed));
    response.get("X-Icapstan-Reason").unwrap_or_default().to_owned()
}

#[test]
fn objects_reach_it_by_descriptor_and_in_pieces_over_unix_and_tcp() {
    if skipped("clamd") {
        return;
    }
    let clamd = Clamd::start(&format!("{CLAMD_ALERTS}StreamMaxLength 3M\n"));
    let (socket, port) = (clamd.socket().display().to_string(), clamd.port());
    let roads =
        [config(&socket, ""), config(&socket, ", stream: true"), config(&format!("localhost:{port}"), "")];
    for (number, road) in roads.iter().enumerate() {
        let server = Standalone::with().config(road).start();
        for (fields, body) in [
            ("", eicar()),
            ("", gzip(&eicar())),
            ("Content-Encoding: gzip\r\n", gzip(&eicar())),
            ("", [clean_bytes(2 << 20, 3), marker()].concat()),
        ] {
            assert_refused(&ask(&server, fields, &body));
        }
        assert_block(&ask(&server, "", &eicar()), "Eicar-Test-Signature.UNOFFICIAL");
        for size in [6, 70_000, 2 << 20] {
            assert_204(&ask(&server, "", &clean_bytes(size, 9)));
        }
        let large = ask(&server, "", &clean_bytes(4 << 20, 9));
        let expected = if number == 0 { None } else { Some("non-scanned/size") };
        assert_eq!(large.get("X-Icapstan-Reason"), expected, "road {number}");
        let version = server.admin_get("/version").expect("the admin port answers").body;
        let version = String::from_utf8_lossy(&version);
        assert!(version.contains("clamd, ClamAV 1."), "{version}");
    }
}

#[test]
fn without_its_temporary_folder_nothing_is_clean_and_with_it_all_is_well_again() {
    if skipped("clamd") {
        return;
    }
    let clamd = Clamd::start(CLAMD_ALERTS);
    let server = over_unix(&clamd);
    assert_204(&ask(&server, "", &clean_bytes(5000, 1)));
    fs::remove_dir_all(clamd.temp()).expect("it is there");
    // Now it says OK to everything, and no object makes it say anything else.
    eventually("the proof fails", || (reason(&server, 2) == "failed/no-scanner").then_some(()));
    let told = readiness(&server);
    assert!(told.contains("EICAR") && told.contains(&clamd.socket().display().to_string()), "{told}");
    fs::create_dir(clamd.temp()).expect("its folder is there");
    eventually("it is believed again", || reason(&server, 3).is_empty().then_some(()));
    server.until_ready();
    assert_block(&ask(&server, "", &eicar()), "Eicar-Test-Signature.UNOFFICIAL");
}

#[test]
fn one_that_keeps_silent_about_what_it_left_out_is_not_used() {
    if skipped("clamd") {
        return;
    }
    let mut clamd = Clamd::start(CLAMD_ALERTS);
    let server = over_unix(&clamd);
    for (lines, word) in
        [("AlertEncrypted yes\n", "AlertExceedsMax yes"), ("AlertExceedsMax yes\n", "AlertEncrypted yes")]
    {
        clamd.restart(lines);
        eventually("it is told what to set", || readiness(&server).contains(word).then_some(()));
        assert_eq!(reason(&server, 4), "failed/no-scanner");
    }
    clamd.kill();
    eventually("it is gone", || readiness(&server).contains("cannot be connected to").then_some(()));
    assert_eq!(reason(&server, 5), "failed/no-scanner");
    clamd.restart(CLAMD_ALERTS);
    eventually("it is believed again", || reason(&server, 6).is_empty().then_some(()));
}

#[test]
fn what_it_never_opens_is_opened_or_told() {
    if skipped("clamd") {
        return;
    }
    let clamd = Clamd::start(CLAMD_ALERTS);
    let packed = zstd(&eicar());
    let server = over_unix(&clamd);
    assert_block(&ask(&server, "", &packed), "Eicar-Test-Signature.UNOFFICIAL");
    assert_204(&ask(&server, "", &zstd(&clean_bytes(5000, 1))));
    let socket = clamd.socket().display().to_string();
    let closed = config(&socket, "").replace("scanner: {", "scanner: {unpackWorkers: 0, ");
    let server = Standalone::with().config(&closed).start();
    let response = ask(&server, "", &packed);
    assert_eq!(response.get("X-Icapstan-Reason"), Some("non-scanned/unsupported"));
}

#[test]
fn what_it_does_not_tell_of_a_whole_object_is_told_for_it() {
    if skipped("clamd") {
        return;
    }
    let clamd = Clamd::start(CLAMD_ALERTS);
    let server = over_unix(&clamd);
    let sealed = [b"Salted__".as_slice(), &clean_bytes(90, 1)].concat();
    let two = [zip(&clean_bytes(90, 2)), zip(&clean_bytes(90, 3))].concat();
    for (body, reason) in [
        (sealed, "non-scanned/encrypted"),
        (compound("WordDocument", &word(0x0100)), "non-scanned/encrypted"),
        (two, "non-scanned/malformed"),
        (shared_zip(1000, 9 << 20), "non-scanned/ratio, non-scanned/malformed"),
    ] {
        assert_eq!(ask(&server, "", &body).get("X-Icapstan-Reason"), Some(reason));
    }
    let packed = zip_packed("a.com", 93, &zstd(&eicar()), &eicar());
    assert_block(&ask(&server, "", &packed), "Eicar-Test-Signature.UNOFFICIAL");
    assert_204(&ask(&server, "", &compound("WordDocument", &word(0))));
    assert_204(&ask(&server, "", &zip(&clean_bytes(5000, 4))));
}
