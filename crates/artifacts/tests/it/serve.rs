//! What the server answers.

use icapstan_artifacts::{Pace, ServeOptions, Server, Store};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BYTES: &[u8] = b"0123456789";

struct Served {
    _folder: tempfile::TempDir,
    store: Store,
    server: Server,
}

async fn served(options: ServeOptions) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 1 << 30).unwrap();
    let server = Server::start("127.0.0.1:0".parse().unwrap(), store.clone(), options).await.unwrap();
    Served { _folder: folder, store, server }
}

/// The head and the body of an answer, on a connection of its own.
async fn ask(served: &Served, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(served.server.local_addr()).await.unwrap();
    stream.write_all(request.replace('\n', "\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

#[tokio::test]
async fn parts_and_wholes_are_served_by_digest() {
    let served = served(ServeOptions::default()).await;
    let artifact = served.store.insert_bytes(BYTES).unwrap();
    let path = format!("/sha256/{}", artifact.digest.hex());
    let get = |method: &str, path: &str, more: &str| {
        format!("{method} {path} HTTP/1.1\nHost: x\nConnection: close\n{more}\n")
    };
    let (head, body) = ask(&served, &get("GET", &path, "")).await;
    assert!(head.starts_with("http/1.1 200") && head.contains("content-length: 10"), "{head}");
    assert!(head.contains(&format!("etag: \"{}\"", artifact.digest)), "{head}");
    assert_eq!(body.as_bytes(), BYTES);
    let (head, body) = ask(&served, &get("HEAD", &path, "")).await;
    assert!(head.starts_with("http/1.1 200") && head.contains("content-length: 10"), "{head}");
    assert_eq!(body, "");
    let (head, body) = ask(&served, &get("GET", &path, "Range: bytes=7-\n")).await;
    assert!(head.starts_with("http/1.1 206") && head.contains("content-range: bytes 7-9/10"), "{head}");
    assert_eq!(body, "789");
    let (head, _) = ask(&served, &get("GET", &path, "Range: bytes=10-\n")).await;
    assert!(head.starts_with("http/1.1 416") && head.contains("content-range: bytes */10"), "{head}");
    let other = get("GET", &path, "Range: bytes=7-\nIf-Range: \"sha256:other\"\n");
    assert!(ask(&served, &other).await.0.starts_with("http/1.1 200"));
    for path in ["/", "/sha256/", "/sha256/../lock", &path.to_uppercase(), &format!("{path}/"), "/sha256/ff"]
    {
        assert!(ask(&served, &get("GET", path, "")).await.0.starts_with("http/1.1 404"), "{path}");
    }
    let (head, _) = ask(&served, &get("PUT", &path, "Content-Length: 0\n")).await;
    assert!(head.starts_with("http/1.1 405"), "{head}");
}

#[tokio::test]
async fn one_connection_serves_several() {
    let served = served(ServeOptions::default()).await;
    let one = served.store.insert_bytes(b"one").unwrap().digest.hex();
    let two = served.store.insert_bytes(b"two").unwrap().digest.hex();
    let request = format!(
        "GET /sha256/{one} HTTP/1.1\nHost: x\n\nGET /sha256/{two} HTTP/1.1\nHost: x\nConnection: close\n\n"
    );
    let (_, rest) = ask(&served, &request).await;
    assert!(rest.starts_with("one") && rest.ends_with("two"), "{rest}");
}

/// Of one place: who has it is served, who waits for it is not until the other one is left.
async fn who_holds_the_only_place_is_left(request: impl Fn(&str) -> String) {
    let pace = Pace {
        head: Duration::from_millis(200),
        idle: Duration::from_millis(200),
        min_rate: 1 << 20,
        ..Pace::default()
    };
    let served = served(ServeOptions { max_connections: 1, pace, ..ServeOptions::default() }).await;
    let large = served.store.insert_bytes(&vec![7; 64 << 20]).unwrap().digest.hex();
    let small = served.store.insert_bytes(BYTES).unwrap().digest.hex();
    let mut holder = TcpStream::connect(served.server.local_addr()).await.unwrap();
    holder.write_all(request(&large).as_bytes()).await.unwrap();
    let get = format!("GET /sha256/{small} HTTP/1.1\nHost: x\nConnection: close\n\n");
    assert_eq!(ask(&served, &get).await.1.as_bytes(), BYTES);
    let mut got = Vec::new();
    // Its connection is over, whatever it still has in its buffers.
    let _ = holder.read_to_end(&mut got).await;
    assert!(got.len() < 64 << 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_take_what_it_asked_for_is_left() {
    who_holds_the_only_place_is_left(|hex| format!("GET /sha256/{hex} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_ask_is_left() {
    who_holds_the_only_place_is_left(|_| "GET /sha".to_owned()).await;
    who_holds_the_only_place_is_left(|_| String::new()).await;
}
