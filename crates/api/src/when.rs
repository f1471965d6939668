//! What a rule asks of a message besides its verdict (`policies[].rules[].when`).

use crate::{ByteSize, Glob, HostPattern, MediaRange};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// All that is written has to hold; of each list, one entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct When {
    /// Paths of services.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kube", schemars(length(max = 1024), inner(length(max = 128))))]
    pub services: Vec<String>,
    /// Networks that the user's machine is in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kube", schemars(schema_with = "crate::schema::networks"))]
    pub clients: Vec<IpNet>,
    /// Names in the certificate that the ICAP client showed, each behind its kind, such as `dns:*.example`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kube", schemars(length(max = 1024)))]
    pub client_certificates: Vec<Glob>,
    /// Names of users, as a trusted ICAP client tells them. Upper and lower case are the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kube", schemars(length(max = 1024)))]
    pub users: Vec<Glob>,
    /// Groups of the user, likewise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kube", schemars(length(max = 1024)))]
    pub groups: Vec<Glob>,
    /// Hosts of the URL.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kube", schemars(length(max = 1024)))]
    pub hosts: Vec<HostPattern>,
    /// The whole URL: scheme and host in lower case, path, query.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kube", schemars(length(max = 1024)))]
    pub urls: Vec<Glob>,
    /// Categories of the lists that the URL is in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kube", schemars(length(max = 1024), inner(length(min = 1, max = 63))))]
    pub categories: Vec<String>,
    /// HTTP methods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        feature = "kube",
        schemars(length(max = 1024), inner(length(max = 32), regex(pattern = r"^[A-Z_-]+$")))
    )]
    pub methods: Vec<String>,
    /// The length of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<SizeRange>,
    /// What the body is, by its first bytes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kube", schemars(length(max = 1024)))]
    pub types: Vec<MediaRange>,
}

/// Bytes, both bounds included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "kube", schemars(extend("x-kubernetes-validations" = crate::schema::cel::SIZE_RANGE)))]
pub struct SizeRange {
    /// Not less than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<ByteSize>,
    /// Not more than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<ByteSize>,
}

/// One of the conditions, in the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// [`When::services`]
    Services,
    /// [`When::methods`]
    Methods,
    /// [`When::size`]
    Size,
    /// [`When::clients`]
    Clients,
    /// [`When::client_certificates`]
    ClientCertificates,
    /// [`When::categories`]
    Categories,
    /// [`When::hosts`]
    Hosts,
    /// [`When::users`]
    Users,
    /// [`When::groups`]
    Groups,
    /// [`When::urls`]
    Urls,
    /// [`When::types`]
    Types,
}

/// What is known of a message. Nothing is asked for that no rule is about.
pub trait Facts {
    /// The path of the service, with its slash.
    fn service(&self) -> &str;
    /// The user's machine.
    fn client(&self) -> Option<IpAddr>;
    /// What the certificate of the ICAP client says who it is.
    fn client_certificate(&self) -> &[Box<str>];
    /// The user.
    fn user(&self) -> Option<&str>;
    /// The user's groups.
    fn groups(&self) -> &[String];
    /// The host of the URL in lower case; empty if there is none.
    fn host(&self) -> &str;
    /// The URL; empty if there is none.
    fn url(&self) -> &str;
    /// The categories of the URL.
    fn categories(&self) -> &[Box<str>];
    /// The HTTP method; empty if there is none.
    fn method(&self) -> &str;
    /// The body.
    fn size(&self) -> BodySize;
    /// What the body is by its first bytes. `None` where there is no body, where too little of it is
    /// here, and where it is a piece of something.
    fn media_type(&self) -> Option<&str>;
}

/// What is known of a body's length, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodySize {
    /// All of it has come.
    Whole(u64),
    /// So much has come, and it goes on.
    AtLeast(u64),
}

// === impl When ===

impl When {
    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether all that it asks for is so.
    pub fn holds(&self, facts: &dyn Facts) -> bool {
        self.unmet(facts).is_none()
    }

    /// The first condition that is not so.
    pub fn unmet(&self, facts: &dyn Facts) -> Option<Condition> {
        Condition::ALL.into_iter().find(|condition| !self.meets(*condition, facts))
    }

    fn meets(&self, condition: Condition, facts: &dyn Facts) -> bool {
        match condition {
            Condition::Services => any(&self.services, |path| path == facts.service()),
            Condition::Methods => any(&self.methods, |method| method == facts.method()),
            Condition::Size => self.size.is_none_or(|range| range.includes(facts.size())),
            Condition::Clients => any(&self.clients, |network| {
                facts.client().is_some_and(|client| network.contains(&client.to_canonical()))
            }),
            Condition::ClientCertificates => any(&self.client_certificates, |wanted| {
                facts.client_certificate().iter().any(|name| wanted.matches(name))
            }),
            Condition::Categories => {
                any(&self.categories, |wanted| facts.categories().iter().any(|known| **known == **wanted))
            }
            Condition::Hosts => any(&self.hosts, |host| host.matches(facts.host())),
            Condition::Users => {
                any(&self.users, |name| facts.user().is_some_and(|user| name.matches_ignoring_case(user)))
            }
            Condition::Groups => {
                any(&self.groups, |name| facts.groups().iter().any(|group| name.matches_ignoring_case(group)))
            }
            Condition::Types => {
                any(&self.types, |wanted| facts.media_type().is_some_and(|told| wanted.includes(told)))
            }
            Condition::Urls => any(&self.urls, |url| !facts.url().is_empty() && url.matches(facts.url())),
        }
    }
}

