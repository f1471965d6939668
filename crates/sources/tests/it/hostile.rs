//! Servers that are broken, or mean harm.

use crate::peer::{Peer, send};
use crate::support::{Setup, http, limits, local, reason, unsigned};
use icapstan_sources::{
    AddressRules, Credential, Fetched, HttpPlace, Limits, Location, Network, Reason, Secret, SourceError,
};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

async fn error_of(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> SourceError {
    let peer = Peer::start(move |_, head, stream| answer(head, stream));
    let result = Setup::new().fetch(&http(&format!("{}/secret-path/a", peer.base())), None).await;
    let error = result.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret-path"), "{error:?}");
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statuses_are_told_apart() {
    for (status, expected, is_transient) in [
        (401, Reason::AuthenticationFailed, false),
        (403, Reason::AuthenticationFailed, false),
        (404, Reason::FetchFailed, true),
        (400, Reason::FetchFailed, false),
        (429, Reason::FetchFailed, true),
        (503, Reason::FetchFailed, true),
        (204, Reason::FetchFailed, true),
        (206, Reason::FetchFailed, true),
        (304, Reason::FetchFailed, true),
    ] {
        let error = error_of(move |_, stream| {
            send(stream, format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"));
        })
        .await;
        assert_eq!((error.reason(), error.is_transient()), (expected, is_transient), "{status}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_much_is_refused_where_it_is_too_much() {
    let said = error_of(|_, stream| {
        send(stream, "HTTP/1.1 200 OK\r\nContent-Length: 8388609\r\n\r\n");
    })
    .await;
    assert_eq!(said.reason(), Reason::TooLarge, "{said:?}");
    let endless = error_of(|_, stream| {
        send(stream, "HTTP/1.1 200 OK\r\n\r\n");
        while send(stream, vec![b'x'; 0x10000]) {}
    })
    .await;
    assert_eq!(endless.reason(), Reason::TooLarge, "{endless:?}");
    let head = error_of(|_, stream| while send(stream, "HTTP/1.1 200 OK\r\nX: y\r\n".repeat(1000)) {}).await;
    assert_eq!(head.reason(), Reason::FetchFailed, "{head:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_and_dripping_have_their_deadlines() {
    let wait = |stream: &mut TcpStream| while stream.read(&mut [0]).is_ok_and(|count| count > 0) {};
    let error = error_of(move |_, stream| wait(stream)).await;
    assert!(matches!(error, SourceError::Timeout { what: "answer", .. }), "{error:?}");
    let dripping = |head: &'static str| {
        move |_: &str, stream: &mut TcpStream| {
            send(stream, head);
            stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            while send(stream, "x") && stream.read(&mut [0]).is_err() {}
        }
    };
    let error = error_of(dripping("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")).await;
    assert!(matches!(error, SourceError::Body { .. }) && error.is_transient(), "{error:?}");
    let error = error_of(dripping("HTTP/1.1 200 OK\r\nX: ")).await;
    assert!(matches!(error, SourceError::Timeout { what: "answer", .. }), "{error:?}");
    // All of it together has one too.
    let peer = Peer::start(move |_, _, stream| wait(stream));
    let short = Limits { total: Duration::from_millis(100), ..limits() };
    let result = Setup::new().sources.fetch(&http(&format!("{}/a", peer.base())), None, &short).await;
    assert!(matches!(result, Err(SourceError::Timeout { what: "end", .. })), "{result:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_compressed_on_the_way_is_refused() {
    let error = error_of(|head, stream| {
        assert!(head.contains("accept-encoding: identity"), "{head}");
        send(stream, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\u{b}");
    })
    .await;
    assert_eq!(error.reason(), Reason::UnsupportedFormat, "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_cut_is_none() {
    let error = error_of(|_, stream| {
        send(stream, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!");
    })
    .await;
    assert!(matches!(error, SourceError::Body { .. }) && error.is_transient(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirects_end() {
    let peer = Peer::start(|_, _, stream| {
        send(stream, "HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n");
    });
    let result = Setup::new().fetch(&http(&format!("{}/a", peer.base())), None).await;
    assert_eq!((reason(result), peer.served()), (Reason::AddressRefused, 6));
}

/// Where a redirect leads that nobody should follow.
async fn redirected(to: &'static str, addresses: AddressRules) -> SourceError {
    let peer = Peer::start(move |_, _, stream| {
        send(stream, format!("HTTP/1.1 307 Go\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"));
    });
    let setup = Setup::with(|_| Network { addresses, ..Network::default() });
    let error = setup.fetch(&http(&format!("{}/a", peer.base())), None).await.unwrap_err();
    assert_eq!(peer.served(), 1, "{error:?}");
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirects_lead_to_no_address_that_may_not_be_had() {
    for to in [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:169.254.169.254]/",
        "http://0xa9fea9fe/",
        "http://10.0.0.1/",
        "http://192.168.0.1:8443/",
        "http://[fd00:ec2::254]/",
        "//169.254.169.254/",
    ] {
        let error = redirected(to, local()).await;
        assert!(matches!(error, SourceError::Address { .. }), "{to}: {error:?}");
        assert_eq!((error.reason(), error.is_transient()), (Reason::AddressRefused, false));
    }
    for to in ["ftp://a.example/", "file:///etc/passwd", "http://u:p@127.0.0.1/", "http://"] {
        let error = redirected(to, local()).await;
        assert!(matches!(error, SourceError::Redirect { .. }), "{to}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_counts_for_what_it_leads_to() {
    let peer = Peer::start(|_, _, stream| {
        send(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
    });
    let url = peer.base().replace("127.0.0.1", "localhost");
    let strict = Setup::with(|_| Network::default());
    for url in [url.clone(), peer.base(), peer.base().replace("127.0.0.1", "2130706433")] {
        let result = strict.fetch(&http(&format!("{url}/a")), None).await;
        assert!(matches!(result, Err(SourceError::Address { .. })), "{url}: {result:?}");
    }
    // As the API server's address would be.
    let addresses =
        AddressRules { deny: vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()], ..local() };
    let denied = Setup::with(|_| Network { addresses, ..Network::default() });
    assert_eq!(reason(denied.fetch(&http(&format!("{url}/a")), None).await), Reason::AddressRefused);
    assert_eq!(peer.served(), 0);
    assert!(Setup::new().fetch(&http(&format!("{url}/a")), None).await.is_ok());
}

fn secret(hosts: &[String], plain: bool) -> Credential {
    let secret = Secret::Header { name: "X-Token".to_owned(), value: "s3cr3t".to_owned() };
    Credential { hosts: hosts.to_vec(), plain, secret }
}

async fn with_secret(url: &str, credential: Credential) -> Result<Fetched, SourceError> {
    let mut place = HttpPlace::file(url).unwrap();
    place.credentials = vec![credential];
    Setup::new().fetch(&unsigned(Location::Http(place)), None).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_secret_goes_to_its_host_and_not_behind_a_redirect() {
    let elsewhere = Peer::start(|_, head, stream| {
        assert!(!head.contains("s3cr3t") && !head.contains("x-token"), "{head}");
        send(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
    });
    let to = elsewhere.base().replace("127.0.0.1", "localhost");
    let peer = Peer::start(move |number, head, stream| {
        assert_eq!(head.contains("x-token: s3cr3t"), number == 0, "{head}");
        send(stream, format!("HTTP/1.1 302 Go\r\nLocation: {to}/b\r\nContent-Length: 0\r\n\r\n"));
    });
    let host = peer.base().replace("http://", "");
    let url = format!("{}/a", peer.base());
    with_secret(&url, secret(std::slice::from_ref(&host), true)).await.unwrap();
    // It is not said without TLS unless that is meant, nor to another port of the same host.
    with_secret(&url, secret(&[host], false)).await.unwrap();
    with_secret(&url, secret(&["127.0.0.1".to_owned()], true)).await.unwrap();
    assert_eq!((peer.served(), elsewhere.served()), (3, 3));
    // Nor is it in an error.
    let refusing = Peer::start(|_, _, stream| {
        send(stream, "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n");
    });
    let host = refusing.base().replace("http://", "");
    let error = with_secret(&format!("{}/a", refusing.base()), secret(&[host], true)).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error:?}");
    assert_eq!(error.reason(), Reason::AuthenticationFailed);
}

/// A server with TLS that gives each connection the same answer; where it is, and its certificate.
fn tls_server(answer: &'static str) -> (u16, Vec<u8>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let cert =
        rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let own = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], own)
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Ends with the process of the tests: it waits for connections that nobody makes.
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut connection = rustls::ServerConnection::new(Arc::new(config.clone())).unwrap();
            let mut stream = stream;
            let mut tls = rustls::Stream::new(&mut connection, &mut stream);
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && tls.read_exact(&mut byte).is_ok() {
                head.push(byte[0]);
            }
            let _ = tls.write_all(answer.as_bytes());
            connection.send_close_notify();
            let _ = connection.write_tls(&mut stream);
        }
    });
    (port, cert.pem().into_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_asked_over_tls_has_to_be_known_and_leads_to_nothing_else() {
    let (port, pem) = tls_server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let mut place = HttpPlace::file(&format!("https://localhost:{port}/a")).unwrap();
    let setup = Setup::new();
    let unknown = setup.fetch(&unsigned(Location::Http(place.clone())), None).await;
    assert!(matches!(unknown, Err(SourceError::Secure { .. } | SourceError::Authorities(_))), "{unknown:?}");
    place.ca = Some(pem);
    let fetched = setup.fetch(&unsigned(Location::Http(place)), None).await.unwrap();
    assert_eq!(setup.read(&fetched, "a"), b"ok");
    let peer = Peer::start(|_, _, stream| {
        send(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
    });
    let answer = format!("HTTP/1.1 302 Go\r\nLocation: {}/\r\nContent-Length: 0\r\n\r\n", peer.base());
    let (port, pem) = tls_server(answer.leak());
    let mut place = HttpPlace::file(&format!("https://localhost:{port}/a")).unwrap();
    place.ca = Some(pem);
    let result = setup.fetch(&unsigned(Location::Http(place)), None).await;
    assert!(matches!(result, Err(SourceError::Redirect { .. })), "{result:?}");
    assert_eq!(peer.served(), 0);
}
