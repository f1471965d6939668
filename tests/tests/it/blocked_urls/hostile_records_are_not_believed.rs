//! Somebody else who may write to Redis blocks nothing, and breaks nothing.

use super::{KEYS, cut, in_touch, is_blocked, key_file, sharing, start};
use icapstan_testkit::{Redis, Standalone, eventually, hex, skipped, tempdir};
use std::process::Command;

fn rejected(server: &Standalone, reason: &str) -> f64 {
    server.metric("icapstan_blocked_urls_rejected_total", &format!("reason=\"{reason}\""))
}

/// A value of a hash, as bytes, which the client of these tests would not keep whole.
fn raw(redis: &Redis, key: &str, field: &[u8]) -> Vec<u8> {
    let script = "local v = redis.call('HGET', KEYS[1], ARGV[1]) return (v:gsub('.', function(c) return string.format('%02x', c:byte()) end))";
    let text = redis.ask(&[b"EVAL", script.as_bytes(), b"1", key.as_bytes(), field]).remove(0);
    (0..text.len() / 2)
        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("it is hex"))
        .collect()
}

fn ids(redis: &Redis, key: &str) -> Vec<Vec<u8>> {
    let script = "local found = {} for _, id in ipairs(redis.call('HKEYS', KEYS[1])) do if #id == 32 then found[#found + 1] = id:gsub('.', function(c) return string.format('%02x', c:byte()) end) end end return found";
    let said = redis.ask(&["EVAL", script, "1", key]);
    let bytes = |text: &String| {
        (0..text.len() / 2)
            .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("it is hex"))
            .collect()
    };
    said.iter().map(bytes).collect()
}

#[test]
fn each_lie_is_counted_and_none_is_believed() {
    if skipped("redis") {
        return;
    }
    let (redis, dir) = (Redis::start(), tempdir());
    let config = sharing(&redis.url(), &key_file(dir.path()), "");
    let (one, two) = (start(&config), start(&config));
    let url = "http://o.test/x";
    cut(&one, "/respmod", url);
    eventually("the other one knows", || is_blocked(&two, url).then_some(()));
    let (entries, news) = (format!("{KEYS}entries"), format!("{KEYS}news"));
    let id = ids(&redis, &entries).remove(0);
    let record = raw(&redis, &entries, &id);
    // The URL of a true record is changed, or the record stands under another URL's id.
    let mut forged = record.clone();
    let at = forged.windows(7).position(|window| window == b"o.test/").expect("the URL is in it");
    forged[at..at + 6].copy_from_slice(b"p.test");
    let other: Vec<u8> = id.iter().map(|byte| byte ^ 1).collect();
    let long = vec![1; 20_000];
    let add = |id: &[u8], record: &[u8]| {
        redis.ask(&[b"XADD", news.as_bytes(), b"*", b"i", id, b"r", record]);
    };
    add(&other, &forged);
    add(&other, &record);
    add(&id, b"nonsense");
    redis.ask(&["XADD", &news, "*", "some", "thing", "i", "x"]);
    add(&id, &vec![0xff; 500]);
    for server in [&one, &two] {
        eventually("they are counted", || {
            let counts = ["forged", "misplaced", "malformed"].map(|reason| rejected(server, reason));
            (counts[0] >= 1.0 && counts[1] >= 1.0 && counts[2] >= 3.0).then_some(())
        });
    }
    // One larger than any answer may be breaks the connection, and only for a moment.
    add(&other, &vec![1; 2 << 20]);
    redis.ask(&[b"HSET", entries.as_bytes(), &other, &long]);
    redis.ask(&[b"HSET", entries.as_bytes(), &hex(&other).into_bytes(), &record]);
    for server in [&one, &two] {
        eventually("it is counted", || (rejected(server, "oversized") >= 1.0).then_some(()));
        assert!(server.metric("icapstan_redis_errors_total", "kind=\"oversized\"") >= 1.0);
        in_touch(server);
        assert!(is_blocked(server, url) && !is_blocked(server, "http://p.test/x"));
        assert!((server.metric("icapstan_blocked_urls_entries", "") - 1.0).abs() < 0.5);
    }
    // What is true still comes through.
    cut(&two, "/respmod", "http://o.test/y");
    eventually("the other one knows", || is_blocked(&one, "http://o.test/y").then_some(()));

    // Somebody uses up the ids of the stream.
    redis.ask(&["XADD", &news, "18446744073709551615-18446744073709551615", "i", "x", "r", "y"]);
    cut(&two, "/respmod", "http://o.test/last");
    eventually("the other one knows", || is_blocked(&one, "http://o.test/last").then_some(()));
    cut(&one, "/respmod", "http://o.test/next");
    eventually("the other one knows", || is_blocked(&two, "http://o.test/next").then_some(()));

    // Keys of other types are an error like any other, until they are gone.
    redis.ask(&["DEL", &entries, &news]);
    redis.ask(&["SET", &entries, "mine"]);
    eventually("it is an error", || (!super::is_up(&one) && !super::is_up(&two)).then_some(()));
    assert!(is_blocked(&one, url) && !is_blocked(&one, "http://o.test/z"));
    redis.ask(&["DEL", &entries]);
    for server in [&one, &two] {
        in_touch(server);
        assert!(is_blocked(server, url) && is_blocked(server, "http://o.test/y"));
    }
}