/// Whether one entry is right; no entries ask for nothing.
fn any<T>(entries: &[T], is_right: impl FnMut(&T) -> bool) -> bool {
    entries.is_empty() || entries.iter().any(is_right)
}

// === impl Condition ===

impl Condition {
    /// All of them, the cheapest first.
    pub const ALL: [Self; 11] = [
        Self::Services,
        Self::Methods,
        Self::Size,
        Self::Clients,
        Self::ClientCertificates,
        Self::Categories,
        Self::Hosts,
        Self::Users,
        Self::Groups,
        Self::Urls,
        Self::Types,
    ];

    /// Its field.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::Methods => "methods",
            Self::Size => "size",
            Self::Clients => "clients",
            Self::ClientCertificates => "clientCertificates",
            Self::Categories => "categories",
            Self::Hosts => "hosts",
            Self::Users => "users",
            Self::Groups => "groups",
            Self::Urls => "urls",
            Self::Types => "types",
        }
    }
}

// === impl SizeRange ===

impl SizeRange {
    /// Whether a body is surely of such a size.
    pub fn includes(self, size: BodySize) -> bool {
        let reaches = |bytes| self.min.is_none_or(|min| bytes >= min.bytes());
        match size {
            BodySize::Whole(bytes) => reaches(bytes) && self.max.is_none_or(|max| bytes <= max.bytes()),
            BodySize::AtLeast(bytes) => reaches(bytes) && self.max.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Message {
        client: IpAddr,
        certificate: Vec<Box<str>>,
        user: Option<&'static str>,
        host: &'static str,
        url: &'static str,
        method: &'static str,
        media_type: Option<&'static str>,
    }

    impl Facts for Message {
        fn service(&self) -> &'static str {
            "/respmod"
        }
        fn client(&self) -> Option<IpAddr> {
            Some(self.client)
        }
        fn client_certificate(&self) -> &[Box<str>] {
            &self.certificate
        }
        fn user(&self) -> Option<&str> {
            self.user
        }
        fn groups(&self) -> &[String] {
            &[]
        }
        fn host(&self) -> &str {
            self.host
        }
        fn url(&self) -> &str {
            self.url
        }
        fn categories(&self) -> &[Box<str>] {
            &[]
        }
        fn method(&self) -> &str {
            self.method
        }
        fn size(&self) -> BodySize {
            BodySize::Whole(1000)
        }
        fn media_type(&self) -> Option<&str> {
            self.media_type
        }
    }

    fn facts() -> Message {
        Message {
            client: [192, 0, 2, 7].into(),
            certificate: vec!["cn:proxy1".into(), "dns:proxy1.example".into()],
            user: Some("WinNT://DOM/Ann"),
            host: "www.example.com",
            url: "http://www.example.com/a.exe?b",
            method: "GET",
            media_type: Some("image/png"),
        }
    }

    fn when(text: &str) -> When {
        serde_yaml::from_str(text).unwrap()
    }

    #[test]
    fn all_fields_have_to_hold_and_of_each_one_entry() {
        assert!(When::default().is_empty() && When::default().holds(&facts()));
        for (text, holds) in [
            ("services: [/reqmod, /respmod]", true),
            ("services: [respmod]", false),
            ("clients: [192.0.2.0/24]", true),
            ("clients: [192.0.3.0/24, '2001:db8::/32']", false),
            ("clientCertificates: ['dns:*.example']", true),
            ("clientCertificates: ['cn:proxy1', 'cn:proxy2']", true),
            ("clientCertificates: [proxy1, 'uri:*']", false),
            ("users: ['*/ann']", true),
            ("users: [ann]", false),
            ("groups: ['*']", false),
            ("hosts: ['*.example.com']", true),
            ("hosts: [example.com]", false),
            ("urls: ['*.exe*']", true),
            ("methods: [POST]", false),
            ("types: [application/pdf, image/*]", true),
            ("types: [image/jpeg]", false),
            ("size: {min: 1000, max: 1000}", true),
            ("size: {min: 1001}", false),
            ("size: {max: 999}", false),
            ("{methods: [GET], hosts: ['*.example.com'], size: {min: 1}}", true),
            ("{methods: [GET], hosts: [other.test], size: {min: 1}}", false),
        ] {
            assert_eq!(when(text).holds(&facts()), holds, "{text}");
        }
    }

    #[test]
    fn an_address_is_the_same_in_either_form() {
        let mapped = Message { client: "::ffff:192.0.2.7".parse().unwrap(), ..facts() };
        assert!(when("clients: [192.0.2.0/24]").holds(&mapped));
    }

    #[test]
    fn of_a_body_that_goes_on_only_the_least_is_known() {
        let size = |text, size| when(text).size.unwrap().includes(size);
        assert!(size("size: {min: 100}", BodySize::AtLeast(100)));
        assert!(!size("size: {min: 101}", BodySize::AtLeast(100)));
        assert!(!size("size: {max: 100}", BodySize::AtLeast(1)));
    }

    #[test]
    fn what_nobody_knows_matches_nothing() {
        let unknown = Message {
            user: None,
            certificate: vec![],
            host: "",
            url: "",
            method: "",
            media_type: None,
            ..facts()
        };
        let wishes = [
            "users: ['*']",
            "clientCertificates: ['*']",
            "hosts: ['*.com']",
            "urls: ['*']",
            "methods: [GET]",
            "types: ['*/*']",
        ];
        for text in wishes {
            assert!(!when(text).holds(&unknown), "{text}");
        }
    }
}
