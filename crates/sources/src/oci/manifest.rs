//! What an artifact consists of.

use crate::is_file_name;
use icapstan_api::fleet::{Artifact, ContentDigest};
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// The files of an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// In the order of their layers.
    pub layers: Vec<Layer>,
    /// `org.opencontainers.image.created`.
    pub created: Option<Timestamp>,
}

/// A file of an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// `org.opencontainers.image.title`.
    pub name: String,
    /// Its bytes.
    pub artifact: Artifact,
}

/// Why bytes are no manifest of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// No JSON, or other JSON.
    #[error("it is no OCI manifest")]
    Json,
    /// It leads to others.
    #[error("it is an index of several manifests; name one of them")]
    Index,
    /// An image, for example.
    #[error(
        "a layer has no title that is the name of a file; each layer is one file, as oras push makes them"
    )]
    Title,
    /// A folder.
    #[error("a layer is a packed folder; each layer is one file")]
    Folder,
    /// Two of one name.
    #[error("two layers have the same title")]
    Twice,
    /// Nobody needs as many.
    #[error("it has too many layers")]
    Layers,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    schema_version: u32,
    media_type: Option<String>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    digest: ContentDigest,
    size: u64,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

const TITLE: &str = "org.opencontainers.image.title";
const CREATED: &str = "org.opencontainers.image.created";
/// Set by oras for a folder that it packed.
const UNPACK: &str = "io.deis.oras.content.unpack";

// === impl Manifest ===

impl Manifest {
    /// The most bytes of one: what registries have to take (distribution specification, "Pushing Manifests").
    pub const MAX_BYTES: u64 = 4 << 20;
    /// What is asked for.
    pub(super) const ACCEPT: &str =
        "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
    const MAX_LAYERS: usize = 256;

    /// Reads one.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let written: Written = serde_json::from_slice(bytes).map_err(|_| ManifestError::Json)?;
        let is_index = written.media_type.as_deref().is_some_and(|media_type| {
            media_type.contains("image.index") || media_type.contains("manifest.list")
        });
        if is_index || written.manifests.is_some() {
            return Err(ManifestError::Index);
        }
        let layers = written.layers.filter(|_| written.schema_version == 2).ok_or(ManifestError::Json)?;
        if layers.len() > Self::MAX_LAYERS {
            return Err(ManifestError::Layers);
        }
        let mut names = BTreeSet::new();
        let layer = |layer: Descriptor| {
            let mut annotations = layer.annotations.unwrap_or_default();
            if annotations.get(UNPACK).is_some_and(|value| value == "true") {
                return Err(ManifestError::Folder);
            }
            let name =
                annotations.remove(TITLE).filter(|name| is_file_name(name)).ok_or(ManifestError::Title)?;
            if !names.insert(name.clone()) {
                return Err(ManifestError::Twice);
            }
            Ok(Layer { name, artifact: Artifact { digest: layer.digest, size: layer.size } })
        };
        let layers = layers.into_iter().map(layer).collect::<Result<_, _>>()?;
        let created = written.annotations.as_ref().and_then(|all| all.get(CREATED)?.parse().ok());
        Ok(Self { layers, created })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(layers: &str) -> String {
        format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
            "artifactType":"application/vnd.icapstan.signatures",
            "config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44","size":2,"data":"e30="}},
            "layers":[{layers}],"annotations":{{"org.opencontainers.image.created":"2026-11-24T02:00:00Z"}}}}"#
        )
    }

    fn layer(title: &str) -> String {
        let digest = ContentDigest::of(b"x");
        format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":1,"annotations":{{"{TITLE}":"{title}"}}}}"#)
    }

    #[test]
    fn the_files_of_what_oras_pushed_are_read() {
        let found = Manifest::parse(manifest(&[layer("a.ndb"), layer("a.ndb.minisig")].join(",")).as_bytes())
            .unwrap();
        let names: Vec<_> = found.layers.iter().map(|layer| layer.name.as_str()).collect();
        assert_eq!(names, ["a.ndb", "a.ndb.minisig"]);
        assert_eq!(found.layers[0].artifact, Artifact { digest: ContentDigest::of(b"x"), size: 1 });
        assert_eq!(found.created, Some("2026-11-24T02:00:00Z".parse().unwrap()));
    }

    #[test]
    fn images_indexes_and_folders_are_no_files() {
        let wrong = |text: &str| Manifest::parse(text.as_bytes()).unwrap_err();
        assert_eq!(wrong("<html>"), ManifestError::Json);
        assert_eq!(wrong(r#"{"schemaVersion":1,"layers":[]}"#), ManifestError::Json);
        assert_eq!(wrong(r#"{"schemaVersion":2,"manifests":[]}"#), ManifestError::Index);
        assert_eq!(wrong(&manifest("").replace("image.manifest.v1", "image.index.v1")), ManifestError::Index);
        for title in ["", "../a", "a/b", ".a"] {
            assert_eq!(wrong(&manifest(&layer(title))), ManifestError::Title, "{title}");
        }
        assert_eq!(wrong(&manifest(&layer("a").replace(TITLE, "x"))), ManifestError::Title);
        let folder = layer("a").replace("}}", &format!(r#","{UNPACK}":"true"}}}}"#));
        assert_eq!(wrong(&manifest(&folder)), ManifestError::Folder);
        assert_eq!(wrong(&manifest(&[layer("a"), layer("a")].join(","))), ManifestError::Twice);
        assert_eq!(wrong(&manifest(&layer("a").replace("sha256:", "sha512:"))), ManifestError::Json);
        assert_eq!(wrong(&manifest(&vec![layer("a"); 257].join(","))), ManifestError::Layers);
    }
}
