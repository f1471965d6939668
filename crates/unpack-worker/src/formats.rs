//! The formats, one file each.

mod ar;
mod rar;
mod sevenzip;
mod stream;
mod tar;
mod zip;

use crate::members::Members;
use crate::tail;
use icapstan_unpack::Container;
use std::fs::File;

/// Memory for the dictionary of one decoder, in bytes.
const MAX_DICTIONARY: u64 = 256 << 20;
/// The same in KiB.
const MAX_DICTIONARY_KIB: u32 = 256 << 10;

/// Takes all members out of a file that begins as `container` does, and what stands behind its end.
pub(crate) fn open(container: Container, file: &File, members: &Members) {
    match container {
        Container::Rar => rar::open(file, members),
        Container::Zip => zip::open(file, members),
        Container::SevenZip => sevenzip::open(file, members),
        Container::Tar => tar::open(file, members),
        Container::Ar => ar::open(file, members),
        stream => stream::open(stream, file, members),
    }
    tail::behind(container, file, members);
}
