//! Servers: where they are, whether they may be asked, and what they answer.

mod body;
mod dial;
mod download;
mod get;
mod proxy;

pub(crate) use body::{refusal, small};
pub(crate) use download::{Download, Downloaded, Known};
pub(crate) use get::{Answer, Ask};
pub use proxy::Proxy;

use crate::{AddressRules, SourceError};
use icapstan_tls::connector_config;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// What sources may reach.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// Which addresses.
    pub addresses: AddressRules,
    /// Through whom.
    pub proxy: Option<Proxy>,
    /// Folders below which files may be sources. Without any, none is.
    pub roots: Vec<PathBuf>,
}

/// Asks servers.
#[derive(Debug)]
pub(crate) struct Web {
    addresses: AddressRules,
    proxy: Option<Proxy>,
    system: OnceLock<Arc<ClientConfig>>,
}

// === impl Web ===

impl Web {
    pub(crate) fn new(addresses: AddressRules, proxy: Option<Proxy>) -> Self {
        Self { addresses, proxy, system: OnceLock::new() }
    }

    /// What handshakes begin with: who believes these authorities, else those of the system.
    pub(crate) fn tls(&self, ca: Option<&[u8]>) -> Result<Arc<ClientConfig>, SourceError> {
        if let Some(pem) = ca {
            let mut roots = RootCertStore::empty();
            let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect();
            if roots.add_parsable_certificates(certificates).0 == 0 {
                return Err(SourceError::Invalid("there is no certificate of an authority in it".to_owned()));
            }
            return Ok(Arc::new(connector_config(roots)));
        }
        if let Some(config) = self.system.get() {
            return Ok(Arc::clone(config));
        }
        let roots = icapstan_tls::authorities(None).map_err(SourceError::Authorities)?;
        Ok(Arc::clone(self.system.get_or_init(|| Arc::new(connector_config(roots)))))
    }
}
