//! What libclamav can do with a format. Pure.
//!
//! libclamav 1.4 says "clean" of a format that it cannot open, and of some formats without looking
//! at a single byte. The worker asks [`classify`] about each layer that libclamav shows it; the
//! supervisor may ask about an object before it is sent.
//!
//! Found by trying: a marker behind each magic of the type table that is compiled into libclamav
//! 1.4.6 (its signature files can replace that table, so the worker goes by the type's name), and a
//! marker packed in each way that the tools at hand know.

mod archives;
mod deflate;
mod disks;
mod envelope;
mod groups;
mod odf;
mod ole2;
mod pdf;
mod rtf;
mod tar;
mod text;
mod zip;

use crate::Options;
use archives::{has_rar, is_dar};

/// What becomes of a layer that libclamav is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is looked at as well as libclamav can.
    Ok,
    /// It has an inside, or a part of one, that this libclamav does not open.
    Unsupported,
    /// libclamav leaves it out altogether: not even the bytes as they are get looked at.
    Ignored,
    /// It, or a part of it, is encrypted.
    Encrypted,
}

/// How a layer is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    /// There is one way to read it.
    Plain,
    /// Another reader may see other members than libclamav, which does not say so.
    Ambiguous,
    /// libclamav leaves members out that every other reader sees: numbers stand in the 64-bit extension
    /// of the zip format, which it does not know, or behind the data in a zip file behind other data; or
    /// that zip file packs in a way that it does not know.
    Unsupported,
    /// A zip file behind other data has members that are encrypted. libclamav does not say so.
    Encrypted,
    /// Of the members some are the one and some the other.
    UnsupportedAndEncrypted,
}

/// What a type of file is to the counting of containers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Holds other objects.
    pub container: bool,
    /// A compressed stream with exactly one object in it.
    pub stream: bool,
    /// Counts as one container together with a stream around it (`tar.gz`).
    pub joins_stream: bool,
    /// libclamav announces each member right before it shows it as a layer, so that a member which
    /// was announced and not shown was not opened.
    pub announces: bool,
}

