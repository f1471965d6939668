//! The archives of ar(1).

use crate::members::{Members, of_error};
use icapstan_unpack::Gap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};

const MAGIC_LEN: u64 = 8;
/// Name, times, owner, rights, size, end mark.
const HEADER_LEN: usize = 60;
const NAME: std::ops::Range<usize> = 0..16;
const SIZE: std::ops::Range<usize> = 48..58;
const END: &[u8] = b"`\n";

pub(super) fn open(file: &File, members: &Members) {
    if let Err(error) = take_out(file, members) {
        members.gap(of_error(&error));
    }
}

fn take_out(file: &File, members: &Members) -> io::Result<()> {
    let len = file.metadata()?.len();
    let mut reader = BufReader::new(file);
    if is_too_many(&mut reader, len, members)? {
        // Whatever they hold, so that nobody need look at those that are not too many.
        members.gap(Gap::Count);
        return Ok(());
    }
    let mut at = reader.seek(SeekFrom::Start(MAGIC_LEN))?;
    while at < len && !members.is_over() {
        let (header, size) = header(&mut reader)?;
        at += HEADER_LEN as u64;
        if size > len.saturating_sub(at) {
            members.gap(Gap::Malformed);
        }
        // The names of BSD stand in front of the content, and so do no harm there but to signatures of beginnings.
        let name = header[NAME].trim_ascii_end();
        let prefix =
            name.strip_prefix(b"#1/").and_then(|len| std::str::from_utf8(len).ok()?.parse::<u64>().ok());
        let prefix = prefix.unwrap_or(0).min(size);
        let mut real = vec![0; usize::try_from(prefix.min(4096)).unwrap_or(0)];
        reader.read_exact(&mut real)?;
        let content = size - real.len() as u64;
        let name = if real.is_empty() { name } else { &real };
        let mut rest = (&mut reader).take(content);
        members.take(name, &mut rest);
        let rest = rest.limit();
        at += skip(&mut reader, size, rest)?;
    }
    Ok(())
}

/// Whether there are more members than are wanted, by their headers alone. Where these end too early, that is for
/// whoever takes the members out.
fn is_too_many(reader: &mut BufReader<&File>, len: u64, members: &Members) -> io::Result<bool> {
    let mut at = reader.seek(SeekFrom::Start(MAGIC_LEN))?;
    let mut count = 0;
    while at < len && !members.is_over() {
        let Ok((_, size)) = header(reader) else { return Ok(false) };
        count += 1;
        if count > members.limits().max_members {
            return Ok(true);
        }
        at += HEADER_LEN as u64;
        let Ok(skipped) = skip(reader, size, size) else { return Ok(false) };
        at = at.saturating_add(skipped);
    }
    Ok(false)
}

/// The next one, and the size that it tells.
fn header(reader: &mut impl Read) -> io::Result<([u8; HEADER_LEN], u64)> {
    let mut header = [0; HEADER_LEN];
    reader.read_exact(&mut header)?;
    let size = std::str::from_utf8(&header[SIZE]).ok().and_then(|size| size.trim_end().parse::<u64>().ok());
    match size.filter(|_| header.ends_with(END)) {
        Some(size) => Ok((header, size)),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Goes on to the next member, where so much of one of this size is still unread. Gives how much that one takes:
/// members begin at even places. What is in the buffer is kept.
fn skip(reader: &mut BufReader<&File>, size: u64, rest: u64) -> io::Result<u64> {
    let odd = size % 2;
    let too_far = || io::Error::from(io::ErrorKind::InvalidData);
    reader.seek_relative(
        i64::try_from(rest).ok().and_then(|rest| rest.checked_add_unsigned(odd)).ok_or_else(too_far)?,
    )?;
    size.checked_add(odd).ok_or_else(too_far)
}
