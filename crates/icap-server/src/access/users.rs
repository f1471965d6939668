//! Names and hashes of passwords, as `htpasswd -B` writes them.

use bcrypt::HashParts;
use quick_cache::sync::Cache;
use rustls::crypto::aws_lc_rs::default_provider;
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use thiserror::Error;

/// Who may come in. Knows passwords by hashes that take long to try.
pub struct Users {
    hashes: HashMap<Box<str>, Box<str>>,
    /// For names that are not there, so that finding this out takes as long as anything else.
    decoy: Box<str>,
    /// Of what is kept in memory of credentials that were right.
    key: [u8; 32],
    known: Cache<[u8; 32], Arc<str>>,
    /// Of the text that they were read from.
    content: blake3::Hash,
}

/// Why a file is no list of users.
#[derive(Debug, Error)]
pub enum UsersError {
    /// It cannot be read.
    #[error("cannot read {0}")]
    Read(PathBuf, #[source] io::Error),
    /// More than anybody needs.
    #[error("{0} is longer than {max} bytes", max = Users::MAX_LEN)]
    TooLarge(PathBuf),
    /// No text.
    #[error("{0} is no UTF-8 text")]
    NotText(PathBuf),
    /// A line that makes no sense. It is not shown: there may be a password on it.
    #[error("line {line}: {problem}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The same, with the name of the file.
    #[error("{0} cannot be used")]
    Content(PathBuf, #[source] Box<Self>),
    /// Nobody could come in.
    #[error("there is no user in it")]
    Nobody,
    /// Memory of who was right would be open to guesses.
    #[error("no random numbers can be had")]
    NoChance,
}

// === impl Users ===

impl Users {
    /// No file is longer, in bytes.
    pub const MAX_LEN: u64 = 1 << 20;
    /// There are no more users.
    pub const MOST: usize = 10_000;
    /// The largest cost of bcrypt that is accepted: each step doubles the time, and at this one a check takes
    /// about a second.
    pub const MAX_COST: u32 = 14;
    /// So many credentials that were right are remembered.
    const REMEMBERED: usize = 1024;

    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, UsersError> {
        let fault = |error| UsersError::Read(path.to_owned(), error);
        let mut bytes = Vec::new();
        File::open(path).map_err(fault)?.take(Self::MAX_LEN + 1).read_to_end(&mut bytes).map_err(fault)?;
        if bytes.len() as u64 > Self::MAX_LEN {
            return Err(UsersError::TooLarge(path.to_owned()));
        }
        let text = String::from_utf8(bytes).map_err(|_| UsersError::NotText(path.to_owned()))?;
        Self::parse(&text).map_err(|error| UsersError::Content(path.to_owned(), Box::new(error)))
    }

    /// Reads lines `name:hash`. Empty lines and those that begin with `#` say nothing.
    pub fn parse(text: &str) -> Result<Self, UsersError> {
        let mut hashes = HashMap::new();
        let mut dearest: Option<(u32, &str)> = None;
        for (index, line) in text.lines().map(str::trim_end).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let fault = |problem| UsersError::Line { line: index + 1, problem };
            let (name, hash) = line.split_once(':').ok_or_else(|| fault("is no name:hash"))?;
            let is_name = (1..=128).contains(&name.len()) && !name.chars().any(char::is_control);
            if !is_name {
                return Err(fault("has no name of 1 to 128 bytes without control characters"));
            }
            let cost =
                cost(hash).ok_or_else(|| fault("has no hash of bcrypt; make it with `htpasswd -B`"))?;
            if !(4..=Self::MAX_COST).contains(&cost) {
                return Err(fault("has a hash whose cost is not within 4 to 14"));
            }
            if dearest.is_none_or(|(known, _)| cost > known) {
                dearest = Some((cost, hash));
            }
            if hashes.len() == Self::MOST {
                return Err(fault("is one user more than the 10,000 that there may be"));
            }
            if hashes.insert(name.into(), hash.into()).is_some() {
                return Err(fault("has a name that stands on a line before"));
            }
        }
        let (_, dearest) = dearest.ok_or(UsersError::Nobody)?;
        let mut key = [0; 32];
        default_provider().secure_random.fill(&mut key).map_err(|_| UsersError::NoChance)?;
        let content = blake3::hash(text.as_bytes());
        Ok(Self { hashes, decoy: dearest.into(), key, known: Cache::new(Self::REMEMBERED), content })
    }

    /// Whether the files of both say the same.
    pub(super) fn are(&self, others: &Self) -> bool {
        self.content == others.content
    }

    /// The user of that name, if that is the password. Takes its time in either case.
    pub(super) fn verify(&self, name: &str, password: &str) -> Option<Arc<str>> {
        let known = self.hashes.get_key_value(name);
        let hash = known.map_or(&self.decoy, |(_, hash)| hash);
        let is_right = bcrypt::verify(password, hash).unwrap_or(false);
        known.filter(|_| is_right).map(|(name, _)| Arc::from(&**name))
    }

    /// What stands for credentials in memory. Comparing it takes the same time for all.
    pub(super) fn digest(&self, field: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&self.key, field)
    }

