use crate::layers::{Kind, Structure, classify, structure};

/// How a zip file of one member is built.
#[derive(Clone, Copy)]
struct Zip {
    name: &'static [u8],
    version: u16,
    flags: u16,
    method: u16,
    /// The end record of the 64-bit extension and its locator stand in front of the end record.
    has_64: bool,
}

const PLAIN: Zip = Zip { name: b"m", version: 20, flags: 0, method: 8, has_64: false };

fn built(zip: Zip) -> Vec<u8> {
    let Zip { name, version, flags, method, has_64 } = zip;
    let sizes = if flags & super::SIZES_FOLLOW == 0 { [7, 0, 0, 0, 9, 0, 0, 0] } else { [0; 8] };
    let common = |sizes: &[u8]| {
        let numbers = [version, flags, method].map(u16::to_le_bytes).concat();
        let name_len = u16::try_from(name.len()).unwrap().to_le_bytes();
        [&numbers[..], &[0; 8], sizes, &name_len, &[0, 0]].concat()
    };
    let local = [super::LOCAL, &common(&sizes), name, b"content"].concat();
    let header = [super::CENTRAL, &[20, 0], &common(&[7, 0, 0, 0, 9, 0, 0, 0]), &[0; 14], name].concat();
    let number = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
    let long = |number: usize| (number as u64).to_le_bytes();
    let mut zip = [local.as_slice(), &header].concat();
    if has_64 {
        let end = zip.len();
        zip.extend([super::END_64, &long(44), &[45, 0, 45, 0], &[0; 8], &long(1), &long(1)].concat());
        zip.extend([long(header.len()), long(local.len())].concat());
        zip.extend([super::LOCATOR_64, &[0; 4], &long(end), &[1, 0, 0, 0]].concat());
    }
    zip.extend([super::END, &[0, 0, 0, 0, 1, 0, 1, 0], &number(header.len())].concat());
    zip.extend([&number(local.len())[..], &[0, 0]].concat());
    zip
}

#[test]
fn what_libclamav_does_not_open_behind_other_data_is_told() {
    let front = b"GIF89a and what makes a picture".as_slice();
    for (zip, expected) in [
        (PLAIN, Structure::Plain),
        (Zip { method: 0, ..PLAIN }, Structure::Plain),
        (Zip { flags: 8, ..PLAIN }, Structure::Unsupported),
        (Zip { flags: 8, has_64: true, ..PLAIN }, Structure::Unsupported),
        (Zip { flags: 1, ..PLAIN }, Structure::Encrypted),
        (Zip { flags: 9, ..PLAIN }, Structure::Encrypted),
        (Zip { flags: 1, has_64: true, ..PLAIN }, Structure::Encrypted),
        (Zip { flags: 1, method: 99, ..PLAIN }, Structure::Encrypted),
        (Zip { method: 14, ..PLAIN }, Structure::Unsupported),
        (Zip { method: 98, ..PLAIN }, Structure::Unsupported),
        (Zip { method: 77, ..PLAIN }, Structure::Unsupported),
        (Zip { method: 95, name: b"a\tb", version: 255, ..PLAIN }, Structure::Unsupported),
    ] {
        let bytes = built(zip);
        for name in [&b"GIF"[..], b"ELF", b"TEXT_ASCII", b"BINARY_DATA", b"PDF", b"POSIX_TAR"] {
            let both = [front, &bytes].concat();
            assert_eq!(structure(name, &both), expected, "{} {}", zip.flags, zip.method);
            let mut cut = both.clone();
            cut.truncate(both.len() - 1);
            // What reaches to the end counts in an archive, what is near it elsewhere.
            let of_cut = if matches!(name, b"PDF" | b"POSIX_TAR") { Structure::Plain } else { expected };
            assert_eq!(structure(name, &cut), of_cut, "cut");
        }
        // Offsets that were set right for what stands in front.
        let mut moved = [front, &bytes].concat();
        let by = u32::try_from(front.len()).unwrap();
        for place in [moved.len() - 6, front.len() + bytes.len() - 22 - 47 + 42] {
            if zip.has_64 || zip.name.len() > 1 {
                continue;
            }
            let number = u32::from_le_bytes(*moved[place..].first_chunk().unwrap()) + by;
            moved[place..place + 4].copy_from_slice(&number.to_le_bytes());
        }
        assert_eq!(structure(b"ELF", &moved), expected, "{} {} moved", zip.flags, zip.method);
    }
}

#[test]
fn members_of_both_sorts_are_both_told() {
    let mut bytes = [b"text ".as_slice(), &built(Zip { method: 14, ..PLAIN })].concat();
    bytes.extend(built(Zip { flags: 1, ..PLAIN }));
    assert_eq!(structure(b"TEXT_ASCII", &bytes), Structure::UnsupportedAndEncrypted);
}

#[test]
fn what_the_directory_leads_to_is_no_chance_whatever_its_name_and_version_are() {
    for odd in [Zip { name: b"e\tcom", ..PLAIN }, Zip { version: 255, ..PLAIN }] {
        assert_eq!(classify(b"ZIP", &built(odd)), Kind::Ok);
        assert_eq!(classify(b"ZIP", &built(Zip { method: 14, ..odd })), Kind::Unsupported);
        assert_eq!(classify(b"ZIP", &built(Zip { flags: 1, ..odd })), Kind::Encrypted);
    }
    assert_eq!(structure(b"ZIP", &built(Zip { method: 14, ..PLAIN })), Structure::Plain);
}

#[test]
fn cut_and_repeated_directories_are_harmless() {
    let whole = built(Zip { has_64: true, flags: 9, ..PLAIN });
    for end in 0..whole.len() {
        let _ = (structure(b"ELF", &whole[..end]), classify(b"ZIP", &whole[..end]));
        let _ = (structure(b"ELF", &whole[end..]), classify(b"ZIP", &whole[end..]));
    }
    let ends = whole[whole.len() - 22..].repeat(4000);
    let _ = structure(b"ELF", &[whole.as_slice(), &ends].concat());
}
