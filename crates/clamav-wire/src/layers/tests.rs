use super::*;

/// A local header of a zip file with a short member.
fn member(method: u16, flags: u16) -> Vec<u8> {
    let mut bytes = b"PK\x03\x04\x14\x00".to_vec();
    bytes.extend_from_slice(&flags.to_le_bytes());
    bytes.extend_from_slice(&method.to_le_bytes());
    bytes.extend_from_slice(&[0; 16]);
    bytes.extend_from_slice(&[1, 0, 0, 0]);
    bytes.extend_from_slice(b"mcontent");
    bytes
}

fn ole2(at: usize, part: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    bytes[..8].copy_from_slice(ole2::MAGIC);
    bytes[at..at + part.len()].copy_from_slice(part);
    bytes
}

#[test]
fn every_magic_is_found_where_it_stands_and_not_one_byte_later() {
    for (table, kind) in
        [(IGNORED, Kind::Ignored), (UNSUPPORTED, Kind::Unsupported), (ENCRYPTED, Kind::Encrypted)]
    {
        for (at, magic) in table {
            // A text around, since some tables hold zeros.
            let mut bytes = vec![b'.'; at + magic.len() + 64];
            bytes[*at..at + magic.len()].copy_from_slice(magic);
            assert_eq!(classify(b"", &bytes), kind, "{magic:?}");
            bytes.insert(0, b'.');
            assert_eq!(classify(b"", &bytes), Kind::Ok, "{magic:?} moved");
        }
    }
}

#[test]
fn a_type_that_libclamav_opens_is_not_doubted_for_its_magic() {
    assert_eq!(classify(b"CL_TYPE_MSEXE", b"ID3"), Kind::Ok);
    assert_eq!(classify(b"CL_TYPE_IGNORED", b"whatever"), Kind::Ignored);
    assert_eq!(classify(b"CL_TYPE_RAR", b"Rar!\x1a\x07\x01\x00"), Kind::Unsupported);
    assert_eq!(classify(b"CL_TYPE_BINARY_DATA", b"\x28\xb5\x2f\xfd...."), Kind::Unsupported);
}

#[test]
fn the_picture_of_a_pdf_is_ignored_near_the_start_only() {
    for (before, kind) in [(0, Kind::Ignored), (128, Kind::Ignored), (129, Kind::Ok)] {
        let mut bytes = vec![b'.'; before];
        bytes.extend_from_slice(IGNORED_PICTURE);
        assert_eq!(classify(b"", &bytes), kind, "{before}");
    }
}

#[test]
fn ways_of_packing_in_zip_files_are_told_apart() {
    for (method, flags, kind) in [
        (0, 0, Kind::Ok),
        (8, 8, Kind::Ok),
        (12, 0, Kind::Ok),
        (8, 1, Kind::Encrypted),
        (99, 1, Kind::Encrypted),
        (14, 0, Kind::Unsupported),
        (93, 0, Kind::Unsupported),
    ] {
        let mut bytes = member(8, 0);
        bytes.extend(member(method, flags));
        assert_eq!(classify(b"CL_TYPE_ZIP", &bytes), kind, "{method} {flags}");
        assert_eq!(classify(b"", &bytes), kind, "{method} {flags}");
    }
}

#[test]
fn a_zip_file_behind_a_gzip_member_is_seen() {
    let mut directory = b"PK\x01\x02".to_vec();
    directory.resize(46, 0);
    let mut end = b"PK\x05\x06".to_vec();
    end.resize(12, 0);
    end.extend_from_slice(&46_u32.to_le_bytes());
    end.extend_from_slice(&[0, 0, 0, 0, 3, 0]);
    end.extend_from_slice(b"abc");
    let bytes = [b"\x1f\x8b\x08\x00".as_slice(), &directory, &end].concat();
    assert_eq!(classify(b"CL_TYPE_GZ", &bytes), Kind::Unsupported);
    assert_eq!(classify(b"CL_TYPE_GZ", &bytes[..bytes.len() - 1]), Kind::Ok);
    assert_eq!(classify(b"CL_TYPE_GZ", b"\x1f\x8b\x08\x00"), Kind::Ok);
    assert_eq!(classify(b"CL_TYPE_GZ", b"\x1f\x8b\x07\x00"), Kind::Unsupported);
}

#[test]
fn a_second_bzip2_stream_is_seen() {
    let stream = b"BZh91AY&SY..........";
    assert_eq!(classify(b"CL_TYPE_BZ", stream), Kind::Ok);
    assert_eq!(classify(b"CL_TYPE_BZ", &[&stream[..], stream].concat()), Kind::Unsupported);
    assert_eq!(classify(b"CL_TYPE_BZ", b"BZh91AY&SY...1AY&SY"), Kind::Ok);
}

