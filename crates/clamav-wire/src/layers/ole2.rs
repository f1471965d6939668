//! Encryption inside OLE2 compound files: Word, Excel, PowerPoint, and the wrapper of encrypted OOXML.
//!
//! The streams are not followed. What is sought stands at the start of a sector or of an entry of
//! the directory, and those have fixed distances ([MS-CFB], [MS-DOC] 2.5.2, [MS-XLS] 2.4.117,
//! [MS-PPT] 2.3.2, [MS-OFFCRYPTO] 2.3.4).

use super::{Kind, u16_at, u32_at};

pub(super) const MAGIC: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

const SECTOR: usize = 512;
const SMALL_SECTOR: usize = 64;
const ENTRY: usize = 128;

/// Records of an Excel stream that may stand before the one that says how it is encrypted.
const RECORDS: usize = 8;

/// The streams that only an encrypted file has. The last one is that of rights management.
const NAMES: [&str; 3] = ["EncryptedPackage", "EncryptedSummary", "\tDRMContent"];

pub(super) fn judge(bytes: &[u8]) -> Kind {
    let at = |step| (0..bytes.len()).step_by(step).map(|at| &bytes[at..]);
    let is_encrypted = at(ENTRY).any(is_name_of_encrypted)
        || at(SECTOR).any(is_encrypted_word)
        || at(SMALL_SECTOR).any(|sector| is_encrypted_excel(sector) || is_encrypted_powerpoint(sector));
    if is_encrypted { Kind::Encrypted } else { Kind::Ok }
}

fn is_name_of_encrypted(entry: &[u8]) -> bool {
    // Most entries fall out by their first letter.
    (entry.starts_with(b"E\0n\0c\0") || entry.starts_with(b"\t\0D\0R\0"))
        && NAMES.iter().any(|name| {
            name.bytes()
                .enumerate()
                .all(|(index, letter)| entry.get(index * 2..index * 2 + 2) == Some(&[letter, 0]))
        })
}

/// The file information block: its magic, a plausible version, and the bit `fEncrypted`.
fn is_encrypted_word(sector: &[u8]) -> bool {
    u16_at(sector, 0) == Some(0xa5ec)
        && u16_at(sector, 2).is_some_and(|version| (0x65..=0x200).contains(&version))
        && u16_at(sector, 10).is_some_and(|flags| flags & 0x0100 != 0)
}

/// The record `FilePass` close behind the beginning of a workbook.
fn is_encrypted_excel(sector: &[u8]) -> bool {
    let is_begin = u16_at(sector, 0) == Some(0x0809)
        && matches!(u16_at(sector, 2), Some(8 | 16))
        && matches!(u16_at(sector, 4), Some(0x0500 | 0x0600));
    if !is_begin {
        return false;
    }
    let mut at = 0;
    for _ in 0..RECORDS {
        let (Some(record), Some(len)) = (u16_at(sector, at), u16_at(sector, at + 2)) else { return false };
        if record == 0x002f {
            return true;
        }
        at += 4 + usize::from(len);
    }
    false
}

/// The record `CurrentUserAtom` with the token of an encrypted file.
fn is_encrypted_powerpoint(sector: &[u8]) -> bool {
    u32_at(sector, 0) == Some(0x0ff6_0000)
        && u32_at(sector, 8) == Some(0x14)
        && u32_at(sector, 12) == Some(0xf3d1_c4df)
}
