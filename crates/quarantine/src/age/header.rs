//! What stands in front of a sealed file.

use super::keys::{Identity, Recipient};
use super::primitives::{FileKey, Key, cipher, derive, random};
use aws_lc_rs::aead::{Aad, Nonce};
use aws_lc_rs::agreement::{UnparsedPublicKey, X25519, agree};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use std::fmt::Write as _;
use std::io::{self, BufRead, Read as _};
use thiserror::Error;

const VERSION: &str = "age-encryption.org/v1";
const X25519_STANZA: &str = "X25519";
const X25519_INFO: &[u8] = b"age-encryption.org/v1/X25519";
/// A line of a stanza's body; a shorter one is its last.
const COLUMNS: usize = 64;
/// A file's key with the tag of its seal.
const WRAPPED: usize = 32;

/// No line is longer, in bytes.
const MAX_LINE: u64 = 1024;
/// No header has more lines.
const MAX_LINES: usize = 256;

/// Why a file cannot be opened.
#[derive(Debug, Error)]
pub enum HeaderError {
    /// It cannot be read.
    #[error("it cannot be read")]
    Read(#[from] io::Error),
    /// It is none of age.
    #[error("it is no file of age, or damaged")]
    Malformed,
    /// None of the keys.
    #[error("none of the keys opens it")]
    NoKey,
    /// The key opens it, but it is not as it was written.
    #[error("somebody has changed it")]
    Changed,
}

/// A header for a new file with this key.
pub(super) fn write(recipients: &[Recipient], file_key: &FileKey) -> io::Result<Vec<u8>> {
    let mut text = format!("{VERSION}\n");
    for recipient in recipients {
        let (share, wrapped) = wrap(recipient, file_key)?;
        let (share, wrapped) = (BASE64.encode(share), BASE64.encode(wrapped));
        writeln!(text, "-> {X25519_STANZA} {share}\n{wrapped}").map_err(io::Error::other)?;
    }
    text += "---";
    let mac = hmac::sign(&mac_key(file_key), text.as_bytes());
    writeln!(text, " {}", BASE64.encode(mac)).map_err(io::Error::other)?;
    Ok(text.into_bytes())
}

/// The file's key, from a header up to its end.
pub(super) fn read(input: &mut impl BufRead, identities: &[Identity]) -> Result<FileKey, HeaderError> {
    let mut lines = Lines { input, read: Vec::new(), count: 0 };
    if lines.next()? != VERSION {
        return Err(HeaderError::Malformed);
    }
    let mut found = None;
    let mut line = lines.next()?;
    loop {
        if let Some(mac) = line.strip_prefix("--- ") {
            let mac = BASE64.decode(mac).map_err(|_| HeaderError::Malformed)?;
            let file_key = found.ok_or(HeaderError::NoKey)?;
            let before = &lines.read[..lines.read.len() - (line.len() + 1 - "---".len())];
            let checked = hmac::verify(&mac_key(&file_key), before, &mac);
            return checked.map(|()| file_key).map_err(|_| HeaderError::Changed);
        }
        let stanza = line.strip_prefix("-> ").ok_or(HeaderError::Malformed)?.to_owned();
        let mut body = String::new();
        loop {
            line = lines.next()?;
            body += &line;
            if line.len() < COLUMNS {
                break;
            }
        }
        if found.is_none() {
            found = unwrap_stanza(&stanza, &body, identities)?;
        }
        line = lines.next()?;
    }
}

/// What a stanza says, if it is for one of these and is not of another kind.
fn unwrap_stanza(stanza: &str, body: &str, identities: &[Identity]) -> Result<Option<FileKey>, HeaderError> {
    let mut words = stanza.split(' ');
    if words.next() != Some(X25519_STANZA) {
        return Ok(None);
    }
    let share =
        words.next().and_then(|word| BASE64.decode(word).ok()).and_then(|share| Key::try_from(share).ok());
    let wrapped = BASE64.decode(body).ok().and_then(|body| <[u8; WRAPPED]>::try_from(body).ok());
    let (Some(share), Some(wrapped), None) = (share, wrapped, words.next()) else {
        return Err(HeaderError::Malformed);
    };
    Ok(identities.iter().find_map(|identity| unwrap(identity, &share, wrapped)))
}

/// A new public key, and the file's key sealed with what it and the recipient's come to.
fn wrap(recipient: &Recipient, file_key: &FileKey) -> io::Result<(Key, Vec<u8>)> {
    let fault = |what: &'static str| io::Error::other(what);
    let ephemeral = Identity::generate().map_err(|_| fault("no key can be made"))?;
    let share = ephemeral.recipient().0;
    let key = shared(&ephemeral, &recipient.0, &share, recipient)
        .ok_or_else(|| fault("a public key is none that anything can be encrypted for"))?;
    let mut wrapped = file_key.to_vec();
    cipher(&key)
        .seal_in_place_append_tag(Nonce::assume_unique_for_key([0; 12]), Aad::empty(), &mut wrapped)
        .map_err(|_| fault("the key cannot be sealed"))?;
    Ok((share, wrapped))
}

fn unwrap(identity: &Identity, share: &Key, mut wrapped: [u8; WRAPPED]) -> Option<FileKey> {
    let key = shared(identity, share, share, &identity.recipient())?;
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    let opened = cipher(&key).open_in_place(nonce, Aad::empty(), &mut wrapped).ok()?;
    FileKey::try_from(&*opened).ok()
}

/// What both sides come to: one has `own`, the other the secret of `theirs`.
fn shared(own: &Identity, theirs: &Key, share: &Key, recipient: &Recipient) -> Option<Key> {
    let salt = [*share, recipient.0].concat();
    let theirs = UnparsedPublicKey::new(&X25519, theirs);
    // Refuses keys that lead to the same for everybody (RFC 7748 section 6.1).
    agree(&own.key, theirs, (), |secret| Ok(derive(secret, &salt, X25519_INFO))).ok()
}

fn mac_key(file_key: &FileKey) -> hmac::Key {
    hmac::Key::new(HMAC_SHA256, &derive(file_key, &[], b"header"))
}

/// A new key for a file.
pub(super) fn new_file_key() -> io::Result<FileKey> {
    random()
}

/// Lines of a header, within bounds.
struct Lines<'i, R> {
    input: &'i mut R,
    read: Vec<u8>,
    count: usize,
}

// === impl Lines ===

impl<R: BufRead> Lines<'_, R> {
    fn next(&mut self) -> Result<String, HeaderError> {
        let start = self.read.len();
        self.count += 1;
        if self.count > MAX_LINES {
            return Err(HeaderError::Malformed);
        }
        self.input.by_ref().take(MAX_LINE).read_until(b'\n', &mut self.read)?;
        let line = self.read[start..].strip_suffix(b"\n").ok_or(HeaderError::Malformed)?;
        String::from_utf8(line.to_vec()).map_err(|_| HeaderError::Malformed)
    }
}
