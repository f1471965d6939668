//! Certificates and keys in files, and a client that shows and checks them.

use crate::tls::Authority;
use crate::wait::PATIENCE;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, SanType, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A certificate and its key.
#[derive(Clone, Debug)]
pub struct Pem {
    /// The file of the certificate.
    pub cert: PathBuf,
    /// The file of its key.
    pub key: PathBuf,
}

/// The client's end of a secured connection.
pub type SecuredClient = StreamOwned<ClientConnection, TcpStream>;

// === impl Authority ===

impl Authority {
    /// Writes a certificate for `name`, which is also its common name, and for 127.0.0.1, into `folder`.
    #[track_caller]
    pub fn issue(&self, folder: &Path, name: &str) -> Pem {
        self.issue_with(folder, name, |_| {})
    }

    /// The same with something else in it.
    #[track_caller]
    pub fn issue_with(&self, folder: &Path, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Pem {
        let key = KeyPair::generate().expect("there is chance");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("it is a name");
        params.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let cert = params.signed_by(&key, self.issuer()).expect("it can be signed");
        let pem = Pem { cert: folder.join("tls.crt"), key: folder.join("tls.key") };
        std::fs::write(&pem.cert, cert.pem()).expect("the folder is writable");
        std::fs::write(&pem.key, key.serialize_pem()).expect("the folder is writable");
        pem
    }

    /// One that was over long ago.
    #[track_caller]
    pub fn issue_expired(&self, folder: &Path, name: &str) -> Pem {
        self.issue_with(folder, name, |params| {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        })
    }

    /// Settings of a client that believes this authority, and shows `own`.
    #[track_caller]
    pub fn client(&self, own: Option<&Pem>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates(&self.ca_file()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for both versions")
            .with_root_certificates(roots);
        let config = match own {
            Some(Pem { cert, key }) => {
                let key = PrivateKeyDer::from_pem_file(key).expect("the file was written");
                builder.with_client_auth_cert(certificates(cert), key).expect("they fit")
            }
            None => builder.with_no_client_auth(),
        };
        Arc::new(config)
    }
}

/// Connects and shakes hands. A server that refuses a certificate may say so only after that.
pub fn secured(server: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<SecuredClient> {
    let stream = TcpStream::connect(server)?;
    secured_over(stream, config)
}

/// The same on a connection that is there.
pub fn secured_over(mut stream: TcpStream, config: &Arc<ClientConfig>) -> io::Result<SecuredClient> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from("127.0.0.1").expect("it is an address");
    let mut tls = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(tls, stream))
}

fn certificates(path: &Path) -> Vec<CertificateDer<'static>> {
    let read = CertificateDer::pem_file_iter(path).expect("the file was written");
    read.collect::<Result<_, _>>().expect("the file was written")
}
