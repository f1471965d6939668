//! Tar.

use crate::members::{Members, of_error};
use crate::tail;
use std::fs::File;
use std::io::BufReader;
use tar::Archive;

pub(super) fn open(file: &File, members: &Members) {
    let mut archive = Archive::new(BufReader::new(file));
    let entries = match archive.entries() {
        Ok(entries) => entries,
        Err(error) => return members.gap(of_error(&error)),
    };
    for entry in entries {
        if members.is_over() {
            return;
        }
        match entry {
            Ok(entry) if entry.size() == 0 => {}
            Ok(mut entry) => {
                let name = entry.path_bytes().into_owned();
                members.take(&name, &mut entry);
            }
            // Where the next one begins is not known then.
            Err(error) => return members.gap(of_error(&error)),
        }
    }
    if !members.is_over() {
        tail::rest(archive.into_inner(), members);
    }
}
