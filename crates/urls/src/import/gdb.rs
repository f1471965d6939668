//! ClamAV's `.gdb`: SHA-256 hashes of Safe Browsing expressions, which are the keys of our lists.
//!
//! ```text
//! S:P:8 digits             first bytes of the hash of a host's last labels: only hosts listed so have full hashes
//! S:F:64 digits            hash of an expression; also S1 and S2 (phishing)
//! S:W:64 digits            hash of one that is allowed
//! ```
//!
//! A function level may follow. Format: <https://docs.clamav.net/manual/Signatures/PhishSigs.html#gdb-format>.
//! Prefixes spare ClamAV a look at the full hashes; here these are looked up directly, so leaving the prefixes
//! out loses nothing. A prefix without a full hash blocks nothing, neither here nor in ClamAV.

use super::out::Out;
use super::report::Reason;
use crate::entry::{Action, Entry};

pub(super) fn line(line: &[u8], out: &mut Out) -> Result<(), Reason> {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return Ok(());
    }
    let mut fields = line.split(|&byte| byte == b':');
    let (set, kind, digits) = (fields.next(), fields.next(), fields.next());
    let (Some(b"S" | b"S1" | b"S2"), Some(kind), Some(digits)) = (set, kind, digits) else {
        return Err(Reason::Malformed);
    };
    let action = match kind {
        b"F" => Action::Block,
        b"W" => Action::Allow,
        b"P" => return Err(Reason::HashPrefix),
        _ => return Err(Reason::Malformed),
    };
    out.put(Entry::Hash(hash(digits).ok_or(Reason::BadHash)?), action);
    Ok(())
}

fn hash(digits: &[u8]) -> Option<[u8; 32]> {
    if digits.len() != 64 {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
    }
    Some(hash)
}
