//! Syslog over TLS.

use crate::server::{Framing, Secure, Server, any};
use crate::setup::{LONG, Setup, number, wait_until, without_children};
use icapstan_events::{
    EventMetrics, EventSettings, Events, SinkSettings, Source, SyslogSettings, TlsSettings, Transport,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// An authority, and files that it signed.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::default()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, dir }
    }

    pub(crate) fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// The files of a certificate for `name` and of its key.
    pub(crate) fn sign(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let files = ["cert", "key"].map(|kind| self.dir.path().join(format!("{name}.{kind}")));
        std::fs::write(&files[0], cert.pem()).unwrap();
        std::fs::write(&files[1], key.serialize_pem()).unwrap();
        let [cert, key] = files;
        (cert, key)
    }

    /// A server with a certificate for `name`, at `address`. With `clients`, it asks for one that these
    /// have signed.
    fn serve(&self, name: &str, address: SocketAddr, clients: Option<&Self>) -> Server {
        let (cert, key) = self.sign(name);
        let chain = CertificateDer::pem_file_iter(cert).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(key).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.issuer.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
            None => builder.with_no_client_auth(),
        };
        let config = Arc::new(builder.with_single_cert(chain, key).unwrap());
        let secure: Secure = Arc::new(move |stream| {
            Box::new(StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream))
        });
        Server::start(address, Framing::Counted, Some(secure))
    }

    pub(crate) fn believed(&self) -> TlsSettings {
        TlsSettings {
            server_name: Some("siem.test".into()),
            ca_file: Some(self.ca_file()),
            ..TlsSettings::default()
        }
    }
}

fn settings(address: SocketAddr, tls: TlsSettings) -> SyslogSettings {
    SyslogSettings { tls: Some(tls), ..SyslogSettings::new(address.to_string(), Transport::Tls) }
}

/// Whether no event passes: the sink fails and is not connected, though the server is there.
#[track_caller]
fn stays_away(server: &Server, tls: TlsSettings) {
    let setup = Setup::syslog(settings(server.address, tls), 2);
    setup.send(0..1);
    wait_until("the sink is down", || {
        setup.send(0..1);
        setup.metric("icapstan_events_dropped_total", "down") > 0
    });
    assert!(!setup.is_connected());
    assert_eq!(setup.sent(), 0);
    assert!(!setup.guard.stop(Duration::from_millis(100)));
    assert!(server.records.try_recv().is_err());
}

#[test]
fn records_arrive_over_a_secured_connection() {
    let authority = Authority::new();
    let server = authority.serve("siem.test", any(), None);
    let setup = Setup::syslog(settings(server.address, authority.believed()), 500);
    setup.send(0..300);
    assert!((0..300).all(|expected| number(&server.record()) == expected));
    assert!(setup.events.flush(LONG));
    assert_eq!((setup.sent(), setup.dropped()), (300, 0));
    assert_eq!(setup.metric("icapstan_events_sinks_connected", "tls"), 1);
    assert!(setup.guard.stop(LONG));
}

#[test]
fn a_server_is_known_by_the_name_that_the_settings_say_or_by_its_address() {
    let authority = Authority::new();
    let server = authority.serve("siem.test", any(), None);
    stays_away(&server, TlsSettings { server_name: None, ..authority.believed() });
    stays_away(&server, TlsSettings { server_name: Some("other.test".into()), ..authority.believed() });
    let address = any();
    let server = authority.serve(&address.ip().to_string(), address, None);
    let tls = TlsSettings { server_name: None, ..authority.believed() };
    let setup = Setup::syslog(settings(server.address, tls), 10);
    setup.send(0..1);
    assert_eq!(number(&server.record()), 0);
}

#[test]
fn a_server_that_another_authority_signed_gets_nothing() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = authority.serve("siem.test", any(), None);
    stays_away(&server, other.believed());
}

