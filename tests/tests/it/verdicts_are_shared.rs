//! What one process found in an object, the others of its fleet need not find out again.

mod any_kind_of_redis_will_do;
mod nothing_forged_is_believed;
mod objects_that_take_workers;
mod others_need_not_scan;
mod redis_that_fails_costs_milliseconds;

use crate::common::{GET, assert_204};
use icapstan_testkit::{IcapClient, IcapResponse, Message, Redis, Standalone, eventually};
use std::fs;
use std::path::{Path, PathBuf};

/// What the names of all keys begin with.
const KEYS: &str = "{icapstan:verdicts}:1:";

/// A secret in a file.
fn key_file(dir: &Path) -> PathBuf {
    let path = dir.join("seal.key");
    fs::write(&path, "a secret that is long enough for a test\n").expect("the folder is writable");
    path
}

/// Settings that share verdicts through a Redis. An answer in a tenth of a second is in time here, where other tests
/// may have the processors.
fn sharing(url: &str, key: &Path, more: &str) -> String {
    format!(
        "redis: {{url: '{url}', macKeyFile: {}, commandTimeout: 300ms}}\n\
         verdictCache: {{shared: true, lookupTimeout: 100ms{more}}}\n",
        key.display()
    )
}

/// A process that shares, once it does.
fn start(config: &str) -> Standalone {
    let server = Standalone::with().in_one_process().config(config).start();
    in_touch(&server);
    server
}

/// Waits until it shares.
#[track_caller]
fn in_touch(server: &Standalone) {
    eventually("it shares", || is_up(server).then_some(()));
}

fn is_up(server: &Standalone) -> bool {
    server.metric("icapstan_verdict_fleet_up", "") > 0.5
}

fn lookups(server: &Standalone, result: &str) -> f64 {
    server.metric("icapstan_verdict_fleet_lookups_total", &format!("result=\"{result}\""))
}

/// However they ended.
fn all_lookups(server: &Standalone) -> f64 {
    server.metric("icapstan_verdict_fleet_lookups_total", "")
}

fn rejected(server: &Standalone, reason: &str) -> f64 {
    server.metric("icapstan_verdict_fleet_rejected_total", &format!("reason=\"{reason}\""))
}

fn records(server: &Standalone, result: &str) -> f64 {
    server.metric("icapstan_verdict_fleet_records_total", &format!("result=\"{result}\""))
}

fn scans(server: &Standalone) -> f64 {
    server.metric("icapstan_scanner_scans_total", "")
}

#[track_caller]
fn assert_is(found: f64, expected: u32) {
    assert!((found - f64::from(expected)).abs() < 0.5, "{found} is not {expected}");
}

/// Waits until Redis has so many of its verdicts.
#[track_caller]
fn told(server: &Standalone, count: u32) {
    eventually("they are told", || (records(server, "written") > f64::from(count) - 0.5).then_some(()));
}

/// A download of this.
fn download(body: &[u8]) -> Message {
    let head = "HTTP/1.1 200 OK\r\n\r\n";
    Message::respmod("/respmod").request_head(GET).response_head(head).allow_204().body(body)
}

#[track_caller]
fn ask(server: &Standalone, body: &[u8]) -> IcapResponse {
    let mut icap = IcapClient::connect(server.icap());
    icap.send_while(&download(body).bytes(), |icap| icap.read_respmod())
}

#[track_caller]
fn assert_clean(server: &Standalone, body: &[u8]) {
    assert_204(&ask(server, body));
}

/// Has Redis run this, with all keys of verdicts in `keys`. What comes back are numbers and plain words.
#[track_caller]
fn with_keys(redis: &Redis, script: &str, args: &[&[u8]]) -> Vec<String> {
    let script = format!("local keys = redis.call('KEYS', '{KEYS}*') {script}");
    redis.ask(&[&[b"EVAL", script.as_bytes(), b"0"], args].concat())
}