#[test]
fn records_of_who_has_another_key_or_another_prefix_are_not_believed() {
    if skipped("redis") {
        return;
    }
    let (redis, dir) = (Redis::start(), tempdir());
    let config = sharing(&redis.url(), &key_file(dir.path()), "");
    let one = start(&config);
    cut(&one, "/respmod", "http://o.test/x");
    let entries = format!("{KEYS}entries");
    eventually("it is told", || (redis.ask(&["HLEN", &entries]) == ["2"]).then_some(()));
    let other = dir.path().join("other.key");
    std::fs::write(&other, "another secret that is long enough for a test").expect("the folder is writable");
    let stranger = start(&sharing(&redis.url(), &other, ""));
    eventually("it is counted", || (rejected(&stranger, "forged") >= 1.0).then_some(()));
    assert!(!is_blocked(&stranger, "http://o.test/x"));
    // All that is there, copied to where another fleet with the same secret looks.
    for name in ["entries", "ends", "news"] {
        redis.ask(&["COPY", &format!("{KEYS}{name}"), &format!("{{other:blocked-urls}}:{name}")]);
    }
    let fleet = start(&sharing(&redis.url(), &key_file(dir.path()), ", keyPrefix: 'other:'"));
    eventually("it is counted", || (rejected(&fleet, "forged") >= 1.0).then_some(()));
    assert!(!is_blocked(&fleet, "http://o.test/x"));
}

#[test]
fn a_removal_is_not_undone_by_putting_the_record_back() {
    if skipped("redis") {
        return;
    }
    let (redis, dir) = (Redis::start(), tempdir());
    let key = key_file(dir.path());
    let one = start(&sharing(&redis.url(), &key, ""));
    let url = "http://o.test/x";
    cut(&one, "/respmod", url);
    let entries = format!("{KEYS}entries");
    eventually("it is told", || (redis.ask(&["HLEN", &entries]) == ["2"]).then_some(()));
    let id = ids(&redis, &entries).remove(0);
    let record = raw(&redis, &entries, &id);
    let status = Command::new(icapstan_testkit::binary("icapstan"))
        .args(["blocked-urls", "remove", url, "--redis", &redis.url(), "--redis-key-file"])
        .arg(&key)
        .output()
        .expect("it was built")
        .status;
    assert!(status.success());
    eventually("it is removed", || (!is_blocked(&one, url)).then_some(()));
    let news = format!("{KEYS}news");
    redis.ask(&[b"HSET", entries.as_bytes(), &id, &record]);
    redis.ask(&[b"XADD", news.as_bytes(), b"*", b"i", &id, b"r", &record]);
    let marker = "http://o.test/marker";
    cut(&one, "/respmod", marker);
    let two = start(&sharing(&redis.url(), &key, ""));
    eventually("it is told", || is_blocked(&two, marker).then_some(()));
    assert!(!is_blocked(&one, url), "who knows of the removal believes it");
}
