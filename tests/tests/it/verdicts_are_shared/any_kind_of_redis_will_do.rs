//! An access list that allows no more than is needed, and a cluster.

use super::{ask, assert_clean, assert_is, key_file, lookups, scans, sharing, start, told};
use crate::common::assert_block;
use icapstan_testkit::{Redis, RedisCluster, Standalone, eicar, eventually, skipped, tempdir};
use std::fs;

/// Verdicts and objects that take workers.
const BOTH: &str = "scanner: {workers: 1, poison: {shared: true}}\n";

fn shares_both(server: &Standalone) {
    eventually("it shares both", || (server.metric("icapstan_poison_fleet_up", "") > 0.5).then_some(()));
}

#[test]
fn the_rights_that_the_documents_name_suffice() {
    if skipped("redis") {
        return;
    }
    let dir = tempdir();
    let acl = dir.path().join("users.acl");
    fs::write(
        &acl,
        "user default on nopass ~* &* +@all
user icapstan on >pa55 resetkeys ~{icapstan:verdicts}:* ~{icapstan:poison}:* resetchannels -@all +auth +hello \
         +role +mget +set +xadd +xread +xlen +pexpire
",
    )
    .expect("the folder is writable");
    let redis = Redis::with(&["--save", "", "--aclfile", &acl.display().to_string()]);
    let password = dir.path().join("password");
    fs::write(&password, "pa55").expect("the folder is writable");
    let config = sharing(&redis.url(), &key_file(dir.path()), "").replace(
        "commandTimeout: 300ms",
        &format!("commandTimeout: 300ms, username: icapstan, passwordFile: {}", password.display()),
    ) + BOTH;
    let (one, two) = (start(&config), start(&config));
    shares_both(&one);
    shares_both(&two);
    assert_block(&ask(&one, &eicar()), "eicar");
    told(&one, 1);
    assert_block(&ask(&two, &eicar()), "eicar");
    assert_is(lookups(&two, "hit"), 1);
    let ready = two.admin_get("/readyz").expect("it answers");
    let note = String::from_utf8_lossy(&ready.body).into_owned();
    // Blocked URLs are another matter.
    assert!(note.contains("blocked URLs are not shared: permission"), "{note}");
    assert!(!note.contains("verdicts are not") && !note.contains("take workers are not"), "{note}");
}

#[test]
fn a_cluster_has_them_on_the_nodes_that_have_their_slots() {
    if skipped("redis") {
        return;
    }
    let (cluster, dir) = (RedisCluster::start(), tempdir());
    let urls: Vec<_> = cluster.nodes.iter().map(|node| format!("'{}'", node.url())).collect();
    let key = key_file(dir.path());
    for seed in &urls {
        // Whichever node is asked first.
        let config =
            sharing("", &key, "").replace("url: ''", &format!("urls: [{seed}], mode: cluster")) + BOTH;
        let server = start(&config);
        shares_both(&server);
        assert_clean(&server, b"harmless");
        assert_is(scans(&server), u32::from(seed == &urls[0]));
        if seed == &urls[0] {
            told(&server, 1);
        }
    }
}