    pub(super) fn known(&self, digest: &blake3::Hash) -> Option<Arc<str>> {
        self.known.get(digest.as_bytes())
    }

    pub(super) fn remember(&self, digest: blake3::Hash, user: &Arc<str>) {
        self.known.insert(*digest.as_bytes(), Arc::clone(user));
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users").field("count", &self.hashes.len()).finish_non_exhaustive()
    }
}

/// The cost of a hash of bcrypt, if it is one.
fn cost(hash: &str) -> Option<u32> {
    if !["$2y$", "$2b$", "$2a$"].iter().any(|kind| hash.starts_with(kind)) || hash.len() != 60 {
        return None;
    }
    HashParts::from_str(hash).ok().map(|parts| parts.get_cost())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;

    const USERS: &str = include_str!("../../tests/users.htpasswd");

    #[test]
    fn a_file_of_htpasswd_is_read() {
        let users = Users::parse(USERS).unwrap();
        assert_eq!(users.verify("squid", "secret").as_deref(), Some("squid"));
        assert_eq!(users.verify("g3 proxy", "pässword").as_deref(), Some("g3 proxy"));
        assert_eq!(users.verify("squid", "pässword"), None);
        // Its own hash is no password, and the decoy's is nobody's.
        assert_eq!(users.verify("nobody", "secret"), None);
        assert!(!format!("{users:?}").contains("$2"));
    }

    #[test]
    fn what_is_no_such_file_is_refused_and_not_quoted() {
        let hash = USERS.lines().find_map(|line| line.strip_prefix("squid:")).unwrap();
        for (text, expected) in [
            (String::new(), "no user"),
            ("# only a remark\n\n".to_owned(), "no user"),
            ("squid".to_owned(), "line 1: is no name:hash"),
            ("squid:secret".to_owned(), "line 1: has no hash of bcrypt"),
            ("\nsquid:$apr1$x$y".to_owned(), "line 2: has no hash of bcrypt"),
            (format!(":{hash}"), "line 1: has no name"),
            (format!("a\u{7}:{hash}"), "line 1: has no name"),
            (format!("a:{hash}\na:{hash}"), "line 2: has a name that stands"),
            (format!("a:{hash}x"), "line 1: has no hash"),
            (format!("a:{}", hash.replacen("$04$", "$15$", 1)), "cost is not within 4 to 14"),
        ] {
            let message = Users::parse(&text).unwrap_err().to_string();
            assert!(message.contains(expected) && !message.contains("secret"), "{message}");
        }
        let error = Users::load(Path::new("/nonexistent/users")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/users") && error.source().is_some());
    }
}
