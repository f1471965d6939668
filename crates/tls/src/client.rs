//! The side that connects.

use crate::files::{authorities, certificates, key};
use crate::{Names, TlsError, Validity};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Whom to believe, and who to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientFiles<'f> {
    /// The certificates, one of which has to have signed the server's. Without it, those of the system.
    pub ca: Option<&'f Path>,
    /// The certificate to show, with those between it and its authority; and its key.
    pub identity: Option<(&'f Path, &'f Path)>,
}

/// What a client shows that has to show a certificate, and whom it believes.
#[derive(Clone, Debug)]
pub struct MutualFiles {
    /// The certificates, one of which has to have signed the server's.
    pub ca: PathBuf,
    /// The certificate to show, with those between it and its authority.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// What is spoken within, as ALPN has it (RFC 7301).
    pub protocols: &'static [&'static [u8]],
}

/// Such files, read, and what the certificate says.
#[derive(Clone, Debug)]
pub struct Mutual {
    /// What a handshake begins with.
    pub config: Arc<ClientConfig>,
    /// What it says of this client.
    pub names: Names,
    /// When it holds.
    pub validity: Validity,
}

/// Settings by these files.
pub fn client_config(files: ClientFiles<'_>) -> Result<ClientConfig, TlsError> {
    let roots = authorities(files.ca)?;
    let Some((cert, own)) = files.identity else { return Ok(connector_config(roots)) };
    let (chain, own) = (certificates(cert)?, key(own)?);
    builder(roots).with_client_auth_cert(chain, own).map_err(TlsError::Own)
}

/// Settings of who shows no certificate.
pub fn connector_config(roots: RootCertStore) -> ClientConfig {
    builder(roots).with_no_client_auth()
}

fn builder(roots: RootCertStore) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for both versions")
        .with_root_certificates(roots)
}

// === impl MutualFiles ===

impl MutualFiles {
    /// The files that are read.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.cert, &self.key, &self.ca].into_iter()
    }

    /// Reads them all.
    pub fn load(&self) -> Result<Mutual, TlsError> {
        let files = ClientFiles { ca: Some(&self.ca), identity: Some((&self.cert, &self.key)) };
        let mut config = client_config(files)?;
        config.alpn_protocols = self.protocols.iter().map(|name| name.to_vec()).collect();
        let chain = certificates(&self.cert)?;
        let first = chain.first().ok_or_else(|| TlsError::NoCertificate(self.cert.clone()))?;
        let (names, validity) =
            Names::read(first).map_err(|source| TlsError::Certificate { path: self.cert.clone(), source })?;
        Ok(Mutual { config: Arc::new(config), names, validity })
    }
}
