//! Between the supervisor and one worker.

use crate::codec::{Reader, WireError, Writer};

/// Scan the one file that goes with the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Chosen by the supervisor; the reply repeats it.
    pub id: u64,
    /// What is opened and reported.
    pub options: Options,
    /// How much a scan may cost.
    pub limits: Limits,
}

/// A set of the constants below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options(pub u32);

/// What libclamav is given before the scan. Zero never means "no limit" here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `CL_ENGINE_MAX_SCANTIME`, in milliseconds. Cooperative: the supervisor kills later.
    pub time_ms: u32,
    /// `CL_ENGINE_MAX_FILESIZE`, in bytes: of each layer.
    pub file_size: u64,
    /// `CL_ENGINE_MAX_SCANSIZE`, in bytes: of all layers.
    pub scan_size: u64,
    /// `CL_ENGINE_MAX_FILES`.
    pub files: u32,
    /// Containers inside each other. The worker sets `CL_ENGINE_MAX_RECURSION` a little higher,
    /// since libclamav also counts layers that are no containers, and counts containers itself.
    pub depth: u32,
}

/// What libclamav said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Of the request.
    pub id: u64,
    /// The `cl_error_t` of the scan call. Most errors inside a scan come out as `CL_CLEAN`.
    pub code: u32,
    /// What the callbacks saw.
    pub flags: ReplyFlags,
    /// Bytes scanned, as far as libclamav tells.
    pub scanned: u64,
    /// Layers that the inspection callback saw, the object itself included.
    pub layers: u32,
    /// The detections, at most [`Reply::MAX_NAMES`], without repeats: first those of signatures, then
    /// rules of thumb, limits and encryption (`Heuristics.*`). After the first detection by a signature
    /// the layers that follow are left out.
    pub names: Vec<Vec<u8>>,
    /// YARA rules that match and are to be told of only, at most [`Reply::MAX_NOTED`], without repeats.
    pub noted: Vec<Vec<u8>>,
    /// The first warning or error message, for the log; empty if there was none. One without
    /// [`ReplyFlags::WARNED`] is about the object.
    pub message: Vec<u8>,
}

/// A set of the constants below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplyFlags(pub u32);

// === impl Request ===

impl Request {
    /// As one packet.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(33);
        writer.u64(self.id);
        writer.u32(self.options.0);
        writer.u32(self.limits.time_ms);
        writer.u64(self.limits.file_size);
        writer.u64(self.limits.scan_size);
        writer.u32(self.limits.files);
        writer.u32(self.limits.depth);
        writer.finish()
    }

    /// From one packet.
    pub fn decode(record: &[u8]) -> Result<Self, WireError> {
        let (kind, mut reader) = Reader::new(record)?;
        if kind != 33 {
            return Err(WireError::Unknown);
        }
        let request = Self {
            id: reader.u64()?,
            options: Options(reader.u32()?),
            limits: Limits {
                time_ms: reader.u32()?,
                file_size: reader.u64()?,
                scan_size: reader.u64()?,
                files: reader.u32()?,
                depth: reader.u32()?,
            },
        };
        reader.finish()?;
        Ok(request)
    }
}

// === impl Options ===

impl Options {
    /// Packed and protected executables (PE and ELF parsing).
    pub const PACKED: Self = Self(1);
    /// Archives and documents.
    pub const ARCHIVES: Self = Self(2);
    /// Mail messages and mail boxes. libclamav has one switch for both, so either of the two settings
    /// `mail` and `mail_databases` sets this.
    pub const MAIL: Self = Self(4);
    /// Heuristic detections.
    pub const HEURISTICS: Self = Self(8);
    /// Deceptive links in mail.
    pub const PHISHING: Self = Self(16);
    /// Report macros in documents.
    pub const MACROS: Self = Self(32);
    /// Tell the MD5 of each file inside ([`Files`](crate::Files)).
    pub const MD5: Self = Self(64);
    /// The same of SHA-1.
    pub const SHA1: Self = Self(128);
    /// The same of SHA-256.
    pub const SHA256: Self = Self(256);

    /// Report disks whose partitions lie in each other.
    pub const PARTITIONS: Self = Self(512);
    /// Report programs and pictures that are not built as their format says.
    pub const BROKEN: Self = Self(1024);

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in the set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

// === impl Reply ===

impl Reply {
    /// No reply carries more names.
    pub const MAX_NAMES: usize = 8;
    /// No reply carries more rules to be told of.
    pub const MAX_NOTED: usize = 8;
    /// No name is longer, in bytes.
    pub const MAX_NAME: usize = 256;
    /// The message is cut to this length, in bytes.
    pub const MAX_MESSAGE: usize = 512;

