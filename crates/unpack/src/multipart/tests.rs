//! Tests of multipart bodies, by promise.

use super::*;
use proptest::prelude::*;

const LIMITS: MultipartLimits = MultipartLimits { max_parts: 100, max_header_bytes: 8192, max_depth: 4 };
const FORM: &str = "multipart/form-data; boundary=AaB03x";

fn parse(content_type: &str, body: &[u8]) -> Multipart {
    Multipart::parse(content_type, body, &LIMITS)
}

fn contents<'a>(multipart: &Multipart, body: &'a [u8]) -> Vec<&'a [u8]> {
    multipart.leaves().into_iter().map(|part| &body[part.body.clone()]).collect()
}

const TWO_PARTS: &[u8] = b"preamble\r\n--AaB03x\r\n\
    Content-Disposition: form-data; name=\"field\"\r\n\r\n\
    value\r\n--AaB03x\r\n\
    content-disposition:form-data; NAME=file; filename=\"a \xc3\xa4;b.exe\"\r\n\
    Content-Type: application/octet-stream\r\n\
    Content-Transfer-Encoding: BASE64\r\n\r\n\
    TVo=\r\n--AaB03x--\r\nepilogue";

#[test]
fn a_form_is_read() {
    let form = parse(FORM, TWO_PARTS);
    assert_eq!(form.defects, []);
    assert!(form.is_sound());
    assert_eq!(contents(&form, TWO_PARTS), [&b"value"[..], b"TVo="]);
    assert_eq!(&TWO_PARTS[form.preamble.clone()], b"preamble");
    assert_eq!(&TWO_PARTS[form.epilogue.clone()], b"epilogue");
    let [field, file] = form.parts.as_slice() else { panic!("{form:?}") };
    assert_eq!(field.name.as_deref(), Some("field"));
    assert_eq!((field.filename.as_ref(), field.content_type.as_ref()), (None, None));
    assert_eq!(field.transfer_encoding, TransferEncoding::Identity);
    assert_eq!(file.name.as_deref(), Some("file"));
    assert_eq!(file.filename.as_deref(), Some("a \u{e4};b.exe"));
    assert_eq!(file.content_type.as_deref(), Some("application/octet-stream"));
    assert_eq!(file.transfer_encoding, TransferEncoding::Base64);
    assert!(TWO_PARTS[file.headers.clone()].ends_with(b"BASE64"));
}

#[test]
fn bare_line_feeds_are_read_as_well() {
    let body: Vec<u8> = TWO_PARTS.iter().copied().filter(|&byte| byte != b'\r').collect();
    let form = parse(FORM, &body);
    assert!(form.is_sound(), "{:?}", form.defects);
    assert_eq!(contents(&form, &body), [&b"value"[..], b"TVo="]);
    assert_eq!(form.parts[1].transfer_encoding, TransferEncoding::Base64);
}

#[test]
fn boundaries_are_found_however_they_are_written() {
    let body = b"--AaB03x\r\n\r\nx\r\n--AaB03x--";
    for content_type in [
        "multipart/form-data; boundary=AaB03x",
        "Multipart/Mixed;BOUNDARY=\"AaB03x\"",
        "multipart/form-data ; charset=utf-8 ; Boundary = AaB03x ; more=1",
        "multipart/related; type=\"a;boundary=no\"; boundary=AaB03x",
        "multipart/x;;; boundary=AaB03x;",
        "multipart/form-data; boundary=AaB03x; boundary=AaB03x",
    ] {
        let form = parse(content_type, body);
        assert_eq!(contents(&form, body), [b"x"], "{content_type}");
        assert!(form.is_sound(), "{content_type}: {:?}", form.defects);
    }
}

#[test]
fn doubtful_boundaries_are_ambiguous() {
    let body = b"--AaB03x\r\n\r\nx\r\n--AaB03x--";
    for content_type in [
        "multipart/form-data; boundary=AaB03x; boundary=other",
        "multipart/form-data; boundary=AaB03x; boundary*0=other",
        "multipart/form-data; boundary=\"AaB03x",
        "multipart/form-data; boundary=\"AaB03x\"other",
    ] {
        let form = parse(content_type, body);
        assert_eq!(contents(&form, body), [b"x"], "{content_type}");
        assert_eq!(form.defects, [MultipartDefect::Ambiguous], "{content_type}");
        assert!(!form.is_sound());
    }
    for content_type in ["multipart/form-data; boundary=\"a\\b\"", "multipart/form-data; boundary=a,b"] {
        assert!(parse(content_type, body).defects.contains(&MultipartDefect::BoundaryNotFound));
        assert!(parse(content_type, body).defects.contains(&MultipartDefect::Ambiguous));
    }
}

