//! What one process has cut, another answers with the page.

use super::{again, blocked_urls, cut, in_touch, is_blocked, key_file, lines_with, sharing, start, with};
use crate::common::{assert_204, assert_block};
use icapstan_testkit::{
    IcapClient, MARKER_NAME, Message, Redis, Standalone, clean_bytes, eventually, skipped, tempdir,
};
use std::time::{Duration, Instant};

#[test]
fn a_retry_anywhere_gets_the_page_within_a_tenth_of_a_second() {
    if skipped("redis") {
        return;
    }
    let (redis, dir) = (Redis::start(), tempdir());
    let config = sharing(&redis.url(), &key_file(dir.path()), "");
    let (one, two) = (start(&config), start(&config));
    let mut waits = Vec::new();
    for serial in 0..9 {
        let url = format!("http://o.test/{serial}?x=%61");
        assert!(!is_blocked(&two, &url));
        cut(&one, "/respmod", &url);
        let begun = Instant::now();
        let page = eventually("the other one knows", || {
            Some(again(&two, "/respmod", &url)).filter(|response| response.status == 200)
        });
        waits.push(begun.elapsed());
        assert_block(&page, MARKER_NAME);
        assert_block(&again(&one, "/respmod", &url), MARKER_NAME);
        // The whole of it stands for its pieces; other URLs and methods are not meant.
        let ranged = format!("GET {url}#part HTTP/1.1\r\nHost: o.test\r\nRange: bytes=5-\r\n\r\n");
        let mut icap = IcapClient::connect(two.icap());
        icap.send(Message::reqmod("/reqmod").request_head(ranged).allow_204().bytes());
        assert_block(&icap.read_reqmod(), MARKER_NAME);
        let posted = format!("POST {url} HTTP/1.1\r\nHost: o.test\r\n\r\n");
        let mut icap = IcapClient::connect(two.icap());
        icap.send(Message::reqmod("/reqmod").request_head(posted).allow_204().body("x=1").bytes());
        assert_204(&icap.read_reqmod());
        assert!(!is_blocked(&two, &format!("{url}2")) && !is_blocked(&two, &url.replace("%61", "a")));
    }
    waits.sort();
    assert!(waits[4] < Duration::from_millis(100), "{waits:?}");
    assert!((two.metric("icapstan_blocked_urls_entries", "") - 9.0).abs() < 0.5);
    assert!(two.metric("icapstan_blocked_urls_hits_total", "") >= 18.0);
    assert_eq!(lines_with(one.process(), "Blocked URLs are shared through Redis."), 1);
}

#[test]
fn who_comes_later_learns_what_was_there_and_tells_what_was_not() {
    if skipped("redis") {
        return;
    }
    let (mut redis, dir) = (Redis::start(), tempdir());
    let config = sharing(&redis.url(), &key_file(dir.path()), "");
    let one = start(&config);
    cut(&one, "/respmod", "http://o.test/early");
    let two = start(&config);
    eventually("it learnt it", || is_blocked(&two, "http://o.test/early").then_some(()));
    redis.kill();
    cut(&two, "/respmod", "http://o.test/alone");
    assert!(is_blocked(&two, "http://o.test/alone") && !is_blocked(&one, "http://o.test/alone"));
    // Empty, as it was never written to disk: both tell it what they know.
    redis.restart();
    let begun = Instant::now();
    eventually("the other one knows", || is_blocked(&one, "http://o.test/alone").then_some(()));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let three = start(&config);
    for url in ["http://o.test/early", "http://o.test/alone"] {
        eventually("it is there again", || is_blocked(&three, url).then_some(()));
    }
}

