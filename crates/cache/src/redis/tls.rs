//! Whom to believe, and what to show.

use icapstan_api::RedisSettings;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;
use tokio_rustls::TlsConnector;

/// Where systems keep the certificates that they believe: Debian and Alpine, Fedora, openSUSE.
const SYSTEM: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];

/// Why there can be no secured connection.
#[derive(Debug, Error)]
pub(super) enum TlsError {
    /// A file is not there, or is no PEM.
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: pem::Error,
    },
    #[error("no certificate of an authority in {0}")]
    NoAuthority(PathBuf),
    #[error("no file with the certificates that this system believes; name a caFile")]
    NoSystem,
    #[error("the certificate and its key cannot be used")]
    Own(#[source] rustls::Error),
}

/// As the settings say. Files are read each time, so that renewed ones are taken up.
pub(super) fn connector(settings: &RedisSettings) -> Result<TlsConnector, TlsError> {
    let system = || SYSTEM.iter().map(Path::new).find(|path| path.exists());
    let path = settings.ca_file.as_deref().or_else(system).ok_or(TlsError::NoSystem)?;
    let mut roots = RootCertStore::empty();
    // Among those of systems there are some that are too old to be understood.
    let (added, _) = roots.add_parsable_certificates(certificates(path)?);
    if added == 0 {
        return Err(TlsError::NoAuthority(path.to_owned()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for both versions")
        .with_root_certificates(roots);
    let config = match (&settings.cert_file, &settings.key_file) {
        (Some(cert), Some(key)) => {
            let private = PrivateKeyDer::from_pem_file(key)
                .map_err(|source| TlsError::Read { path: key.clone(), source })?;
            builder.with_client_auth_cert(certificates(cert)?, private).map_err(TlsError::Own)?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let fault = |source| TlsError::Read { path: path.to_owned(), source };
    CertificateDer::pem_file_iter(path).map_err(fault)?.collect::<Result<_, _>>().map_err(fault)
}
