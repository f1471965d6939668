//! What rules may ask of a message.

use crate::identity::{self, Identity};
use crate::sample::Sample;
use crate::url;
use crate::url_lists::Looked;
use icapstan_api::{BodySize, Facts};
use icapstan_icap_server::proto::RequestHead;
use std::cell::OnceCell;
use std::net::{IpAddr, SocketAddr};

/// One message. What it says is read when a rule asks for it first.
pub(crate) struct Message<'t> {
    pub(crate) service: &'t str,
    pub(crate) head: &'t RequestHead,
    pub(crate) peer: SocketAddr,
    pub(crate) size: BodySize,
    pub(crate) identity: &'t Identity,
    pub(crate) looked: Option<&'t Looked>,
    /// What the certificate of the ICAP client says who it is.
    pub(crate) certificate: &'t [Box<str>],
    /// The first bytes of the body, where a rule may ask what it is.
    pub(crate) sample: Option<Sample<'t>>,
    read: Read,
}

#[derive(Default)]
struct Read {
    client: OnceCell<IpAddr>,
    user: OnceCell<Option<String>>,
    groups: OnceCell<Vec<String>>,
    url: OnceCell<String>,
    host: OnceCell<String>,
    categories: OnceCell<Vec<Box<str>>>,
    media_type: OnceCell<Option<&'static str>>,
}

// === impl Message ===

impl<'t> Message<'t> {
    pub(crate) fn new(
        service: &'t str,
        head: &'t RequestHead,
        peer: SocketAddr,
        size: BodySize,
        identity: &'t Identity,
        looked: Option<&'t Looked>,
    ) -> Self {
        Self {
            service,
            head,
            peer,
            size,
            identity,
            looked,
            certificate: &[],
            sample: None,
            read: Read::default(),
        }
    }

    /// Whether what the ICAP client says of its user counts.
    fn is_trusted(&self) -> bool {
        self.identity.trusts(self.peer.ip())
    }
}

impl Facts for Message<'_> {
    fn service(&self) -> &str {
        self.service
    }

    fn client(&self) -> Option<IpAddr> {
        Some(*self.read.client.get_or_init(|| {
            let told = self.is_trusted().then(|| self.identity.client(self.head)).flatten();
            told.unwrap_or_else(|| self.peer.ip())
        }))
    }

    fn client_certificate(&self) -> &[Box<str>] {
        self.certificate
    }

    fn user(&self) -> Option<&str> {
        let user =
            self.read.user.get_or_init(|| self.is_trusted().then(|| self.identity.user(self.head)).flatten());
        user.as_deref()
    }

    fn groups(&self) -> &[String] {
        self.read
            .groups
            .get_or_init(|| if self.is_trusted() { identity::groups(self.head) } else { Vec::new() })
    }

    fn host(&self) -> &str {
        self.read.host.get_or_init(|| self.head.http_request().map(url::host).unwrap_or_default())
    }

    fn url(&self) -> &str {
        self.read.url.get_or_init(|| self.head.http_request().map(url::plain).unwrap_or_default())
    }

    fn categories(&self) -> &[Box<str>] {
        self.read.categories.get_or_init(|| self.looked.map(Looked::categories).unwrap_or_default())
    }

    fn method(&self) -> &str {
        let method = self.head.http_request().map(|request| request.method());
        method.and_then(|method| std::str::from_utf8(method).ok()).unwrap_or_default()
    }

    fn size(&self) -> BodySize {
        self.size
    }

    fn media_type(&self) -> Option<&str> {
        *self.read.media_type.get_or_init(|| self.sample.as_ref()?.media_type(self.head))
    }
}
