//! Sets of defaults.

use crate::{IcapService, ScanScope, ServiceMode};
use serde::{Deserialize, Serialize};

/// What is meant by settings that are not written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// icapstan's own.
    #[default]
    Default,
    /// What Kaspersky Scan Engine advises for its ICAP mode: of requests only the URL is looked at.
    Reference,
}

// === impl Preset ===

impl Preset {
    /// The services when none are written.
    pub fn services(self) -> Vec<IcapService> {
        let mut services = IcapService::shipped();
        if self == Self::Reference {
            for service in &mut services {
                if service.modes == [ServiceMode::Reqmod] {
                    service.scan = ScanScope::Url;
                }
            }
        }
        services
    }
}
