//! `icapstan blocked-urls` lists, adds and removes, and the processes follow.

use super::{blocked_urls, cut, is_blocked, key_file, sharing, start};
use icapstan_testkit::{MARKER_NAME, Redis, eventually, free_port, skipped, tempdir};
use serde_json::Value;
use std::time::{Duration, Instant};

#[test]
fn what_is_removed_stays_removed_until_it_is_found_again() {
    if skipped("redis") {
        return;
    }
    let (mut redis, dir) = (Redis::start(), tempdir());
    let key = key_file(dir.path());
    let config = sharing(&redis.url(), &key, "");
    let (one, two) = (start(&config), start(&config));
    let (bad, good) = ("http://o.test/bad", "http://o.test/good");
    let (redis_url, key) = (redis.url(), key.display().to_string());
    let place = ["--redis", redis_url.as_str(), "--redis-key-file", key.as_str()];
    for url in [bad, good] {
        cut(&one, "/respmod", url);
        eventually("it is known", || is_blocked(&two, url).then_some(()));
    }
    let (code, lines, _) = blocked_urls(&[&["list", "--json"], &place[..]].concat());
    assert_eq!((code, lines.lines().count()), (0, 2), "{lines}");
    let first: Value = serde_json::from_str(lines.lines().next().unwrap_or_default()).expect("it is JSON");
    assert_eq!(
        (&first["url"], &first["verdict"]),
        (&good.into(), &"detect".into()),
        "the newest comes first"
    );
    assert!(first["threat"].as_str().is_some_and(|name| name.contains(MARKER_NAME)), "{first}");
    assert!(first["secondsLeft"].as_u64().is_some_and(|secs| (1700..=1800).contains(&secs)), "{first}");

    let begun = Instant::now();
    let (code, line, _) = blocked_urls(&[&["remove", good], &place[..]].concat());
    assert_eq!((code, line.as_str()), (0, "http://o.test/good\tno longer blocked\n"));
    for server in [&one, &two] {
        eventually("it is removed", || (!is_blocked(server, good)).then_some(()));
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
    // Neither a loss of all data nor a restart brings it back.
    redis.ask(&["FLUSHALL"]);
    eventually("all is there again", || {
        (redis.ask(&["HLEN", &format!("{}entries", super::KEYS)]) == ["3"]).then_some(())
    });
    redis.restart();
    for server in [&one, &two] {
        super::in_touch(server);
    }
    let three = start(&config);
    eventually("it is told", || is_blocked(&three, bad).then_some(()));
    for server in [&one, &two, &three] {
        assert!(!is_blocked(server, good) && is_blocked(server, bad));
    }
    cut(&two, "/respmod", good);
    eventually("it is found again", || is_blocked(&one, good).then_some(()));
}

#[test]
fn what_is_added_holds_for_all_and_what_was_removed_while_a_process_was_alone_is_gone() {
    if skipped("redis") {
        return;
    }
    let (redis, dir) = (Redis::start(), tempdir());
    let key = key_file(dir.path());
    // As somebody whom Redis can turn away.
    let password = dir.path().join("password");
    std::fs::write(&password, "pa55").expect("the folder is writable");
    redis.ask(&["ACL", "SETUSER", "gateway", "on", ">pa55", "allkeys", "allcommands"]);
    let user = format!(", username: gateway, passwordFile: {}", password.display());
    let one = start(&sharing(&redis.url(), &key, &user));
    let config_file = dir.path().join("icapstan.yaml");
    std::fs::write(&config_file, sharing(&redis.url(), &key, "")).expect("the folder is writable");
    let config = config_file.display().to_string();
    let added = "http://o.test/added";
    let (code, line, error) = blocked_urls(&[
        "add",
        "--config",
        &config,
        "--threat",
        "Our \u{1b}[31mchoice",
        "http://ann:pw@o.test/added#x",
    ]);
    assert_eq!((code, line.as_str(), error.as_str()), (0, "http://o.test/added\tblocked\n", ""));
    eventually("it is blocked", || is_blocked(&one, added).then_some(()));
    let page = super::again(&one, "/respmod", added);
    assert_eq!(page.get("X-Virus-ID"), Some("Our__[31mchoice"));
    let (_, lines, _) = blocked_urls(&["list", "--config", &config]);
    assert!(lines.starts_with("http://o.test/added\tdetect\tOur__[31mchoice\tadministrator\t-\t"), "{lines}");
    let (_, lines, _) = blocked_urls(&["list", "--config", &config, "--tenant", "acme", "--json"]);
    assert_eq!(lines, "");

    redis.ask(&["ACL", "SETUSER", "gateway", "off"]);
    redis.ask(&["CLIENT", "KILL", "USER", "gateway"]);
    eventually("it is alone", || (!super::is_up(&one)).then_some(()));
    let (alone, kept) = ("http://o.test/alone", "http://o.test/kept");
    for url in [alone, kept] {
        cut(&one, "/respmod", url);
    }
    let (code, line, error) = blocked_urls(&["remove", "--config", &config, alone, added]);
    assert_eq!(code, 0, "{line}{error}");
    for url in [alone, added, kept] {
        assert!(is_blocked(&one, url), "nobody has told it");
    }
    redis.ask(&["ACL", "SETUSER", "gateway", "on"]);
    for url in [alone, added] {
        eventually("it is told", || (!is_blocked(&one, url)).then_some(()));
    }
    eventually("it has told the rest", || {
        let (_, lines, _) = blocked_urls(&["list", "--config", &config]);
        (lines.lines().count() == 1 && lines.starts_with(kept)).then_some(())
    });
}

#[test]
fn what_cannot_be_done_is_said() {
    let dir = tempdir();
    let key = key_file(dir.path()).display().to_string();
    let short = dir.path().join("short");
    std::fs::write(&short, "guess me").expect("the folder is writable");
    let nowhere = format!("redis://127.0.0.1:{}", free_port());
    for (args, code, words) in [
        (&["list"][..], 64, "no Redis is named"),
        (&["list", "--redis", &nowhere], 64, "redis.macKeyFile: is missing"),
        (&["list", "--redis", &nowhere, "--redis-key-file", "/nonexistent"], 64, "cannot read /nonexistent"),
        (
            &["list", "--redis", &nowhere, "--redis-key-file", &short.display().to_string()],
            64,
            "fewer than 32",
        ),
        (&["list", "--redis", &nowhere, "--redis-key-file", &key], 1, "connect: 127.0.0.1"),
        (
            &["list", "--redis", "redis://:s3cret@h", "--redis-key-file", &key],
            64,
            "without user and password",
        ),
        (&["add", "--redis", &nowhere, "--redis-key-file", &key, "/x"], 64, "no URL that can be blocked"),
        (
            &["add", "--redis", &nowhere, "--redis-key-file", &key, "http://h/\u{1b}[2J"],
            64,
            "http://h/\u{fffd}[2J",
        ),
        (
            &["remove", "--redis", &nowhere, "--redis-key-file", &key, "--tenant", "a b", "http://h/"],
            64,
            "--tenant is made of",
        ),
    ] {
        let (found, output, error) = blocked_urls(args);
        assert_eq!((found, output.as_str()), (code, ""), "{args:?}: {error}");
        assert!(error.contains(words) && !error.contains("s3cret"), "{args:?}: {error}");
    }
}