#[test]
fn tenants_see_nothing_of_each_other() {
    if skipped("redis") {
        return;
    }
    let (redis, dir) = (Redis::start(), tempdir());
    let config = sharing(&redis.url(), &key_file(dir.path()), "")
        + "services:
- {path: /acme, modes: [RESPMOD], tenant: acme}
- {path: /acme-too, modes: [REQMOD], tenant: acme}
- {path: /umbra, modes: [RESPMOD], tenant: umbra}
- {path: /respmod, modes: [RESPMOD]}
";
    let (one, two) = (start(&config), start(&config));
    let url = "http://o.test/x";
    cut(&one, "/acme", url);
    eventually("the other one knows", || (again(&two, "/acme", url).status == 200).then_some(()));
    let mut icap = IcapClient::connect(two.icap());
    icap.send(Message::reqmod("/acme-too").request_head(super::get(url)).allow_204().bytes());
    assert_block(&icap.read_reqmod(), MARKER_NAME);
    for server in [&one, &two] {
        for path in ["/umbra", "/respmod"] {
            assert_204(&again(server, path, url));
        }
    }
}

#[test]
fn other_signatures_look_again() {
    if skipped("redis") {
        return;
    }
    let (redis, dir) = (Redis::start(), tempdir());
    let config = sharing(&redis.url(), &key_file(dir.path()), "");
    let one = start(&config);
    let folder = dir.path().join("others");
    std::fs::create_dir(&folder).expect("the folder is writable");
    icapstan_testkit::signatures(&folder);
    std::fs::write(folder.join("more.hdb"), "00000000000000000000000000000000:999:Other\n")
        .expect("the folder is writable");
    let other = with(&config).signature_folder(&folder).start();
    in_touch(&other);
    cut(&one, "/respmod", "http://o.test/x");
    eventually("it is known there", || {
        (other.metric("icapstan_blocked_urls_entries", "") > 0.5).then_some(())
    });
    assert!(!is_blocked(&other, "http://o.test/x") && is_blocked(&one, "http://o.test/x"));
}

#[test]
fn no_url_is_blocked_for_longer_than_its_time() {
    if skipped("redis") {
        return;
    }
    let (mut redis, dir) = (Redis::start(), tempdir());
    let config = sharing(&redis.url(), &key_file(dir.path()), "") + "blockedUrls: {ttl: 8s, maxSize: 1Mi}\n";
    let (one, two) = (start(&config), start(&config));
    let begun = Instant::now();
    cut(&one, "/respmod", "http://o.test/x");
    eventually("the other one knows", || is_blocked(&two, "http://o.test/x").then_some(()));
    // Whatever happens to Redis gives it no more time.
    redis.restart();
    let three = start(&config);
    eventually("it is told", || is_blocked(&three, "http://o.test/x").then_some(()));
    redis.ask(&["FLUSHALL"]);
    for server in [&one, &two, &three] {
        eventually("it is over", || (!is_blocked(server, "http://o.test/x")).then_some(()));
    }
    let lasted = begun.elapsed();
    assert!((Duration::from_secs(7)..Duration::from_secs(10)).contains(&lasted), "{lasted:?}");
    eventually("it is forgotten", || (one.metric("icapstan_blocked_urls_entries", "") < 0.5).then_some(()));
    let key = key_file(dir.path()).display().to_string();
    let listed = blocked_urls(&["list", "--redis", &redis.url(), "--redis-key-file", &key]);
    assert_eq!((listed.0, listed.1.as_str()), (0, ""));
}

#[test]
fn without_redis_a_process_remembers_its_own_and_may_be_told_not_to() {
    let one = Standalone::with().in_one_process().start();
    cut(&one, "/respmod", "http://o.test/x");
    assert!(is_blocked(&one, "http://o.test/x"));
    assert!(one.metric("icapstan_redis_up", "") < 0.5);
    assert_eq!(one.admin_get("/readyz").map(|response| response.status), Some(200));
    let off = Standalone::with().in_one_process().config("blockedUrls: {enabled: false}").start();
    cut(&off, "/respmod", "http://o.test/x");
    assert!(!is_blocked(&off, "http://o.test/x"));
    // What is blocked before any of it is out needs no remembering.
    let mut icap = IcapClient::connect(one.icap());
    let head = Message::respmod("/respmod").request_head(super::get("http://o.test/y"));
    let body = [clean_bytes(100, 1), icapstan_testkit::marker()].concat();
    icap.send(head.response_head(crate::common::OK).body(body).bytes());
    assert_block(&icap.read_respmod(), MARKER_NAME);
    assert!(!is_blocked(&one, "http://o.test/y"));
}
