//! Signatures in files of their own.

use super::PublicKey;
use crate::Format;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use std::fmt;
use std::io::{self, Read};

/// A signature, of which nothing is known to be true.
#[derive(Clone)]
pub enum Signature {
    /// Of minisign.
    Minisign(Box<minisign_verify::Signature>),
    /// Of Ed25519.
    Ed25519([u8; 64]),
}

/// That somebody has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    /// The name of the key.
    pub(crate) by: String,
    /// When, if the signature says so.
    pub(crate) at: Option<Timestamp>,
}

// === impl Signature ===

impl Signature {
    /// The most bytes of one.
    pub const MAX_BYTES: u64 = 16 << 10;
    /// What was signed as a whole, and not by its hash, is read into memory: no more than this.
    pub const MAX_WHOLE: u64 = 64 << 20;

    /// Reads a signature; else what is wrong with it.
    pub fn parse(format: Format, bytes: &[u8]) -> Result<Self, &'static str> {
        match format {
            Format::Minisign => {
                let text = std::str::from_utf8(bytes).map_err(|_| "it is no text")?;
                let signature = minisign_verify::Signature::decode(text);
                let signature = signature.map_err(|_| "it is none of minisign")?;
                Ok(Self::Minisign(Box::new(signature)))
            }
            Format::Ed25519 => {
                let odd = "it has not 64 bytes, also not in base64 or hexadecimal";
                bytes.try_into().ok().or_else(|| written(bytes)).map(Self::Ed25519).ok_or(odd)
            }
            Format::None | Format::Cvd => Err("there are none of this format"),
        }
    }

    /// Which of `keys` has signed what `open` opens, if any has.
    pub(crate) fn signer<R: Read>(
        &self,
        keys: &[PublicKey],
        open: impl Fn() -> io::Result<R>,
    ) -> io::Result<Option<Signed>> {
        for key in keys {
            let is_good = match (self, key) {
                (Self::Minisign(signature), PublicKey::Minisign(key, _)) => {
                    of_minisign(key, signature, &open)?
                }
                (Self::Ed25519(signature), PublicKey::Ed25519(key)) => {
                    UnparsedPublicKey::new(&ED25519, key).verify(&whole(open()?)?, signature).is_ok()
                }
                _ => false,
            };
            if is_good {
                return Ok(Some(Signed { by: key.id(), at: self.time() }));
            }
        }
        Ok(None)
    }

    /// When minisign made it. To be believed only after its key has proven it: the comment is signed too.
    fn time(&self) -> Option<Timestamp> {
        let Self::Minisign(signature) = self else { return None };
        let mut parts = signature.trusted_comment().split('\t');
        let seconds = parts.find_map(|part| part.strip_prefix("timestamp:"))?;
        Timestamp::from_second(seconds.trim().parse().ok()?).ok()
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Minisign(_) => "Minisign",
            Self::Ed25519(_) => "Ed25519",
        })
    }
}

fn of_minisign<R: Read>(
    key: &minisign_verify::PublicKey,
    signature: &minisign_verify::Signature,
    open: impl Fn() -> io::Result<R>,
) -> io::Result<bool> {
    let mut stream = match key.verify_stream(signature) {
        Ok(stream) => stream,
        // Made before 2021, or with -l.
        Err(minisign_verify::Error::UnsupportedLegacyMode) => {
            return Ok(key.verify(&whole(open()?)?, signature, true).is_ok());
        }
        Err(_) => return Ok(false),
    };
    let (mut reader, mut buffer) = (open()?, vec![0; 256 << 10]);
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(stream.finalize().is_ok()),
            Ok(count) => stream.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn whole(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(Signature::MAX_WHOLE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > Signature::MAX_WHOLE {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// The bytes that a text stands for.
fn written(text: &[u8]) -> Option<[u8; 64]> {
    let text: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if text.len() == 128 && text.iter().all(u8::is_ascii_hexdigit) {
        let mut bytes = [0; 64];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        return Some(bytes);
    }
    STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    const OTHER: &str = "RWTpBdwGmSsqbdhJEfjEKGZ8LK7I1cmxp1pM7yVfCnBBJ7WTC5M5i6HH";
    const SIGNATURE: &str = "untrusted comment: signature from minisign secret key\nRUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\ntrusted comment: timestamp:1633700835\tfile:test\tprehashed\nwLMDjy9FLAuxZ3q4NlEvkgtyhrr0gtTu6KC4KBJdITbbOeAi1zBIYo0v4iTgt8jJpIidRJnp94ABQkJAgAooBQ==";

    #[test]
    fn what_minisign_signed_is_told_from_the_rest() {
        let key = PublicKey::parse(Format::Minisign, KEY).unwrap();
        let signature = Signature::parse(Format::Minisign, SIGNATURE.as_bytes()).unwrap();
        let signer = |keys: &[PublicKey], bytes: &'static [u8]| signature.signer(keys, || Ok(bytes)).unwrap();
        let signed = signer(std::slice::from_ref(&key), b"test").unwrap();
        assert_eq!(signed.by, "minisign:E7620F1842B4E81F");
        assert_eq!(signed.at, Some("2021-10-08T13:47:15Z".parse().unwrap()));
        assert_eq!(signer(std::slice::from_ref(&key), b"Test"), None);
        assert_eq!(signer(&[], b"test"), None);
        assert_eq!(signer(&[PublicKey::Ed25519([0; 32])], b"test"), None);
        if let Ok(other) = PublicKey::parse(Format::Minisign, OTHER) {
            assert_eq!(signer(std::slice::from_ref(&other), b"test"), None);
            assert_eq!(signer(&[other, key.clone()], b"test"), Some(signed));
        }
        // The comment is signed too.
        let changed = SIGNATURE.replace("1633700835", "1933700835");
        let changed = Signature::parse(Format::Minisign, changed.as_bytes()).unwrap();
        assert_eq!(changed.signer(&[key], || Ok(&b"test"[..])).unwrap(), None);
    }

    #[test]
    fn what_is_no_signature_is_refused() {
        for wrong in [&b""[..], b"<html>", &[0xff; 100], b"a\nb\nc\nd"] {
            assert!(Signature::parse(Format::Minisign, wrong).is_err());
        }
        for wrong in [&b""[..], b"AAAA", &[0; 63], &[b'0'; 127]] {
            assert!(Signature::parse(Format::Ed25519, wrong).is_err());
        }
        let hex = [b'0'; 128];
        for good in [&[0; 64][..], STANDARD.encode([0; 64]).as_bytes(), &hex] {
            assert!(
                matches!(Signature::parse(Format::Ed25519, good), Ok(Signature::Ed25519(bytes)) if bytes == [0; 64])
            );
        }
    }
}
