//! The ways of packing and encrypting that the members of a zip file use.

mod view;

use super::{Kind, find, is_at, u16_at, u32_at};
pub(super) use view::{structure, structure_behind};

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
/// The end record without its comment.
const END_LEN: usize = 22;

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
    kind
}

/// Whether the bytes end as a zip file does: a reader that looks from the end takes them for one.
pub(super) fn ends_as_one(bytes: &[u8]) -> bool {
    ends(bytes).any(|end| end.is_last)
}

/// An end record close to the end of a file, with its directory right before it.
struct End {
    at: usize,
    directory: usize,
    /// Its comment reaches just to the end of the file.
    is_last: bool,
}

fn ends(bytes: &[u8]) -> impl Iterator<Item = End> {
    let mut from = bytes.len().saturating_sub(END_LEN + usize::from(u16::MAX));
    std::iter::from_fn(move || {
        while let Some(at) = find(bytes, END, from) {
            from = at + 1;
            let comment = u16_at(bytes, at + 20).map(usize::from);
            let directory = u32_at(bytes, at + 12).and_then(|size| at.checked_sub(size as usize));
            if let Some(directory) = directory.filter(|&start| start < at && is_at(bytes, start, CENTRAL)) {
                let is_last = comment == Some(bytes.len().saturating_sub(at + END_LEN));
                return Some(End { at, directory, is_last });
            }
        }
        None
    })
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
    match method {
        // Stored, deflated, deflate64, imploded, bzip2: the ones that libclamav knows.
        0 | 6 | 8 | 9 | 12 if flags & 1 == 0 => Kind::Ok,
        0 | 6 | 8 | 9 | 12 | 99 => Kind::Encrypted,
        // Shrunk, reduced, tokenised, IBM's, LZMA, zstd, MP3, XZ, JPEG, WavPack, PPMd.
        1..=5 | 7 | 10 | 14 | 16 | 18..=20 | 93..=98 => Kind::Unsupported,
        _ => Kind::Ok,
    }
}
