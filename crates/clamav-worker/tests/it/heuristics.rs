//! Each level of heuristics finds what the one before does not.

use crate::objects::stored_zip;
use crate::support::{Zygote, names, request};
use icapstan_clamav_wire::{Options, ReplyFlags};

/// A disk whose second partition begins within the first.
fn disk() -> Vec<u8> {
    let mut disk = vec![0; 512 * 512];
    for (at, first, count) in [(446, 1_u32, 100_u32), (462, 50, 100)] {
        disk[at + 4] = 0x83;
        disk[at + 8..at + 12].copy_from_slice(&first.to_le_bytes());
        disk[at + 12..at + 16].copy_from_slice(&count.to_le_bytes());
    }
    disk[510..512].copy_from_slice(b"\x55\xaa");
    disk
}

/// A picture that ends in the middle of its header.
fn picture() -> Vec<u8> {
    b"GIF89a\x10\x00\x10".to_vec()
}

/// A program whose header promises sections that lie beyond its end.
fn program() -> Vec<u8> {
    let mut program = b"\x7fELF\x02\x01\x01".to_vec();
    program.resize(16, 0);
    program.extend(b"\x02\x00\x3e\x00\x01\x00\x00\x00");
    program.resize(64, 0);
    program[54..58].copy_from_slice(b"\x38\x00\xff\x00");
    program[32] = 64;
    program
}

/// An animated cursor whose header is longer than the buffer for it (MS05-002).
fn cursor() -> Vec<u8> {
    let mut cursor = b"RIFF\x80\x00\x00\x00ACONanih\x70\x00\x00\x00".to_vec();
    cursor.resize(200, b'A');
    cursor
}

#[test]
fn each_level_finds_what_the_one_before_does_not_plain_and_inside() {
    let (zygote, _database) = Zygote::ready();
    let worker = zygote.fork();
    let scan = |object: &[u8], option: Options| {
        let mut request = request();
        request.options = Options::PACKED.with(Options::ARCHIVES).with(option);
        let reply = worker.scan_with(object, &request);
        assert_eq!(reply.flags, ReplyFlags::INSPECTED, "{reply:?}");
        names(&reply)
    };
    let (shallow, medium, detail) = (Options::HEURISTICS, Options::PARTITIONS, Options::BROKEN);
    for (object, finder, name) in [
        (cursor(), shallow, "Heuristics.Exploit.W32.MS05-002"),
        // As libclamav 1.4 spells it.
        (disk(), medium, "Heuristics.MBRPartition"),
        (program(), detail, "Heuristics.Broken.Executable"),
    ] {
        for option in [Options::default(), shallow, medium, detail] {
            let found = scan(&object, option);
            if option == finder {
                assert!(found.len() == 1 && found[0].starts_with(name), "{name}: {found:?}");
            } else {
                assert!(found.is_empty(), "{name} with {option:?}: {found:?}");
            }
        }
        let inside = scan(&stored_zip(&[("a", b"some text"), ("b", &object)]), finder);
        assert!(inside.iter().any(|found| found.starts_with(name)), "{name}: {inside:?}");
    }
    // What is built as it should be is found by none.
    for object in [&b"some text"[..], &stored_zip(&[("a", b"some text")])] {
        assert!(scan(object, shallow.with(medium).with(detail)).is_empty());
    }
}

#[test]
fn broken_pictures_are_found_and_are_no_fault_of_the_engine() {
    let (zygote, _database) = Zygote::ready();
    let worker = zygote.fork();
    let mut request = request();
    let medium = Options::HEURISTICS.with(Options::PARTITIONS);
    for (options, finds) in [(medium, false), (medium.with(Options::BROKEN), true)] {
        request.options = options.with(Options::ARCHIVES);
        for object in [picture(), stored_zip(&[("a", b"some text"), ("b", &picture())])] {
            let reply = worker.scan_with(&object, &request);
            assert!(!reply.flags.has(ReplyFlags::WARNED), "{reply:?}");
            let found = names(&reply).iter().any(|name| name.starts_with("Heuristics.Broken.Media.GIF"));
            assert_eq!(found, finds, "{reply:?}");
        }
    }
}
