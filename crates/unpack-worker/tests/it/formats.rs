//! What comes out of each format, and what is said of what does not.

use super::support::{LIMITS, Taken, Worker, text};
use icapstan_unpack::{Gap, MemberLimits};
use rars::{ArchiveVersion, Builder};
use sevenz_rust2::encoder_options::AesEncoderOptions;
use sevenz_rust2::{ArchiveEntry, ArchiveWriter, EncoderConfiguration, EncoderMethod, Password};
use std::io::{Cursor, Write as _};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const RAR_VERSIONS: [ArchiveVersion; 7] = [
    ArchiveVersion::Rar14,
    ArchiveVersion::Rar15,
    ArchiveVersion::Rar20,
    ArchiveVersion::Rar29,
    ArchiveVersion::Rar40,
    ArchiveVersion::Rar50,
    ArchiveVersion::Rar70,
];

fn rar_with(builder: Builder, contents: &[Vec<u8>]) -> Vec<u8> {
    let mut builder = builder;
    for (number, content) in contents.iter().enumerate() {
        builder.add_bytes(format!("{number}.txt").into_bytes(), content.clone(), None, None).unwrap();
    }
    builder.to_bytes().unwrap()
}

/// RAR 4 with one stored member, byte by byte (technote of RAR 4.20: marker, archive, file, end).
fn rar_by_hand(name: &str, content: &[u8]) -> Vec<u8> {
    let block = |body: Vec<u8>| {
        let crc = u16::try_from(crc32(&body) & 0xffff).unwrap();
        [crc.to_le_bytes().to_vec(), body].concat()
    };
    let len = u32::try_from(content.len()).unwrap().to_le_bytes();
    let main = block([[0x73, 0, 0, 13, 0].as_slice(), &[0; 6]].concat());
    let head_len = u16::try_from(32 + name.len()).unwrap();
    let mut file = vec![0x74, 0, 0x80];
    file.extend_from_slice(&head_len.to_le_bytes());
    file.extend_from_slice(&len);
    file.extend_from_slice(&len);
    file.push(3);
    file.extend_from_slice(&crc32(content).to_le_bytes());
    // Time, version 2.0, stored.
    file.extend_from_slice(&[0, 0, 0x21, 0x50, 20, 0x30]);
    file.extend_from_slice(&u16::try_from(name.len()).unwrap().to_le_bytes());
    file.extend_from_slice(&[0x20, 0, 0, 0]);
    file.extend_from_slice(name.as_bytes());
    let end = block(vec![0x7b, 0, 0x40, 7, 0]);
    [b"Rar!\x1a\x07\0".as_slice(), &main, &block(file), content, &end].concat()
}

fn crc32(data: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(data);
    crc.sum()
}