    /// As one packet.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(34);
        writer.u64(self.id);
        writer.u32(self.code);
        writer.u32(self.flags.0);
        writer.u64(self.scanned);
        writer.u32(self.layers);
        for (names, most) in [(&self.names, Self::MAX_NAMES), (&self.noted, Self::MAX_NOTED)] {
            let names = &names[..names.len().min(most)];
            writer.u32(u32::try_from(names.len()).unwrap_or(0));
            for name in names {
                writer.bytes(name, Self::MAX_NAME);
            }
        }
        writer.bytes(&self.message, Self::MAX_MESSAGE);
        writer.finish()
    }

    /// From one packet.
    pub fn decode(record: &[u8]) -> Result<Self, WireError> {
        let (kind, mut reader) = Reader::new(record)?;
        if kind != 34 {
            return Err(WireError::Unknown);
        }
        let (id, code, flags) = (reader.u64()?, reader.u32()?, ReplyFlags(reader.u32()?));
        let (scanned, layers) = (reader.u64()?, reader.u32()?);
        let mut read_names = |most| {
            let count = reader.u32()? as usize;
            if count > most {
                return Err(WireError::Unknown);
            }
            (0..count).map(|_| Ok(reader.bytes()?.to_vec())).collect::<Result<Vec<_>, _>>()
        };
        let (names, noted) = (read_names(Self::MAX_NAMES)?, read_names(Self::MAX_NOTED)?);
        let message = reader.bytes()?.to_vec();
        reader.finish()?;
        Ok(Self { id, code, flags, scanned, layers, names, noted, message })
    }
}

// === impl ReplyFlags ===

impl ReplyFlags {
    /// The inspection callback ran for the object itself: proof that libclamav looked. It does not
    /// run if the temporary folder is gone, if the object is larger than a limit, or if it has five
    /// bytes or fewer; libclamav 1.4 calls the first and the last of these clean.
    pub const INSPECTED: Self = Self(1);
    /// libclamav sent a warning or an error message during the scan, about its own means or about
    /// something unknown. Ordinary files bring none: thousands of them, of hundreds of kinds, were tried.
    pub const WARNED: Self = Self(2);
    /// A layer, or a part of one, is of a format that this libclamav cannot open (RAR, zstd, a zip
    /// member packed with LZMA or measured in 64 bits, a second bzip2 stream ...), or an archive announced
    /// a member that was then not opened (7z with PPMd, bzip2 or deflate; a damaged member). See [`layers`](crate::layers).
    pub const UNSUPPORTED: Self = Self(4);
    /// A layer is of a format that libclamav ignores altogether: neither body nor hash signatures
    /// were tried on it.
    pub const IGNORED: Self = Self(8);
    /// A layer, or a member of one, is encrypted, by our own look at it or by what libclamav told
    /// the member callback. The names `Heuristics.Encrypted.*` come besides.
    pub const ENCRYPTED: Self = Self(16);
    /// Containers lie deeper inside each other than the limit. What lies deeper was left out.
    pub const DEPTH: Self = Self(32);
    /// More layers than the limit on files. The rest was left out.
    pub const FILES: Self = Self(64);
    /// A layer is larger than the limit on file size. libclamav 1.4 cuts members of zip files
    /// (deflate, bzip2) at the limit and does not tell; a layer beyond the limit may be such a stump.
    pub const SIZE: Self = Self(128);
    /// libclamav complained about the object, not about its own means: a damaged or contradictory
    /// container. Or a zip file is built such that another reader may see other members than
    /// libclamav ([`layers::structure`](crate::layers::structure)).
    pub const MALFORMED: Self = Self(256);
    /// A layer, or something in it, was not opened because its option was not set
    /// ([`layers::skips`](crate::layers::skips)).
    pub const SKIPPED: Self = Self(512);
    /// The YARA rules were not tried to the end on all layers: their time was over.
    pub const RULES_CUT: Self = Self(1024);

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in the set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply() -> Reply {
        Reply {
            id: 9,
            code: 1,
            flags: ReplyFlags::INSPECTED.with(ReplyFlags::WARNED),
            scanned: 1 << 33,
            layers: 3,
            names: vec![b"A".to_vec(), b"B.UNOFFICIAL".to_vec()],
            noted: vec![b"C".to_vec()],
            message: b"LibClamAV Warning".to_vec(),
        }
    }

    #[test]
    fn request_and_reply_survive_the_wire() {
        let request = Request {
            id: 7,
            options: Options::PACKED.with(Options::MAIL),
            limits: Limits { time_ms: 9000, file_size: 1, scan_size: 2, files: 3, depth: 4 },
        };
        assert_eq!(Request::decode(&request.encode()), Ok(request));
        assert_eq!(Reply::decode(&reply().encode()), Ok(reply()));
    }

    #[test]
    fn a_reply_cut_anywhere_is_an_error() {
        let whole = reply().encode();
        for end in 0..whole.len() {
            assert!(Reply::decode(&whole[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn the_largest_reply_fits_a_record() {
        let mut large = reply();
        large.names = vec![vec![b'n'; 1000]; 100];
        large.noted.clone_from(&large.names);
        large.message = vec![b'm'; 100_000];
        assert!(large.encode().len() <= crate::MAX_RECORD);
    }
}
