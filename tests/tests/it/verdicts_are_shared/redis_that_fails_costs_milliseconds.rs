//! Whatever becomes of Redis, each object has its verdict, and hardly later than without Redis.

use super::{ask, assert_clean, in_touch, is_up, key_file, lookups, records, sharing, start, told};
use crate::common::{assert_204, assert_block};
use icapstan_testkit::{
    IcapClient, Redis, Relay, Signal, Standalone, clean_bytes, eicar, eventually, skipped, tempdir,
};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// Objects that nobody has seen, one in ten of them infected, one after another; how long each took, in order.
#[track_caller]
fn new_objects(server: &Standalone, seed: u64, count: u64) -> Vec<Duration> {
    let mut icap = IcapClient::connect(server.icap());
    let mut took: Vec<_> = (0..count)
        .map(|number| {
            let serial = seed * 1_000_000 + number;
            let is_bad = number % 10 == 0;
            let body = if is_bad {
                [eicar(), format!(" {serial}").into_bytes()].concat()
            } else {
                clean_bytes(2000, serial)
            };
            let request = super::download(&body).bytes();
            let begun = Instant::now();
            let response = icap.send_while(&request, |icap| icap.read_respmod());
            if is_bad {
                assert_block(&response, "eicar");
            } else {
                assert_204(&response);
            }
            begun.elapsed()
        })
        .collect();
    took.sort();
    took
}

/// Of a hundred, all but one took no longer.
fn p99(took: &[Duration]) -> Duration {
    took[took.len() * 99 / 100]
}

#[test]
fn stopped_killed_restarted_and_full() {
    if skipped("redis") {
        return;
    }
    let (mut redis, dir) = (Redis::start(), tempdir());
    let key = key_file(dir.path());
    // The default patience.
    let config = sharing(&redis.url(), &key, "").replace(", lookupTimeout: 100ms", "");
    let server = start(&config);
    let (with, known) = (new_objects(&server, 1, 500), lookups(&server, "miss"));
    assert!(known > 0.5);

    // It takes connections and says nothing.
    redis.signal(Signal::STOP);
    let without = new_objects(&server, 2, 500);
    println!("p50 {:?}, p99 {:?} with Redis", with[250], p99(&with));
    println!(
        "p50 {:?}, p99 {:?}, most {:?} with one that is stopped",
        without[250],
        p99(&without),
        without[499]
    );
    assert!(p99(&without) < p99(&with) + Duration::from_millis(50));
    eventually("it is noticed", || (!is_up(&server)).then_some(()));
    let late = lookups(&server, "late");
    assert!((0.5..50.0).contains(&late), "{late}");
    assert!(lookups(&server, "away") > 0.5, "it was given up");
    let ready = server.admin_get("/readyz").expect("it answers");
    assert_eq!(ready.status, 200);
    redis.signal(Signal::CONT);
    in_touch(&server);

    redis.kill();
    new_objects(&server, 3, 50);
    eventually("it is noticed", || (!is_up(&server)).then_some(()));
    let ready = server.admin_get("/readyz").expect("it answers");
    let note = String::from_utf8_lossy(&ready.body).into_owned();
    assert!(ready.status == 200 && note.contains("verdicts are not shared: connect"), "{note}");
    redis.restart();
    in_touch(&server);
    let before = records(&server, "written");
    new_objects(&server, 4, 50);
    eventually("all is told", || (records(&server, "written") > before + 49.5).then_some(()));

    // It takes no more, and tells what it has.
    assert_eq!(redis.ask(&["CONFIG", "SET", "maxmemory", "1"]), ["OK"]);
    new_objects(&server, 5, 50);
    eventually("it is counted", || (records(&server, "failed") > 49.5).then_some(()));
    assert!(server.metric("icapstan_redis_errors_total", "kind=\"full\"") > 0.5);
    let other = start(&config);
    new_objects(&other, 4, 50);
    assert!(lookups(&other, "hit") > 40.0, "{}", lookups(&other, "hit"));
    assert_eq!(redis.ask(&["CONFIG", "SET", "maxmemory", "0"]), ["OK"]);
    let before = records(&server, "written");
    new_objects(&server, 6, 50);
    eventually("all is told", || (records(&server, "written") > before + 49.5).then_some(()));
}

#[test]
fn one_that_is_slow_is_not_asked_until_it_is_quick_again() {
    if skipped("redis") {
        return;
    }
    let (redis, dir) = (Redis::start(), tempdir());
    let relay = Relay::start(SocketAddr::from((Ipv4Addr::LOCALHOST, redis.port())));
    let config = sharing(&format!("redis://{}", relay.address()), &key_file(dir.path()), "");
    let server = start(&config);
    assert_clean(&server, b"harmless");
    told(&server, 1);
    // Slower than it may be, and not so slow that the connection is given up.
    relay.slow_down(Duration::from_millis(200));
    new_objects(&server, 1, 30);
    eventually("it is noticed", || (!is_up(&server)).then_some(()));
    let late = lookups(&server, "late");
    assert!((7.5..20.0).contains(&late), "{late}");
    let took = new_objects(&server, 2, 100);
    println!("p99 {:?} with one that answers after 200 ms", p99(&took));
    assert!(lookups(&server, "away") > 100.0);
    eventually("it is told", || {
        let ready = server.admin_get("/readyz").expect("it answers");
        String::from_utf8_lossy(&ready.body).contains("answers come too late").then_some(())
    });
    relay.slow_down(Duration::ZERO);
    in_touch(&server);
    let before = lookups(&server, "miss");
    new_objects(&server, 3, 20);
    assert!(lookups(&server, "miss") > before + 15.0);
    // As from the beginning, for whoever comes new.
    let other = start(&config);
    assert_204(&ask(&other, b"harmless"));
    assert!(lookups(&other, "hit") > 0.5);
}
