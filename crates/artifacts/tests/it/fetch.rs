//! From one store to another.

use crate::peer::{Peer, send};
use icapstan_api::fleet::{Artifact, ContentDigest};
use icapstan_artifacts::{AttemptError, FetchError, FetchOptions, Fetcher, ServeOptions, Server, Store};
use icapstan_tls::{Acceptor, ClientCertificates, ClientFiles, MutualFiles, ServerFiles};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// A store of its own, and who fetches into it.
pub(crate) fn fetcher(options: FetchOptions) -> (TempDir, Fetcher) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 256 << 20).unwrap();
    (folder, Fetcher::new(store, options))
}

pub(crate) fn artifact(bytes: &[u8]) -> Artifact {
    Artifact { digest: ContentDigest::of(bytes), size: bytes.len() as u64 }
}

/// Bytes that do not repeat.
pub(crate) fn bytes(count: usize) -> Vec<u8> {
    (0..count.div_ceil(4))
        .flat_map(|n| u32::try_from(n).unwrap().wrapping_mul(2_654_435_761).to_le_bytes())
        .take(count)
        .collect()
}

async fn server(folder: &Path, options: ServeOptions) -> (Store, Server) {
    let store = Store::open(folder, 256 << 20).unwrap();
    let server = Server::start("127.0.0.1:0".parse().unwrap(), store.clone(), options).await.unwrap();
    (store, server)
}

#[tokio::test]
async fn an_artifact_comes_from_a_server_into_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let (store, server) = server(folder.path(), ServeOptions::default()).await;
    let (_folder, fetcher) = fetcher(FetchOptions::default());
    let base = [format!("http://{}/", server.local_addr())];
    for size in [0, 1, 256 << 10, 3_000_001] {
        let content = bytes(size);
        let there = store.insert_bytes(&content).unwrap();
        let path = fetcher.fetch(&there, &base).await.unwrap();
        assert_eq!(fs::read(&path).unwrap(), content);
        assert_eq!(fetcher.store().path(&there.digest), Some(path));
    }
    let error = fetcher.fetch(&artifact(b"elsewhere"), &base).await.unwrap_err();
    let FetchError::Failed { source, .. } = &error else { panic!("{error:?}") };
    assert!(matches!(**source, AttemptError::Status(404)), "{error:?}");
    assert!(matches!(fetcher.fetch(&artifact(b"elsewhere"), &[]).await, Err(FetchError::Nowhere)));
}

#[tokio::test]
async fn both_sides_may_ask_for_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let key = rcgen::KeyPair::generate().unwrap();
    let cert =
        rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let (ca, key) = (file("ca.pem", &cert.pem()), file("key.pem", &key.serialize_pem()));
    let files = ServerFiles {
        cert: ca.clone(),
        key: key.clone(),
        clients: ClientCertificates::Required(ca.clone()),
        only_tls13: true,
        protocols: &[],
    };
    let options = ServeOptions { tls: Some(Acceptor::new(files.load().unwrap())), ..ServeOptions::default() };
    let (store, server) = server(&folder.path().join("store"), options).await;
    let there = store.insert_bytes(&bytes(1_000_000)).unwrap();
    let base = [format!("https://localhost:{}", server.local_addr().port())];
    let (_folder, fetcher) = fetcher(FetchOptions::default());
    let failed = |error: FetchError| match error {
        FetchError::Failed { source, .. } => source,
        other => panic!("{other:?}"),
    };
    assert!(matches!(*failed(fetcher.fetch(&there, &base).await.unwrap_err()), AttemptError::NoTls));
    // Who shows no certificate learns of it with the handshake or with what comes after it.
    let nobody = icapstan_tls::client_config(ClientFiles { ca: Some(&ca), identity: None }).unwrap();
    fetcher.set_tls(Some(Arc::new(nobody)));
    let refused = failed(fetcher.fetch(&there, &base).await.unwrap_err());
    assert!(matches!(*refused, AttemptError::Http(_) | AttemptError::Secure(_)), "{refused:?}");
    let mutual = MutualFiles { ca: ca.clone(), cert: ca, key, protocols: &[] }.load().unwrap();
    fetcher.set_tls(Some(mutual.config));
    assert!(fetcher.fetch(&there, &base).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_want_the_same_fetch_it_once() {
    let content = bytes(1_000_000);
    let there = artifact(&content);
    let (open, gate) = std::sync::mpsc::channel();
    let gate = parking_lot::Mutex::new(gate);
    let peer = Peer::start(move |_, _, stream| {
        gate.lock().recv().unwrap();
        send(stream, format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", content.len()));
        send(stream, &content);
    });
    let (_folder, fetcher) = fetcher(FetchOptions::default());
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (fetcher, base) = (fetcher.clone(), [peer.base()]);
            tokio::spawn(async move { fetcher.fetch(&there, &base).await })
        })
        .collect();
    open.send(()).unwrap();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(peer.served(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_are_fetched_at_once_than_may_be() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let contents: Vec<_> = (0..8_u8).map(|n| vec![n; 1000]).collect();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (of_peer, counters) = (contents.clone(), (Arc::clone(&now), Arc::clone(&most)));
    let peer = Peer::start(move |_, head, stream| {
        let (now, most) = &counters;
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let content = of_peer.iter().find(|bytes| head.contains(&artifact(bytes).digest.hex())).unwrap();
        send(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        now.fetch_sub(1, Ordering::SeqCst);
        send(stream, content);
    });
    let (_folder, fetcher) = fetcher(FetchOptions { concurrency: 2, ..FetchOptions::default() });
    let tasks: Vec<_> = contents
        .iter()
        .map(|content| {
            let (fetcher, base, wanted) = (fetcher.clone(), [peer.base()], artifact(content));
            tokio::spawn(async move { fetcher.fetch(&wanted, &base).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert!((1..=2).contains(&most.load(Ordering::SeqCst)), "{most:?}");
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_given_up_and_gone_on_with_later() {
    let content = bytes(2_000_000);
    let there = artifact(&content);
    let (told, left) = tokio::sync::mpsc::channel(1);
    let of_peer = content.clone();
    let peer = Peer::start(move |number, head, stream| {
        use std::io::Read;
        if number == 0 {
            send(stream, format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", of_peer.len()));
            send(stream, &of_peer[..1_000_000]);
            told.blocking_send("begun").unwrap();
            assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
            told.blocking_send("left").unwrap();
        } else {
            let from: usize =
                head.split("range: bytes=").nth(1).unwrap().split('-').next().unwrap().parse().unwrap();
            let (last, all) = (of_peer.len() - 1, of_peer.len());
            send(
                stream,
                format!(
                    "HTTP/1.1 206 Partial\r\nContent-Range: bytes {from}-{last}/{all}\r\nContent-Length: {}\r\n\r\n",
                    all - from
                ),
            );
            send(stream, &of_peer[from..]);
        }
    });
    let (_folder, fetcher) = fetcher(FetchOptions::default());
    let base = [peer.base()];
    let mut left = left;
    tokio::select! {
        result = fetcher.fetch(&there, &base) => panic!("{result:?}"),
        // Some of it has to be on the disk, for there is something to go on with.
        () = async {
            assert_eq!(left.recv().await, Some("begun"));
            while fetcher.store().used_bytes() < 256 << 10 {
                tokio::task::yield_now().await;
            }
        } => {}
    }
    assert_eq!(left.recv().await, Some("left"));
    let path = fetcher.fetch(&there, &base).await.unwrap();
    assert_eq!(fs::read(path).unwrap(), content);
}
