//! An object that came to one process is known to the others.

use super::{
    all_lookups, ask, assert_clean, assert_is, download, in_touch, key_file, lookups, records, scans,
    sharing, start, told,
};
use crate::common::{assert_204, assert_block};
use crate::generation_change_under_load::LATER;
use crate::worker_faults::Frozen;
use icapstan_testkit::{
    IcapClient, Redis, Standalone, clean_bytes, eicar, eventually, hex, sha256_hex, signatures, skipped,
    tempdir,
};
use serde_json::Value;

const ONE_WORKER: &str = "scanner: {workers: 1}\npolicies:\n  - {name: default, scan: {timeout: 5m}}\n";

#[test]
fn what_one_process_scanned_another_answers_though_no_worker_of_it_moves() {
    if skipped("redis") {
        return;
    }
    let (redis, dir) = (Redis::start(), tempdir());
    let path = dir.path().join("access.log");
    let config = sharing(&redis.url(), &key_file(dir.path()), "") + ONE_WORKER;
    let one = start(&config);
    let mut two = start(&format!("{config}log: {{format: json, access: {}}}\n", path.display()));
    let (small, large) = (b"harmless".to_vec(), clean_bytes(3_000_000, 1));
    assert_clean(&one, &small);
    assert_clean(&one, &large);
    let first = ask(&one, &eicar());
    assert_block(&first, "eicar");
    told(&one, 3);
    assert_is(lookups(&one, "miss"), 3);

    let frozen = Frozen::all_workers(&two, 1);
    for _ in 0..2 {
        assert_clean(&two, &small);
        assert_clean(&two, &large);
        let second = ask(&two, &eicar());
        assert_block(&second, "eicar");
        for field in ["X-Virus-ID", "X-Infection-Found", "X-Icapstan-Reason", "ISTag"] {
            assert_eq!(first.get(field), second.get(field));
        }
    }
    assert_is(scans(&two), 0);
    // The second time it is in its own memory.
    assert_is(lookups(&two, "hit"), 3);
    assert_is(two.metric("icapstan_verdict_cache_hits_total", ""), 3);
    assert_is(two.metric("icapstan_verdict_cache_misses_total", ""), 0);
    assert!(records(&two, "written") < 0.5, "it tells nobody what it was told");
    drop(frozen);
    let told = two.process().logs().text();
    let told = told.lines().filter(|line| line.contains(&sha256_hex(&eicar())));
    assert_eq!(told.filter(|line| line.contains("\"cache\":\"fleet\"")).count(), 1);
    two.terminate();
    assert!(two.wait_exit().success());
    let text = std::fs::read_to_string(&path).expect("there is an access log");
    let mut cached: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("each line is JSON"))
        .map(|line| line["cache"].as_str().unwrap_or_default().to_owned())
        .collect();
    // Each has a connection of its own.
    cached.sort();
    assert_eq!(cached, ["fleet", "fleet", "fleet", "hit", "hit", "hit"]);
}

#[test]
fn a_hundred_requests_for_what_another_process_knows_are_one_lookup() {
    if skipped("redis") {
        return;
    }
    let (redis, dir) = (Redis::start(), tempdir());
    let config = sharing(&redis.url(), &key_file(dir.path()), "") + ONE_WORKER;
    let (one, two) = (start(&config), start(&config));
    let body = clean_bytes(70_000, 1);
    assert_clean(&one, &body);
    told(&one, 1);
    let frozen = Frozen::all_workers(&two, 1);
    let request = download(&body).bytes();
    let begun: Vec<_> = (0..100)
        .map(|_| {
            let mut icap = IcapClient::connect(two.icap());
            icap.send(&request);
            icap
        })
        .collect();
    for mut icap in begun {
        assert_204(&icap.read_respmod());
    }
    assert_is(all_lookups(&two), 1);
    assert_is(scans(&two), 0);
    drop(frozen);
}

#[test]
fn other_signatures_other_profiles_and_other_readings_share_nothing() {
    if skipped("redis") {
        return;
    }
    let (redis, dir) = (Redis::start(), tempdir());
    let config = sharing(&redis.url(), &key_file(dir.path()), "");
    let one = start(&config);
    assert_clean(&one, LATER.as_bytes());
    told(&one, 1);
    let folder = dir.path().join("others");
    std::fs::create_dir(&folder).expect("the folder is writable");
    signatures(&folder);
    std::fs::write(folder.join("later.ndb"), format!("Later.Test:0:*:{}\n", hex(LATER.as_bytes())))
        .expect("the folder is writable");
    let other = Standalone::with().config(&config).signature_folder(&folder).start();
    in_touch(&other);
    assert_block(&ask(&other, LATER.as_bytes()), "later.test");
    let deeper = start(&format!("{config}policies:\n  - {{name: default, scan: {{maxDepth: 3}}}}\n"));
    assert_clean(&deeper, LATER.as_bytes());
    for server in [&other, &deeper] {
        assert_is(lookups(server, "miss"), 1);
        assert_is(scans(server), 1);
    }
    // Each of them has told its own.
    let third = Standalone::with().config(&config).signature_folder(&folder).start();
    in_touch(&third);
    told(&other, 1);
    assert_block(&ask(&third, LATER.as_bytes()), "later.test");
    assert_is(lookups(&third, "hit"), 1);
}

#[test]
fn who_does_not_share_asks_nobody() {
    if skipped("redis") {
        return;
    }
    let (redis, dir) = (Redis::start(), tempdir());
    let key = key_file(dir.path());
    let silent = format!("redis: {{url: '{}', macKeyFile: {}}}\n", redis.url(), key.display());
    let server = Standalone::with().config(&silent).start();
    eventually("it shares blocked URLs", || (server.metric("icapstan_redis_up", "") > 0.5).then_some(()));
    assert_clean(&server, b"harmless");
    assert_is(all_lookups(&server), 0);
    assert_eq!(super::with_keys(&redis, "return #keys", &[]), ["0"]);
}
