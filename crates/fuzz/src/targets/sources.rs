//! What sources of signatures have: heads, lists of digests, signatures, keys, manifests, and what servers say.

use crate::input::Input;
use icapstan_artifacts::content_range;
use icapstan_sources::{
    Challenge, Checksums, Credential, CvdHeader, Format, Manifest, PublicKey, Reference, Signature,
    is_file_name,
};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Reads one of these; the first byte says which.
///
/// - The head of a CVD that was read can be written again, and says the same.
/// - A list of digests has names of files only, and can be written again as `sha256sum` would.
/// - A signature and a key are what they are, however they were written; a key has a name that can be shown.
/// - A manifest has files of different names that stay in their folder.
/// - A reference is made of its parts, and of nothing else.
/// - A part of a file lies within the file.
/// - A challenge and a file of credentials say no more than stands there.
pub fn sources(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.byte() % 8;
    let format = if input.bit() { Format::Minisign } else { Format::Ed25519 };
    let rest = input.rest();
    let text = std::str::from_utf8(rest).unwrap_or_default();
    match kind {
        0 => head(rest),
        1 => list(text),
        2 => signature(format, rest),
        3 => key(format, text),
        4 => manifest(rest),
        5 => reference(text),
        6 => answers(text),
        _ => credentials(rest),
    }
}

fn head(bytes: &[u8]) {
    let Ok(found) = CvdHeader::parse(bytes) else { return };
    assert!(CvdHeader::is_likely(bytes) && bytes.len() >= CvdHeader::LEN);
    let is_shown =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    assert!(is_shown(&found.built) && is_shown(&found.builder));
    assert!(found.md5.len() == 32 && found.md5.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
    let CvdHeader { built, version, signatures, functionality_level, md5, builder, .. } = &found;
    let signature = if found.is_signed { "s".repeat(33) } else { "X".to_owned() };
    let mut written = format!(
        "ClamAV-VDB:{built}:{version}:{signatures}:{functionality_level}:{md5}:{signature}:{builder}"
    );
    if let Some(time) = found.built_at {
        let _ = write!(written, ":{}", time.as_second());
    }
    let again = CvdHeader::parse(format!("{written:<512}").as_bytes()).expect("it was read");
    assert_eq!(again, found);
}

fn list(text: &str) {
    let Ok(found) = text.parse::<Checksums>() else { return };
    let mut written = String::new();
    if let Some(serial) = found.serial {
        let _ = writeln!(written, "# serial: {serial}");
    }
    if let Some(released) = found.released {
        let _ = writeln!(written, "# released: {released}");
    }
    for (name, digest) in &found.files {
        assert!(is_file_name(name));
        let _ = writeln!(written, "{}  {name}", digest.hex());
    }
    assert_eq!(written.parse(), Ok(found));
}

fn signature(format: Format, bytes: &[u8]) {
    match Signature::parse(format, bytes) {
        Ok(Signature::Ed25519(found)) => {
            assert_eq!(format, Format::Ed25519);
            let hex = found.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
            let again = Signature::parse(format, hex.as_bytes());
            assert!(matches!(again, Ok(Signature::Ed25519(again)) if again == found));
        }
        Ok(Signature::Minisign(_)) => assert_eq!(format, Format::Minisign),
        Err(what) => assert!(!what.is_empty()),
    }
}

fn key(format: Format, text: &str) {
    let Ok(found) = PublicKey::parse(format, text) else { return };
    let id = found.id();
    assert!(id.len() <= 40 && id.bytes().all(|byte| byte.is_ascii_graphic()));
    assert_eq!(matches!(found, PublicKey::Minisign(..)), format == Format::Minisign);
    // Blanks around it change nothing.
    assert_eq!(PublicKey::parse(format, &format!("\n{text}\n")), Ok(found));
}

fn manifest(bytes: &[u8]) {
    let Ok(found) = Manifest::parse(bytes) else { return };
    let names: BTreeSet<_> = found.layers.iter().map(|layer| &layer.name).collect();
    assert!(names.len() == found.layers.len() && names.len() <= 256);
    assert!(names.into_iter().all(|name| is_file_name(name)));
}

fn reference(text: &str) {
    let Ok(found) = text.parse::<Reference>() else { return };
    let mut written = format!("{}/{}", found.registry, found.repository);
    if let Some(tag) = &found.tag {
        let _ = write!(written, ":{tag}");
    }
    if let Some(digest) = &found.digest {
        let _ = write!(written, "@{digest}");
    }
    assert_eq!(written, text);
    assert!(!found.repository.split('/').any(|part| part.is_empty() || part == "." || part == ".."));
}

fn answers(text: &str) {
    if let Some((first, last, total)) = content_range(text) {
        assert!(first <= last && last < total);
    }
    if let Some(Challenge::Bearer { realm, service, scope }) = Challenge::parse(text) {
        let said = [Some(realm), service, scope].into_iter().flatten();
        assert!(said.map(|part| part.len()).sum::<usize>() <= text.len());
    }
}

fn credentials(bytes: &[u8]) {
    let Ok(found) = Credential::from_docker_config(bytes) else { return };
    assert!(found.iter().all(|one| one.hosts.len() == 1 && !one.hosts[0].contains('/') && !one.plain));
}
