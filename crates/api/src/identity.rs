//! Who users are, as ICAP clients tell it.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Which ICAP clients are believed, and where they say it (`identity`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct IdentitySettings {
    /// Networks of ICAP clients whose word on their users counts in rules. In logs and on pages stands
    /// what any of them says.
    pub trusted_peers: Vec<IpNet>,
    /// The field with the address of the user's machine.
    pub address_header: String,
    /// The field with the user's name.
    pub user_header: String,
    /// How that name is written.
    pub user_encoding: UserEncoding,
}

/// How a user's name is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum UserEncoding {
    /// As it is.
    #[default]
    Plain,
    /// In base64 (RFC 4648 section 4).
    Base64,
}

// === impl IdentitySettings ===

impl Default for IdentitySettings {
    /// Believes the machine that it runs on.
    fn default() -> Self {
        Self {
            trusted_peers: vec![
                IpNet::new_assert(Ipv4Addr::LOCALHOST.into(), 8).trunc(),
                IpNet::new_assert(Ipv6Addr::LOCALHOST.into(), 128),
            ],
            address_header: "X-Client-IP".to_owned(),
            user_header: "X-Client-Username".to_owned(),
            user_encoding: UserEncoding::default(),
        }
    }
}
