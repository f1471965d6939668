//! Which views objects have.

use super::forms::SMALL_FIELD;
use super::*;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use icapstan_model::{Mode, ScanProfile};
use std::io::Write;
use std::time::Duration;

fn context(content_encoding: &str, content_type: &str) -> ScanContext {
    ScanContext {
        mode: Mode::Respmod,
        content_encoding: content_encoding.to_owned(),
        content_types: vec![content_type.to_owned()],
        partial: false,
        profile: Arc::new(ScanProfile::default()),
        trace: None,
    }
}

fn views(body: &[u8], context: &ScanContext) -> (Vec<Vec<u8>>, Vec<Verdict>) {
    let deadline = Instant::now() + Duration::from_mins(1);
    let views = Views::of(Source::Memory(body.to_vec().into()), context, deadline, Arc::default()).unwrap();
    let sources = views.sources.iter().map(|source| source.read().unwrap().to_vec()).collect();
    (sources, views.findings.iter().cloned().collect())
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

const CLEAN: [Verdict; 1] = [Verdict::Clean];
const UNSUPPORTED: Verdict = Verdict::NonScanned(NonScannedReason::Unsupported);
const MALFORMED: [Verdict; 1] = [Verdict::NonScanned(NonScannedReason::Malformed)];

#[test]
fn what_was_decoded_completely_is_scanned_decoded_only() {
    let content = b"a body of some length".to_vec();
    assert_eq!(views(&gzip(&content), &context("gzip", "")), (vec![content.clone()], CLEAN.to_vec()));
    assert_eq!(
        views(&gzip(&gzip(&content)), &context("gzip, x-gzip", "")),
        (vec![content.clone()], CLEAN.to_vec())
    );
    assert_eq!(views(&content, &context("identity", "")), (vec![content], CLEAN.to_vec()));
}

#[test]
fn where_label_and_bytes_disagree_the_raw_bytes_are_scanned_and_the_reason_is_told() {
    let plain = b"this is no gzip at all".to_vec();
    assert_eq!(views(&plain, &context("gzip", "")), (vec![plain], MALFORMED.to_vec()));

    let mut cut = gzip(&(0..200_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>());
    cut.truncate(cut.len() / 2);
    let (sources, findings) = views(&cut, &context("gzip", ""));
    assert_eq!(findings, MALFORMED);
    assert_eq!(sources.len(), 2, "what could be decoded, and the raw bytes");
    assert_eq!(sources[1], cut);
    assert!(sources[0].len() > 1000 && sources[0].starts_with(&[0, 0, 0, 0, 1, 0, 0, 0]));
}

#[test]
fn an_unknown_coding_is_unsupported_and_the_bytes_are_scanned_as_they_are_and_as_they_look() {
    let unsupported = [Verdict::NonScanned(NonScannedReason::Unsupported)];
    let packed = gzip(b"hidden behind a strange name");
    let (sources, findings) = views(&packed, &context("x-strange", ""));
    assert_eq!(findings, unsupported);
    assert!(sources.contains(&packed));
    assert!(sources.contains(&b"hidden behind a strange name".to_vec()));
}

#[test]
fn each_member_that_some_readers_stop_at_is_scanned_by_itself() {
    let two = [gzip(b"first member"), gzip(b"second member")].concat();
    let (sources, findings) = views(&two, &context("gzip", ""));
    assert_eq!(findings, CLEAN);
    assert_eq!(sources, [b"first member".to_vec(), b"first membersecond member".to_vec()]);
}

#[test]
fn a_bomb_is_a_matter_of_ratio_and_a_large_body_one_of_size() {
    let bomb = gzip(&vec![0; 8 << 20]);
    let (_, findings) = views(&bomb, &context("gzip", ""));
    assert_eq!(findings, [Verdict::NonScanned(NonScannedReason::Ratio)]);

    let noise: Vec<u8> =
        (0..3_000_000_u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let (sources, findings) = views(&gzip(&noise), &context("gzip", ""));
    assert_eq!(findings, [Verdict::NonScanned(NonScannedReason::Size)]);
    assert!(!sources.is_empty(), "what fits is scanned all the same");
}

#[test]
fn parts_are_objects_of_their_own_and_small_fields_share_one() {
    let body = b"--b\r\nContent-Disposition: form-data; name=\"one\"\r\n\r\nfirst field\r\n\
        --b\r\nContent-Disposition: form-data; name=\"two\"\r\n\r\nsecond field\r\n\
        --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\nthe file's content\r\n\
        --b\r\nContent-Disposition: form-data; name=\"mail\"; filename=\"b\"\r\n\
        Content-Transfer-Encoding: base64\r\n\r\ndGhlIG1haWwncyBjb250ZW50\r\n--b--\r\n";
    let (sources, findings) = views(body, &context("", "multipart/form-data; boundary=b"));
    assert_eq!(findings, CLEAN);
    let expected: [&[u8]; 5] = [
        body,
        b"the file's content",
        b"the mail's content",
        b"dGhlIG1haWwncyBjb250ZW50",
        b"first field\nsecond field\n",
    ];
    assert_eq!(sources, expected);
    assert_eq!(
        views(&gzip(body), &context("gzip", "multipart/form-data; boundary=b")).0,
        expected,
        "coded as well"
    );
}

#[test]
fn parts_with_codings_of_their_own_are_scanned_both_ways() {
    let form = |fields: &str, content: &[u8]| {
        let head = format!("--b\r\n{fields}\r\n\r\n");
        [head.as_bytes(), content, b"\r\n--b--\r\n"].concat()
    };
    let context = context("", "multipart/form-data; boundary=b");
    let packed = gzip(b"packed by itself");
    let coded = form("Content-Encoding: gzip", &packed);
    let expected = vec![coded.clone(), b"packed by itself".to_vec(), packed.clone()];
    assert_eq!(views(&coded, &context), (expected, CLEAN.to_vec()));

    let both = form(
        "Content-Transfer-Encoding: base64\r\nContent-Encoding: utf-8, gzip",
        base64(&packed).as_bytes(),
    );
    assert!(views(&both, &context).0.contains(&b"packed by itself".to_vec()));

    let file = "Content-Disposition: form-data; filename=a\r\nContent-Encoding:";
    for (name, findings) in [("utf-8", CLEAN), ("gzip", CLEAN), ("x-foo", [UNSUPPORTED])] {
        let plain = form(&format!("{file} {name}"), b"as it stands");
        let (sources, found) = views(&plain, &context);
        assert_eq!((sources, found), (vec![plain, b"as it stands".to_vec()], findings.to_vec()), "{name}");
    }
    let cut = form(&format!("{file} gzip"), &gzip(&noise(9000, 1))[..1000]);
    assert_eq!(views(&cut, &context).1, MALFORMED);
}

#[test]
fn what_comes_out_of_all_pieces_together_has_a_limit() {
    let mut context = context("", "multipart/form-data; boundary=b");
    context.profile = Arc::new(ScanProfile { max_object_size: 100_000, ..ScanProfile::default() });
    let part = |seed| {
        [b"--b\r\nContent-Encoding: gzip\r\n\r\n".as_slice(), &gzip(&noise(30_000, seed)), b"\r\n"].concat()
    };
    let body = |parts: u8| [(0..parts).flat_map(part).collect(), b"--b--\r\n".to_vec()].concat();
    assert_eq!(views(&body(3), &context).1, CLEAN);
    let (sources, findings) = views(&body(4), &context);
    assert_eq!(findings, [Verdict::NonScanned(NonScannedReason::Size)]);
    assert_eq!(
        sources.iter().filter(|source| source.starts_with(&[0xf1])).map(Vec::len).sum::<usize>(),
        100_000
    );
}

#[test]
fn more_parts_than_the_limit_and_boundaries_in_doubt_are_told() {
    let mut context = context("", "multipart/mixed; boundary=b");
    context.profile = Arc::new(ScanProfile { max_files: 3, ..ScanProfile::default() });
    let body = b"--b\r\n\r\nsome part of it\r\n".repeat(10);
    let count = Verdict::NonScanned(NonScannedReason::Count);
    assert!(views(&body, &context).1.contains(&count));
    context.profile = Arc::new(ScanProfile { max_files: u32::MAX, ..ScanProfile::default() });
    let (many, more) = (body.repeat(200), body.repeat(201));
    assert!(!views(&many, &context).1.contains(&count));
    assert!(views(&more, &context).1.contains(&count), "each of them costs a scan");
    context.content_types = vec!["multipart/mixed".to_owned()];
    assert_eq!(views(&body, &context), (vec![body.clone()], MALFORMED.to_vec()));
    context.content_types = vec!["multipart/mixed; boundary=other".to_owned()];
    assert_eq!(views(&body, &context).1, MALFORMED);
    context.partial = true;
    assert_eq!(views(&body, &context).1, CLEAN, "that it is a piece is told elsewhere");
}

#[test]
fn whatever_bytes_stand_under_whatever_label_no_view_is_larger_than_the_limit_and_none_is_lost() {
    let mut hostile = vec![
        b"\x28\xb5\x2f\xfd\xff\xff\xff\xff\xff\xff\xff".to_vec(),
        b"\x1f\x8b\x08\x00\x00\x00".to_vec(),
        vec![0; 9],
        vec![0xff; 4096],
    ];
    hostile.push(gzip(&vec![7; 9 << 20]));
    let profile = Arc::new(ScanProfile { max_object_size: 1 << 20, ..ScanProfile::default() });
    for name in ["gzip", "br", "zstd", "deflate", "compress", "gzip,gzip,gzip,gzip,gzip,gzip,gzip"] {
        for body in &hostile {
            let mut context = context(name, "");
            context.profile = profile.clone();
            let (sources, findings) = views(body, &context);
            assert!(sources.iter().all(|source| source.len() <= 1 << 20), "{name}");
            assert!(
                sources.contains(body) || findings == CLEAN,
                "{name}: not decoded, so the raw bytes are scanned"
            );
        }
    }
}

#[test]
fn what_is_long_enough_to_be_an_object_is_scanned_alone_wherever_it_stands() {
    let long = "A".repeat(SMALL_FIELD + 1);
    let form = format!("short=b%20c&token={long}");
    let (sources, findings) = views(form.as_bytes(), &context("", "application/x-www-form-urlencoded"));
    assert_eq!(findings, CLEAN);
    let expected: [&[u8]; 3] = [form.as_bytes(), long.as_bytes(), b"short\nb c\ntoken"];
    assert_eq!(sources, expected);
    let parts = format!("--b\r\n\r\nsmall part\r\n--b\r\n\r\n{long}\r\n--b--\r\n");
    let (sources, _) = views(parts.as_bytes(), &context("", "multipart/byteranges; boundary=b"));
    let expected: [&[u8]; 3] = [parts.as_bytes(), long.as_bytes(), b"small part\n"];
    assert_eq!(sources, expected);
}

#[test]
fn a_form_is_split_whichever_content_type_line_names_it_and_lines_that_differ_are_told() {
    let body = b"--b\r\n\r\n0123456789\r\n--b\r\nContent-Disposition: form-data; filename=a\r\n\r\nthe file\r\n--b--";
    let multipart = "multipart/form-data; boundary=b";
    let several = |lines: &[&str]| {
        let mut context = context("", "");
        context.content_types = lines.iter().map(|line| (*line).to_owned()).collect();
        context
    };
    for lines in [
        &["text/plain", multipart][..],
        &[multipart, "text/plain"],
        &["", multipart],
        &[multipart, ""],
        &["text/plain, multipart/form-data; boundary=b"],
        &["multipart/form-data; boundary=other", multipart],
    ] {
        let (sources, findings) = views(body, &several(lines));
        assert!(sources.contains(&b"the file".to_vec()), "{lines:?}");
        assert_eq!(findings, MALFORMED, "{lines:?}");
        assert_eq!(sources.iter().filter(|source| *source == body).count(), 1, "{lines:?}");
        let piece = ScanContext { partial: true, ..several(lines) };
        assert_eq!(views(body, &piece).1, CLEAN, "that it is a piece is told elsewhere");
    }
    let both = several(&["application/x-www-form-urlencoded", multipart]);
    let (sources, findings) = views(body, &both);
    assert_eq!(findings, MALFORMED);
    assert!(sources.contains(&b"the file".to_vec()) && sources.len() == 5, "the views of each: {sources:?}");

    let are_plain = |context: &ScanContext| {
        let object = Object { content: Content::Memory(Bytes::from_static(body)), len: body.len() as u64 };
        Views::are_plain(&object, context)
    };
    let same = several(&[multipart, " Multipart/Form-Data; boundary=B "]);
    assert!(!are_plain(&same));
    assert_eq!(views(body, &several(&[multipart, multipart])).1, CLEAN, "lines that agree");
    for lines in [&["text/plain", "text/html"][..], &["", "text/plain"], &[";text/plain"]] {
        assert!(!are_plain(&several(lines)));
        assert_eq!(views(body, &several(lines)), (vec![body.to_vec()], MALFORMED.to_vec()), "{lines:?}");
    }
    for lines in [&[][..], &[""], &["text/plain"], &["text/plain", " TEXT/plain "], &["text/html, text/html"]]
    {
        assert!(are_plain(&several(lines)), "{lines:?}");
    }
}

#[test]
fn hostile_content_types_read_a_body_a_few_times_at_most() {
    let mut context = context("", "");
    context.content_types = (0..1000).map(|i| format!("multipart/mixed; boundary=b{i}")).collect();
    let types = Types::of(&context.content_types);
    assert_eq!((types.forms.len(), types.differ), (MAX_FORMS, true));
}

#[test]
fn what_a_coding_passes_over_is_scanned_as_it_came() {
    let content = b"a body of some length".to_vec();
    let mut named = gzip(&content);
    named[3] = 8;
    named.splice(10..10, *b"hidden\0");
    // A skippable frame, and a raw block.
    let frame = b"\x5e\x2a\x4d\x18\x06\x00\x00\x00hidden".as_slice();
    let zstd = [frame, b"\x28\xb5\x2f\xfd\x20\x15\xa9\x00\x00", &content].concat();
    // Metadata (RFC 7932 section 9.2), an uncompressed block, and an empty last one.
    let brotli = [b"\xac\x02hidden".as_slice(), &[0xa0, 0, 0x08], &content, &[3]].concat();
    let covered = |body: &[u8]| [COVER, body].concat();
    let expected = vec![covered(&named), named.clone(), content.clone()];
    assert_eq!(views(&named, &context("gzip", "")), (expected, CLEAN.to_vec()));
    assert_eq!(views(&zstd, &context("zstd", "")), (vec![zstd.clone(), content.clone()], CLEAN.to_vec()));
    let (sources, findings) = views(&brotli, &context("br", ""));
    assert_eq!((sources, findings), (vec![brotli.clone(), content.clone()], CLEAN.to_vec()));

    let twice = gzip(&named);
    let (sources, findings) = views(&twice, &context("gzip, gzip", ""));
    assert_eq!(findings, CLEAN);
    assert_eq!(
        sources,
        [covered(&twice), twice, covered(&named), named, content],
        "readers may undo one coding only"
    );
}

fn base64(data: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in data.chunks(3) {
        let bits = group.iter().fold(0usize, |bits, &byte| bits << 8 | usize::from(byte));
        let bits = bits << (8 * (3 - group.len()));
        (0..=group.len()).for_each(|index| text.push(char::from(ALPHABET[bits >> (18 - 6 * index) & 63])));
    }
    text
}

/// Of no known type.
fn noise(len: usize, seed: u8) -> Vec<u8> {
    let bytes = (0..u32::MAX).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[1] ^ seed);
    [0xf1, seed, 0x02].into_iter().chain(bytes).take(len).collect()
}

#[test]
fn what_stands_encoded_in_a_body_is_scanned_and_so_is_what_stands_in_that() {
    let text = b"a text that is long enough to be an object of its own, and is one; it has a few more words."
        .to_vec();
    let json = format!("{{\"a\": \"{}\"}}", base64(&text)).into_bytes();
    let twice = format!("<a>{}</a>", base64(&json)).into_bytes();
    let (sources, findings) = views(&twice, &context("", "text/xml"));
    assert_eq!((sources, findings), (vec![twice.clone(), json.clone(), text.clone()], CLEAN.to_vec()));
    let mut flat = context("", "text/xml");
    flat.profile = Arc::new(ScanProfile { max_depth: 1, ..ScanProfile::default() });
    let (sources, findings) = views(&twice, &flat);
    assert_eq!(sources, [twice.clone(), json]);
    assert_eq!(findings, [Verdict::NonScanned(NonScannedReason::Depth)]);

    let mut file = sealed::create().unwrap();
    let padding = b"some words of text\n".repeat(120_000);
    file.write_all(&[&padding[..], &twice].concat()).unwrap();
    let source = Source::File(Arc::new(file), (padding.len() + twice.len()) as u64);
    let deadline = Instant::now() + Duration::from_mins(1);
    let views = Views::of(source, &context("", ""), deadline, Arc::default()).unwrap();
    let last = views.sources.last().unwrap().read().unwrap();
    assert_eq!((views.sources.len(), &last[..]), (3, &text[..]), "far behind in a file");
}

#[test]
fn how_far_behind_it_stands_is_no_matter() {
    let page = format!("<!DOCTYPE html>{}", "x".repeat(80));
    let tail = format!("\", 'b': '{page}', \"c\": 1}}");
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let escapes: Vec<_> = base64(page.as_bytes()).bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    let escaped = escapes.concat();
    for words in [100, 60_000, 174_000, 174_500, 175_000, 250_000] {
        let prose = "words ".repeat(words);
        let cyrillic = format!("\u{feff}\u{43f}{prose}\"{escaped}\"");
        for body in [
            format!("{{\"a\": \"{prose}{tail}").into_bytes(),
            format!("/*{prose}*/{{\"a\": \"{tail}").into_bytes(),
            format!("{{\"a\": \"{prose}\", \"b\": \"{escaped}\"}}").into_bytes(),
            wide(&cyrillic),
            wide(&format!("\u{feff}{{\"a\": \"{prose}{tail}")),
        ] {
            let mut file = sealed::create().unwrap();
            file.write_all(&body).unwrap();
            let source = Source::File(Arc::new(file), body.len() as u64);
            let deadline = Instant::now() + Duration::from_mins(1);
            let views = Views::of(source, &context("", ""), deadline, Arc::default()).unwrap();
            let last = views.sources.last().unwrap().read().unwrap();
            assert_eq!(last, page.as_bytes(), "{words} words before: {:?}", &body[..20]);
        }
    }
}

#[test]
fn small_pieces_of_no_known_type_are_scanned_together_and_large_ones_alone() {
    let small = [noise(90, 1), noise(90, 2)];
    let large = noise(4000, 3);
    let body = format!("\"{}\",\"{}\",\"{}\"", base64(&small[0]), base64(&large), base64(&small[1]));
    let together = [b"\n".as_slice(), &small[0], b"\n", &small[1], b"\n"].concat();
    let (sources, findings) = views(body.as_bytes(), &context("", ""));
    assert_eq!((sources, findings), (vec![body.into_bytes(), large, together], CLEAN.to_vec()));
}

#[test]
fn small_pieces_that_only_a_sum_or_a_decoder_tells_are_scanned_alone() {
    let text = b"a text that is long enough to be an object of its own, and is one; it has a few more words.";
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    let zlib = encoder.finish().unwrap();
    let body = format!("[\"{}\"]", base64(&zlib));
    let sources = views(body.as_bytes(), &context("", "")).0;
    assert!(sources.contains(&text.to_vec()), "{sources:?}");

    let mut tar = noise(1024, 0);
    tar[148..156].copy_from_slice(b"        ");
    let sum: u32 = tar[..512].iter().map(|byte| u32::from(*byte)).sum();
    tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let body = |tar: &[u8]| format!("[\"{}\"]", base64(tar)).into_bytes();
    assert!(views(&body(&tar), &context("", "")).0.contains(&tar));
    tar[0] += 1;
    assert!(!views(&body(&tar), &context("", "")).0.contains(&tar));
}

#[test]
fn more_pieces_than_the_limit_are_told() {
    let mut context = context("", "");
    context.profile = Arc::new(ScanProfile { max_files: 3, ..ScanProfile::default() });
    let piece = |n| {
        base64(
            format!("text number {n} that is long enough to be an object of its own, and so on.").as_bytes(),
        )
    };
    let body = |count: usize| (0..count).map(|n| format!("\"{}\"\n", piece(n))).collect::<Vec<_>>().concat();
    assert_eq!(views(body(3).as_bytes(), &context).1, CLEAN);
    let (sources, findings) = views(body(4).as_bytes(), &context);
    assert_eq!((sources.len(), findings), (4, vec![Verdict::NonScanned(NonScannedReason::Count)]));
}

#[test]
fn mail_is_taken_apart_whatever_its_label_says() {
    let mail = b"X-Any: b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        the mail=27s text"
        .to_vec();
    for label in ["message/rfc822", "Message/Global; x=y", "image/png", ""] {
        let (sources, findings) = views(&mail, &context("", label));
        assert_eq!(findings, CLEAN, "{label}");
        assert!(sources.contains(&b"the mail's text".to_vec()), "{label}");
    }
    let inside =
        [b"--b\r\nContent-Type: message/rfc822\r\n\r\n".as_slice(), &mail, b"\r\n--b--\r\n"].concat();
    let (sources, findings) = views(&inside, &context("", "multipart/form-data; boundary=b"));
    assert_eq!(findings, CLEAN);
    assert!(sources.contains(&mail) && sources.contains(&b"the mail's text".to_vec()));
    let long = ["X-Long: y\r\n".repeat(9000).into_bytes(), mail.clone()].concat();
    assert_eq!(views(&long, &context("", "message/rfc822")).1, CLEAN, "mail may have come a long way");
    let odd = b"Subject x\r\nnothing of this is a field\r\n".to_vec();
    assert_eq!(views(&odd, &context("", "message/rfc822")).1, CLEAN, "the engine reads mail, too");
}
