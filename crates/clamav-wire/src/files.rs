//! Digests of what lies inside of an object: in front of the reply, if the request asks for them.

use crate::codec::{Reader, WireError, Writer};

/// Some files inside of an object. There are as many of these records as it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Of the request.
    pub id: u64,
    /// At most [`Files::MAX`].
    pub files: Vec<FileDigests>,
}

/// The digests of one file. Those that were not asked for are zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileDigests {
    /// Its length in bytes.
    pub len: u64,
    /// Its MD5.
    pub md5: [u8; 16],
    /// Its SHA-1.
    pub sha1: [u8; 20],
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

// === impl Files ===

impl Files {
    /// No record carries more files.
    pub const MAX: usize = 100;

    /// As one packet. What is beyond [`Files::MAX`] is left out.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(35);
        writer.u64(self.id);
        let files = &self.files[..self.files.len().min(Self::MAX)];
        writer.u32(u32::try_from(files.len()).unwrap_or(0));
        for file in files {
            writer.u64(file.len);
            writer.array(&file.md5);
            writer.array(&file.sha1);
            writer.array(&file.sha256);
        }
        writer.finish()
    }

    /// From one packet.
    pub fn decode(record: &[u8]) -> Result<Self, WireError> {
        let (kind, mut reader) = Reader::new(record)?;
        if kind != 35 {
            return Err(WireError::Unknown);
        }
        let (id, count) = (reader.u64()?, reader.u32()? as usize);
        if count > Self::MAX {
            return Err(WireError::Unknown);
        }
        let mut files = Vec::with_capacity(count);
        for _ in 0..count {
            files.push(FileDigests {
                len: reader.u64()?,
                md5: reader.array()?,
                sha1: reader.array()?,
                sha256: reader.array()?,
            });
        }
        reader.finish()?;
        Ok(Self { id, files })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_a_record_holds_survive_the_wire_and_cut_ones_are_an_error() {
        let file = |byte| FileDigests { len: 1 << 33, md5: [byte; 16], sha1: [2; 20], sha256: [3; 32] };
        let mut files = Files { id: 7, files: (0..100).map(file).collect() };
        let whole = files.encode();
        assert!(whole.len() <= crate::MAX_RECORD);
        assert_eq!(Files::decode(&whole).as_ref(), Ok(&files));
        files.files.push(file(9));
        assert_eq!(files.encode(), whole, "no more than there is room for");
        for end in 0..whole.len() {
            assert!(Files::decode(&whole[..end]).is_err(), "cut at {end}");
        }
    }
}