#[test]
fn without_a_boundary_all_is_preamble() {
    let body = b"--AaB03x\r\n\r\nx\r\n--AaB03x--";
    let long = format!("multipart/form-data; boundary={}", "b".repeat(MAX_BOUNDARY + 1));
    for content_type in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "text/plain; boundary=AaB03x",
        &long,
        "",
    ] {
        let form = parse(content_type, body);
        assert_eq!(form.defects, [MultipartDefect::NoBoundary], "{content_type}");
        assert_eq!((form.preamble, form.parts.len()), (0..body.len(), 0));
    }
    for body in [&b""[..], b"text", b"x--AaB03x\r\n", b"--AaB03", b"--aAb03X\r\n"] {
        assert_eq!(parse(FORM, body).defects, [MultipartDefect::BoundaryNotFound]);
    }
}

#[test]
fn a_missing_end_still_yields_the_last_part() {
    let whole = b"--AaB03x\r\n\r\none\r\n--AaB03x\r\n\r\ntwo";
    for end in [&b""[..], b"\r\n", b"\r\n--AaB03", b"\r\n--"] {
        let body = [whole, end].concat();
        let form = parse(FORM, &body);
        assert_eq!(form.defects, [MultipartDefect::Unterminated]);
        assert!(form.is_sound());
        let last = [&b"two"[..], end].concat();
        assert_eq!(contents(&form, &body), [&b"one"[..], &last]);
    }
    // Broken off right behind a boundary.
    let body = [&whole[..], b"\r\n--AaB03x"].concat();
    let form = parse(FORM, &body);
    assert_eq!(contents(&form, &body), [&b"one"[..], b"two", b""]);
}

#[test]
fn padding_behind_a_boundary_is_allowed() {
    let body = b"--AaB03x \t\r\n\r\nx\r\n--AaB03x--  \r\n";
    let form = parse(FORM, body);
    assert!(form.is_sound());
    assert_eq!(contents(&form, body), [b"x"]);
}

#[test]
fn parts_without_headers_or_content_are_read() {
    let body = b"--AaB03x\r\n\r\n\r\n--AaB03x\r\n\r\n--AaB03x\r\n--AaB03x\r\nA: b\r\n\r\n\r\n--AaB03x--";
    let form = parse(FORM, body);
    assert_eq!(contents(&form, body), [&b""[..], b"", b"", b""]);
    assert!(form.is_sound(), "{:?}", form.defects);
}

#[test]
fn what_could_be_header_or_content_counts_as_content() {
    for text in [&b"MZ\x90 no header\r\n\r\nat all"[..], b"X-Header: MZ and no empty line", b"MZ"] {
        let body = [b"--AaB03x\r\n", text, b"\r\n--AaB03x--"].concat();
        let form = parse(FORM, &body);
        assert_eq!(contents(&form, &body), [text]);
        assert_eq!(form.defects, [MultipartDefect::Ambiguous]);
    }
}

#[test]
fn the_boundary_inside_data_is_data() {
    let data = b"x --AaB03x y\r\n-AaB03x\r\n --AaB03x\r\n--AaB03";
    let body = [b"--AaB03x\r\n\r\n", &data[..], b"\r\n--AaB03x--"].concat();
    let form = parse(FORM, &body);
    assert_eq!(contents(&form, &body), [&data[..]]);
    assert!(form.is_sound(), "{:?}", form.defects);
}

#[test]
fn what_only_some_readers_take_for_a_boundary_is_ambiguous() {
    for data in [
        // RFC 2046: a line that starts with the boundary.
        &b"a\r\n--AaB03xyz\r\nb"[..],
        b"a\r\n--AaB03x-\r\nb",
        // A bare CR or a bare LF before it.
        b"a\r--AaB03x\r\n\r\nb",
        b"a\n--AaB03x\r\n\r\nb",
        // A bare LF behind it.
        b"a\r\n--AaB03x\n\r\nb",
    ] {
        let body = [b"--AaB03x\r\n\r\n", data, b"\r\n--AaB03x--"].concat();
        let form = parse(FORM, &body);
        assert_eq!(form.defects, [MultipartDefect::Ambiguous], "{:?}", String::from_utf8_lossy(data));
    }
    for (front, end) in [
        // Hidden before, behind, and in the last boundary.
        ("--AaB03xy\r\n", "\r\n--AaB03x--"),
        ("", "\r\n--AaB03x--\r\n--AaB03x\r\n\r\nhidden"),
        ("", "\r\n--AaB03x--hidden"),
    ] {
        let body = [front, "--AaB03x\r\n\r\nx", end].concat();
        assert!(parse(FORM, body.as_bytes()).defects.contains(&MultipartDefect::Ambiguous), "{body:?}");
    }
    // An empty line of another kind than the others.
    let body = b"--AaB03x\r\nA: b\n\nx\r\n\r\ny\r\n--AaB03x--";
    assert_eq!(parse(FORM, body).defects, [MultipartDefect::Ambiguous]);
    let body = b"--AaB03x\r\nContent-Type: text/plain\r\nContent-Type: text/html\r\n\r\ny\r\n--AaB03x--";
    assert_eq!(parse(FORM, body).defects, [MultipartDefect::Ambiguous]);
}

