//! The side that listens.

use crate::files::{authorities, certificates, key};
use crate::{Names, TlsError, Validity};
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use std::path::PathBuf;
use std::sync::Arc;

/// What a listener shows, and what it asks of clients.
#[derive(Clone, Debug)]
pub struct ServerFiles {
    /// The certificate to show, with those between it and its authority.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Whether clients show one too.
    pub clients: ClientCertificates,
    /// Only TLS 1.3.
    pub only_tls13: bool,
    /// What is spoken within, as ALPN has it (RFC 7301); nothing is said of that when it is empty.
    pub protocols: &'static [&'static [u8]],
}

/// Whether clients show a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not asked.
    None,
    /// They may, one that an authority in the file has signed.
    Optional(PathBuf),
    /// They have to.
    Required(PathBuf),
}

/// Files that were read and fit.
#[derive(Clone, Debug)]
pub struct Loaded {
    config: Arc<ServerConfig>,
    names: Names,
    validity: Validity,
}

/// What handshakes begin with. Clones share it; what is under way goes on as it began.
#[derive(Clone, Debug)]
pub struct Acceptor(Arc<ArcSwap<Loaded>>);

// === impl ServerFiles ===

impl ServerFiles {
    /// The files that are read.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        let ca = match &self.clients {
            ClientCertificates::None => None,
            ClientCertificates::Optional(ca) | ClientCertificates::Required(ca) => Some(ca),
        };
        [&self.cert, &self.key].into_iter().chain(ca)
    }

    /// Reads them all.
    pub fn load(&self) -> Result<Loaded, TlsError> {
        let chain = certificates(&self.cert)?;
        let first = chain.first().ok_or_else(|| TlsError::NoCertificate(self.cert.clone()))?;
        let (names, validity) =
            Names::read(first).map_err(|source| TlsError::Certificate { path: self.cert.clone(), source })?;
        let provider = Arc::new(default_provider());
        let versions: &[_] = if self.only_tls13 { &[&TLS13] } else { &[&TLS13, &TLS12] };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .expect("the provider has suites for both versions");
        let builder = match &self.clients {
            ClientCertificates::None => builder.with_no_client_auth(),
            ClientCertificates::Optional(ca) | ClientCertificates::Required(ca) => {
                let roots = Arc::new(authorities(Some(ca))?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                let verifier = match self.clients {
                    ClientCertificates::Optional(_) => verifier.allow_unauthenticated(),
                    _ => verifier,
                };
                let verifier =
                    verifier.build().map_err(|source| TlsError::Clients { path: ca.clone(), source })?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(chain, key(&self.key)?).map_err(TlsError::Own)?;
        // Sessions live in tickets that clients keep, not in memory here. The keys are made anew with each
        // load: who was let in by former authorities does not come back by a ticket of that time.
        config.ticketer = Ticketer::new().map_err(TlsError::Tickets)?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.alpn_protocols = self.protocols.iter().map(|name| name.to_vec()).collect();
        Ok(Loaded { config: Arc::new(config), names, validity })
    }
}

// === impl Loaded ===

impl Loaded {
    /// What the certificate says of this server.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// When it holds.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// What a handshake begins with.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

// === impl Acceptor ===

impl Acceptor {
    /// Begins with these.
    pub fn new(loaded: Loaded) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(loaded)))
    }

    /// Handshakes begin with these from now on.
    pub fn put(&self, loaded: Loaded) {
        self.0.store(Arc::new(loaded));
    }

    /// What they begin with now.
    pub fn now(&self) -> Arc<Loaded> {
        self.0.load_full()
    }
}
