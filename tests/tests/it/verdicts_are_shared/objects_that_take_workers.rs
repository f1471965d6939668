//! An object that workers of one process died of costs the others none.

use super::{ask, assert_is, key_file};
use crate::common::{assert_204, assert_refused};
use crate::workers_that_die_or_are_left_cost_little::{MARKED, while_it_kills};
use icapstan_testkit::{Redis, Standalone, clean_bytes, eventually, skipped, tempdir};

fn start(config: &str) -> Standalone {
    let server = Standalone::with().in_one_process().config(config).start();
    eventually("it shares", || (server.metric("icapstan_poison_fleet_up", "") > 0.5).then_some(()));
    server
}

fn entries(server: &Standalone) -> f64 {
    server.metric("icapstan_poison_fleet_entries", "")
}

fn deaths(server: &Standalone) -> f64 {
    server.metric("icapstan_scanner_worker_deaths_total", "cause=\"crash\"")
}

#[test]
fn what_killed_workers_in_one_process_is_refused_by_all_and_by_who_comes_later() {
    if skipped("redis") {
        return;
    }
    let (mut redis, dir) = (Redis::start(), tempdir());
    let config = format!(
        "redis: {{url: '{}', macKeyFile: {}, commandTimeout: 300ms}}\n\
         scanner: {{workers: 1, poison: {{shared: true}}}}\n",
        redis.url(),
        key_file(dir.path()).display()
    );
    let (one, two) = (start(&config), start(&config));
    let bad = clean_bytes(MARKED, 1);
    let response = while_it_kills(&one, || ask(&one, &bad));
    assert_refused(&response);
    assert_eq!(response.get("X-Icapstan-Reason"), Some("failed/crash"));
    assert_is(deaths(&one), 2);
    eventually("the other one is told", || (entries(&two) > 0.5).then_some(()));
    let late = start(&config);
    eventually("it is told", || (entries(&late) > 0.5).then_some(()));
    for server in [&two, &late] {
        let response = while_it_kills(server, || ask(server, &bad));
        assert_refused(&response);
        assert_eq!(response.get("X-Icapstan-Reason"), Some("failed/crash"));
        assert_is(deaths(server), 0);
        assert_is(server.metric("icapstan_scanner_poison_answers_total", "reason=\"crash\""), 1);
        assert_is(server.metric("icapstan_poison_fleet_hits_total", ""), 1);
        // Another one of its length is looked at.
        assert_204(&ask(server, &clean_bytes(MARKED, 2)));
    }

    // What somebody else writes there is not believed: here that it was all a mistake.
    let stream = "{icapstan:poison}:1";
    redis.ask(&["XADD", stream, "*", "k", &"x".repeat(32), "r", "nonsense"]);
    redis.ask(&["XADD", stream, "*", "some", "thing"]);
    let copy = format!(
        "local first = redis.call('XRANGE', '{stream}', '-', '+', 'COUNT', 1)[1][2] \
         redis.call('XADD', '{stream}', '*', 'k', string.rep('y', 32), 'r', first[4]) return 1"
    );
    assert_eq!(redis.ask(&["EVAL", &copy, "0"]), ["1"]);
    let count =
        |reason: &str| two.metric("icapstan_poison_fleet_rejected_total", &format!("reason=\"{reason}\""));
    eventually("it is counted", || (count("malformed") > 1.5 && count("forged") > 0.5).then_some(()));
    assert_is(entries(&two), 1);

    // Without Redis each still knows what it knew.
    redis.kill();
    eventually("it is noticed", || (two.metric("icapstan_poison_fleet_up", "") < 0.5).then_some(()));
    assert_refused(&ask(&two, &bad));
    assert_is(deaths(&two), 0);
    let ready = two.admin_get("/readyz").expect("it answers");
    let note = String::from_utf8_lossy(&ready.body).into_owned();
    assert!(
        ready.status == 200 && note.contains("objects that take workers are not shared: connect"),
        "{note}"
    );
    redis.restart();
    eventually("it shares", || (two.metric("icapstan_poison_fleet_up", "") > 0.5).then_some(()));
}
