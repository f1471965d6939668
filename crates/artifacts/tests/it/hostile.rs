//! Servers that are broken, or mean harm.

use crate::fetch::{artifact, bytes, fetcher};
use crate::peer::{Peer, send};
use icapstan_artifacts::{AttemptError, FetchError, FetchOptions, Pace, PourError, Store};
use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

const FAST: Pace = Pace {
    connect: Duration::from_secs(5),
    head: Duration::from_millis(300),
    idle: Duration::from_millis(300),
    min_rate: 100_000,
    grace: Duration::from_millis(500),
};

fn options() -> FetchOptions {
    FetchOptions { pace: FAST, ..FetchOptions::default() }
}

fn offset(head: &str) -> usize {
    let range = head.split("range: bytes=").nth(1);
    range.map_or(0, |range| range.split('-').next().unwrap().parse().unwrap())
}

/// The rest, as it was asked for, up to `end`.
fn serve_rest(head: &str, stream: &mut TcpStream, content: &[u8], end: usize) {
    let (from, all) = (offset(head), content.len());
    let status = if from == 0 { "200 OK" } else { "206 Partial Content" };
    let range = format!("Content-Range: bytes {from}-{}/{all}\r\n", all - 1);
    let range = if from == 0 { "" } else { &range };
    send(stream, format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{range}\r\n", all - from));
    send(stream, &content[from..end.max(from)]);
}

/// What comes of a server that answers so.
async fn error_of(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Arc<AttemptError> {
    let peer = Peer::start(move |_, head, stream| answer(head, stream));
    let (_folder, fetcher) = fetcher(options());
    let wanted = artifact(&bytes(1_000_000));
    let error = fetcher.fetch(&wanted, &[peer.base()]).await.unwrap_err();
    assert_eq!(fetcher.store().path(&wanted.digest), None);
    match error {
        FetchError::Failed { source, .. } => source,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_cut_again_and_again_comes_in_the_end() {
    let content = bytes(2_000_000);
    let of_peer = content.clone();
    let peer = Peer::start(move |number, head, stream| {
        serve_rest(head, stream, &of_peer, ((number + 1) * 600_000).min(of_peer.len()));
    });
    let (_folder, fetcher) = fetcher(options());
    let path = fetcher.fetch(&artifact(&content), &[peer.base()]).await.unwrap();
    assert_eq!((fs::read(path).unwrap() == content, peer.served()), (true, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_place_goes_on_where_the_first_one_ended() {
    let content = bytes(2_000_000);
    let (cut, whole) = (content.clone(), content.clone());
    let first = Peer::start(move |number, head, stream| {
        if number == 0 {
            serve_rest(head, stream, &cut, 600_000);
        } else {
            send(stream, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let second = Peer::start(move |_, head, stream| {
        assert_eq!(offset(head), 600_000);
        serve_rest(head, stream, &whole, whole.len());
    });
    let (_folder, fetcher) = fetcher(options());
    let bases = ["nonsense".to_owned(), first.base(), second.base()];
    let path = fetcher.fetch(&artifact(&content), &bases).await.unwrap();
    assert_eq!(fs::read(path).unwrap(), content);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_bytes_of_one_place_do_not_spoil_those_of_another() {
    let content = bytes(1_000_000);
    let wrong = vec![0; content.len()];
    let (of_wrong, of_right) = (wrong.clone(), content.clone());
    // The first one gives half of something else; only together is it seen that it was wrong.
    let first = Peer::start(move |number, head, stream| {
        if number == 0 {
            serve_rest(head, stream, &of_wrong, 500_000);
        }
    });
    let second = Peer::start(move |_, head, stream| serve_rest(head, stream, &of_right, of_right.len()));
    let (_folder, fetcher) = fetcher(options());
    let path = fetcher.fetch(&artifact(&content), &[first.base(), second.base()]).await.unwrap();
    assert_eq!(fs::read(path).unwrap(), content);
    assert_eq!(second.served(), 2);
    let error = error_of(move |head, stream| serve_rest(head, stream, &wrong, wrong.len())).await;
    assert!(matches!(*error, AttemptError::WrongBytes(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_another_length_is_not_read() {
    for head in ["200 OK\r\nContent-Length: 999999", "200 OK\r\nContent-Length: 9999999999"] {
        let error = error_of(move |_, stream| {
            send(stream, format!("HTTP/1.1 {head}\r\n\r\n"));
        })
        .await;
        assert!(matches!(*error, AttemptError::Size { .. }), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_body_is_left_where_it_is_too_long() {
    let error = error_of(|_, stream| {
        send(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 0x10000], b"\r\n"].concat();
        while send(stream, &chunk) {}
    })
    .await;
    assert!(matches!(*error, AttemptError::WrongBytes(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_part_than_was_asked_for_is_refused() {
    for range in
        ["bytes 0-999999/1000000", "bytes 5-999999/1000000", "bytes 300000-400000/1000000", "nonsense", ""]
    {
        let content = bytes(1_000_000);
        let error = error_of(move |head, stream| {
            if offset(head) == 0 {
                serve_rest(head, stream, &content, 300_000);
            } else {
                send(stream, format!("HTTP/1.1 206 Partial\r\nContent-Range: {range}\r\n\r\n"));
            }
        })
        .await;
        assert!(matches!(*error, AttemptError::Range), "{range}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_and_dripping_have_their_deadlines() {
    let wait = |stream: &mut TcpStream| while stream.read(&mut [0]).is_ok_and(|count| count > 0) {};
    let error = error_of(move |_, stream| wait(stream)).await;
    assert!(matches!(*error, AttemptError::Timeout { what: "answer", .. }), "{error:?}");
    let error = error_of(move |_, stream| {
        send(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        wait(stream);
    })
    .await;
    assert!(matches!(*error, AttemptError::Body(PourError::Idle(_))), "{error:?}");
    // One byte after the other, each well before the deadline of the pause.
    let error = error_of(|_, stream| {
        send(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        while send(stream, "x") && stream.read(&mut [0]).is_err() {}
    })
    .await;
    assert!(matches!(*error, AttemptError::Body(PourError::Slow(_))), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_not_the_artifact_is_followed() {
    for (answer, status) in [
        ("302 Found\r\nLocation: http://127.0.0.1:1/", 302),
        ("404 Not Found\r\nContent-Length: 0", 404),
        ("500 Oh\r\nContent-Length: 0", 500),
        ("204 Nothing", 204),
    ] {
        let error = error_of(move |_, stream| {
            send(stream, format!("HTTP/1.1 {answer}\r\n\r\n"));
        })
        .await;
        assert!(matches!(*error, AttemptError::Status(found) if found == status), "{error:?}");
    }
    let error = error_of(|_, stream| {
        send(stream, "SSH-2.0-OpenSSH\r\n\r\n");
    })
    .await;
    assert!(matches!(*error, AttemptError::Http(_)), "{error:?}");
    let error = error_of(|_, stream| while send(stream, "HTTP/1.1 200 OK\r\nX: y\r\n".repeat(1000)) {}).await;
    assert!(matches!(*error, AttemptError::Http(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_full_is_told_and_asks_nobody_else() {
    let content = bytes(1_000_000);
    let of_peer = content.clone();
    let peer = Peer::start(move |_, head, stream| serve_rest(head, stream, &of_peer, of_peer.len()));
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 500_000).unwrap();
    let fetcher = icapstan_artifacts::Fetcher::new(store, options());
    let error = fetcher.fetch(&artifact(&content), &[peer.base(), peer.base()]).await.unwrap_err();
    assert!(error.is_full(), "{error:?}");
    assert_eq!(peer.served(), 1);
    assert!(fetcher.store().used_bytes() <= 500_000);
}