#[test]
fn nested_bodies_are_parts_of_parts() {
    let body = b"--AaB03x\r\nContent-Type: multipart/mixed; boundary=\"AaB03x.1\"\r\n\r\n\
        inner preamble\r\n--AaB03x.1\r\n\r\none\r\n--AaB03x.1\r\n\r\ntwo\r\n--AaB03x.1--\r\n\
        \r\n--AaB03x\r\n\r\nthree\r\n--AaB03x--\r\n";
    let outer = parse("multipart/mixed; boundary=AaB03x", body);
    assert_eq!(contents(&outer, body), [&b"one"[..], b"two", b"three"]);
    assert_eq!(outer.parts.len(), 2);
    let nested = outer.parts[0].nested.as_ref().unwrap();
    assert_eq!(&body[nested.preamble.clone()], b"inner preamble");
    // The inner boundary begins with the outer one, and that is no reason for doubt.
    assert!(outer.is_sound(), "{:?}", outer.all_defects());
}

#[test]
fn a_nested_body_is_as_sound_as_its_parts() {
    let body = b"--AaB03x\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\nno boundary\r\n--AaB03x--";
    let outer = parse(FORM, body);
    assert_eq!(outer.defects, []);
    assert_eq!(outer.all_defects(), [MultipartDefect::BoundaryNotFound]);
    assert!(!outer.is_sound());
    assert_eq!(contents(&outer, body), [b"no boundary"]);
}

#[test]
fn an_encoded_body_is_not_taken_apart() {
    let body = b"--AaB03x\r\nContent-Type: multipart/mixed; boundary=in\r\nContent-Transfer-Encoding: base64\r\n\r\n\
        --in\r\n\r\nx\r\n--in--\r\n--AaB03x--";
    let outer = parse(FORM, body);
    assert_eq!(outer.parts[0].nested, None);
    assert_eq!(outer.parts[0].transfer_encoding, TransferEncoding::Base64);
}

#[test]
fn depth_is_limited() {
    let mut body = b"core".to_vec();
    for level in (0..10).rev() {
        let head = format!("--b{level}\r\nContent-Type: multipart/mixed; boundary=b{}\r\n\r\n", level + 1);
        body = [head.as_bytes(), &body, format!("\r\n--b{level}--\r\n").as_bytes()].concat();
    }
    let limits = MultipartLimits { max_depth: 3, ..LIMITS };
    let outer = Multipart::parse("multipart/mixed; boundary=b0", &body, &limits);
    assert_eq!(outer.all_defects(), [MultipartDefect::TooDeep]);
    let leaves = outer.leaves();
    assert_eq!(leaves.len(), 1);
    // What is too deep is left whole, so that it can be scanned as it is.
    assert!(body[leaves[0].body.clone()].starts_with(b"--b3\r\n"));
    assert!(!outer.is_sound());
    let none = MultipartLimits { max_depth: 0, ..LIMITS };
    assert_eq!(Multipart::parse(FORM, &body, &none).defects, [MultipartDefect::TooDeep]);
}

