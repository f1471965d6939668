//! File systems without a mark that is one by itself, told by numbers that have to fit each other.

use super::{find, is_at, u16_at, u32_at, u64_at};

/// A boot sector that stands alone, as boot loaders come, is no file system.
const SMALLEST: usize = 8 << 10;
const SECTOR_SIZES: [u16; 4] = [512, 1024, 2048, 4096];

/// Where Minix has what describes it.
const MINIX: usize = 1024;

const SQUASHFS: &[u8] = b"hsqs";

/// FAT, NTFS, exFAT or Minix, or a disk with one of these.
pub(super) fn is_file_system(bytes: &[u8]) -> bool {
    let is_one =
        |bytes: &[u8]| bytes.len() >= SMALLEST && (is_fat(bytes) || is_ntfs(bytes) || is_minix(bytes));
    is_one(bytes) || partitions(bytes).any(|start| bytes.get(start..).is_some_and(is_one))
}

/// Where the partitions begin of which the first sector of a disk tells.
fn partitions(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let entries = if is_at(bytes, 510, b"\x55\xaa") { &bytes[446..510] } else { &[] };
    entries.chunks_exact(16).filter(|entry| matches!(entry[0], 0 | 0x80) && entry[4] != 0).filter_map(
        |entry| {
            let sector = u32_at(entry, 8).filter(|&sector| sector > 0)?;
            usize::try_from(sector).ok()?.checked_mul(512)
        },
    )
}

/// FAT 12, 16 and 32, by the block that boot sectors have for it, and the first entry of its table or
/// its length.
fn is_fat(bytes: &[u8]) -> bool {
    let (Some(sector), Some(reserved), Some(short), Some(long)) =
        (u16_at(bytes, 11), u16_at(bytes, 14), u16_at(bytes, 19), u32_at(bytes, 32))
    else {
        return false;
    };
    let (clusters, tables, medium) = (bytes[13], bytes[16], bytes[21]);
    let fits = SECTOR_SIZES.contains(&sector)
        && clusters.is_power_of_two()
        && reserved > 0
        && matches!(tables, 1 | 2)
        && matches!(medium, 0xf0 | 0xf8..=0xff);
    if !fits {
        return false;
    }
    let table = usize::from(sector) * usize::from(reserved);
    let sectors = if short == 0 { u64::from(long) } else { short.into() };
    let is_whole = sectors > 0 && sectors * u64::from(sector) <= bytes.len() as u64;
    is_whole || is_at(bytes, table, &[medium, 0xff, 0xff])
}

/// exFAT has no sizes where the others do.
fn is_ntfs(bytes: &[u8]) -> bool {
    let fits = u16_at(bytes, 11).is_some_and(|sector| SECTOR_SIZES.contains(&sector))
        && u64_at(bytes, 40).is_some_and(|sectors| sectors > 0);
    is_at(bytes, 3, b"NTFS    ") && fits || is_at(bytes, 3, b"EXFAT   ") && is_at(bytes, 510, b"\x55\xaa")
}

/// Versions 1 to 3, in the byte order of most machines.
fn is_minix(bytes: &[u8]) -> bool {
    let short = |at: usize| u16_at(bytes, MINIX + at).map_or(0, u64::from);
    let long = |at: usize| u32_at(bytes, MINIX + at).map_or(0, u64::from);
    let (inodes, map, first, shift, inode_len, block) = match (short(16), short(24)) {
        (0x137f | 0x138f, _) => (short(0), short(4), short(8), short(10), 32, 1024),
        (0x2468 | 0x2478, _) => (short(0), short(4), short(8), short(10), 64, 1024),
        (_, 0x4d5a) => (long(0), short(6), short(10), short(12), 64, short(28)),
        _ => return false,
    };
    let zones = if short(24) == 0x4d5a && short(16) >> 8 != 0x13 { short(8) } else { short(6) };
    if inodes == 0 || block < 512 {
        return false;
    }
    let tables = 2 + map + zones + (inodes * inode_len).div_ceil(block);
    let has_room = map * block * 8 > inodes && map <= inodes / 512 + 2;
    shift == 0 && has_room && (first == tables || first == 0)
}

