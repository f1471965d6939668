//! ClamAV's lists of digests of whole files: `digest:size:name[:least[:most]]`.
//!
//! <https://docs.clamav.net/manual/Signatures/HashSignatures.html>. The last two fields say which versions of
//! the engine a line is for; they are read as numbers, and the line is taken whatever they say. A size of
//! `*` stands for any.

use super::{Reason, Said};
use crate::digest::{Digest, Entry};
use std::borrow::Cow;

pub(super) fn line(line: &[u8]) -> Result<Said<'_>, Reason> {
    let mut fields = line.split(|byte| *byte == b':');
    let (Some(digest), Some(size), Some(name)) = (fields.next(), fields.next(), fields.next()) else {
        return Err(Reason::NoFields);
    };
    let digest = Digest::parse(digest).ok_or(Reason::NoDigest)?;
    let size = match size {
        b"*" => None,
        digits => Some(number(digits).ok_or(Reason::NoSize)?),
    };
    let levels: Vec<&[u8]> = fields.take(3).collect();
    let is_level = |field: &&[u8]| field.is_empty() || number(field).is_some();
    if name.trim_ascii().is_empty() || levels.len() > 2 || !levels.iter().all(is_level) {
        return Err(Reason::NoFields);
    }
    let size = match size {
        None => None,
        Some(size) => match u32::try_from(size) {
            Ok(size) if size < Entry::MAX_SIZE => Some(size),
            _ => return Err(Reason::Large),
        },
    };
    Ok(Some((Entry { digest, size }, Cow::Borrowed(name))))
}

fn number(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()
}
