use super::*;
use std::io::Write;
use std::time::Instant;

const LIMITS: ZipLimits = ZipLimits { max_members: 5, max_member: 1000, max_total: 3000, max_ratio: 100 };

/// A member as the directory is to tell of it; stored, of so many bytes.
#[derive(Clone, Copy)]
struct Member {
    len: u32,
    /// Instead of the length that it has.
    unpacked: u64,
    flags: u16,
    /// Instead of where it is.
    at: Option<u32>,
}

const fn member(len: u32) -> Member {
    Member { len, unpacked: len as u64, flags: 0, at: None }
}

fn central(name: &str, member: &Member, at: u32) -> Vec<u8> {
    let is_wide = member.unpacked > u64::from(u32::MAX);
    let extra =
        if is_wide { [&[1, 0, 8, 0][..], &member.unpacked.to_le_bytes()].concat() } else { Vec::new() };
    let unpacked = if is_wide { u32::MAX } else { u32::try_from(member.unpacked).unwrap() };
    [
        b"PK\x01\x02\x14\0\x14\0".as_slice(),
        &member.flags.to_le_bytes(),
        &[0; 10],
        &member.len.to_le_bytes(),
        &unpacked.to_le_bytes(),
        &u16::try_from(name.len()).unwrap().to_le_bytes(),
        &u16::try_from(extra.len()).unwrap().to_le_bytes(),
        &[0; 10],
        &member.at.unwrap_or(at).to_le_bytes(),
        name.as_bytes(),
        &extra,
    ]
    .concat()
}

fn zip_64(members: &[Member], comment: &[u8], is_64: bool) -> Vec<u8> {
    let (mut zip, mut directory) = (Vec::new(), Vec::new());
    for (index, member) in members.iter().enumerate() {
        let name = format!("{index:05}");
        directory.extend(central(&name, member, u32::try_from(zip.len()).unwrap()));
        zip.extend([b"PK\x03\x04".as_slice(), &[0; 22], &[5, 0, 0, 0], name.as_bytes()].concat());
        zip.resize(zip.len() + member.len as usize, b'x');
    }
    let (start, size) = (zip.len() as u64, directory.len() as u64);
    zip.extend(directory);
    let mut narrow = [u32::try_from(size).unwrap(), u32::try_from(start).unwrap()];
    if is_64 {
        let record = zip.len() as u64;
        let numbers =
            [members.len() as u64, members.len() as u64, size, start].map(u64::to_le_bytes).concat();
        zip.extend(
            [b"PK\x06\x06".as_slice(), &44u64.to_le_bytes(), &[45, 0, 45, 0], &[0; 8], &numbers].concat(),
        );
        zip.extend([b"PK\x06\x07\0\0\0\0".as_slice(), &record.to_le_bytes(), &[1, 0, 0, 0]].concat());
        narrow = [u32::MAX; 2];
    }
    let count = u16::try_from(members.len()).unwrap().to_le_bytes();
    let end = [&[0; 4][..], &count, &count, &narrow.map(u32::to_le_bytes).concat()].concat();
    let comment_len = u16::try_from(comment.len()).unwrap().to_le_bytes();
    zip.extend([b"PK\x05\x06".as_slice(), &end, &comment_len, comment].concat());
    zip
}

fn zip(members: &[Member]) -> Vec<u8> {
    zip_64(members, b"", false)
}

/// The same from memory and from a file.
fn check(bytes: &[u8]) -> Option<ZipCheck> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let found = zip_check(Input::Memory(bytes), &LIMITS).unwrap();
    let input = Input::File { file: &file, len: bytes.len() as u64 };
    assert_eq!(zip_check(input, &LIMITS).unwrap(), found);
    found
}

fn gaps(bytes: &[u8]) -> Vec<Gap> {
    check(bytes).expect("it has a directory").gaps.iter().collect()
}

#[test]
fn what_writers_write_has_nothing_to_it() {
    let some = [member(100), member(0), member(1000)];
    for (name, bytes) in [
        ("plain", zip(&some)),
        ("with one member", zip(&some[..1])),
        ("with a comment", zip_64(&some, b"a comment", false)),
        ("with a long comment", zip_64(&some, &vec![b'c'; 60_000], false)),
        ("with 64-bit numbers", zip_64(&some, b"", true)),
        ("behind a program", [b"MZ......".as_slice(), &zip(&some)].concat()),
        (
            "with 64-bit numbers behind a program",
            [b"MZ......".as_slice(), &zip_64(&some, b"", true)].concat(),
        ),
        ("with five members and many that are empty", zip(&[[member(9); 5], [member(0); 5]].concat())),
        ("encrypted, which nobody looks at", zip(&[Member { flags: 1, unpacked: 5000, ..member(9) }])),
    ] {
        assert_eq!(check(&bytes), Some(ZipCheck::default()), "{name}");
    }
    let mut unordered = zip(&[member(100), member(50)]);
    let directory = unordered.len() - 22 - 2 * 51;
    let (first, second) = unordered[directory..directory + 102].split_at_mut(51);
    first.swap_with_slice(second);
    assert_eq!(check(&unordered), Some(ZipCheck::default()), "the other way round in the directory");
}

