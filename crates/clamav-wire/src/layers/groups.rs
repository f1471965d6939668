//! Which option of a request opens what.

use super::{find, is_at, u16_at};
use crate::Options;

/// Marks of archives that libclamav finds in the middle of other files, by its type table.
const INSIDE: [&[u8]; 7] = [
    b"Rar!\x1a\x07",
    b"7z\xbc\xaf\x27\x1c",
    b"MSCF\0\0\0\0",
    b"\xef\xbe\xad\xdeNullsoftInst",
    b"\xa3HK\xbe\x98lJ\xa9\x99LS\x0a\x86\xd6H}AU3!EA0",
    b"InstallShield\0",
    b"EGGA\0\x01",
];
const ZIP_MEMBER: &[u8] = b"PK\x03\x04";
const ARJ: &[u8] = b"\x60\xea";
const PDF: &[u8] = b"%PDF-";
/// A PDF file may begin behind other bytes, up to here.
const PDF_WITHIN: usize = 1024;
/// How far behind `MZ` the mark of a PE file may stand.
const PE_WITHIN: usize = 310;
/// The descriptor of an ISO 9660 file system.
const ISO: (usize, &[u8]) = (32769, b"CD001");

/// The head of a mail begins before this.
const MAIL_WITHIN: usize = 4 << 10;
/// Begin lines of a mail's head, in lower case.
const MAIL_LINES: [&[u8]; 6] = [
    b"content-transfer-encoding:",
    b"content-disposition:",
    b"content-type:",
    b"mime-version:",
    b"received:",
    b"return-path:",
];

/// The option that a type hangs on, if any.
pub(super) fn option_of(name: &[u8]) -> Option<Options> {
    match name {
        b"MSEXE" | b"ELF" | b"MACHO" | b"MACHO_UNIBIN" => Some(Options::PACKED),
        b"MAIL" | b"MHTML" | b"TNEF" | b"PST" => Some(Options::MAIL),
        b"RAR" | b"EGG" | b"ALZ" | b"ZIP" | b"OOXML_WORD" | b"OOXML_XL" | b"OOXML_PPT" | b"OOXML_HWP"
        | b"GZ" | b"BZ" | b"XZ" | b"ARJ" | b"NULSFT" | b"AUTOIT" | b"MSSZDD" | b"MSCAB" | b"CPIO_OLD"
        | b"CPIO_ODC" | b"CPIO_NEWC" | b"CPIO_CRC" | b"OLD_TAR" | b"POSIX_TAR" | b"BINHEX" | b"7Z"
        | b"SIS" | b"XAR" | b"ISHIELD_MSI" | b"UDF" | b"LHA_LZH" | b"MBR" | b"APM" | b"GPT"
        | b"PART_HFSPLUS" | b"PART_ANY" | b"DMG" | b"ISO9660" | b"MSCHM" | b"RTF" | b"ZIPSFX" | b"RARSFX"
        | b"7ZSFX" | b"ARJSFX" | b"CABSFX" | b"EGGSFX" | b"MSOLE2" | b"MSWORD" | b"MSXL" | b"MSPPT"
        | b"HWP3" | b"HWPOLE2" | b"XML_WORD" | b"XML_XL" | b"XML_HWP" | b"XDP" | b"PDF" | b"SWF"
        | b"ONENOTE" => Some(Options::ARCHIVES),
        _ => None,
    }
}

/// Whether something that `ARCHIVES` would open stands in a layer of another type.
pub(super) fn holds_archive(bytes: &[u8]) -> bool {
    is_at(bytes, ISO.0, ISO.1)
        || find(&bytes[..bytes.len().min(PDF_WITHIN)], PDF, 0).is_some()
        || INSIDE.iter().any(|mark| find(bytes, mark, 0).is_some())
        || all(bytes, ZIP_MEMBER).any(|at| u16_at(bytes, at + 4).is_some_and(|version| version & 0xff <= 100))
        // The method and the kind of file of an ARJ header, as far as libclamav asks for them.
        || all(bytes, ARJ).any(|at| matches!(bytes.get(at + 9..at + 11), Some([0..=2, 2])))
}

/// Whether a program stands in a layer of another type: `MZ`, and `PE` where libclamav looks for it.
pub(super) fn holds_program(bytes: &[u8]) -> bool {
    let mut begins = all(bytes, b"MZ").peekable();
    let mut last = None;
    all(bytes, b"PE\0\0").any(|at| {
        while let Some(begin) = begins.next_if(|&begin| begin < at) {
            last = Some(begin);
        }
        last.is_some_and(|begin| at - begin <= PE_WITHIN)
    })
}

/// Whether a text begins as a mail does. libclamav too goes by the beginning.
pub(super) fn holds_mail(bytes: &[u8]) -> bool {
    bytes[..bytes.len().min(MAIL_WITHIN)].split(|&byte| byte == b'\n' || byte == b'\r').any(|line| {
        MAIL_LINES
            .iter()
            .any(|name| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))
    })
}

fn all<'a>(bytes: &'a [u8], mark: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = find(bytes, mark, from)?;
        from = at + 1;
        Some(at)
    })
}
