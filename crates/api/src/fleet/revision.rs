//! What scanners judge by, as a whole.

use super::artifact::{Artifact, ContentDigest};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A combination of signatures that is loaded as one (`FleetPlan.spec.revisions[]`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlannedRevision {
    /// What it consists of: [`PlannedRevision::digest_of`] its files.
    pub digest: ContentDigest,
    /// Only the built-in test signatures: this finds EICAR and no malware. Then it has no files.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test_only: bool,
    /// What it consists of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<PlannedFile>,
    /// What it has to find, and what not, before a scanner calls it ready. The EICAR file is asked for besides.
    #[serde(default, skip_serializing_if = "SelfTest::is_empty")]
    pub self_test: SelfTest,
}

/// One file of a revision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlannedFile {
    /// What it is called in the folder that the engine loads; one name without slashes, whose ending tells the
    /// format.
    pub name: String,
    /// Whose it is.
    pub kind: FileKind,
    /// Its bytes.
    pub digest: ContentDigest,
    /// How many.
    pub size: u64,
}

/// What reads a file of a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FileKind {
    /// libclamav: a database.
    Clamav,
    /// The YARA engine: rules.
    Yara,
}

/// What is scanned with a revision before it counts (`FleetPlan.spec.revisions[].selfTest`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct SelfTest {
    /// Something has to be found in each of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub must_detect: Vec<Artifact>,
    /// Nothing may be found in any of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub must_pass: Vec<Artifact>,
}

// === impl PlannedRevision ===

impl PlannedRevision {
    /// The most files of one revision.
    pub const MAX_FILES: usize = 64;

    /// What tells such a combination from all others: equal files give an equal digest, in whatever order.
    pub fn digest_of(files: &[PlannedFile]) -> ContentDigest {
        let mut lines: Vec<_> = files
            .iter()
            .map(|file| format!("{} {} {}\n", file.kind.as_str(), file.digest, file.name))
            .collect();
        lines.sort_unstable();
        let mut hasher = Sha256::new_with_prefix("icapstan revision v1\n");
        for line in &lines {
            hasher.update(line);
        }
        ContentDigest(hasher.finalize().into())
    }

    /// The one that only has the built-in test signatures.
    pub fn built_in() -> Self {
        Self {
            digest: Self::digest_of(&[]),
            test_only: true,
            files: Vec::new(),
            self_test: SelfTest::default(),
        }
    }

    /// Of these files.
    pub fn of(mut files: Vec<PlannedFile>, self_test: SelfTest) -> Self {
        files.sort_unstable();
        Self { digest: Self::digest_of(&files), test_only: false, files, self_test }
    }

    /// All bytes that have to be there before it can be loaded.
    pub fn artifacts(&self) -> impl Iterator<Item = Artifact> + '_ {
        let files = self.files.iter().map(|file| Artifact { digest: file.digest, size: file.size });
        files
            .chain(self.self_test.must_detect.iter().copied())
            .chain(self.self_test.must_pass.iter().copied())
    }
}

// === impl FileKind ===

impl FileKind {
    /// The word in plans; also the folder that such files lie in.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clamav => "clamav",
            Self::Yara => "yara",
        }
    }
}

// === impl SelfTest ===

impl SelfTest {
    /// Whether there is nothing to be tried but EICAR.
    pub fn is_empty(&self) -> bool {
        self.must_detect.is_empty() && self.must_pass.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_named_after_its_files_and_not_their_order() {
        let file = |name: &str, kind, bytes: &[u8]| PlannedFile {
            name: name.to_owned(),
            kind,
            digest: ContentDigest::of(bytes),
            size: bytes.len() as u64,
        };
        let [a, b] = [file("a.ndb", FileKind::Clamav, b"a"), file("b.yar", FileKind::Yara, b"b")];
        let one = PlannedRevision::of(vec![b.clone(), a.clone()], SelfTest::default());
        assert_eq!(one, PlannedRevision::of(vec![a.clone(), b], SelfTest::default()));
        for other in [
            vec![a.clone()],
            vec![file("c.ndb", FileKind::Clamav, b"a")],
            vec![file("a.ndb", FileKind::Yara, b"a")],
            vec![file("a.ndb", FileKind::Clamav, b"x")],
            vec![],
        ] {
            assert_ne!(PlannedRevision::digest_of(&other), one.digest);
        }
        let tests =
            SelfTest { must_pass: vec![Artifact { digest: a.digest, size: 1 }], ..SelfTest::default() };
        assert_eq!(
            PlannedRevision::of(one.files.clone(), tests).digest,
            one.digest,
            "tests change no verdict"
        );
        assert!(PlannedRevision::built_in().test_only);
    }
}
