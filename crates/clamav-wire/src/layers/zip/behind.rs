//! Zip files behind other data: programs that unpack themselves, and pictures that are two things at once.

use super::directory::{Header, directories, headers};
use super::{CENTRAL_LEN, ENCRYPTED, MASKED, by_method};
use crate::layers::{Kind, Structure};

/// Judges the bytes of a file of another type, behind which a zip file may stand. libclamav comes upon
/// its members one by one, by their local headers alone, so it cannot open those whose sizes stand
/// elsewhere, and says nothing of those that it cannot open at all. `anywhere`: not only what reaches to
/// the very end counts.
pub(in crate::layers) fn structure_behind(bytes: &[u8], anywhere: bool) -> Structure {
    // No file has room for more headers that are read in each way: if there are more, many end records
    // share a directory.
    let mut left = 4 * (bytes.len() / CENTRAL_LEN);
    let (mut is_closed, mut is_encrypted) = (false, false);
    for directory in directories(bytes).filter(|directory| anywhere || directory.is_last) {
        for header in headers(bytes, &directory, &mut left) {
            match judge(&header) {
                Kind::Encrypted => is_encrypted = true,
                Kind::Unsupported => is_closed = true,
                Kind::Ok | Kind::Ignored => {}
            }
        }
        is_closed |= left == 0;
    }
    match (is_closed, is_encrypted) {
        (false, false) => Structure::Plain,
        (true, false) => Structure::Unsupported,
        (false, true) => Structure::Encrypted,
        (true, true) => Structure::UnsupportedAndEncrypted,
    }
}

fn judge(header: &Header) -> Kind {
    // Without a local header there is nothing that a reader could begin with.
    let Some(local) = header.local.filter(|_| !header.is_empty) else { return Kind::Ok };
    let kinds = [header.told, local].map(|(flags, method)| match by_method(flags, method) {
        Kind::Ok if flags & (ENCRYPTED | MASKED) != 0 => Kind::Encrypted,
        // One that nobody knows, or will know some day.
        Kind::Ok if !matches!(method, 0 | 6 | 8 | 9 | 12) => Kind::Unsupported,
        kind => kind,
    });
    let is_any = |kind| kinds.contains(&kind);
    if is_any(Kind::Encrypted) {
        Kind::Encrypted
    } else if is_any(Kind::Unsupported) || header.told.1 != local.1 || !header.is_sized {
        Kind::Unsupported
    } else {
        Kind::Ok
    }
}
