//! What requests are signed with: a file as the tools of AWS have it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// No file is longer, in bytes. Session tokens have a few thousand.
const MAX_FILE: u64 = 64 * 1024;
/// Whose keys are used of a file with those of several.
const PROFILE: &str = "[default]";

/// The keys of one account.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) id: String,
    secret: String,
    token: Option<String>,
}

/// Why there are none.
#[derive(Debug, Error)]
pub enum CredentialsError {
    /// The file cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is another one.
    #[error(
        "{0} holds no keys of a store: aws_access_key_id and aws_secret_access_key, each with `=` and its value on a \
         line, at the beginning or under {PROFILE}"
    )]
    None(PathBuf),
}

// === impl Credentials ===

impl Credentials {
    pub(super) fn read(path: &Path) -> Result<Self, CredentialsError> {
        let fault = |source| CredentialsError::Read { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        File::open(path).map_err(fault)?.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(fault)?;
        let text = String::from_utf8(bytes).ok().filter(|text| text.len() as u64 <= MAX_FILE);
        text.and_then(|text| Self::parse(&text)).ok_or_else(|| CredentialsError::None(path.to_owned()))
    }

    /// Lines of other names are nobody's business here, and those of other profiles.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (mut id, mut secret, mut token) = (None, None, None);
        let mut is_ours = true;
        for line in text.lines().map(str::trim) {
            if line.starts_with('[') {
                is_ours = line == PROFILE;
            }
            let Some((name, value)) = line.split_once('=').filter(|_| is_ours) else { continue };
            let value = Some(value.trim()).filter(|value| is_plain(value)).map(str::to_owned);
            match name.trim() {
                "aws_access_key_id" => id = Some(value?),
                "aws_secret_access_key" => secret = Some(value?),
                "aws_session_token" => token = Some(value?),
                _ => {}
            }
        }
        // What stands between slashes in the field that it is sent in.
        let id = id.filter(|id| !id.contains(['/', ',', '=']))?;
        Some(Self { id, secret: secret?, token })
    }

    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    /// Of keys that are lent for a time.
    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }
}

impl fmt::Debug for Credentials {
    /// Without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("id", &self.id).finish_non_exhaustive()
    }
}

/// May be the value of a header field.
fn is_plain(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_the_tools_of_aws_write_them() {
        let read = |text: &str| {
            let found = Credentials::parse(text)?;
            Some((found.id.clone(), found.secret().to_owned(), found.token().map(str::to_owned)))
        };
        let own = |token: Option<&str>| Some(("K".to_owned(), "s/+=".to_owned(), token.map(str::to_owned)));
        let (id, secret) = ("aws_access_key_id=K\r\n", " aws_secret_access_key = s/+=");
        assert_eq!(read(&format!("{id}{secret}")), own(None));
        assert_eq!(
            read(&format!("# x\n[default]\nregion=x\n{id}{secret}\naws_session_token=t")),
            own(Some("t"))
        );
        assert_eq!(
            read(&format!("[other]\naws_access_key_id=no\naws_session_token=t\n[default]\n{id}{secret}")),
            own(None)
        );
        for wrong in [
            "",
            "K\ns/+=",
            id,
            secret,
            &format!("[other]\n{id}{secret}"),
            &format!("{id}aws_secret_access_key="),
            &format!("aws_access_key_id=a b\n{secret}"),
            &format!("aws_access_key_id=a/b\n{secret}"),
            &format!("{id}aws_secret_access_key=\u{e4}"),
        ] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
        let shown = format!("{:?}", Credentials::parse(&format!("{id}{secret}")).unwrap());
        assert!(shown.contains('K') && !shown.contains("s/"), "{shown}");
    }
}