/// A squashfs behind a program that mounts it, by the numbers of its superblock: version 4.0, and a
/// block size and its logarithm.
pub(super) fn has_squashfs(bytes: &[u8]) -> bool {
    let mut from = 0;
    while let Some(at) = find(bytes, SQUASHFS, from) {
        let is_version = is_at(bytes, at + 28, &[4, 0, 0, 0]);
        let (size, log) = (u32_at(bytes, at + 12), u16_at(bytes, at + 22));
        let is_size = size.zip(log).is_some_and(|(size, log)| (12..=20).contains(&log) && size == 1 << log);
        if is_version && is_size && u16_at(bytes, at + 20).is_some_and(|packed| (1..=16).contains(&packed)) {
            return true;
        }
        from = at + 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(bytes: &mut [u8], at: usize, part: &[u8]) {
        bytes[at..at + part.len()].copy_from_slice(part);
    }

    /// A floppy disk: sector, cluster, reserved, tables, root, sectors, medium.
    fn fat() -> Vec<u8> {
        let mut bytes = vec![0; 16 << 10];
        put(&mut bytes, 0, b"\xeb\x3c\x90mkfs.fat");
        put(&mut bytes, 11, &[0, 2, 4, 1, 0, 2, 0, 2, 32, 0, 0xf0]);
        bytes
    }

    #[test]
    fn fat_is_known_by_its_length_or_its_table_and_a_boot_sector_is_none() {
        let whole = fat();
        assert!(is_file_system(&whole));
        let mut longer = whole.clone();
        put(&mut longer, 19, &[0, 4]);
        assert!(!is_file_system(&longer), "neither");
        put(&mut longer, 512, &[0xf0, 0xff, 0xff]);
        assert!(is_file_system(&longer), "a part of one");
        assert!(!is_file_system(&whole[..512]));
        for (at, byte) in [(11, 1), (13, 3), (14, 0), (16, 3), (21, 0xf1)] {
            let mut other = whole.clone();
            other[at] = byte;
            assert!(!is_file_system(&other), "{at}");
        }
        assert!(!is_file_system(&vec![0; 1 << 16]) && !is_file_system(&vec![0xff; 1 << 16]));
    }

    #[test]
    fn a_disk_is_known_by_its_partitions() {
        let mut disk = vec![0; 4096];
        put(&mut disk, 446, &[0x80, 0, 2, 0, 6, 0, 0, 0, 8, 0, 0, 0, 32]);
        disk.extend(fat());
        assert!(!is_file_system(&disk));
        put(&mut disk, 510, b"\x55\xaa");
        assert!(is_file_system(&disk));
        disk[454] = 7;
        assert!(!is_file_system(&disk));
        disk[456] = 0xff;
        assert!(!is_file_system(&disk));
    }

    #[test]
    fn ntfs_exfat_and_minix_are_known_by_what_fits() {
        let mut ntfs = vec![0; SMALLEST];
        put(&mut ntfs, 3, b"NTFS    \x00\x02\x08");
        assert!(!is_file_system(&ntfs));
        ntfs[41] = 8;
        assert!(is_file_system(&ntfs));
        let mut exfat = vec![0; SMALLEST];
        put(&mut exfat, 3, b"EXFAT   ");
        assert!(!is_file_system(&exfat));
        put(&mut exfat, 510, b"\x55\xaa");
        assert!(is_file_system(&exfat));
        // 2,048 KiB as mkfs.minix makes it: 704 inodes, 22 blocks of them, from block 26 on data.
        let mut minix = vec![0; SMALLEST];
        put(&mut minix, MINIX, &[0xc0, 2, 0, 8, 1, 0, 1, 0, 26, 0, 0, 0, 0, 0x1c, 8, 0x10, 0x8f, 0x13]);
        assert!(is_file_system(&minix));
        minix[MINIX + 8] = 27;
        assert!(!is_file_system(&minix));
    }

    #[test]
    fn squashfs_is_known_by_its_numbers_and_not_by_its_mark() {
        let mut bytes = vec![0; 4096];
        put(&mut bytes, 100, b"hsqs and more text of a program that can read such");
        put(&mut bytes, 1000, b"hsqs");
        put(&mut bytes, 1012, &[0, 0, 2, 0, 0, 0, 0, 0, 1, 0, 17, 0, 0, 0, 0, 0, 4, 0, 0, 0]);
        assert!(has_squashfs(&bytes));
        bytes[1022] = 16;
        assert!(!has_squashfs(&bytes));
        for end in 0..bytes.len() {
            let _ = (has_squashfs(&bytes[..end]), is_file_system(&bytes[..end]));
        }
    }
}