#[test]
fn the_count_is_limited_over_all_levels() {
    let part = b"--AaB03x\r\n\r\nx\r\n";
    let limits = MultipartLimits { max_parts: 10, ..LIMITS };
    let ten = [part.repeat(10), b"--AaB03x--".to_vec()].concat();
    assert!(Multipart::parse(FORM, &ten, &limits).is_sound());
    for body in [[part.repeat(11), b"--AaB03x--".to_vec()].concat(), part.repeat(11), part.repeat(1000)] {
        let form = Multipart::parse(FORM, &body, &limits);
        assert_eq!((form.parts.len(), form.defects.as_slice()), (10, &[MultipartDefect::TooManyParts][..]));
        // What was left out is told apart.
        assert!(form.epilogue.len() > 3);
    }
    let inner = b"--in\r\n\r\nx\r\n".repeat(9);
    let body = [
        &b"--AaB03x\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n"[..],
        &inner,
        b"--in--\r\n--AaB03x\r\n\r\ny\r\n--AaB03x--",
    ]
    .concat();
    let form = Multipart::parse(FORM, &body, &limits);
    assert_eq!(form.all_defects(), [MultipartDefect::TooManyParts]);
    assert_eq!(form.leaves().len(), 9);
}

#[test]
fn long_headers_are_told_and_the_part_counts_as_content() {
    let header = format!("X: {}\r\n", "y".repeat(300));
    let body = ["--AaB03x\r\n", &header, "\r\ncontent\r\n--AaB03x--"].concat();
    let fits = MultipartLimits { max_header_bytes: header.len(), ..LIMITS };
    assert!(Multipart::parse(FORM, body.as_bytes(), &fits).is_sound());
    let less = MultipartLimits { max_header_bytes: header.len() - 10, ..LIMITS };
    let form = Multipart::parse(FORM, body.as_bytes(), &less);
    assert_eq!(form.defects, [MultipartDefect::LongHeaders]);
    assert_eq!(contents(&form, body.as_bytes()), [[header.as_bytes(), b"\r\ncontent"].concat()]);
}

#[test]
fn header_fields_are_read_in_their_many_forms() {
    let cases: [(&str, Option<&str>, TransferEncoding); 14] = [
        (
            "Content-Disposition: attachment; filename=plain.exe",
            Some("plain.exe"),
            TransferEncoding::Identity,
        ),
        (
            "Content-Disposition: attachment;\r\n\tfilename=\"folded.exe\"",
            Some("folded.exe"),
            TransferEncoding::Identity,
        ),
        (
            "Content-Disposition: x; filename=\"C:\\Temp\\a.exe\"",
            Some("C:\\Temp\\a.exe"),
            TransferEncoding::Identity,
        ),
        ("Content-Disposition: x; filename=\"a\\\"b.exe\"", Some("a\"b.exe"), TransferEncoding::Identity),
        (
            "Content-Disposition: x; filename=a; filename*=UTF-8''%e2%82%ac%zz%+f.exe",
            Some("\u{20ac}%zz%+f.exe"),
            TransferEncoding::Identity,
        ),
        ("Content-Type: a/b; name=\"typed.exe\"", Some("typed.exe"), TransferEncoding::Identity),
        ("Content-Transfer-Encoding : quoted-printable (really)", None, TransferEncoding::QuotedPrintable),
        ("Content-Transfer-Encoding: (x(y\\)) ;)quoted-printable", None, TransferEncoding::QuotedPrintable),
        ("Content-Transfer-Encoding: (none)", None, TransferEncoding::Identity),
        ("Content-Transfer-Encoding:", None, TransferEncoding::Identity),
        ("Content-Transfer-Encoding: (x base64", None, TransferEncoding::Unknown),
        ("Content-Transfer-Encoding: ;base64", None, TransferEncoding::Unknown),
        ("Content-Transfer-Encoding: x-uuencode", None, TransferEncoding::Unknown),
        (
            "Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64",
            None,
            TransferEncoding::Unknown,
        ),
    ];
    for (header, filename, encoding) in cases {
        let body = format!("--AaB03x\r\n{header}\r\n\r\nx\r\n--AaB03x--");
        let form = parse(FORM, body.as_bytes());
        assert_eq!(form.parts[0].filename.as_deref(), filename, "{header}");
        assert_eq!(form.parts[0].transfer_encoding, encoding, "{header}");
        assert!(form.is_sound());
    }
}

