//! What tags are derived from besides signatures, for who plans for a fleet.

use crate::gateway::GatewayError;
use crate::identity::Identity;
use crate::services::Decides;
use icapstan_api::fleet::SettingsBundle;
use icapstan_policy::Policy;
use std::collections::BTreeMap;

/// What of these settings decides, for each service by its path without slashes around it: where it is the same, so are
/// verdicts on the same bytes. Pages, names and times that clients wait have no part in it, and lists only where URLs
/// are looked up.
pub fn settings_bases(bundle: &SettingsBundle) -> Result<BTreeMap<String, [u8; 32]>, GatewayError> {
    let identity = Identity::new(&bundle.identity).hash();
    let mut lists = blake3::Hasher::new_derive_key("icapstan URL lists of a plan v1");
    // Paths in it are digests, so that it can be written.
    lists.update(&serde_json::to_vec(&bundle.url_lists).unwrap_or_default());
    let lists = *lists.finalize().as_bytes();
    let mut bases = BTreeMap::new();
    for service in &bundle.services {
        let spec = bundle.policies.iter().find(|policy| policy.name == service.policy);
        let spec = spec.ok_or_else(|| GatewayError::NoPolicy(service.policy.clone()))?;
        let policy = Policy::compile(spec)?;
        let more = service.scan.url().then_some(lists);
        let decides = Decides { policy: policy.hash(), scope: service.scan, identity, asked: more };
        bases.insert(service.path.trim_matches('/').to_owned(), decides.basis());
    }
    Ok(bases)
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_api::{Config, UrlListKind, UrlSource};

    fn bundle(yaml: &str) -> SettingsBundle {
        let services = "services: [{path: /urls, scan: url}, {path: /full, modes: [RESPMOD], scan: content}]";
        SettingsBundle::from(&Config::parse(&format!("{services}\n{yaml}"), "test").unwrap())
    }

    #[test]
    fn what_decides_changes_the_basis_and_nothing_else_does() {
        let plain = settings_bases(&bundle("")).unwrap();
        assert_eq!(plain.keys().collect::<Vec<_>>(), ["full", "urls"]);
        assert_eq!(settings_bases(&bundle("")).unwrap(), plain);
        let rule = "policies: [{name: default, rules: [{name: x, verdict: FAILED, action: none}]}]";
        let ruled = settings_bases(&bundle(rule)).unwrap();
        assert!(ruled["full"] != plain["full"] && ruled["urls"] != plain["urls"]);
        let mut cosmetic = bundle("");
        cosmetic.services[0].options_ttl = std::time::Duration::from_secs(99);
        assert_eq!(settings_bases(&cosmetic).unwrap(), plain);
        let mut listed = bundle("");
        listed.url_lists.sources.push(UrlSource {
            name: "a".to_owned(),
            kind: UrlListKind::Malware,
            category: None,
            format: None,
            path: "sha256:1".into(),
        });
        let listed = settings_bases(&listed).unwrap();
        assert_ne!(listed["urls"], plain["urls"]);
        assert_eq!(listed["full"], plain["full"], "nobody looks URLs up there");
        let mut none = bundle("");
        none.services[0].policy = "nowhere".to_owned();
        assert!(matches!(settings_bases(&none), Err(GatewayError::NoPolicy(name)) if name == "nowhere"));
    }
}
