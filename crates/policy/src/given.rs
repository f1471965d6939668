//! A message that is only told of.

use crate::url::{plain_url, url_host};
use icapstan_api::{BodySize, Facts, Given, RuleMode};
use icapstan_model::{Mode, Reason, Verdict, VerdictKind};
use std::fmt::Write as _;
use std::net::IpAddr;

/// [`Given`] as rules see it.
pub(crate) struct GivenMessage<'g> {
    given: &'g Given,
    url: String,
    host: String,
    categories: Vec<Box<str>>,
    certificate: Vec<Box<str>>,
}

/// Which way it travels.
pub(crate) fn mode(given: &Given) -> Mode {
    if given.mode() == RuleMode::Req { Mode::Reqmod } else { Mode::Respmod }
}

/// What was found.
pub(crate) fn verdict(given: &Given) -> Verdict {
    let kind = given.verdict().kind().unwrap_or(VerdictKind::Clean);
    match (kind, given.reason.map(|word| word.0)) {
        (VerdictKind::NonScanned, Some(Reason::NonScanned(reason))) => Verdict::NonScanned(reason),
        (VerdictKind::Failed, Some(Reason::Failed(reason))) => Verdict::Failed(reason),
        (VerdictKind::Macro, _) => Verdict::Macro("any".into()),
        (VerdictKind::Phishing, _) => Verdict::Phishing("any".into()),
        (VerdictKind::Detect, _) => Verdict::Infected("any".into()),
        // Without a reason it was not checked; what is clean is what least is done about.
        (VerdictKind::Clean | VerdictKind::NonScanned | VerdictKind::Failed, _) => Verdict::Clean,
    }
}

// === impl GivenMessage ===

impl<'g> GivenMessage<'g> {
    pub(crate) fn new(given: &'g Given) -> Self {
        let url = plain_url(printable(given.url.as_deref().unwrap_or_default()));
        let host = match &given.host {
            Some(host) => host.to_ascii_lowercase().trim_end_matches('.').to_owned(),
            None => url_host(&url).to_owned(),
        };
        let categories = given.categories.iter().map(|category| category.as_str().into()).collect();
        let certificate = given.client_certificates.iter().map(|name| name.as_str().into()).collect();
        Self { given, url, host, categories, certificate }
    }
}

/// What is no printable ASCII is percent-encoded, as it is in the URLs of messages.
fn printable(url: &str) -> String {
    url.bytes().fold(String::with_capacity(url.len()), |mut printable, byte| {
        if byte.is_ascii_graphic() {
            printable.push(char::from(byte));
        } else {
            let _ = write!(printable, "%{byte:02X}");
        }
        printable
    })
}

impl Facts for GivenMessage<'_> {
    fn service(&self) -> &str {
        self.given.service.as_deref().unwrap_or_default()
    }

    fn client(&self) -> Option<IpAddr> {
        self.given.client
    }

    fn client_certificate(&self) -> &[Box<str>] {
        &self.certificate
    }

    fn user(&self) -> Option<&str> {
        self.given.user.as_deref()
    }

    fn groups(&self) -> &[String] {
        &self.given.groups
    }

    fn host(&self) -> &str {
        &self.host
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn categories(&self) -> &[Box<str>] {
        &self.categories
    }

    fn method(&self) -> &str {
        self.given.method.as_deref().unwrap_or_default()
    }

    fn size(&self) -> BodySize {
        self.given.size.map_or(BodySize::AtLeast(0), |size| BodySize::Whole(size.bytes()))
    }

    fn media_type(&self) -> Option<&str> {
        self.given.media_type.as_ref()?.exact()
    }
}
