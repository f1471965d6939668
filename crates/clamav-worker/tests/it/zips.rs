//! A zip file in which another reader may see other members is not called clean.

use crate::objects::stored_zip;
use crate::support::{Worker, Zygote, eicar};
use icapstan_clamav_wire::layers::{self, Structure};
use icapstan_clamav_wire::{Options, ReplyFlags};

const TEXT: &[u8] = b"some harmless text";

/// Where the record stands that begins with the mark, counted from the end.
fn last(bytes: &[u8], mark: &[u8]) -> usize {
    bytes.windows(mark.len()).rposition(|window| window == mark).unwrap()
}

fn put(bytes: &mut [u8], at: usize, number: usize) {
    bytes[at..at + 4].copy_from_slice(&u32::try_from(number).unwrap().to_le_bytes());
}

fn number(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// A zip file as writers make them that cannot go back: the sizes stand behind the data.
fn streamed_zip(name: &str, data: &[u8]) -> Vec<u8> {
    let plain = stored_zip(&[(name, data)]);
    let directory = last(&plain, b"PK\x01\x02");
    let mut zip = plain[..directory].to_vec();
    zip[6] |= 8;
    zip[14..26].fill(0);
    zip.extend(b"PK\x07\x08\0\0\0\0");
    zip.extend([u32::try_from(data.len()).unwrap().to_le_bytes(); 2].concat());
    let start = zip.len();
    zip.extend(&plain[directory..]);
    zip[start + 8] |= 8;
    let end = last(&zip, b"PK\x05\x06");
    put(&mut zip, end + 16, start);
    zip
}

fn flags(worker: &Worker, object: &[u8]) -> Option<ReplyFlags> {
    let reply = worker.scan(object);
    // A detection is as good.
    reply.names.is_empty().then_some(reply.flags)
}

#[test]
fn what_only_other_readers_see_makes_a_zip_file_malformed() {
    let (zygote, _database) = Zygote::ready();
    let worker = zygote.fork();
    let plain = stored_zip(&[("a.txt", TEXT)]);
    let other = stored_zip(&[("e.com", &eicar())]);
    let joined = [&plain[..], &other].concat();

    let mut comment = plain.clone();
    let len = u16::try_from(other.len()).unwrap().to_le_bytes();
    let at = comment.len() - 2;
    comment[at..].copy_from_slice(&len);
    comment.extend(&other);

    // The second directory with offsets from the start of the file: libclamav sees it alone.
    let mut absolute = [&other[..], &plain].concat();
    let (directory, end) = (last(&absolute, b"PK\x01\x02"), last(&absolute, b"PK\x05\x06"));
    put(&mut absolute, directory + 42, other.len());
    put(&mut absolute, end + 16, directory);

    // A member that the directory does not name, first, in the middle and last.
    let both = stored_zip(&[("a.txt", TEXT), ("e.com", &eicar()), ("b.txt", TEXT)]);
    let (first, start, end) = (30 + 5 + TEXT.len(), last(&both, b"PK\x05\x06") - 3 * 51, both.len() - 22);
    let unlisted = |index: usize| {
        let mut object = both.clone();
        object.drain(start + index * 51..start + (index + 1) * 51);
        let at = object.len() - 22;
        object[at + 8] = 2;
        object[at + 10] = 2;
        put(&mut object, at + 12, end - start - 51);
        object
    };
    let mut hidden = unlisted(1);
    // Its data seems to be that of the one before, by the directory alone.
    let covering = number(&hidden, start + 20) + 35 + eicar().len();
    put(&mut hidden, start + 20, covering);

    let mut reckoned = plain.clone();
    let at = last(&reckoned, b"PK\x05\x06") + 12;
    put(&mut reckoned, at, 50);

    for (what, object) in [
        ("joined", joined),
        ("in the comment", comment),
        ("joined, absolute", absolute),
        ("unlisted first", unlisted(0)),
        ("unlisted", unlisted(1)),
        ("unlisted last", unlisted(2)),
        ("covered", hidden),
        ("behind", [&plain[..], &other[..first]].concat()),
        ("another size of the directory", reckoned),
        ("no directory", both[..start].to_vec()),
        ("streamed without a directory", streamed_zip("e.com", &eicar())[..120].to_vec()),
        ("cut in the directory", both[..start + 60].to_vec()),
    ] {
        let flags = flags(&worker, &object);
        assert!(flags.is_none_or(|flags| flags.has(ReplyFlags::MALFORMED)), "{what}: {flags:?}");
        let inside = stored_zip(&[("inner.zip", &object)]);
        let flags = self::flags(&worker, &inside);
        assert!(flags.is_none_or(|flags| flags.has(ReplyFlags::MALFORMED)), "{what}, inside: {flags:?}");
    }
}

#[test]
fn zip_files_as_they_are_written_are_no_matter() {
    let (zygote, _database) = Zygote::ready();
    let worker = zygote.fork();
    let plain = stored_zip(&[("a.txt", TEXT), ("b.txt", TEXT)]);
    let mut comment = plain.clone();
    let at = comment.len() - 2;
    comment[at..].copy_from_slice(&[4, 0]);
    comment.extend(b"PK..");
    for (what, object) in [
        ("plain", plain.clone()),
        ("comment", comment),
        ("bytes behind", [&plain[..], b"\0\0\0\0"].concat()),
        ("inside each other", stored_zip(&[("a.zip", &plain), ("b.zip", &plain), ("c.txt", TEXT)])),
        ("a byte in front", [b"x", &plain[..]].concat()),
        ("much in front", [&TEXT.repeat(1000), &plain[..]].concat()),
        ("streamed", streamed_zip("a.txt", TEXT)),
        ("streamed inside", streamed_zip("a.zip", &streamed_zip("a.zip", &plain))),
    ] {
        assert_eq!(flags(&worker, &object), Some(ReplyFlags::INSPECTED), "{what}");
    }
    for object in
        [streamed_zip("e.com", &eicar()), streamed_zip("a.zip", &stored_zip(&[("e.com", &eicar())]))]
    {
        assert_eq!(flags(&worker, &object), None);
    }
}

#[test]
fn a_zip_file_behind_other_data_whose_members_cannot_be_opened_is_not_called_clean() {
    let (zygote, _database) = Zygote::ready();
    let worker = zygote.fork();
    let zip = streamed_zip("e.com", &eicar());
    for (what, front, behind) in [
        ("a byte", &b"x"[..], &b""[..]),
        ("a script", b"#!/usr/bin/python3\n", b""),
        ("a picture", b"GIF89a\x01\x00\x01\x00\x00\x00\x00;", b""),
        ("a picture, and more behind", b"GIF89a\x01\x00\x01\x00\x00\x00\x00;", b"more"),
        ("a PDF file", b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n", b""),
    ] {
        let flags = flags(&worker, &[front, &zip, behind].concat());
        assert!(flags.is_none_or(|flags| flags.has(ReplyFlags::UNSUPPORTED)), "{what}: {flags:?}");
    }
}

#[test]
fn a_member_measured_in_64_bits_is_not_called_clean() {
    let (zygote, _database) = Zygote::ready();
    let worker = zygote.fork();
    // As Python writes what it does not know the size of: in the local header the sizes stand apart.
    let plain = stored_zip(&[("e.com", &eicar())]);
    let directory = last(&plain, b"PK\x01\x02");
    let mut object = plain[..30 + 5].to_vec();
    object[18..26].fill(0xff);
    object[28] = 20;
    object.extend(b"\x01\x00\x10\x00");
    object.extend([(eicar().len() as u64).to_le_bytes(); 2].concat());
    object.extend(&plain[30 + 5..]);
    let end = last(&object, b"PK\x05\x06");
    put(&mut object, end + 16, directory + 20);
    let flags = flags(&worker, &object);
    assert!(flags.is_none_or(|flags| flags.has(ReplyFlags::UNSUPPORTED)), "{flags:?}");
}

#[test]
fn no_change_of_a_byte_and_no_cut_of_a_zip_file_is_more_than_it_can_bear() {
    let plain = [stored_zip(&[("a", TEXT), ("b", TEXT)]), streamed_zip("c", TEXT)].concat();
    let look = |bytes: &[u8]| {
        layers::skips(Options::default(), b"CL_TYPE_BINARY_DATA", bytes);
        layers::structure(b"CL_TYPE_BINARY_DATA", bytes);
        layers::structure(b"CL_TYPE_ZIP", bytes)
    };
    for end in 0..plain.len() {
        look(&plain[..end]);
        look(&plain[end..]);
        for value in [0, 1, 0x7f, 0xff] {
            let mut bytes = plain.clone();
            bytes[end] = value;
            look(&bytes);
        }
    }
    assert_eq!(look(&plain), Structure::Ambiguous);
    assert_eq!(look(&streamed_zip("c", TEXT)), Structure::Plain);
}

#[test]
fn end_records_without_number_that_share_a_directory_cost_little() {
    let header = [&b"PK\x01\x02"[..], &[0; 42]].concat();
    let mut bytes = [b"x".as_slice(), &header.repeat(500_000)].concat();
    while bytes.len() < 500_000 * 46 + 60_000 {
        let size = u32::try_from(bytes.len() - 1).unwrap();
        bytes.extend(b"PK\x05\x06\0\0\0\0\0\0\0\0");
        bytes.extend([size.to_le_bytes(), 1_u32.to_le_bytes()].concat());
        bytes.extend([0, 0]);
    }
    let begin = std::time::Instant::now();
    assert_eq!(layers::structure(b"CL_TYPE_BINARY_DATA", &bytes), Structure::Unsupported);
    // The product of both numbers would take minutes.
    assert!(begin.elapsed().as_secs() < 10, "{:?}", begin.elapsed());
}
