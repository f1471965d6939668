//! Formats that hold others: which one it is, as far as the first bytes tell.

/// No media type in an OpenDocument or EPUB file is longer.
const MAX_MIMETYPE: usize = 64;

/// What a zip file is by a file in it.
const BY_NAME: [(&[u8], &str); 5] = [
    (b"word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (b"xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (b"ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    (b"AndroidManifest.xml", "application/vnd.android.package-archive"),
    (b"META-INF/MANIFEST.MF", "application/java-archive"),
];

/// Types that a zip file says of itself in its first file.
const BY_MIMETYPE: [&str; 5] = [
    "application/epub+zip",
    "application/vnd.oasis.opendocument.graphics",
    "application/vnd.oasis.opendocument.presentation",
    "application/vnd.oasis.opendocument.spreadsheet",
    "application/vnd.oasis.opendocument.text",
];

/// Whether it is a program of DOS or Windows, also one whose head has no byte that could not stand in a text of
/// some encoding. Words that begin so are followed by what people write.
pub(crate) fn is_program(first: &[u8]) -> bool {
    const HEAD: usize = 64;
    let is_written = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    first.starts_with(b"MZ") && !first.iter().take(HEAD).all(is_written)
}

/// The type of what begins like a zip file, a program of Windows, Matroska, MP4 or MPEG audio.
pub(crate) fn refine(first: &[u8]) -> Option<&'static str> {
    if first.starts_with(b"PK\x03\x04") {
        return Some(zip(first));
    }
    if first.starts_with(b"MZ") {
        return Some(program(first));
    }
    if first.starts_with(b"\x1a\x45\xdf\xa3") {
        return ebml(first);
    }
    if first.starts_with(b"ID3") {
        return Some("audio/mpeg");
    }
    // Brands that are told apart have signatures of their own.
    let format = file_format::FileFormat::from_bytes(first);
    (format == file_format::FileFormat::Mpeg4Part14).then_some("video/mp4")
}

/// By the first file that tells. Local headers are found by their signature: their lengths may stand
/// behind the data only (APPNOTE.TXT 4.3.9).
fn zip(first: &[u8]) -> &'static str {
    let mut headers = first.windows(4).enumerate().filter(|(_, window)| *window == b"PK\x03\x04");
    headers.find_map(|(at, _)| entry(&first[at..], at == 0)).unwrap_or("application/zip")
}

/// What the file behind a local header tells (APPNOTE.TXT 4.3.7).
fn entry(header: &[u8], is_first: bool) -> Option<&'static str> {
    let length = |at: usize| Some(usize::from(u16::from_le_bytes(*header.get(at..)?.first_chunk()?)));
    let name = header.get(30..30 + length(26)?)?;
    if is_first && name == b"mimetype" {
        let content = header.get(38 + length(28)?..)?;
        let content = &content[..content.len().min(MAX_MIMETYPE)];
        return BY_MIMETYPE
            .into_iter()
            .filter(|kind| content.starts_with(kind.as_bytes()))
            .max_by_key(|kind| kind.len());
    }
    let is_there = |(front, _): &&(&[u8], &str)| {
        if front.ends_with(b"/") { name.starts_with(front) } else { name == *front }
    };
    BY_NAME.iter().find(is_there).map(|(_, kind)| *kind)
}

/// A program of Windows, or of DOS where the place of the newer header is there and holds none. What
/// lies farther behind is taken for one of Windows.
fn program(first: &[u8]) -> &'static str {
    const WINDOWS: &str = "application/vnd.microsoft.portable-executable";
    const DOS: &str = "application/x-dosexec";
    let Some(place) = first.get(60..).and_then(|rest| rest.first_chunk()) else { return DOS };
    let place = usize::try_from(u32::from_le_bytes(*place)).unwrap_or(usize::MAX);
    match place.checked_add(4).and_then(|end| first.get(place..end)) {
        Some(b"PE\0\0") => WINDOWS,
        None if first.len() >= super::PREFIX => WINDOWS,
        Some(_) | None => DOS,
    }
}

/// By the element DocType (RFC 8794 section 11.2.6), which stands near the front.
fn ebml(first: &[u8]) -> Option<&'static str> {
    let head = &first[..first.len().min(256)];
    let at = head.windows(2).position(|window| window == [0x42, 0x82])?;
    let name = head.get(at + 3..)?;
    if name.starts_with(b"webm") {
        Some("video/webm")
    } else {
        name.starts_with(b"matroska").then_some("video/x-matroska")
    }
}