fn zip_of(method: CompressionMethod, contents: &[Vec<u8>]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (number, content) in contents.iter().enumerate() {
        let options = SimpleFileOptions::default().compression_method(method);
        writer.start_file(format!("{number}.txt"), options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A zip file with one member that is packed so.
fn zip_by_hand(method: u16, flags: u16, packed: &[u8], content: &[u8]) -> Vec<u8> {
    let u16le = |value: u16| value.to_le_bytes();
    let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
    let mut common = Vec::new();
    common.extend_from_slice(&u16le(20));
    common.extend_from_slice(&u16le(flags));
    common.extend_from_slice(&u16le(method));
    common.extend_from_slice(&[0, 0, 0x21, 0x50]);
    common.extend_from_slice(&crc32(content).to_le_bytes());
    common.extend_from_slice(&len(packed));
    common.extend_from_slice(&len(content));
    common.extend_from_slice(&u16le(5));
    common.extend_from_slice(&u16le(0));
    let mut zip = [b"PK\x03\x04".as_slice(), &common, b"0.txt", packed].concat();
    let start = len(&zip);
    let directory = [b"PK\x01\x02\x14\0".as_slice(), &common, &[0; 14], b"0.txt"].concat();
    zip.extend_from_slice(&directory);
    zip.extend_from_slice(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    zip.extend_from_slice(&len(&directory));
    zip.extend_from_slice(&start);
    zip.extend_from_slice(&[0, 0]);
    zip
}

fn lzma_alone(content: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::LzmaOptions::with_preset(3);
    let mut writer =
        lzma_rust2::LzmaWriter::new_use_header(Vec::new(), &options, Some(content.len() as u64)).unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

/// Packed as method 14: version, length of the properties, the properties, the stream.
fn lzma_in_zip(content: &[u8]) -> Vec<u8> {
    let alone = lzma_alone(content);
    [[9, 20, 5, 0].as_slice(), &alone[..5], &alone[13..]].concat()
}

fn lzip(content: &[u8]) -> Vec<u8> {
    let mut writer = lzma_rust2::LzipWriter::new(Vec::new(), lzma_rust2::LzipOptions::with_preset(3));
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

fn lz4(content: &[u8]) -> Vec<u8> {
    let mut writer = lz4_flex::frame::FrameEncoder::new(Vec::new());
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

fn bzip2(content: &[u8]) -> Vec<u8> {
    let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

fn seven_zip(methods: Vec<EncoderConfiguration>, contents: &[Vec<u8>], headers: bool) -> Vec<u8> {
    let mut writer = ArchiveWriter::new(Cursor::new(Vec::new())).unwrap();
    writer.set_content_methods(methods);
    writer.set_encrypt_header(headers);
    for (number, content) in contents.iter().enumerate() {
        let entry = ArchiveEntry::new_file(&format!("{number}.txt"));
        writer.push_archive_entry(entry, Some(content.as_slice())).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn contents() -> Vec<Vec<u8>> {
    vec![text(70_000, 1), text(300, 2), text(200_000, 3)]
}

fn whole(contents: &[Vec<u8>]) -> Taken {
    let name = |(number, content): (usize, &Vec<u8>)| (format!("{number}.txt"), content.clone());
    Taken { members: contents.iter().enumerate().map(name).collect(), gaps: Vec::new() }
}

fn take(container: &[u8]) -> Taken {
    Worker::start().take(container, LIMITS)
}

#[track_caller]
fn assert_same(what: &str, taken: &Taken, expected: &Taken) {
    let shape = |taken: &Taken| -> Vec<(String, usize)> {
        taken.members.iter().map(|(name, content)| (name.clone(), content.len())).collect()
    };
    assert_eq!((shape(taken), &taken.gaps), (shape(expected), &expected.gaps), "{what}");
    assert!(taken == expected, "{what}: other bytes");
}

#[test]
fn rar_of_each_version_comes_out_whole() {
    let contents = contents();
    let mut worker = Worker::start();
    for version in RAR_VERSIONS {
        for store in [false, true] {
            let rar = rar_with(Builder::new(version).store(store), &contents);
            let names_in_capitals = |taken: Taken| Taken {
                members: taken
                    .members
                    .into_iter()
                    .map(|(name, content)| (name.to_lowercase(), content))
                    .collect(),
                ..taken
            };
            let taken = names_in_capitals(worker.take(&rar, LIMITS));
            assert_same(&format!("{version:?}, stored: {store}"), &taken, &whole(&contents));
        }
    }
}

#[test]
fn rar_that_is_solid_or_built_by_hand_comes_out_whole() {
    let contents = contents();
    for version in [ArchiveVersion::Rar29, ArchiveVersion::Rar50] {
        let taken = take(&rar_with(Builder::new(version).solid(true), &contents));
        assert_same(&format!("{version:?}, solid"), &taken, &whole(&contents));
    }
    let taken = take(&rar_by_hand("0.txt", &contents[0]));
    assert_same("by hand", &taken, &whole(&contents[..1]));
}

#[test]
fn rar_that_is_damaged_or_cut_says_so() {
    let contents = contents();
    for version in [ArchiveVersion::Rar29, ArchiveVersion::Rar50] {
        let rar = rar_with(Builder::new(version), &contents);
        let mut damaged = rar.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0x55;
        assert_eq!(take(&damaged).gaps, [Gap::Malformed], "{version:?}, damaged");
        assert_eq!(take(&rar[..middle]).gaps, [Gap::Malformed], "{version:?}, cut");
    }
    let behind = [rar_by_hand("0.txt", b"").as_slice(), &[0; 40]].concat();
    assert_eq!(take(&behind).gaps, []);
    let junk = [&rar_by_hand("0.txt", b"")[..20], b"and what is no header at all"].concat();
    assert_eq!(take(&junk).gaps, [Gap::Malformed]);
}

#[test]
fn zip_of_each_method_comes_out_whole() {
    let contents = contents();
    let mut worker = Worker::start();
    for method in [
        CompressionMethod::Stored,
        CompressionMethod::Deflated,
        CompressionMethod::Bzip2,
        CompressionMethod::Zstd,
        CompressionMethod::Xz,
        CompressionMethod::Ppmd,
    ] {
        let taken = worker.take(&zip_of(method, &contents), LIMITS);
        assert_same(&format!("{method:?}"), &taken, &whole(&contents));
    }
    let taken = worker.take(&zip_by_hand(14, 0, &lzma_in_zip(&contents[0]), &contents[0]), LIMITS);
    assert_same("LZMA", &taken, &whole(&contents[..1]));
}

#[test]
fn zip_says_what_it_does_not_give() {
    let content = b"some content that is stored".to_vec();
    let encrypted = zip_by_hand(0, 1, &content, &content);
    assert_eq!(take(&encrypted), Taken { members: Vec::new(), gaps: vec![Gap::Encrypted] });
    let by_aes = zip_by_hand(99, 1, &content, &content);
    assert_eq!(take(&by_aes).gaps, [Gap::Encrypted]);
    let unknown = zip_by_hand(97, 0, &content, &content);
    assert_eq!(take(&unknown).gaps, [Gap::Unsupported]);
    let wrong = zip_by_hand(0, 0, &content, b"some content that was stored");
    assert_eq!(take(&wrong).gaps, [Gap::Malformed]);
    // A dictionary of four gigabytes.
    let mut greedy = lzma_in_zip(&content);
    greedy[5..9].fill(0xff);
    assert_eq!(take(&zip_by_hand(14, 0, &greedy, &content)).gaps, [Gap::Memory]);
    assert_eq!(take(b"PK\x03\x04 and nothing else").gaps, [Gap::Malformed]);
}

#[test]
fn seven_zip_of_each_method_comes_out_whole_and_encrypted_says_so() {
    let contents = contents();
    for method in [
        EncoderMethod::COPY,
        EncoderMethod::LZMA,
        EncoderMethod::LZMA2,
        EncoderMethod::PPMD,
        EncoderMethod::BZIP2,
        EncoderMethod::DEFLATE,
        EncoderMethod::ZSTD,
    ] {
        let archive = seven_zip(vec![EncoderConfiguration::new(method)], &contents, false);
        assert_same(method.name(), &take(&archive), &whole(&contents));
    }
    for headers in [false, true] {
        let aes: EncoderConfiguration = AesEncoderOptions::new(Password::from("secret")).into();
        let archive = seven_zip(vec![aes, EncoderMethod::LZMA2.into()], &contents, headers);
        let taken = take(&archive);
        assert_eq!(taken.gaps, [Gap::Encrypted], "headers: {headers}");
        assert_eq!(taken.members, []);
    }
}

#[test]
fn streams_come_out_whole_in_several_parts_too_and_damage_is_told() {
    let content = text(500_000, 9);
    for (name, stream, joins) in [
        ("zstd", zstd::encode_all(content.as_slice(), 3).unwrap(), true),
        ("lz4", lz4(&content), true),
        ("bzip2", bzip2(&content), true),
        ("lzip", lzip(&content), true),
        ("lzma", lzma_alone(&content), false),
    ] {
        let mut worker = Worker::start();
        let one = Taken { members: vec![(name.to_owned(), content.clone())], gaps: Vec::new() };
        assert_same(name, &worker.take(&stream, LIMITS), &one);
        if joins {
            let twice = worker.take(&[stream.as_slice(), &stream].concat(), LIMITS);
            let expected = Taken { members: vec![(name.to_owned(), content.repeat(2))], gaps: Vec::new() };
            assert_same(&format!("two of {name}"), &twice, &expected);
        }
        let cut = worker.take(&stream[..stream.len() / 2], LIMITS);
        assert_eq!(cut.gaps, [Gap::Malformed], "{name}, cut");
        let begins = |(_, part): &(String, Vec<u8>)| content.starts_with(part);
        assert!(cut.members.iter().all(begins), "{name}: what is there is handed over");
    }
    let skipped =
        [b"\x50\x2a\x4d\x18\x04\0\0\0skip".as_slice(), &zstd::encode_all(&b"some text"[..], 1).unwrap()];
    assert_eq!(take(&skipped.concat()).members, [("zstd".to_owned(), b"some text".to_vec())]);
}

fn tar_of(contents: &[Vec<u8>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (number, content) in contents.iter().enumerate() {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, format!("{number}.txt"), content.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn zlib(content: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

#[test]
fn what_is_taken_for_zlib_is_not_damaged_for_that() {
    let content = text(70_000, 1);
    let stream = zlib(&content);
    let mut worker = Worker::start();
    let taken = worker.take(&stream, LIMITS);
    assert_eq!(taken, Taken { members: vec![("zlib".to_owned(), content)], gaps: Vec::new() });
    assert_eq!(worker.take(&stream[..stream.len() / 2], LIMITS).gaps, [Gap::Unsupported]);
    assert_eq!(worker.take(b"\x78\x9c and what is none", LIMITS).gaps, [Gap::Unsupported]);
}

#[test]
fn what_stands_behind_the_end_comes_out_too() {
    let contents = contents();
    let zip = zip_of(CompressionMethod::Deflated, &contents);
    let mut worker = Worker::start();
    for (what, container) in [
        ("tar", tar_of(&contents)),
        ("7z", seven_zip(vec![EncoderMethod::PPMD.into()], &contents, false)),
        ("rar 4", rar_by_hand("0.txt", &contents[0])),
        ("rar 5", rar_with(Builder::new(ArchiveVersion::Rar50), &contents)),
        ("lzma", lzma_alone(&contents[0])),
        ("zlib", zlib(&contents[0])),
        ("lzip", lzip(&contents[0])),
    ] {
        let alone = worker.take(&container, LIMITS);
        assert_eq!(alone.gaps, [], "{what}");
        assert!(alone.members.iter().all(|(name, _)| name != "behind the end"), "{what}");
        let mut expected = alone.members;
        expected.push(("behind the end".to_owned(), zip.clone()));
        let taken = worker.take(&[container.as_slice(), &zip].concat(), LIMITS);
        // To its reader that is another part of it, and damaged.
        let gaps = if what == "lzip" { vec![Gap::Malformed] } else { Vec::new() };
        assert_same(what, &taken, &Taken { members: expected, gaps });
    }
    // Padding is nothing.
    let padded = [tar_of(&contents), vec![0; 100_000]].concat();
    assert_same("padded", &worker.take(&padded, LIMITS), &whole(&contents));
}

#[test]
fn what_nobody_knows_is_unsupported() {
    assert_eq!(take(b"plain text").gaps, [Gap::Unsupported]);
    assert_eq!(take(b"").gaps, [Gap::Unsupported]);
}

#[test]
fn limits_hold_and_what_they_cost_is_told() {
    let contents: Vec<_> = (0..50).map(|seed| text(10_000, seed)).collect();
    let containers = [
        ("rar", rar_with(Builder::new(ArchiveVersion::Rar50), &contents)),
        ("zip", zip_of(CompressionMethod::Zstd, &contents)),
        ("7z", seven_zip(vec![EncoderMethod::PPMD.into()], &contents, false)),
    ];
    let mut worker = Worker::start();
    for (what, container) in containers {
        let few = worker.take(&container, MemberLimits { max_members: 7, ..LIMITS });
        assert_eq!((few.members.len(), &few.gaps[..]), (7, &[Gap::Count][..]), "{what}");
        let short = worker.take(&container, MemberLimits { max_member: 5000, ..LIMITS });
        assert_eq!(short.gaps, [Gap::Size], "{what}");
        assert!(short.members.iter().all(|(_, content)| content.len() <= 5000), "{what}");
        assert!(!short.members.is_empty(), "{what}: what fits is handed over");
        let little = worker.take(&container, MemberLimits { max_total: 25_000, ..LIMITS });
        assert_eq!(little.gaps, [Gap::Size], "{what}");
        assert_eq!(little.members.iter().map(|(_, content)| content.len()).sum::<usize>(), 25_000, "{what}");
        assert_same(what, &worker.take(&container, LIMITS), &whole(&contents));
    }
}

/// An archive of ar(1), whose headers have all before any content has to be read.
fn ar(contents: &[Vec<u8>]) -> Vec<u8> {
    let mut archive = b"!<arch>\n".to_vec();
    for (number, content) in contents.iter().enumerate() {
        let size = content.len();
        let name = format!("{number}.txt");
        archive.extend(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 644).bytes());
        archive.extend(content);
        archive.resize(archive.len() + size % 2, b'\n');
    }
    archive
}

#[test]
fn an_archive_that_says_by_its_headers_that_it_has_too_many_members_is_not_taken_apart() {
    let contents: Vec<_> = (0..50).map(|seed| text(60 + usize::try_from(seed).unwrap(), seed)).collect();
    let archive = ar(&contents);
    let mut worker = Worker::start();
    let few = worker.take(&archive, MemberLimits { max_members: 49, ..LIMITS });
    assert_eq!((few.members.len(), &few.gaps[..]), (0, &[Gap::Count][..]));
    let all = worker.take(&archive, MemberLimits { max_members: 50, ..LIMITS });
    assert_same("ar", &all, &whole(&contents));
    // One that is damaged is taken apart as far as it goes.
    let cut = worker.take(&archive[..archive.len() / 2], MemberLimits { max_members: 49, ..LIMITS });
    assert!(cut.gaps == [Gap::Malformed] && cut.members.len() > 10, "{:?}", cut.gaps);
    // Nor is a size believed that leads behind the end.
    let mut far = archive;
    far[8 + 48..8 + 58].copy_from_slice(b"9999999999");
    let far = worker.take(&far, LIMITS);
    assert_eq!((far.members.len(), &far.gaps[..]), (1, &[Gap::Malformed][..]));
}
