//! Servers with certificates that nobody else believes.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

/// An authority with a key of its own, made anew.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
}

/// What a server shows to its clients.
#[derive(Clone, Debug)]
pub struct Identity(Arc<ServerConfig>);

/// The server's end of a secured connection.
pub type Secured = StreamOwned<ServerConnection, TcpStream>;

// === impl Authority ===

impl Authority {
    /// One that nobody knows yet.
    #[track_caller]
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let mut params = CertificateParams::new(Vec::default()).expect("no names are fine");
        // Two of one name could not be told apart but by their keys.
        let name = format!("authority {}", COUNT.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        let key = KeyPair::generate().expect("there is chance");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("it can be signed");
        let dir = crate::tempdir();
        std::fs::write(dir.path().join("ca.pem"), issuer.pem()).expect("the folder is writable");
        Self { issuer, dir }
    }

    /// The certificate to believe, in PEM.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Files in PEM for a program called `name`: its certificate, and its key.
    #[track_caller]
    pub fn files(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().expect("there is chance");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("it is a name");
        // With the name of the authority OpenSSL would take it for that one's own.
        params.distinguished_name.push(DnType::CommonName, name);
        let cert = params.signed_by(&key, &self.issuer).expect("it can be signed");
        let files = [("cert", cert.pem()), ("key", key.serialize_pem())].map(|(kind, pem)| {
            let path = self.dir.path().join(format!("{name}.{kind}.pem"));
            std::fs::write(&path, pem).expect("the folder is writable");
            path
        });
        let [cert, key] = files;
        (cert, key)
    }

    /// What signs.
    pub(crate) fn issuer(&self) -> &CertifiedIssuer<'static, KeyPair> {
        &self.issuer
    }

    /// What a server called `name` shows.
    #[track_caller]
    pub fn identity(&self, name: &str) -> Identity {
        let key = KeyPair::generate().expect("there is chance");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("it is a name");
        let cert = params.signed_by(&key, &self.issuer).expect("it can be signed");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("the provider has suites for both versions")
                .with_no_client_auth()
                .with_single_cert(vec![cert.der().clone()], key)
                .expect("the key is that of the certificate");
        Identity(Arc::new(config))
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Identity ===

impl Identity {
    /// As settings of a server that is not one of this crate.
    #[cfg(feature = "kube")]
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0)
    }

    /// The server's end of `stream`. The handshake comes with the first read.
    #[track_caller]
    pub fn secure(&self, stream: TcpStream) -> Secured {
        let connection = ServerConnection::new(Arc::clone(&self.0)).expect("the settings fit");
        StreamOwned::new(connection, stream)
    }
}
