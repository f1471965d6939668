//! What libclamav can do with a format, and how zip files are built.

use crate::input::Input;
use icapstan_clamav_wire::Options;
use icapstan_clamav_wire::layers::{Kind, Structure, classify, shape, skips, structure};

/// Judges a layer of a type; or builds a zip file and judges that.
///
/// - A type's name counts the same with and without libclamav's prefix.
/// - With all options nothing is skipped; with more options never more than with fewer.
/// - What libclamav ignores or cannot open by its type stays so whatever its bytes are.
/// - A zip file as writers build it is plain and open. With a byte less at its end, with another
///   directory behind it, or with its directory sought elsewhere, it is not plain.
/// - The time is in proportion to the size: a few bytes said over to 64 KiB are judged as well.
pub fn layers(data: &[u8]) {
    let mut input = Input::new(data);
    let choice = input.byte();
    if choice & 1 == 1 {
        return zip(&mut input);
    }
    let name = input.pick(TYPES);
    let bits = input.byte();
    let unit = input.rest();
    let bytes = if choice >> 3 == 31 { unit.repeat((1 << 16) / unit.len().max(1)) } else { unit.to_vec() };
    let prefixed = [b"CL_TYPE_", name].concat();
    let kind = classify(name, &bytes);
    let built = structure(name, &bytes);
    assert_eq!((classify(&prefixed, &bytes), structure(&prefixed, &bytes)), (kind, built));
    assert!(shape(name) == shape(&prefixed) && (!shape(name).stream || shape(name).container));
    match name {
        b"IGNORED" => assert_eq!(kind, Kind::Ignored),
        b"RAR" => assert_eq!(kind, Kind::Unsupported),
        _ => {}
    }
    assert!(!skips(Options(63), name, &bytes));
    let (fewer, more) = (Options(u32::from(bits & 63)), Options(u32::from(bits & 63 | bits >> 2)));
    assert!(skips(fewer, name, &bytes) >= skips(more, name, &bytes));
}

/// Types of libclamav, of each sort that is treated alike.
const TYPES: &[&[u8]] = &[
    b"",
    b"ZIP",
    b"BINARY_DATA",
    b"MSOLE2",
    b"MSEXE",
    b"TEXT_ASCII",
    b"GZ",
    b"BZ",
    b"POSIX_TAR",
    b"CPIO_CRC",
    b"PDF",
    b"MAIL",
    b"OOXML_WORD",
    b"ZIPSFX",
    b"ELF",
    b"RAR",
    b"IGNORED",
    b"MBR",
    b"7Z",
    b"NO_SUCH_TYPE",
];

/// A zip file of stored members.
fn zip(input: &mut Input<'_>) {
    let count = usize::from(input.byte() % 5) + 1;
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for index in 0..count {
        let len = usize::from(input.byte());
        let content = input.take(len);
        // The judge goes by marks wherever they stand.
        if content.windows(2).any(|window| window == b"PK") || content.ends_with(b"P") {
            return;
        }
        let offset = u32::try_from(file.len()).expect("small");
        let size = u32::try_from(content.len()).expect("small");
        let name = format!("m{index}");
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x28, 1, 2, 3, 4];
        common.extend([size.to_le_bytes(), size.to_le_bytes()].concat());
        common.extend([2, 0, 0, 0]);
        file.extend([b"PK\x03\x04", &common[..], name.as_bytes(), content].concat());
        directory.extend(
            [b"PK\x01\x02\x14\x00", &common[..], &[0; 10], &offset.to_le_bytes(), name.as_bytes()].concat(),
        );
    }
    let start = u32::try_from(file.len()).expect("small").to_le_bytes();
    let size = u32::try_from(directory.len()).expect("small").to_le_bytes();
    let count = [u8::try_from(count).expect("at most five"), 0];
    let end = [b"PK\x05\x06\0\0\0\0", &count[..], &count, &size, &start, &[0, 0]].concat();
    file.extend([directory.as_slice(), end.as_slice()].concat());
    assert_eq!((structure(b"ZIP", &file), classify(b"ZIP", &file)), (Structure::Plain, Kind::Ok));
    assert_eq!(structure(b"BINARY_DATA", &file), Structure::Plain);
    assert_ne!(structure(b"ZIP", &file[..file.len() - 1]), Structure::Plain, "cut");
    assert_ne!(
        structure(b"ZIP", &[file.as_slice(), &directory, &end].concat()),
        Structure::Plain,
        "two directories"
    );
    let place = file.len() - 6;
    file[place] = file[place].wrapping_sub(1);
    assert_ne!(structure(b"ZIP", &file), Structure::Plain, "the directory is elsewhere");
}
