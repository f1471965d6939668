//! Files from servers.

use crate::peer::{Peer, send};
use crate::support::{Daemon, Setup, http, unsigned};
use icapstan_sources::{Evidence, HttpPlace, Location, Outcome, Reason};
use std::fs::{self, File};
use std::time::{Duration, SystemTime};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_has_is_fetched_once_and_again_when_it_changes() {
    let setup = Setup::new();
    let there = tempfile::tempdir().unwrap();
    fs::write(there.path().join("a.ndb"), "A").unwrap();
    fs::write(there.path().join("b.yar"), "B").unwrap();
    let arguments = ["-u", "-m", "http.server", "0", "--bind", "127.0.0.1"];
    let server = Daemon::start(there.path(), "python3", &arguments, "Serving HTTP");
    let url = format!("http://127.0.0.1:{}", server.port("port "));
    let names = ["b.yar", "a.ndb"].map(str::to_owned);
    let spec = unsigned(Location::Http(HttpPlace::files(&url, &names).unwrap()));
    let first = setup.fetch(&spec, None).await.unwrap();
    assert_eq!((first.outcome, &first.evidence, first.size()), (Outcome::Fetched, &Evidence::None, 2));
    assert_eq!((setup.read(&first, "a.ndb"), setup.read(&first, "b.yar")), (b"A".to_vec(), b"B".to_vec()));
    let second = setup.fetch(&spec, Some(&first)).await.unwrap();
    assert_eq!((second.outcome, second.digest()), (Outcome::NotModified, first.digest()));
    fs::write(there.path().join("a.ndb"), "AA").unwrap();
    let file = File::options().write(true).open(there.path().join("a.ndb")).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
    let third = setup.fetch(&spec, Some(&second)).await.unwrap();
    assert_eq!((third.outcome, setup.read(&third, "a.ndb")), (Outcome::Fetched, b"AA".to_vec()));
    assert_ne!(third.digest(), first.digest());
    // What was let go is fetched again, also if it is the same.
    setup.sources.store().keep_only(&std::collections::BTreeSet::new());
    let fourth = setup.fetch(&spec, Some(&third)).await.unwrap();
    assert_eq!((fourth.outcome, setup.read(&fourth, "b.yar")), (Outcome::NotModified, b"B".to_vec()));
    let log = server.end();
    let count = |what: &str| log.matches(what).count();
    assert_eq!((count("\" 200 "), count("\" 304 ")), (5, 3), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_of_the_server_spares_the_body() {
    let setup = Setup::new();
    let peer = Peer::start(|_, head, stream| {
        if head.contains("if-none-match: \"v1\"") {
            send(stream, "HTTP/1.1 304 Same\r\n\r\n");
        } else {
            send(stream, "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: 3\r\n\r\none");
        }
    });
    let spec = http(&format!("{}/x/list.txt?key=s3cr3t", peer.base()));
    let first = setup.fetch(&spec, None).await.unwrap();
    assert_eq!((first.revision.as_str(), first.files[0].name.as_str()), ("\"v1\"", "list.txt"));
    assert!(!first.url.as_deref().unwrap().contains("s3cr3t"), "{first:?}");
    let second = setup.fetch(&spec, Some(&first)).await.unwrap();
    assert_eq!((second.outcome, second.revision), (Outcome::NotModified, first.revision.clone()));
    // Of another URL the tag says nothing.
    let other = http(&format!("{}/y/list.txt", peer.base()));
    assert!(setup.fetch(&other, Some(&first)).await.is_ok());
    assert_eq!(peer.served(), 3);
    let kept = serde_json::to_string(&first).unwrap();
    assert_eq!(serde_json::from_str::<icapstan_sources::Fetched>(&kept).unwrap(), first);
}

fn large() -> Vec<u8> {
    (0..500_000_u32).flat_map(u32::to_le_bytes).collect()
}

/// Serves that in pieces, each connection 600 KB, with `etag`; `range` makes what `Content-Range` says.
fn in_pieces(etag: &'static str, range: fn(usize, usize) -> String) -> Peer {
    let bytes = large();
    Peer::start(move |_, head, stream| {
        let asked = head.split("range: bytes=").nth(1);
        let from: usize = asked.map_or(0, |asked| asked.split('-').next().unwrap().parse().unwrap());
        let all = bytes.len();
        let status = if from == 0 {
            "200 OK".to_owned()
        } else {
            assert!(head.contains(&format!("if-range: {etag}")), "{head}");
            format!("206 Part\r\nContent-Range: {}", range(from, all))
        };
        send(stream, format!("HTTP/1.1 {status}\r\nETag: {etag}\r\nContent-Length: {}\r\n\r\n", all - from));
        send(stream, &bytes[from..(from + 600_000).min(all)]);
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_transfer_goes_on_where_it_was() {
    let setup = Setup::new();
    let peer = in_pieces("\"v1\"", |from, all| format!("bytes {from}-{}/{all}", all - 1));
    let fetched = setup.fetch(&http(&format!("{}/a", peer.base())), None).await.unwrap();
    assert_eq!((setup.read(&fetched, "a") == large(), peer.served()), (true, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_does_not_where_the_bytes_could_be_others() {
    let setup = Setup::new();
    let weak = in_pieces("w/\"v1\"", |_, _| String::new());
    let result = setup.fetch(&http(&format!("{}/a", weak.base())), None).await;
    assert!(result.as_ref().unwrap_err().is_transient(), "{result:?}");
    assert_eq!((crate::support::reason(result), weak.served()), (Reason::FetchFailed, 1));
    let wrong: [fn(usize, usize) -> String; 4] = [
        |_, all| format!("bytes 0-{}/{all}", all - 1),
        |from, all| format!("bytes {}-{}/{all}", from + 1, all - 1),
        |from, all| format!("bytes {from}-{}/{all}", from + 5),
        |_, _| "nonsense".to_owned(),
    ];
    for range in wrong {
        let peer = in_pieces("\"v1\"", range);
        let result = setup.fetch(&http(&format!("{}/a", peer.base())), None).await;
        assert!(result.as_ref().unwrap_err().to_string().contains("another part"), "{result:?}");
        assert_eq!(peer.served(), 2);
    }
    // The file is another one by now: it comes whole.
    let changed = Peer::start(|number, _, stream| {
        if number == 0 {
            send(stream, "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: 10\r\n\r\nold");
        } else {
            send(stream, "HTTP/1.1 200 OK\r\nETag: \"v2\"\r\nContent-Length: 3\r\n\r\nnew");
        }
    });
    let fetched = setup.fetch(&http(&format!("{}/a", changed.base())), None).await.unwrap();
    assert_eq!((setup.read(&fetched, "a"), fetched.revision.as_str()), (b"new".to_vec(), "\"v2\""));
}