#[test]
fn a_server_that_says_nothing_is_not_waited_for_beyond_the_deadline() {
    let silent = TcpListener::bind(any()).unwrap();
    let authority = Authority::new();
    let timeout = Duration::from_millis(200);
    let server = settings(silent.local_addr().unwrap(), authority.believed());
    let setup = Setup::syslog(SyslogSettings { connect_timeout: timeout, ..server }, 2);
    wait_until("the sink is down", || {
        setup.send(0..1);
        setup.metric("icapstan_events_dropped_total", "down") > 0
    });
    assert!(!setup.is_connected());
    assert_eq!(setup.sent(), 0);
}

#[test]
fn a_server_that_asks_who_is_there_is_told() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = authority.serve("siem.test", any(), Some(&clients));
    let (cert, key) = clients.sign("gateway.test");
    let tls = TlsSettings { cert_file: Some(cert), key_file: Some(key), ..authority.believed() };
    let setup = Setup::syslog(settings(server.address, tls), 10);
    setup.send(0..1);
    assert_eq!(number(&server.record()), 0);
}

#[test]
fn a_server_that_is_not_told_who_is_there_gets_nothing() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = authority.serve("siem.test", any(), Some(&clients));
    let setup = Setup::syslog(settings(server.address, authority.believed()), 5);
    // In TLS 1.3 the client is done before the server has refused it, so that one event may be taken for
    // sent; what comes after the refusal waits.
    wait_until("the refusal is seen", || {
        setup.send(0..1);
        setup.metric("icapstan_events_dropped_total", "down") > 0
    });
    assert!(server.records.try_recv().is_err());
}

#[test]
fn after_a_restart_with_other_certificates_records_arrive_again() {
    let _alone = without_children();
    let (old, new) = (Authority::new(), Authority::new());
    let server = old.serve("siem.test", any(), None);
    let address = server.address;
    let setup = Setup::syslog(settings(address, old.believed()), 100);
    setup.send(0..1);
    assert_eq!(number(&server.record()), 0);
    drop(server);
    wait_until("it is seen that the server is gone", || !setup.is_connected());
    std::fs::copy(new.ca_file(), old.ca_file()).unwrap();
    setup.send(1..4);
    let server = new.serve("siem.test", address, None);
    assert_eq!([(); 3].map(|()| number(&server.record())), [1, 2, 3]);
    assert_eq!(setup.dropped(), 0);
}

#[test]
fn files_that_cannot_be_used_are_told_at_the_start() {
    let authority = Authority::new();
    let (cert, key) = authority.sign("a.test");
    let (_, other_key) = authority.sign("b.test");
    let nothing = authority.dir.path().join("nothing");
    std::fs::write(&nothing, "").unwrap();
    let metrics = EventMetrics::register(&prometheus::Registry::new()).unwrap();
    let fault = |tls| {
        let sink = EventSettings::new(SinkSettings::syslog(settings(([127, 0, 0, 1], 1).into(), tls)));
        let error = Events::start(&[sink], &Source::this(), &metrics).unwrap_err();
        std::error::Error::source(&error).unwrap().to_string()
    };
    let missing = Path::new("/proc/nothing/ca.pem");
    let tls = TlsSettings { ca_file: Some(missing.into()), ..TlsSettings::default() };
    assert_eq!(fault(tls), "cannot read /proc/nothing/ca.pem");
    let tls = TlsSettings { ca_file: Some(nothing.clone()), ..TlsSettings::default() };
    assert_eq!(fault(tls), format!("no certificate of an authority in {}", nothing.display()));
    let own = |cert: &Path, key: &Path| TlsSettings {
        cert_file: Some(cert.into()),
        key_file: Some(key.into()),
        ..authority.believed()
    };
    assert_eq!(fault(own(&cert, &nothing)), format!("cannot read {}", nothing.display()));
    assert_eq!(fault(own(&cert, &other_key)), "the certificate and its key cannot be used");
    assert_eq!(fault(own(&nothing, &key)), "the certificate and its key cannot be used");
}