#[test]
fn a_rar_archive_behind_a_program_is_seen_and_the_mark_alone_is_not() {
    for (mark, kind) in [
        (&b"Rar!\x1a\x07\x00\xcf\x90\x73\x00\x00"[..], Kind::Unsupported),
        (b"Rar!\x1a\x07\x01\x00\x33\x92\xb5\xe5\x0a\x01\x05", Kind::Unsupported),
        (b"Rar!\x1a\x07\x00not a RAR archive", Kind::Ok),
        (b"Rar!\x1a\x07", Kind::Ok),
    ] {
        let bytes = [b"MZ......".as_slice(), mark].concat();
        for name in ["MSEXE", "ELF", "GIF", "JPEG", "HTML", "PDF", "RTF", "BINARY_DATA", "TEXT_ASCII"] {
            let name = format!("CL_TYPE_{name}");
            assert_eq!(classify(name.as_bytes(), &bytes), kind, "{mark:?} in {name}");
        }
        // Each member is looked at by itself.
        assert_eq!(classify(b"CL_TYPE_ISO9660", &bytes), Kind::Ok);
    }
}

#[test]
fn a_squashfs_behind_a_program_and_armour_in_a_page_are_seen() {
    let superblock =
        [b"hsqs".as_slice(), &[0; 8], &[0, 0, 2, 0, 0, 0, 0, 0, 1, 0, 17, 0], &[0; 4], &[4, 0, 0, 0]];
    let program = [b"\x7fELF........".as_slice(), &superblock.concat()].concat();
    assert_eq!(classify(b"CL_TYPE_ELF", &program), Kind::Unsupported);
    assert_eq!(classify(b"CL_TYPE_ELF", &program[..20]), Kind::Ok);
    let greeting = b"Dear all,\n-----BEGIN PGP MESSAGE-----\n\njA0EC\n";
    for name in [&b"HTML"[..], b"MAIL", b"TEXT_UTF8", b"BINARY_DATA"] {
        assert_eq!(classify(name, greeting), Kind::Encrypted);
        assert_eq!(classify(name, &greeting[..30]), Kind::Ok);
    }
}

#[test]
fn encrypted_office_files_are_seen() {
    let package: Vec<u8> = "EncryptedPackage".bytes().flat_map(|letter| [letter, 0]).collect();
    let word = [0xec, 0xa5, 0xc1, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let plain_word = [0xec, 0xa5, 0xc1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let rights: Vec<u8> = "\tDRMContent".bytes().flat_map(|letter| [letter, 0]).collect();
    let mut excel = vec![0x09, 0x08, 16, 0, 0, 6];
    excel.resize(20, 0);
    let plain_excel = excel.clone();
    excel.extend_from_slice(&[0x2f, 0, 4, 0]);
    let powerpoint = [0, 0, 0xf6, 0x0f, 0x20, 0, 0, 0, 0x14, 0, 0, 0, 0xdf, 0xc4, 0xd1, 0xf3];
    for (at, part, kind) in [
        (1024 + 128, &package[..], Kind::Encrypted),
        (1024 + 129, &package[..], Kind::Ok),
        (512, &word, Kind::Encrypted),
        (512, &plain_word, Kind::Ok),
        (1024 + 128, &rights, Kind::Encrypted),
        (1024, &excel, Kind::Encrypted),
        // In a stream that is too small for sectors of its own.
        (1024 + 192, &excel, Kind::Encrypted),
        (1024 + 193, &excel, Kind::Ok),
        (1024, &plain_excel, Kind::Ok),
        (2048 + 64, &powerpoint, Kind::Encrypted),
    ] {
        assert_eq!(classify(b"CL_TYPE_MSOLE2", &ole2(at, part)), kind, "{at} {part:02x?}");
    }
}

#[test]
fn the_old_lzma_format_is_known_by_its_shape() {
    let mut bytes = vec![0x5d, 0, 0, 0x80, 0];
    bytes.extend_from_slice(&[0xff; 8]);
    bytes.extend_from_slice(&[0, 1, 2, 3]);
    assert_eq!(classify(b"CL_TYPE_BINARY_DATA", &bytes), Kind::Unsupported);
    bytes[1] = 1;
    assert_eq!(classify(b"CL_TYPE_BINARY_DATA", &bytes), Kind::Ok);
}

#[test]
fn no_bytes_and_every_cut_of_a_header_are_harmless() {
    for whole in [member(14, 1), ole2(512, &[0xec, 0xa5, 0xc1, 0]), b"BZh91AY&SYBZh91AY&SY".to_vec()] {
        for end in 0..whole.len() {
            for name in
                [&b""[..], b"CL_TYPE_ZIP", b"CL_TYPE_MSOLE2", b"CL_TYPE_BZ", b"CL_TYPE_GZ", b"nonsense"]
            {
                let _ = classify(name, &whole[..end]);
            }
        }
    }
}