#[test]
fn hostile_bodies_take_linear_time() {
    let started = std::time::Instant::now();
    let size = 4 << 20;
    for piece in [&b"\r\n--AaB03x!"[..], b"\r\n--AaB03x\r\n", b"--AaB03x", b"\n", b"\r--AaB03x", b"a:\r\n"] {
        let body = [b"--AaB03x\r\n", piece.repeat(size / piece.len()).as_slice()].concat();
        for limits in [LIMITS, MultipartLimits { max_parts: usize::MAX, ..LIMITS }] {
            let _ = Multipart::parse(FORM, &body, &limits);
        }
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_written_is_read(
        parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..20),
        boundary in "[0-9a-zA-Z'()+_./:=?-]{20,70}",
    ) {
        let mut body = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            body.extend_from_slice(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{index}\"\r\n\r\n").as_bytes());
            body.extend_from_slice(part);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        let form = parse(&format!("multipart/form-data; boundary=\"{boundary}\""), &body);
        prop_assert!(form.is_sound());
        prop_assert_eq!(contents(&form, &body), parts);
        for (index, part) in form.parts.iter().enumerate() {
            prop_assert_eq!(part.name.clone(), Some(index.to_string()));
        }
    }

    #[test]
    fn any_bytes_parse_into_ranges_that_fit(
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            "--b", "--", "\r\n", "\n", "\r", "b", "--b--", "--b\r\n", "\r\n\r\n", "\r\n--b\r\n", " ", "x", ":",
            "Content-Type: multipart/x; boundary=", "Content-Type: multipart/x; boundary=b\r\n\r\n", "--bb\r\n",
            "Content-Disposition: a; filename=\"", "\\", "\u{e9}", "Content-Transfer-Encoding: base64\r\n",
        ]), 0..60),
        max_parts in 0usize..6,
        max_header_bytes in 0usize..60,
        max_depth in 0usize..4,
    ) {
        let body = pieces.concat().into_bytes();
        let limits = MultipartLimits { max_parts, max_header_bytes, max_depth };
        let form = Multipart::parse("multipart/x; boundary=b", &body, &limits);
        let leaves = form.leaves();
        prop_assert!(leaves.len() <= max_parts);
        let mut position = 0;
        for leaf in leaves {
            prop_assert!(position <= leaf.headers.start && leaf.headers.end <= leaf.body.start);
            prop_assert!(leaf.body.start <= leaf.body.end && leaf.body.end <= body.len());
            position = leaf.body.end;
        }
    }

    #[test]
    fn any_content_type_parses(content_type in ".{0,200}", body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&content_type, &body);
        let _ = parse(&format!("multipart/{content_type}"), &body);
        let _ = parse(&format!("multipart/x; boundary={content_type}"), &body);
    }
}

#[test]
fn messages_are_found_in_parts_by_their_label_and_by_their_looks() {
    let message =
        b"Subject: x\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nhello\r\n--i--\r\n";
    let texts = |multipart: &Multipart, whole: &[u8]| -> Vec<String> {
        let leaves = multipart.leaves();
        leaves.iter().map(|part| String::from_utf8_lossy(&whole[part.body.clone()]).into_owned()).collect()
    };
    let limits = MultipartLimits { max_parts: 9, max_header_bytes: 1000, max_depth: 5 };
    let read = Multipart::message(message, &limits);
    assert_eq!((texts(&read, message), read.all_defects()), (vec!["hello".to_owned()], vec![]));
    assert_eq!(Multipart::by_looks(message, &limits), Some(read));
    let outer = [b"--b\r\nContent-Type: message/rfc822\r\n\r\n".as_slice(), message, b"\r\n--b--"].concat();
    let read = Multipart::parse("multipart/mixed; boundary=b", &outer, &limits);
    assert_eq!(texts(&read, &outer), [String::from_utf8_lossy(message).into_owned(), "hello".to_owned()]);
    let form = b"--x y\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--x y--";
    assert_eq!(Multipart::by_looks(form, &limits), None, "no boundary has a blank");
    let form = b"--x\nContent-Disposition: form-data; name=a\n\nb\n--x--";
    let read = Multipart::by_looks(form, &limits).unwrap();
    assert_eq!((texts(&read, form), read.all_defects()), (vec!["b".to_owned()], vec![]));
    for none in
        [&b"text"[..], b"", b"--", b"--x", b"a: b\r\n\r\nc", b"a: b\ncontent-type: x\nno field here\n\n"]
    {
        assert_eq!(Multipart::by_looks(none, &limits), None);
    }
}

#[test]
fn messages_in_messages_keep_the_limits() {
    let message = "Content-Type: message/rfc822\r\n\r\n".repeat(100);
    let limits = MultipartLimits { max_parts: 50, max_header_bytes: 1000, max_depth: 5 };
    let read = Multipart::message(message.as_bytes(), &limits);
    assert!(read.all_defects().contains(&MultipartDefect::TooDeep));
    let read = Multipart::message(message.as_bytes(), &MultipartLimits { max_parts: 3, ..limits });
    assert!(read.all_defects().contains(&MultipartDefect::TooManyParts));
    assert!(read.leaves().len() <= 3);
}
