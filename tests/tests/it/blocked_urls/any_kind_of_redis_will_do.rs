//! TLS, access lists, Sentinels, a cluster.

use super::{cut, in_touch, is_blocked, is_up, key_file, lines_with, sharing, start, with};
use icapstan_testkit::{Authority, Redis, RedisCluster, Sentinels, eventually, skipped, tempdir};
use std::fs;

#[test]
fn tls_with_certificates_an_access_list_and_a_password_from_a_file() {
    if skipped("redis") {
        return;
    }
    let (authority, other, dir) = (Authority::new(), Authority::new(), tempdir());
    let (cert, key) = authority.files("localhost");
    let (own, own_key) = authority.files("gateway");
    let acl = dir.path().join("users.acl");
    fs::write(
        &acl,
        "user default off
user icapstan on >pa55 resetkeys ~{icapstan:blocked-urls}:* resetchannels -@all +auth +hello +role +eval +xread \
         +time +del +hsetnx +hstrlen +hget +hset +hdel +hscan +zadd +zrem +zcard +zrange +zrangebyscore +xadd \
         +xrevrange +pttl +pexpire
",
    )
    .expect("the folder is writable");
    let redis = Redis::secured(&cert, &key, &authority.ca_file(), &["--aclfile", &acl.display().to_string()]);
    let password = dir.path().join("password");
    fs::write(&password, "pa55\n").expect("the folder is writable");
    let url = format!("rediss://localhost:{}", redis.port());
    let seal = key_file(dir.path());
    let config = |ca: &Authority, password: &str| {
        sharing(
            &url,
            &seal,
            &format!(
                ", caFile: {}, certFile: {}, keyFile: {}, username: icapstan, passwordFile: {password}",
                ca.ca_file().display(),
                own.display(),
                own_key.display()
            ),
        )
    };
    let good = config(&authority, &password.display().to_string());
    let (one, two) = (start(&good), start(&good));
    cut(&one, "/respmod", "http://o.test/x");
    eventually("the other one knows", || is_blocked(&two, "http://o.test/x").then_some(()));

    // Nobody else is believed, and nobody else gets in.
    let fooled = with(&config(&other, &password.display().to_string())).start();
    let wrong = dir.path().join("wrong");
    fs::write(&wrong, "guess").expect("the folder is writable");
    let stranger = with(&config(&authority, &wrong.display().to_string())).start();
    let missing = with(&config(&authority, "/nonexistent")).start();
    for (server, kind) in [(&fooled, "tls"), (&stranger, "auth"), (&missing, "password-file")] {
        eventually("it is counted", || {
            (server.metric("icapstan_redis_errors_total", &format!("kind=\"{kind}\"")) >= 1.0).then_some(())
        });
        assert!(!is_up(server) && !is_blocked(server, "http://o.test/x"));
    }
    // The next connection takes the password that the file has then.
    fs::write(&wrong, "pa55").expect("the folder is writable");
    in_touch(&stranger);
    eventually("it learns", || is_blocked(&stranger, "http://o.test/x").then_some(()));
    for server in [&one, &stranger] {
        assert_eq!(lines_with(server.process(), "pa55") + lines_with(server.process(), "long enough"), 0);
    }
}

#[test]
fn sentinels_tell_who_is_the_master() {
    if skipped("redis") {
        return;
    }
    let (mut sentinels, dir) = (Sentinels::start(), tempdir());
    let config = sharing(&sentinels.url(), &key_file(dir.path()), ", mode: sentinel, masterName: main");
    let (one, two) = (start(&config), start(&config));
    cut(&one, "/respmod", "http://o.test/before");
    eventually("the other one knows", || is_blocked(&two, "http://o.test/before").then_some(()));
    sentinels.master.kill();
    cut(&one, "/respmod", "http://o.test/between");
    assert!(is_blocked(&two, "http://o.test/before"));
    let replica = sentinels.replica.port();
    eventually("it fails over", || (sentinels.master_port() == Some(replica)).then_some(()));
    eventually("the other one knows", || is_blocked(&two, "http://o.test/between").then_some(()));
    cut(&two, "/respmod", "http://o.test/after");
    eventually("the first one knows", || is_blocked(&one, "http://o.test/after").then_some(()));
    let late = start(&config);
    for url in ["http://o.test/before", "http://o.test/between", "http://o.test/after"] {
        eventually("it is told", || is_blocked(&late, url).then_some(()));
    }
    // Who asks for a master that is not there is told so.
    let wrong =
        with(&sharing(&sentinels.url(), &key_file(dir.path()), ", mode: sentinel, masterName: none")).start();
    eventually("it is counted", || {
        (wrong.metric("icapstan_redis_errors_total", "kind=\"sentinel\"") >= 1.0).then_some(())
    });
}

#[test]
fn in_a_cluster_the_node_with_the_slot_is_found_and_followed() {
    if skipped("redis") {
        return;
    }
    let (cluster, dir) = (RedisCluster::start(), tempdir());
    let key = key_file(dir.path());
    // Whichever node is asked first.
    let servers: Vec<_> =
        cluster.nodes.iter().map(|node| start(&sharing(&node.url(), &key, ", mode: cluster"))).collect();
    cut(&servers[0], "/respmod", "http://o.test/x");
    for server in &servers {
        eventually("all know", || is_blocked(server, "http://o.test/x").then_some(()));
    }
    // The slot moves to another node while they are connected.
    let entries = format!("{}entries", super::KEYS);
    let slot = cluster.nodes[0].ask(&["CLUSTER", "KEYSLOT", &entries])[0].clone();
    let has = |node: &Redis| node.ask(&["CLUSTER", "COUNTKEYSINSLOT", &slot])[0] != "0";
    let from = cluster.nodes.iter().position(has).expect("one node has the keys");
    let to = (from + 1) % 3;
    let id = |index: usize| cluster.nodes[index].ask(&["CLUSTER", "MYID"])[0].clone();
    let (source, target) = (id(from), id(to));
    cluster.nodes[to].ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source]);
    cluster.nodes[from].ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target]);
    let keys = cluster.nodes[from].ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]);
    let port = cluster.nodes[to].port().to_string();
    let mut migrate = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
    migrate.extend(keys.iter().map(String::as_str));
    assert_eq!(cluster.nodes[from].ask(&migrate), ["OK"]);
    for node in [to, from, (from + 2) % 3] {
        assert_eq!(cluster.nodes[node].ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &target]), ["OK"]);
    }
    cut(&servers[1], "/respmod", "http://o.test/y");
    for server in &servers {
        for url in ["http://o.test/x", "http://o.test/y"] {
            eventually("all know", || is_blocked(server, url).then_some(()));
        }
    }
    assert!(has(&cluster.nodes[to]) && !has(&cluster.nodes[from]));
}
