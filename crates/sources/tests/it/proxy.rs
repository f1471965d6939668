//! Through a proxy.

use crate::peer::{Peer, send};
use crate::support::{Setup, http, local, reason};
use icapstan_sources::{Network, Proxy, Reason, SourceError};
use std::io::{Read, Write};
use std::net::Shutdown;

fn behind(proxy: &Peer, direct: &[String]) -> Setup {
    let url = proxy.base().replace("http://", "http://user:p%40ss@");
    let proxy = Some(Proxy::parse(&url, direct).unwrap());
    Setup::with(|_| Network { addresses: local(), proxy, ..Network::default() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_files_come_through_a_proxy_by_their_whole_url() {
    let proxy = Peer::start(|_, head, stream| {
        assert!(head.starts_with("get http://127.0.0.1:9/x/a.ndb?q=1 http/1.1\r\n"), "{head}");
        // user:p@ss
        assert!(head.contains("proxy-authorization: basic dxnlcjpwqhnz"), "{head}");
        send(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let setup = behind(&proxy, &[]);
    let fetched = setup.fetch(&http("http://127.0.0.1:9/x/a.ndb?q=1"), None).await.unwrap();
    assert_eq!(setup.read(&fetched, "a.ndb"), b"ok");
    // What is refused is refused without asking the proxy.
    assert_eq!(reason(setup.fetch(&http("http://169.254.169.254/a"), None).await), Reason::AddressRefused);
    assert_eq!(proxy.served(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_near_is_asked_without_it() {
    let proxy = Peer::start(|_, head, _| panic!("{head}"));
    let peer = Peer::start(|_, head, stream| {
        assert!(head.starts_with("get /a ") && !head.contains("proxy"), "{head}");
        send(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let setup = behind(&proxy, &["127.0.0.0/8".to_owned()]);
    assert!(setup.fetch(&http(&format!("{}/a", peer.base())), None).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secured_files_come_through_a_tunnel() {
    let proxy = Peer::start(move |number, head, stream| {
        assert!(head.starts_with("connect localhost:1 http/1.1\r\n"), "{head}");
        if number == 0 {
            send(stream, "HTTP/1.1 403 Forbidden\r\n\r\n");
            return;
        }
        send(stream, "HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n");
        // A handshake begins, and not a byte of it was lost.
        let mut first = [0; 3];
        stream.read_exact(&mut first).unwrap();
        assert_eq!(first[..2], [0x16, 3]);
        stream.write_all(b"HTTP/1.1 400 This is no TLS\r\n\r\n").unwrap();
        let _ = stream.shutdown(Shutdown::Both);
    });
    let setup = behind(&proxy, &[]);
    let spec = http("https://localhost:1/a");
    let refused = setup.fetch(&spec, None).await;
    assert!(matches!(&refused, Err(SourceError::Proxy(status)) if status == "403"), "{refused:?}");
    let insecure = setup.fetch(&spec, None).await;
    assert!(matches!(insecure, Err(SourceError::Secure { .. })), "{insecure:?}");
    assert_eq!(proxy.served(), 2);
}