#[test]
fn too_many_and_too_large_are_told_by_the_directory_alone() {
    assert_eq!(gaps(&zip(&[member(6); 6])), [Gap::Count]);
    let large = check(&zip(&[member(1001)])).unwrap();
    assert_eq!((large.gaps.iter().collect::<Vec<_>>(), large.exceeded), (vec![Gap::Size], 1000));
    let all = check(&zip(&[member(800); 4])).unwrap();
    assert_eq!((all.gaps.iter().collect::<Vec<_>>(), all.exceeded), (vec![Gap::Size], 3000));
    let huge = Member { unpacked: 1 << 40, ..member(9) };
    assert_eq!(gaps(&zip(&[huge])), [Gap::Size], "a number of 64 bits");
    assert!(!check(&zip(&[huge])).unwrap().is_bomb, "it may be lying, and costs nothing");
}

#[test]
fn members_that_share_bytes_are_told_and_a_bomb_is_one() {
    let shared = |count: usize, unpacked| {
        let first = Member { unpacked, ..member(500) };
        let all = vec![Member { at: Some(0), ..first }; count];
        // The first one has the bytes.
        let mut zip = zip(&[first]);
        zip.truncate(zip.len() - 22 - 51);
        let (start, directory): (_, Vec<u8>) =
            (zip.len(), all.iter().flat_map(|member| central("00000", member, 0)).collect());
        zip.extend_from_slice(&directory);
        let number = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
        zip.extend(
            [b"PK\x05\x06\0\0\0\0\0\0\0\0".as_slice(), &number(directory.len()), &number(start), &[0, 0]]
                .concat(),
        );
        zip
    };
    assert_eq!(check(&shared(1, 500)), Some(ZipCheck::default()));
    let two = check(&shared(2, 500)).unwrap();
    assert_eq!((two.gaps.iter().collect::<Vec<_>>(), two.is_bomb), (vec![Gap::Malformed], false));
    let bomb = check(&shared(5, 1 << 20)).unwrap();
    assert!(bomb.is_bomb && bomb.gaps.has(Gap::Malformed) && bomb.gaps.has(Gap::Size));

    let outside = zip(&[member(9), Member { at: Some(5000), ..member(9) }]);
    assert_eq!(gaps(&outside), [Gap::Malformed]);
}

#[test]
fn what_is_no_zip_file_is_none_and_every_cut_is_harmless() {
    assert_eq!(check(b""), None);
    assert_eq!(check(b"PK\x03\x04"), None);
    assert_eq!(check(&vec![b'P'; 70_000]), None);
    for whole in [zip(&[member(9); 3]), zip_64(&[member(9); 3], b"PK\x05\x06", true)] {
        for end in 0..whole.len() {
            let _ = check(&whole[..end]);
            let _ = check(&whole[end..]);
        }
    }
}

#[test]
fn a_directory_longer_than_a_piece_is_read_to_its_end() {
    let many = ZipLimits { max_members: 20_000, max_member: 9, max_total: u64::MAX, max_ratio: 100 };
    let mut members = vec![member(9); 20_000];
    members[19_999].len = 10;
    members[19_999].unpacked = 10;
    let bytes = zip(&members);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    for input in [Input::Memory(&bytes), Input::File { file: &file, len: bytes.len() as u64 }] {
        let found = zip_check(input, &many).unwrap().unwrap();
        assert_eq!(found.gaps.iter().collect::<Vec<_>>(), [Gap::Size], "of the last one");
    }
}

/// Prints what it costs; run it by name, with optimisation.
#[test]
#[ignore = "measures"]
fn what_it_costs() {
    let limits =
        ZipLimits { max_members: 10_000, max_member: 10 << 20, max_total: 400 << 20, max_ratio: 100 };
    for (name, bytes) in [
        ("10 KiB, 10 members", zip(&[member(950); 10])),
        ("1 MiB, 100 members", zip(&[member(10_400); 100])),
        ("1 MiB, 9,000 members", zip(&vec![member(10); 9000])),
    ] {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        for (from, input) in [
            ("memory", Input::Memory(&bytes)),
            ("file", Input::File { file: &file, len: bytes.len() as u64 }),
        ] {
            let begin = Instant::now();
            for _ in 0..1000 {
                assert!(zip_check(std::hint::black_box(input), &limits).unwrap().unwrap().gaps.is_empty());
            }
            println!("{name}, {} bytes, {from}: {:?}", bytes.len(), begin.elapsed() / 1000);
        }
    }
}
