//! The ways of packing and encrypting that the members of a zip file use.

mod behind;
mod directory;
mod view;

use super::{Kind, find, u16_at};
pub(super) use behind::structure_behind;
use directory::{directories, headers};
pub(super) use view::structure;

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
/// The end record without its comment.
const END_LEN: usize = 22;
/// The end record of the 64-bit extension and what leads to it.
const END_64: &[u8] = b"PK\x06\x06";
const LOCATOR_64: &[u8] = b"PK\x06\x07";
const LOCATOR_64_LEN: usize = 20;
/// A header of the directory without its name and what follows that.
const CENTRAL_LEN: usize = 46;

/// In place of a number that stands in the 64-bit extension.
const IN_64: u32 = u32::MAX;

/// Sizes follow the data. The local header has none.
const SIZES_FOLLOW: u16 = 8;
const ENCRYPTED: u16 = 1;
/// The local header is masked: libclamav leaves the member out.
const MASKED: u16 = 1 << 13;

/// A header that names a higher version than this is none.
const LAST_VERSION: u16 = 100;

/// Judges by all member headers, wherever they stand: readers disagree about which of them count, so
/// all of them do. Those of a zip file stored inside are seen too, which is no mistake.
pub(super) fn judge(bytes: &[u8]) -> Kind {
    let mut kind = Kind::Ok;
    let mut from = 0;
    while let Some(at) = find(bytes, b"PK", from) {
        let rest = &bytes[at..];
        let member = if rest.starts_with(LOCAL) {
            judge_member(rest, 4, 26, 30)
        } else if rest.starts_with(CENTRAL) {
            judge_member(rest, 6, 28, 46)
        } else {
            Kind::Ok
        };
        match member {
            Kind::Unsupported => return member,
            Kind::Encrypted => kind = member,
            Kind::Ok | Kind::Ignored => {}
        }
        from = at + 2;
    }
    // What a directory leads to stands there by no chance, however odd it is.
    let mut left = 4 * (bytes.len() / CENTRAL_LEN);
    for directory in directories(bytes) {
        for header in headers(bytes, &directory, &mut left) {
            for (flags, method) in [header.told, header.local.unwrap_or(header.told)] {
                match by_method(flags, method) {
                    Kind::Unsupported => return Kind::Unsupported,
                    Kind::Encrypted => kind = Kind::Encrypted,
                    Kind::Ok | Kind::Ignored => {}
                }
            }
        }
    }
    kind
}

/// Whether the bytes end as a zip file does: a reader that looks from the end takes them for one.
pub(super) fn ends_as_one(bytes: &[u8]) -> bool {
    directories(bytes).any(|directory| directory.is_last)
}

/// Version, flags and method stand in a row in both headers; the length of the name and the name do not.
fn judge_member(header: &[u8], version_at: usize, name_len_at: usize, name_at: usize) -> Kind {
    let field = |at| u16_at(header, at);
    let (Some(version), Some(flags), Some(method), Some(name_len)) =
        (field(version_at), field(version_at + 2), field(version_at + 4), field(name_len_at))
    else {
        return Kind::Ok;
    };
    let name = header.get(name_at..name_at + usize::from(name_len)).unwrap_or_default();
    // Four bytes can stand there by chance.
    if version & 0xff > LAST_VERSION || name.is_empty() || name.iter().any(|&byte| byte < 0x20) {
        return Kind::Ok;
    }
    by_method(flags, method)
}

fn by_method(flags: u16, method: u16) -> Kind {
    match method {
        // Stored, deflated, deflate64, imploded, bzip2: the ones that libclamav knows.
        0 | 6 | 8 | 9 | 12 if flags & ENCRYPTED == 0 => Kind::Ok,
        0 | 6 | 8 | 9 | 12 | 99 => Kind::Encrypted,
        // Shrunk, reduced, tokenised, IBM's, LZMA, zstd, MP3, XZ, JPEG, WavPack, PPMd.
        1..=5 | 7 | 10 | 14 | 16 | 18..=20 | 93..=98 => Kind::Unsupported,
        _ => Kind::Ok,
    }
}

#[cfg(test)]
mod tests;
