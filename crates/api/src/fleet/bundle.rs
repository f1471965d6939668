//! The settings that an epoch names.

use super::artifact::ContentDigest;
use crate::{Config, DetectionHeaders, IcapService, IdentitySettings, ScanPolicy, UrlLists};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What all gateways of a fleet have to have alike: an artifact, the JSON of which is one line.
///
/// The files of URL lists are artifacts, too: `sha256:` and the digits of their digest stand in the place of paths. A
/// plan that names such settings lists these files, beside the settings themselves, among its `settings`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct SettingsBundle {
    /// What clients find under which path.
    pub services: Vec<IcapService>,
    /// What services may do.
    pub policies: Vec<ScanPolicy>,
    /// Who users are.
    pub identity: IdentitySettings,
    /// What ICAP answers say of a threat.
    pub detection_headers: DetectionHeaders,
    /// What URLs are looked up in.
    pub url_lists: UrlLists,
}

/// Why bytes are no settings.
#[derive(Debug, Error)]
pub enum BundleError {
    /// There are too many.
    #[error("settings of {0} bytes are longer than {max}", max = SettingsBundle::MAX_BYTES)]
    TooLong(usize),
    /// They cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// A URL list is to be read from a path of its own.
    #[error("{0} is not sha256: and the digits of a digest: a fleet has no paths in common")]
    Path(String),
}

// === impl SettingsBundle ===

impl SettingsBundle {
    /// No settings are longer.
    pub const MAX_BYTES: usize = 4 << 20;

    /// Reads what [`SettingsBundle::to_bytes`] wrote.
    pub fn read(bytes: &[u8]) -> Result<Self, BundleError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(BundleError::TooLong(bytes.len()));
        }
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let bundle: Self = serde_path_to_error::deserialize(&mut reader)
            .map_err(|error| BundleError::Malformed(error.to_string()))?;
        reader.end().map_err(|error| BundleError::Malformed(error.to_string()))?;
        bundle.lists()?;
        Ok(bundle)
    }

    /// The bytes that are hashed: equal settings give equal bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, BundleError> {
        serde_json::to_vec(self).map_err(|error| BundleError::Malformed(error.to_string()))
    }

    /// The files of URL lists, each once.
    pub fn lists(&self) -> Result<Vec<ContentDigest>, BundleError> {
        let sources = self.url_lists.sources.iter().map(|source| &source.path);
        let digests: Result<Vec<_>, _> =
            self.url_lists.file.iter().chain(sources).map(|path| digest(path)).collect();
        let mut digests = digests?;
        digests.sort_unstable();
        digests.dedup();
        Ok(digests)
    }

    /// Puts these settings in the place of those in `config`, with `files` in the place of digests.
    pub fn lay_over(
        self,
        config: &mut Config,
        files: &BTreeMap<ContentDigest, PathBuf>,
    ) -> Result<(), BundleError> {
        let Self { services, policies, identity, detection_headers, mut url_lists } = self;
        for path in
            url_lists.file.iter_mut().chain(url_lists.sources.iter_mut().map(|source| &mut source.path))
        {
            let file =
                files.get(&digest(path)?).ok_or_else(|| BundleError::Path(path.display().to_string()))?;
            path.clone_from(file);
        }
        config.services = services;
        config.policies = policies;
        config.identity = identity;
        config.detection_headers = detection_headers;
        config.url_lists = url_lists;
        Ok(())
    }
}

fn digest(path: &Path) -> Result<ContentDigest, BundleError> {
    let text = path.to_str().unwrap_or_default();
    text.parse().map_err(|_| BundleError::Path(path.display().to_string()))
}

impl Default for SettingsBundle {
    fn default() -> Self {
        Self::from(&Config::default())
    }
}

impl From<&Config> for SettingsBundle {
    fn from(config: &Config) -> Self {
        Self {
            services: config.services.clone(),
            policies: config.policies.clone(),
            identity: config.identity.clone(),
            detection_headers: config.detection_headers.clone(),
            url_lists: config.url_lists.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_read_back_as_they_were_written() {
        let bundle = SettingsBundle::default();
        let bytes = bundle.to_bytes().unwrap();
        assert_eq!(SettingsBundle::read(&bytes).unwrap(), bundle);
        assert_eq!(SettingsBundle::read(b"{}").unwrap(), bundle);
        let more = SettingsBundle::read(br#"{"listen": "0.0.0.0:1"}"#).unwrap_err().to_string();
        assert!(
            more.contains("unknown field `listen`"),
            "{more}: what a process has for itself is not in it"
        );
    }

    #[test]
    fn lists_are_named_by_what_they_are_and_found_where_they_lie() {
        let digest = ContentDigest::of(b"evil.test");
        let list = |path: &str| {
            format!(
                r#"{{"urlLists": {{"sources": [{{"name": "a", "kind": "malware", "path": "{path}"}}]}}}}"#
            )
        };
        let bundle = SettingsBundle::read(list(&digest.to_string()).as_bytes()).unwrap();
        assert_eq!(bundle.lists().unwrap(), [digest]);
        let mut config = Config::default();
        bundle.clone().lay_over(&mut config, &BTreeMap::from([(digest, PathBuf::from("/x"))])).unwrap();
        assert_eq!(config.url_lists.sources[0].path, PathBuf::from("/x"));
        assert!(bundle.lay_over(&mut config, &BTreeMap::new()).is_err());
        assert!(SettingsBundle::read(list("/etc/passwd").as_bytes()).is_err());
    }
}
