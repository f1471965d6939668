//! Whose signatures count.

use crate::Format;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use icapstan_api::fleet::ContentDigest;
use std::fmt;
use thiserror::Error;

/// A public key.
#[derive(Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// Of minisign.
    Minisign(minisign_verify::PublicKey, u64),
    /// Of Ed25519.
    Ed25519([u8; 32]),
}

/// Why a text is no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Not one of minisign.
    #[error("it is no key of minisign: one line that begins with RW, or the file with it")]
    Minisign,
    /// Not one of Ed25519.
    #[error(
        "it is no key of Ed25519: 32 bytes in base64 or hexadecimal, or what openssl pkey -pubout writes"
    )]
    Ed25519,
    /// Of such signatures nobody has keys.
    #[error("there are no keys for this format")]
    Format,
}

/// What comes before the 32 bytes in an X.509 SubjectPublicKeyInfo (RFC 8410).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

// === impl PublicKey ===

impl PublicKey {
    /// A key as its tools write it.
    pub fn parse(format: Format, text: &str) -> Result<Self, KeyError> {
        match format {
            Format::Minisign => minisign(text).ok_or(KeyError::Minisign),
            Format::Ed25519 => ed25519(text).map(Self::Ed25519).ok_or(KeyError::Ed25519),
            Format::None | Format::Cvd => Err(KeyError::Format),
        }
    }

    /// What it is called: for minisign its own number, else the beginning of its digest.
    pub fn id(&self) -> String {
        match self {
            Self::Minisign(_, id) => format!("minisign:{id:016X}"),
            Self::Ed25519(key) => format!("ed25519:{}", &ContentDigest::of(key).hex()[..16]),
        }
    }

    pub(crate) fn is_of(&self, format: Format) -> bool {
        matches!((self, format), (Self::Minisign(..), Format::Minisign) | (Self::Ed25519(_), Format::Ed25519))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id())
    }
}

fn minisign(text: &str) -> Option<PublicKey> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines.find(|line| !line.starts_with("untrusted comment:"))?;
    // The algorithm, the number, the key.
    let bytes = STANDARD.decode(line).ok().filter(|bytes| bytes.len() == 42)?;
    let id = u64::from_le_bytes(bytes[2..10].try_into().ok()?);
    let key = minisign_verify::PublicKey::from_base64(line).ok()?;
    lines.next().is_none().then_some(PublicKey::Minisign(key, id))
}

fn ed25519(text: &str) -> Option<[u8; 32]> {
    let text = text.trim();
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let mut key = [0; 32];
        for (byte, pair) in key.iter_mut().zip(0..) {
            *byte = u8::from_str_radix(text.get(2 * pair..2 * pair + 2)?, 16).ok()?;
        }
        return Some(key);
    }
    let inner = text
        .strip_prefix("-----BEGIN PUBLIC KEY-----")
        .and_then(|rest| rest.strip_suffix("-----END PUBLIC KEY-----"));
    let lines: String = inner.unwrap_or(text).split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(lines).ok()?;
    let key = bytes.strip_prefix(&SPKI).unwrap_or_else(|| if inner.is_none() { &bytes } else { &[] });
    key.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINISIGN: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

    #[test]
    fn keys_of_minisign_are_read_with_and_without_their_comment() {
        let key = PublicKey::parse(Format::Minisign, MINISIGN).unwrap();
        let file = format!("untrusted comment: minisign public key E7620F1842B4E81F\n{MINISIGN}\n");
        assert_eq!(PublicKey::parse(Format::Minisign, &file), Ok(key.clone()));
        assert_eq!(key.id(), "minisign:E7620F1842B4E81F");
        for wrong in
            ["", "RW", &MINISIGN[1..], &format!("{MINISIGN}\n{MINISIGN}"), "untrusted comment: x", "é"]
        {
            assert_eq!(PublicKey::parse(Format::Minisign, wrong), Err(KeyError::Minisign), "{wrong}");
        }
        assert_eq!(PublicKey::parse(Format::None, MINISIGN), Err(KeyError::Format));
    }

    #[test]
    fn keys_of_ed25519_are_read_in_all_their_clothes() {
        let bytes: [u8; 32] = std::array::from_fn(|n| u8::try_from(n).unwrap());
        let hex = bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02X}"));
        let spki = STANDARD.encode([&SPKI[..], &bytes].concat());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{spki}\n-----END PUBLIC KEY-----\n");
        for text in [hex, STANDARD.encode(bytes), spki, pem] {
            assert_eq!(PublicKey::parse(Format::Ed25519, &text), Ok(PublicKey::Ed25519(bytes)), "{text}");
        }
        let short_pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----",
            STANDARD.encode([&[0; 12][..], &bytes].concat())
        );
        for wrong in ["", "AAAA", &short_pem, MINISIGN] {
            assert_eq!(PublicKey::parse(Format::Ed25519, wrong), Err(KeyError::Ed25519), "{wrong}");
        }
    }
}
