//! Containers that are told by how they begin.

/// A kind of container whose members can be taken out without an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Container {
    /// RAR, all versions.
    Rar,
    /// Zip, and what is one: documents, packages.
    Zip,
    /// 7-Zip.
    SevenZip,
    /// POSIX tar.
    Tar,
    /// The archives of ar(1), Debian's packages among them.
    Ar,
    /// A stream of gzip.
    Gzip,
    /// A stream of bzip2.
    Bzip2,
    /// A stream of xz.
    Xz,
    /// A stream of zstd.
    Zstd,
    /// A stream of LZ4 frames.
    Lz4,
    /// A stream of lzip.
    Lzip,
    /// A stream of LZMA without a container: `.lzma`.
    Lzma,
    /// A stream of zlib. Two bytes are little to go by, so that it may be something else.
    Zlib,
}

/// Where the mark of a tar archive stands.
const TAR_AT: usize = 257;

/// The frames of zstd and LZ4 that readers skip: the kind of the first frame that they do not skip counts.
const SKIPPABLE: [u8; 3] = *b"\x2a\x4d\x18";
/// Nobody has a use for more of them in a row.
const MOST_SKIPPED: usize = 16;

// === impl Container ===

impl Container {
    /// What begins so. Of a tar archive 262 bytes are needed, of others 14 at most.
    pub fn of(first: &[u8]) -> Option<Self> {
        let is = |magic: &[u8]| first.starts_with(magic);
        Some(if is(b"Rar!\x1a\x07") || is(b"RE~^") {
            Self::Rar
        } else if is(b"PK\x03\x04") {
            Self::Zip
        } else if is(b"7z\xbc\xaf\x27\x1c") {
            Self::SevenZip
        } else if is(b"!<arch>\n") {
            Self::Ar
        } else if is(b"\x1f\x8b\x08") {
            Self::Gzip
        } else if is(b"BZh") {
            Self::Bzip2
        } else if is(b"\xfd7zXZ\0") {
            Self::Xz
        } else if is(b"LZIP\x01") {
            Self::Lzip
        } else if is(b"\x28\xb5\x2f\xfd") {
            Self::Zstd
        } else if is(b"\x04\x22\x4d\x18") || is(b"\x02\x21\x4c\x18") {
            Self::Lz4
        } else if is_skippable(first) {
            behind_skippable(first)
        } else if is_tar(first) {
            Self::Tar
        } else if matches!(first, [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..]) {
            Self::Zlib
        } else if is_lzma(first) {
            Self::Lzma
        } else {
            return None;
        })
    }

    /// Whether it holds one object, and a tar archive in it counts as one container together with it.
    pub const fn is_stream(self) -> bool {
        !matches!(self, Self::Rar | Self::Zip | Self::SevenZip | Self::Tar | Self::Ar)
    }

    /// Whether libclamav 1.4 never opens it, as it comes in Debian.
    pub const fn is_foreign(self) -> bool {
        matches!(self, Self::Rar | Self::Zstd | Self::Lz4 | Self::Lzip | Self::Lzma)
    }

    /// The word for logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rar => "rar",
            Self::Zip => "zip",
            Self::SevenZip => "7z",
            Self::Tar => "tar",
            Self::Ar => "ar",
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
            Self::Lzip => "lzip",
            Self::Lzma => "lzma",
            Self::Zlib => "zlib",
        }
    }
}

fn is_skippable(first: &[u8]) -> bool {
    matches!(first, [0x50..=0x5f, rest @ ..] if rest.starts_with(&SKIPPABLE))
}

/// If the first frame that counts is not among the bytes that are there, zstd: its decoder skips too, and an
/// LZ4 stream behind a long frame that is skipped is then not what it expects, which is told.
fn behind_skippable(mut first: &[u8]) -> Container {
    for _ in 0..MOST_SKIPPED {
        if !is_skippable(first) {
            break;
        }
        let Some(len) = first.get(4..8).and_then(|len| len.first_chunk().copied()) else { break };
        let len = usize::try_from(u32::from_le_bytes(len)).unwrap_or(usize::MAX);
        match first.get(len.saturating_add(8)..) {
            Some(rest) => first = rest,
            None => break,
        }
    }
    if first.starts_with(b"\x04\x22\x4d\x18") { Container::Lz4 } else { Container::Zstd }
}

fn is_tar(first: &[u8]) -> bool {
    first.get(TAR_AT..TAR_AT + 5).is_some_and(|mark| mark == b"ustar")
}

/// There is no mark: a byte of properties, the size of the dictionary, that of the content or all ones, and a
/// range coder that begins with zero.
fn is_lzma(first: &[u8]) -> bool {
    let Some(&[properties, d0, d1, d2, d3, s0, s1, s2, s3, s4, s5, s6, s7, coder]) =
        first.first_chunk::<14>()
    else {
        return false;
    };
    let dictionary = u32::from_le_bytes([d0, d1, d2, d3]);
    let size = u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]);
    let is_round = dictionary.is_power_of_two() || dictionary % 3 == 0 && (dictionary / 3).is_power_of_two();
    properties < 9 * 5 * 5
        && is_round
        && dictionary >= 1 << 16
        && (size == u64::MAX || (1..1 << 40).contains(&size))
        && coder == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_told_by_their_first_bytes() {
        for (first, expected) in [
            (b"Rar!\x1a\x07\x00".as_slice(), Some(Container::Rar)),
            (b"Rar!\x1a\x07\x01\x00", Some(Container::Rar)),
            (b"PK\x03\x04", Some(Container::Zip)),
            (b"PK\x05\x06", None),
            (b"\x28\xb5\x2f\xfd", Some(Container::Zstd)),
            (b"\x50\x2a\x4d\x18\x01\0\0\0x\x28\xb5\x2f\xfd", Some(Container::Zstd)),
            (b"\x5f\x2a\x4d\x18\x01\0\0\0x\x04\x22\x4d\x18", Some(Container::Lz4)),
            (b"\x5f\x2a\x4d\x18\xff\xff\xff\xffx", Some(Container::Zstd)),
            (b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0", Some(Container::Lzma)),
            (b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\x01", None),
            (b"\x78\x9c\x03\0\0\0\0\x01", Some(Container::Zlib)),
            (b"some text that is longer than that", None),
            (b"", None),
        ] {
            assert_eq!(Container::of(first), expected, "{first:?}");
        }
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        assert_eq!(Container::of(&tar), Some(Container::Tar));
        assert_eq!(Container::of(&tar[..261]), None);
    }
}
