//! Large pages for the loaded signatures.
//!
//! Matching jumps about in hundreds of megabytes, so that with pages of 4 KiB hardly any address is
//! in the processor's table of pages. Large pages make a scan a sixth cheaper, more where pages of a
//! guest are looked up in those of its host. They are made once, before the first fork: all workers
//! share them.

#![allow(unsafe_code, reason = "advice about memory is only to be given by libc")]

use std::fs;
use std::ops::Range;

/// A large page of x86-64, and of arm64 with pages of 4 KiB.
const HUGE: usize = 2 << 20;

/// Makes large pages now (madvise(2), since Linux 6.1).
const MADV_COLLAPSE: libc::c_int = 25;

/// Where an administrator says who gets large pages; the choice stands in brackets.
const SETTING: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

/// Moves what this process has loaded into large pages, as far as the kernel goes along.
pub(crate) fn collapse() {
    // The call itself does not mind the setting.
    if fs::read_to_string(SETTING).is_ok_and(|setting| setting.contains("[never]")) {
        return;
    }
    // Without the list all stays as it is.
    let Ok(maps) = fs::read_to_string("/proc/self/maps") else { return };
    for range in maps.lines().filter_map(private_memory) {
        let end = range.end & !(HUGE - 1);
        for start in (range.start.next_multiple_of(HUGE)..end).step_by(HUGE) {
            let address = std::ptr::without_provenance_mut(start);
            // SAFETY: what the pages hold stays as it is, and where nothing is mapped the call fails.
            unsafe { libc::madvise(address, HUGE, MADV_COLLAPSE) };
        }
    }
}

/// The addresses of a line of /proc/self/maps (proc_pid_maps(5)), if it is memory that can be written
/// and that belongs to no file.
fn private_memory(line: &str) -> Option<Range<usize>> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let (rights, inode) = (words.next()?, words.nth(2)?);
    let name = words.next();
    if rights != "rw-p" || inode != "0" || !matches!(name, None | Some("[heap]")) {
        return None;
    }
    Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_written_memory_without_a_file_is_touched() {
        for (line, found) in [
            ("7f891b000000-7f892aa00000 rw-p 00000000 00:00 0 ", Some(0x7f89_1b00_0000..0x7f89_2aa0_0000)),
            (
                "558a00000000-558a00400000 rw-p 00000000 00:00 0    [heap]",
                Some(0x558a_0000_0000..0x558a_0040_0000),
            ),
            ("7f891b000000-7f892aa00000 rw-s 00000000 00:01 0 ", None),
            ("7f891b000000-7f892aa00000 r--p 00000000 00:00 0 ", None),
            ("7f891b000000-7f892aa00000 rw-p 00001000 fe:00 4711   /usr/lib/libc.so.6", None),
            ("7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0    [stack]", None),
            ("nonsense", None),
        ] {
            assert_eq!(private_memory(line), found, "{line}");
        }
    }

    #[test]
    fn what_is_in_memory_stays_as_it_is() {
        let mut memory = vec![0_u8; 4 * HUGE];
        for (at, byte) in memory.iter_mut().enumerate() {
            *byte = at.to_le_bytes()[1];
        }
        collapse();
        assert!(memory.iter().enumerate().all(|(at, byte)| *byte == at.to_le_bytes()[1]));
    }
}
