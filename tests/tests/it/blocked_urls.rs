//! URLs whose download was cut: whoever asks again gets the page, from whatever process.

mod administrators_have_a_say;
mod any_kind_of_redis_will_do;
mod hostile_records_are_not_believed;
mod processes_share_them;
mod redis_that_fails_changes_nothing;

use crate::common::OK;
use icapstan_testkit::{
    IcapClient, IcapResponse, Message, Process, Standalone, StandaloneBuilder, binary, clean_bytes, marker,
};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What the names of all keys begin with.
const KEYS: &str = "{icapstan:blocked-urls}:";

/// A secret in a file.
fn key_file(dir: &Path) -> PathBuf {
    let path = dir.join("seal.key");
    fs::write(&path, "a secret that is long enough for a test\n").expect("the folder is writable");
    path
}

/// Settings that share through a Redis; `more` goes into `redis`.
fn sharing(url: &str, key: &Path, more: &str) -> String {
    format!("redis: {{url: '{url}', macKeyFile: {}, commandTimeout: 300ms{more}}}\n", key.display())
}

/// A process that shares, once it does.
fn start(config: &str) -> Standalone {
    let server = with(config).start();
    in_touch(&server);
    server
}

/// What each process remembers and counts for itself is looked at.
fn with(config: &str) -> StandaloneBuilder {
    Standalone::with().in_one_process().config(config)
}

/// Waits until it shares.
#[track_caller]
fn in_touch(server: &Standalone) {
    icapstan_testkit::eventually("it shares", || is_up(server).then_some(()));
}

fn is_up(server: &Standalone) -> bool {
    server.metric("icapstan_redis_up", "") > 0.5
}

fn get(url: &str) -> String {
    format!("GET {url} HTTP/1.1\r\nHost: o.test\r\n\r\n")
}

/// Has a download of `url` cut, since it turns out to be infected when part of it is out.
#[track_caller]
fn cut(server: &Standalone, path: &str, url: &str) {
    let mut icap = IcapClient::connect(server.icap());
    let rest = [clean_bytes(5000, 8), marker()].concat();
    // As much as Squid's pipe holds: then a silence means that it waits.
    let first = clean_bytes(65_535, 7);
    let head = Message::respmod(path).request_head(get(url)).response_head(OK);
    icap.send(head.framed_body([&b"ffff\r\n"[..], &first, b"\r\n"].concat()).bytes());
    let mut begun = [0; 12];
    icap.stream().read_exact(&mut begun).expect("the answer begins");
    assert_eq!(&begun, b"ICAP/1.0 200");
    icap.send([format!("{:x}\r\n", rest.len()).as_bytes(), &rest, b"\r\n0\r\n\r\n"].concat());
    assert!(!icap.read_to_end().ends_with(b"0\r\n\r\n"), "what is cut never looks whole");
}

/// Asks for `url` again: the response of an origin that has something clean there.
#[track_caller]
fn again(server: &Standalone, path: &str, url: &str) -> IcapResponse {
    let mut icap = IcapClient::connect(server.icap());
    let message = Message::respmod(path).request_head(get(url)).response_head(OK).allow_204();
    icap.send_while(&message.body(clean_bytes(500, 3)).bytes(), IcapClient::read_respmod)
}

/// Whether the page comes for it.
#[track_caller]
fn is_blocked(server: &Standalone, url: &str) -> bool {
    let response = again(server, "/respmod", url);
    match response.status {
        204 => false,
        200 => true,
        other => panic!("{url}: {other}: {}", response.shown()),
    }
}

/// Runs `icapstan blocked-urls`.
#[track_caller]
fn blocked_urls(args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(binary("icapstan"));
    let Output { status, stdout, stderr } =
        command.arg("blocked-urls").args(args).output().expect("it was built");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is text");
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

/// How many lines of its log have `text` in them.
fn lines_with(process: &Process, text: &str) -> usize {
    process.logs().lines().iter().filter(|line| line.contains(text)).count()
}
