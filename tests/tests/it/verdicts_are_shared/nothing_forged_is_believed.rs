//! A Redis full of lies makes nothing clean that is not.

use super::{
    ask, assert_clean, assert_is, in_touch, key_file, lookups, rejected, scans, sharing, start, told,
    with_keys,
};
use crate::common::assert_block;
use crate::generation_change_under_load::LATER;
use icapstan_testkit::{Redis, Standalone, eicar, eventually, hex, signatures, skipped, tempdir};
use std::time::{Duration, Instant};

/// Puts the value of the key that was first there under all of them.
const COPY_FIRST: &str = "local first = redis.call('GET', 'saved') \
    for _, key in ipairs(keys) do redis.call('SET', key, first) end return #keys";
const SAVE: &str = "redis.call('SET', 'saved', redis.call('GET', keys[1])) return #keys";
const FILL: &str = "for _, key in ipairs(keys) do redis.call('SET', key, ARGV[1]) end return #keys";

#[test]
fn a_clean_record_under_an_infected_objects_key_is_not_believed() {
    if skipped("redis") {
        return;
    }
    let (redis, dir) = (Redis::start(), tempdir());
    let config = sharing(&redis.url(), &key_file(dir.path()), "");
    let one = start(&config);
    assert_clean(&one, b"harmless");
    told(&one, 1);
    assert_eq!(with_keys(&redis, SAVE, &[]), ["1"]);
    assert_block(&ask(&one, &eicar()), "eicar");
    told(&one, 2);
    assert_eq!(with_keys(&redis, COPY_FIRST, &[]), ["2"]);
    let two = start(&config);
    assert_block(&ask(&two, &eicar()), "eicar");
    assert_is(rejected(&two, "forged"), 1);
    // It stands where it belongs, too.
    assert_clean(&two, b"harmless");
    assert_is(lookups(&two, "hit"), 1);
    assert_is(scans(&two), 1);
    // What it tells comes before what follows.
    told(&two, 1);

    // Bytes of other kinds, and lengths that none has.
    let random: Vec<u8> =
        (0..300_u32).map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let no_length = vec![1; 20_000];
    for (value, reason) in [
        (&b""[..], "malformed"),
        (&random, "malformed"),
        (&[&[1], &random[..]].concat(), "forged"),
        (&no_length, "oversized"),
    ] {
        assert_eq!(with_keys(&redis, FILL, &[value]), ["2"]);
        let server = start(&config);
        assert_block(&ask(&server, &eicar()), "eicar");
        assert_clean(&server, b"harmless");
        let found = rejected(&server, reason);
        let broke = server.metric("icapstan_redis_errors_total", "kind=\"oversized\"");
        assert!(found > 1.5 || broke > 0.5, "{reason}: {found}");
        assert_is(scans(&server), 2);
        told(&server, 2);
    }
    // A key of another type, and an answer that is larger than any.
    with_keys(
        &redis,
        "for _, key in ipairs(keys) do redis.call('DEL', key) redis.call('SADD', key, 'x') end",
        &[],
    );
    let server = start(&config);
    assert_block(&ask(&server, &eicar()), "eicar");
    told(&server, 1);
    with_keys(
        &redis,
        "for _, key in ipairs(keys) do redis.call('SET', key, string.rep('x', 3000000)) end",
        &[],
    );
    let server = start(&config);
    assert_block(&ask(&server, &eicar()), "eicar");
    assert_is(lookups(&server, "failed") + lookups(&server, "late"), 1);
    in_touch(&server);
}

#[test]
fn records_of_another_generation_another_secret_and_another_time_are_not_believed() {
    if skipped("redis") {
        return;
    }
    let (redis, dir) = (Redis::start(), tempdir());
    let key = key_file(dir.path());
    let config = sharing(&redis.url(), &key, "");
    let one = start(&config);
    assert_clean(&one, LATER.as_bytes());
    told(&one, 1);
    assert_eq!(with_keys(&redis, SAVE, &[]), ["1"]);
    let folder = dir.path().join("others");
    std::fs::create_dir(&folder).expect("the folder is writable");
    signatures(&folder);
    std::fs::write(folder.join("later.ndb"), format!("Later.Test:0:*:{}\n", hex(LATER.as_bytes())))
        .expect("the folder is writable");
    let newer = || {
        let server = Standalone::with().config(&config).signature_folder(&folder).start();
        in_touch(&server);
        server
    };
    let two = newer();
    assert_block(&ask(&two, LATER.as_bytes()), "later.test");
    told(&two, 1);
    // What older signatures found, under the key of newer ones.
    assert_eq!(with_keys(&redis, COPY_FIRST, &[]), ["2"]);
    let three = newer();
    assert_block(&ask(&three, LATER.as_bytes()), "later.test");
    assert_is(rejected(&three, "forged"), 1);

    // Who has another secret has other keys, and cannot read these.
    let other = dir.path().join("other.key");
    std::fs::write(&other, "another secret that is long enough for a test").expect("the folder is writable");
    let stranger = start(&sharing(&redis.url(), &other, ""));
    assert_clean(&stranger, LATER.as_bytes());
    assert_is(lookups(&stranger, "miss"), 1);

    // Kept by somebody beyond its time, and put back.
    redis.ask(&["FLUSHALL"]);
    let brief = sharing(&redis.url(), &key, ", ttl: 2s");
    let four = start(&brief);
    let begun = Instant::now();
    assert_clean(&four, b"harmless");
    told(&four, 1);
    with_keys(&redis, "redis.call('PERSIST', keys[1]) return 1", &[]);
    eventually("its time is over", || (begun.elapsed() > Duration::from_secs(3)).then_some(()));
    let five = start(&brief);
    assert_clean(&five, b"harmless");
    assert_is(rejected(&five, "expired"), 1);
    assert_is(scans(&five), 1);
}
