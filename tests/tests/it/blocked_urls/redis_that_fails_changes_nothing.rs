//! Whatever becomes of Redis, clients see nothing of it, and all is equal again soon after.

use super::{again, cut, is_blocked, is_up, key_file, lines_with, sharing, start, with};
use crate::common::{assert_204, assert_block};
use icapstan_testkit::{MARKER_NAME, Redis, Signal, Standalone, eventually, free_port, skipped, tempdir};
use std::time::{Duration, Instant};

/// Each answer comes as soon as ever.
const PROMPT: Duration = Duration::from_secs(1);

/// How soon all is equal again.
const SOON: Duration = Duration::from_secs(5);

/// Clients see what they always see.
#[track_caller]
fn all_is_well(server: &Standalone, known: &str) {
    for serial in 0..10 {
        let begun = Instant::now();
        assert_204(&again(server, "/respmod", &format!("http://o.test/clean/{serial}")));
        assert_block(&again(server, "/respmod", known), MARKER_NAME);
        assert!(begun.elapsed() < PROMPT, "{:?}", begun.elapsed());
    }
    assert_eq!(server.admin_get("/readyz").map(|response| response.status), Some(200));
}

#[track_caller]
fn errors(server: &Standalone, kind: &str) -> f64 {
    server.metric("icapstan_redis_errors_total", &format!("kind=\"{kind}\""))
}

#[track_caller]
fn equal_soon(servers: [&Standalone; 2], urls: &[&str]) {
    let begun = Instant::now();
    for server in servers {
        for url in urls {
            eventually("they are equal", || is_blocked(server, url).then_some(()));
        }
    }
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

#[test]
fn killed_stopped_and_flushed() {
    if skipped("redis") {
        return;
    }
    let (mut redis, dir) = (Redis::start(), tempdir());
    let config = sharing(&redis.url(), &key_file(dir.path()), "");
    let (one, two) = (start(&config), start(&config));
    let (first, second, third) = ("http://o.test/first", "http://o.test/second", "http://o.test/third");
    cut(&one, "/respmod", first);
    equal_soon([&one, &two], &[first]);

    redis.kill();
    eventually("it is noticed", || (!is_up(&one) && !is_up(&two)).then_some(()));
    all_is_well(&one, first);
    all_is_well(&two, first);
    let ready = one.admin_get("/readyz").expect("it answers");
    let note = String::from_utf8_lossy(&ready.body).into_owned();
    assert!(note.contains("blocked URLs are not shared: connect"), "{note}");
    cut(&one, "/respmod", second);
    assert!(!is_blocked(&two, second));
    redis.restart();
    equal_soon([&one, &two], &[first, second]);
    assert!(errors(&one, "connect") >= 1.0);

    // It takes connections and says nothing.
    redis.signal(Signal::STOP);
    eventually("it is noticed", || (!is_up(&one) && !is_up(&two)).then_some(()));
    all_is_well(&one, first);
    cut(&one, "/respmod", third);
    all_is_well(&two, second);
    assert!(!is_blocked(&two, third));
    redis.signal(Signal::CONT);
    equal_soon([&one, &two], &[first, second, third]);
    assert!(errors(&two, "timeout") >= 1.0);

    assert_eq!(redis.ask(&["FLUSHALL"]), ["OK"]);
    eventually("all is there again", || (redis.ask(&["HLEN", &entries()]) == ["4"]).then_some(()));
    let begun = Instant::now();
    let late = start(&config);
    equal_soon([&late, &two], &[first, second, third]);
    assert!(begun.elapsed() < PROMPT + SOON, "{:?}", begun.elapsed());
    // Each change of state is told once.
    let told = lines_with(one.process(), "Blocked URLs are not shared through Redis.");
    assert!((2..=4).contains(&told), "{told} lines");
}

fn entries() -> String {
    format!("{}entries", super::KEYS)
}

#[test]
fn full() {
    if skipped("redis") {
        return;
    }
    let (redis, dir) = (Redis::start(), tempdir());
    let config = sharing(&redis.url(), &key_file(dir.path()), "");
    let (one, two) = (start(&config), start(&config));
    redis.ask(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    redis.ask(&["CONFIG", "SET", "maxmemory", "1mb"]);
    let url = "http://o.test/full";
    cut(&one, "/respmod", url);
    all_is_well(&one, url);
    eventually("it is counted", || (errors(&one, "full") >= 1.0).then_some(()));
    assert!(!is_blocked(&two, url));
    redis.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    equal_soon([&one, &two], &[url]);
}

#[test]
fn never_there_or_of_another_kind() {
    if skipped("redis") {
        return;
    }
    let dir = tempdir();
    let key = key_file(dir.path());
    let nowhere = with(&sharing(&format!("redis://127.0.0.1:{}", free_port()), &key, "")).start();
    let url = "http://o.test/x";
    cut(&nowhere, "/respmod", url);
    all_is_well(&nowhere, url);
    eventually("it is counted", || (errors(&nowhere, "connect") >= 2.0).then_some(()));
    // A replica, which takes no writes; and one that wants a password.
    let master = Redis::start();
    let replica = Redis::with(&["--save", "", "--replicaof", "127.0.0.1", &master.port().to_string()]);
    let locked = Redis::with(&["--save", "", "--requirepass", "other"]);
    for (redis, kind) in [(&replica, "read-only"), (&locked, "auth")] {
        let server = with(&sharing(&redis.url(), &key, "")).start();
        cut(&server, "/respmod", url);
        all_is_well(&server, url);
        eventually("it is counted", || (errors(&server, kind) >= 1.0).then_some(()));
        assert!(!is_up(&server));
    }
    // The ICAP port of another process is no Redis.
    let other = with(&sharing(&format!("redis://{}", nowhere.icap()), &key, "")).start();
    cut(&other, "/respmod", url);
    all_is_well(&other, url);
    assert!(!is_up(&other) && other.metric("icapstan_redis_errors_total", "") >= 1.0);
}