/// A place and the bytes there.
type Magic = (usize, &'static [u8]);

/// `CL_TYPE_IGNORED` in libclamav's own table.
const IGNORED: &[Magic] = &[
    (0, b"ID3"),
    (0, b"\xff\xfb\x90"),
    (0, b"OggS"),
    (0, b".RMF"),
    (0, b"SIP-HIT (SIP/H"),
    (0, b"SYMC\x01\x00"),
    (0, b"SQLite format 3\x00"),
    (0, b"\x37\x7f\x06\x82\x00\x2d\xe2\x18"),
    (0, b"\x37\x7f\x06\x83\x00\x2d\xe2\x18"),
    (0, b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"),
];

/// Also ignored, if it stands within the first 128 bytes: a picture that was cut out of a PDF.
const IGNORED_PICTURE: &[u8] = b"/RGB\nID\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
const IGNORED_PICTURE_WITHIN: usize = 128;

/// Containers and compressed streams that libclamav 1.4 does not open. RAR is opened by a library
/// that is not free and that Debian's build does without.
const UNSUPPORTED: &[Magic] = &[
    // Archives.
    (0, b"Rar!\x1a\x07"),
    (0, b"RE~^"),
    (7, b"**ACE**"),
    (20, b"\xdc\xa7\xc4\xfd"),
    (0, b"!<arch>\n"),
    (0, b"!<thin>\n"),
    (0, b"\xed\xab\xee\xdb"),
    (0, b"SIT!"),
    (0, b"StuffIt (c)"),
    (0, b"StuffIt!"),
    (0, b"ArC\x01"),
    (0, b"UHA"),
    (0, b"zPQ"),
    (0, b"7kSt"),
    (0, b"ISc("),
    (0, b"MSWIM\x00\x00\x00"),
    (0, b"WLPWM\x00\x00\x00"),
    // Compressed streams.
    (0, b"\x28\xb5\x2f\xfd"),
    (0, b"\x04\x22\x4d\x18"),
    (0, b"\x02\x21\x4c\x18"),
    (0, b"LZIP\x01"),
    (0, b"LRZI\x00"),
    (0, b"\x89LZO\x00\x0d\x0a\x1a\x0a"),
    (0, b"\xff\x06\x00\x00sNaPpY"),
    (0, b"\x1f\x9d"),
    (0, b"\x1f\x9e"),
    (0, b"\x1f\xa0"),
    (0, b"\x1f\x1e"),
    (0, b"BZ0"),
    (0, b"KWAJ\x88\xf0\x27\xd1"),
    (0, b"SZ \x88\xf0\x27\x33\xd1"),
    // What git packs: a pack, and a bundle with one in it.
    (0, b"PACK\x00\x00\x00\x02"),
    (0, b"PACK\x00\x00\x00\x03"),
    (0, b"# v2 git bundle\n"),
    (0, b"# v3 git bundle\n"),
    // Mail data bases.
    (0, b"!BDN"),
    (0, b"\xcf\xad\x12\xfe"),
    (4, b"\xef\xcd\xab\x89"),
    (0, b"\x1a\x00\x00\x04\x00\x00"),
    // Disk images and file systems.
    (0, b"hsqs"),
    (0, b"sqsh"),
    (0, b"\x45\x3d\xcd\x28"),
    (0, b"conectix"),
    (0, b"vhdxfile"),
    (0, b"KDMV"),
    (0, b"QFI\xfb"),
    (0, b"WithoutFreeSpace"),
    (0, b"WithouFreSpacExt"),
    (64, b"\x7f\x10\xda\xbe"),
    (1080, b"\x53\xef"),
];

/// Encrypted as a whole.
const ENCRYPTED: &[Magic] = &[
    (0, b"Salted__"),
    (0, b"age-encryption.org/v1\n"),
    (0, b"-----BEGIN AGE ENCRYPTED FILE-----"),
    (0, b"-----BEGIN PGP MESSAGE-----"),
    (0, b"LUKS\xba\xbe"),
    (0, b"encrcdsa"),
    (0, b"cdsaencr"),
    // KeePass, AES Crypt, BitLocker.
    (0, b"\x03\xd9\xa2\x9a"),
    (0, b"AES\x01"),
    (0, b"AES\x02"),
    (0, b"AES\x03"),
    (3, b"-FVE-FS-"),
];

/// The middle of what begins a bzip2 stream: `BZh`, the block size, this.
const BZIP2_BLOCK: &[u8] = b"1AY&SY";

/// Judges a layer by libclamav's name for its type (empty if not known) and its bytes: all of them,
/// or as many of the first as there are. Fewer bytes can only miss something, except that what is
/// found at the very end of a file is sought at the end of `bytes`.
pub fn classify(type_name: &[u8], bytes: &[u8]) -> Kind {
    match type_name.strip_prefix(b"CL_TYPE_").unwrap_or(type_name) {
        b"IGNORED" => Kind::Ignored,
        b"RAR" => Kind::Unsupported,
        name if is_zip(name) => zip::judge(bytes),
        b"MSOLE2" | b"MSWORD" | b"MSXL" | b"MSPPT" => ole2::judge(bytes),
        b"PDF" => match pdf::judge(bytes) {
            Kind::Ok => behind(b"PDF", bytes),
            kind => kind,
        },
        b"GIF" | b"PNG" | b"JPEG" | b"TIFF" | b"GRAPHICS" | b"HTML" if pdf::stands_behind(bytes) => {
            pdf::judge(bytes)
        }
        b"BZ" if has_second_bzip2_stream(bytes) => Kind::Unsupported,
        b"GZ" if bytes.get(2).is_some_and(|&method| method != 8) => Kind::Unsupported,
        // In other types libclamav finds a zip file that was appended.
        b"GZ" | b"POSIX_TAR" | b"OLD_TAR" | b"CPIO_OLD" | b"CPIO_ODC" | b"CPIO_NEWC" | b"CPIO_CRC"
            if zip::ends_as_one(bytes) =>
        {
            Kind::Unsupported
        }
        b"POSIX_TAR" | b"OLD_TAR" if tar::has_sizes_elsewhere(bytes) => Kind::Unsupported,
        b"" => by_magic(bytes, true),
        // The type is another one than what its bytes would make it: the types below are those that
        // libclamav gives to what it does not know.
        b"BINARY_DATA" | b"TEXT_ASCII" | b"TEXT_UTF8" | b"TEXT_UTF16LE" | b"TEXT_UTF16BE" | b"ANY"
        | b"ERROR" | b"MBR" | b"PART_ANY" => by_magic(bytes, false),
        name => behind(name, bytes),
    }
}

/// What stands behind or in the middle of a type that libclamav opens, and which it does not look for.
fn behind(name: &[u8], bytes: &[u8]) -> Kind {
    // In archives each member is a layer.
    let is_whole = groups::option_of(name).is_none_or(|option| option == Options::PACKED);
    let has = match name {
        b"ELF" => has_rar(bytes) || disks::has_squashfs(bytes),
        b"PDF" => has_rar(bytes),
        b"RTF" => has_rar(bytes) || rtf::has_odd_object(bytes),
        b"MAIL" | b"MHTML" => false,
        _ => is_whole && has_rar(bytes),
    };
    match name {
        _ if has => Kind::Unsupported,
        b"HTML" | b"MAIL" | b"MHTML" => text::openpgp(bytes).unwrap_or(Kind::Ok),
        _ => Kind::Ok,
    }
}

/// How a layer is built, by libclamav's name for its type and all of its bytes. Takes time in
/// proportion to their number.
pub fn structure(type_name: &[u8], bytes: &[u8]) -> Structure {
    match type_name.strip_prefix(b"CL_TYPE_").unwrap_or(type_name) {
        name if is_zip(name) => zip::structure(bytes),
        // Begins in the middle of a zip file, and is a part of what was judged already.
        b"ZIPSFX" => Structure::Plain,
        name => {
            // Zip files inside an archive or a document are opened as its parts, as far as those are.
            let is_whole = groups::option_of(name).is_none_or(|option| option == Options::PACKED);
            zip::structure_behind(bytes, is_whole)
        }
    }
}

/// Whether something in a layer stays closed because its option is not among `options`, by libclamav's
/// name for its type and all of its bytes. Where a type is not told because its option is off, marks
/// in the bytes count; these can also stand there by chance.
pub fn skips(options: Options, type_name: &[u8], bytes: &[u8]) -> bool {
    let name = type_name.strip_prefix(b"CL_TYPE_").unwrap_or(type_name);
    if let Some(option) = groups::option_of(name)
        && !options.has(option)
    {
        return true;
    }
    !options.has(Options::ARCHIVES) && groups::holds_archive(bytes)
        || !options.has(Options::MAIL) && groups::holds_mail(bytes)
        || !options.has(Options::PACKED) && groups::holds_program(bytes)
}

/// What a type is to the counting of containers.
pub fn shape(type_name: &[u8]) -> Shape {
    let archive = |announces| Shape { container: true, announces, ..Shape::default() };
    match type_name.strip_prefix(b"CL_TYPE_").unwrap_or(type_name) {
        b"GZ" | b"BZ" | b"XZ" => Shape { container: true, stream: true, ..Shape::default() },
        b"POSIX_TAR" | b"OLD_TAR" | b"CPIO_OLD" | b"CPIO_ODC" | b"CPIO_NEWC" | b"CPIO_CRC" => {
            Shape { joins_stream: true, ..archive(false) }
        }
        b"7Z" | b"ARJ" | b"MSCAB" | b"MSCHM" => archive(true),
        b"ZIP" | b"RAR" | b"EGG" | b"ALZ" | b"LHA_LZH" | b"SIS" | b"XAR" | b"DMG" | b"ISO9660" | b"UDF"
        | b"MBR" | b"GPT" | b"APM" | b"PART_HFSPLUS" | b"NULSFT" | b"AUTOIT" | b"ISHIELD_MSI" | b"MAIL"
        | b"MHTML" | b"TNEF" | b"ZIPSFX" | b"RARSFX" | b"7ZSFX" | b"ARJSFX" | b"CABSFX" | b"EGGSFX" => {
            archive(false)
        }
        _ => Shape::default(),
    }
}

fn is_zip(name: &[u8]) -> bool {
    matches!(name, b"ZIP" | b"OOXML_WORD" | b"OOXML_XL" | b"OOXML_PPT" | b"OOXML_HWP")
}

/// By the bytes alone. The type that libclamav would give is known to be none of its own, or not
/// known at all.
fn by_magic(bytes: &[u8], type_unknown: bool) -> Kind {
    let any = |table: &[Magic]| table.iter().any(|(at, magic)| is_at(bytes, *at, magic));
    if type_unknown {
        let picture = &bytes[..bytes.len().min(IGNORED_PICTURE_WITHIN + IGNORED_PICTURE.len())];
        if any(IGNORED) || find(picture, IGNORED_PICTURE, 0).is_some() {
            return Kind::Ignored;
        }
        if bytes.starts_with(b"PK\x03\x04") {
            return zip::judge(bytes);
        }
        if bytes.starts_with(ole2::MAGIC) {
            return ole2::judge(bytes);
        }
        if bytes.starts_with(pdf::MAGIC) {
            return pdf::judge(bytes);
        }
    }
    let is_unsupported = any(UNSUPPORTED)
        || has_rar(bytes)
        || is_lzma_alone(bytes)
        || is_zstd_skippable(bytes)
        || is_dar(bytes)
        || deflate::is_zlib(bytes)
        || disks::is_file_system(bytes)
        || envelope::is_open_openpgp(bytes)
        || text::has_uuencoded(bytes);
    let message = text::openpgp(bytes);
    if is_unsupported || message == Some(Kind::Unsupported) {
        Kind::Unsupported
    } else if any(ENCRYPTED)
        || odf::is_encrypted_manifest(bytes)
        || envelope::is_openpgp(bytes)
        || envelope::is_cms(bytes)
        || message == Some(Kind::Encrypted)
    {
        Kind::Encrypted
    } else {
        Kind::Ok
    }
}

/// The old LZMA format has no magic: a byte of properties, the size of the dictionary, the size of
/// the content or all ones, and a range coder that begins with zero.
fn is_lzma_alone(bytes: &[u8]) -> bool {
    let Some((&[properties, dictionary @ .., s0, s1, s2, s3, s4, s5, s6, s7, first], _)) =
        bytes.split_first_chunk::<14>()
    else {
        return false;
    };
    let dictionary = u32::from_le_bytes(dictionary);
    let size = u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]);
    let is_round = dictionary.is_power_of_two() || (dictionary / 3).is_power_of_two() && dictionary % 3 == 0;
    properties < 9 * 5 * 5
        && is_round
        && dictionary >= 1 << 16
        && (size == u64::MAX || (1..1 << 40).contains(&size))
        && first == 0
}

/// A frame of zstd or LZ4 that readers skip, before the one that counts.
fn is_zstd_skippable(bytes: &[u8]) -> bool {
    matches!(bytes, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// libclamav unpacks the first stream only; every bzip2 unpacks all of them.
fn has_second_bzip2_stream(bytes: &[u8]) -> bool {
    let mut from = 10;
    while let Some(at) = find(bytes, BZIP2_BLOCK, from) {
        if matches!(bytes[..at], [.., b'B', b'Z', b'h', b'1'..=b'9']) {
            return true;
        }
        from = at + 1;
    }
    false
}

fn is_at(bytes: &[u8], at: usize, magic: &[u8]) -> bool {
    bytes.get(at..).is_some_and(|rest| rest.starts_with(magic))
}

/// The first place of `needle` from `from` on.
fn find(bytes: &[u8], needle: &[u8], mut from: usize) -> Option<usize> {
    let first = *needle.first()?;
    while let Some(skip) = bytes.get(from..)?.iter().position(|&byte| byte == first) {
        from += skip;
        if is_at(bytes, from, needle) {
            return Some(from);
        }
        from += 1;
    }
    None
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests;
