//! What a generation is made of.

use icapstan_model::GenerationId;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::folder;

/// What a generation is made of.
#[derive(Debug)]
pub(crate) struct Sources {
    /// The folder with the signatures.
    pub(crate) signatures: PathBuf,
    /// The folder with the YARA rules.
    pub(crate) rules: Option<PathBuf>,
    /// Whether what the engine leaves closed is opened, without which verdicts differ.
    pub(crate) opens_more: bool,
}

/// What they look like from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    signatures: folder::Snapshot,
    rules: Option<folder::Snapshot>,
}

// === impl Sources ===

impl Sources {
    /// Looks at what they hold now.
    pub(crate) fn snapshot(&self) -> io::Result<Snapshot> {
        let signatures = folder::Snapshot::take(&self.signatures)?;
        let rules = self.rules.as_deref().map(folder::Snapshot::take_rules).transpose();
        Ok(Snapshot { signatures, rules: rules.map_err(|error| named("YARA rules", &error))? })
    }

    /// What tells a generation from others: the same on every machine.
    pub(crate) fn digest(&self) -> io::Result<GenerationId> {
        let mut signatures = folder::digest(&self.signatures)?;
        if !self.opens_more {
            signatures =
                GenerationId(blake3::derive_key("icapstan without unpack workers v1", &signatures.0));
        }
        let Some(rules) = &self.rules else { return Ok(signatures) };
        let rules = folder::digest_rules(rules).map_err(|error| named("YARA rules", &error))?;
        let mut hasher = blake3::Hasher::new_derive_key("icapstan signatures and YARA rules v1");
        hasher.update(&signatures.0);
        hasher.update(&rules.0);
        Ok(GenerationId(*hasher.finalize().as_bytes()))
    }

    /// When the signatures were made.
    pub(crate) fn released(&self) -> Option<SystemTime> {
        folder::released(&self.signatures)
    }

    /// For logs.
    pub(crate) fn shown(&self) -> std::path::Display<'_> {
        Path::display(&self.signatures)
    }
}

fn named(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

// === impl Snapshot ===

impl Snapshot {
    /// Whether there are no signatures to load.
    pub(crate) fn is_empty(&self) -> bool {
        self.signatures.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn rules_are_a_part_of_what_tells_generations_apart() {
        let (signatures, rules) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(signatures.path().join("a.ndb"), "x").unwrap();
        let without = Sources { signatures: signatures.path().to_owned(), rules: None, opens_more: true };
        let with = Sources { rules: Some(rules.path().to_owned()), ..without_rules(&without) };
        let (none, id) = (with.digest().unwrap(), without.digest().unwrap());
        assert_ne!(none, id);
        assert_eq!(id, folder::digest(signatures.path()).unwrap(), "it is as it was before there were rules");
        let before = with.snapshot().unwrap();
        fs::write(rules.path().join("a.yar"), "rule").unwrap();
        assert_ne!(with.snapshot().unwrap(), before);
        let one = with.digest().unwrap();
        assert_ne!(one, none);
        fs::rename(rules.path().join("a.yar"), rules.path().join("b.yara")).unwrap();
        assert_ne!(with.digest().unwrap(), one);
        fs::write(rules.path().join("readme.txt"), "no rules").unwrap();
        fs::rename(rules.path().join("b.yara"), rules.path().join("a.yar")).unwrap();
        assert_eq!(with.digest().unwrap(), one);
        let closed = Sources { opens_more: false, ..without_rules(&without) };
        assert_ne!(closed.digest().unwrap(), id);
        drop(rules);
        assert!(with.snapshot().unwrap_err().to_string().starts_with("YARA rules: "));
    }

    fn without_rules(sources: &Sources) -> Sources {
        Sources { signatures: sources.signatures.clone(), rules: None, opens_more: true }
    }
}
