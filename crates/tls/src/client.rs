//! The side that connects.

use crate::TlsError;
use crate::files::{authorities, certificates, key};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// Whom to believe, and who to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientFiles<'f> {
    /// The certificates, one of which has to have signed the server's. Without it, those of the system.
    pub ca: Option<&'f Path>,
    /// The certificate to show, with those between it and its authority; and its key.
    pub identity: Option<(&'f Path, &'f Path)>,
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
