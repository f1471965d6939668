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
    let mut at = reader.seek(SeekFrom::Start(MAGIC_LEN))?;
    while at < len && !members.is_over() {
        let mut header = [0; HEADER_LEN];
        reader.read_exact(&mut header)?;
        let size =
            std::str::from_utf8(&header[SIZE]).ok().and_then(|size| size.trim_end().parse::<u64>().ok());
        let Some(size) = size.filter(|_| header.ends_with(END)) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
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
        members.take(name, &mut (&mut reader).take(content));
        // Members begin at even places.
        at += size + size % 2;
        reader.seek(SeekFrom::Start(at))?;
    }
    Ok(())
}
