//! What is found inside of other content, and what is not.

use super::*;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn budget() -> Budget {
    let deadline = Instant::now() + Duration::from_mins(1);
    Budget { max_output: 1 << 30, max_ratio: 1, deadline, max_codings: 0, cancelled: Arc::default() }
}

/// Longer than EICAR, and no multiple of three.
fn payload() -> Vec<u8> {
    (0..70u8).map(|byte| byte.wrapping_mul(37)).collect()
}

fn encode(data: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in data.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, &byte| (bits << 8) | u32::from(byte));
        let bits = bits << (8 * (3 - group.len()));
        for index in 0..4 {
            let digit = (bits >> (18 - 6 * index)) & 63;
            out.push(if index > group.len() { '=' } else { char::from(alphabet[digit as usize]) });
        }
    }
    out
}

fn hex(data: &[u8]) -> String {
    data.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

fn lines(text: &str, width: usize, end: &str) -> String {
    let lines: Vec<_> = text.as_bytes().chunks(width).map(|line| String::from_utf8_lossy(line)).collect();
    lines.join(end)
}

fn found(content: impl AsRef<[u8]>) -> Vec<Vec<u8>> {
    let content = content.as_ref();
    let pieces = embedded(content, &budget());
    assert_eq!(pieces.defect, None);
    assert!(has_embedded(content) || pieces.pieces.is_empty());
    pieces.pieces.into_iter().map(|piece| piece.bytes).collect()
}

#[test]
fn base64_is_found_wherever_programs_write_it() {
    let (payload, text) = (payload(), encode(&payload()));
    let escaped = |from: &str, to: &str| text.replace(from, to);
    let url_safe = text.replace('+', "-").replace('/', "_").replace('=', "");
    for content in [
        text.clone(),
        format!("{{\"file\": \"{text}\"}}"),
        format!("{{\"file\":\"{}\"}}", escaped("/", "\\/")),
        format!("{{\"file\":\"{}\"}}", escaped("+", "\\u002b").replace('=', "\\u003D")),
        format!("{{\"file\":\"{}\"}}", lines(&text, 60, "\\n")),
        format!("{{\"file\":\"{}\"}}", lines(&text, 76, "\\r\\n")),
        format!("{{\"json\":\"{{\\\"file\\\":\\\"{}\\\"}}\"}}", escaped("/", "\\\\\\/")),
        format!("<file>{text}</file>"),
        format!("<file>\n    {}\n  </file>", lines(&text, 64, "\n    ")),
        format!("<file>{}</file>", lines(&text, 76, "&#xD;\n")),
        format!("<file>{}</file>", escaped("+", "&#43;")),
        format!("var file = '{url_safe}';"),
        format!("atob(`{text}`)"),
        format!("name=file&data={text}"),
        format!("data={text}"),
        lines(&text, 76, "\r\n") + "\r\n",
        // Nothing else is there, so that lines may be of any length.
        lines(&text, 3, "\n"),
        format!("-----BEGIN THING-----\n{}\n-----END THING-----\n", lines(&text, 64, "\n")),
    ] {
        assert_eq!(found(&content), std::slice::from_ref(&payload), "{content}");
    }
}

/// Text of a known type; its base64 has every sort of digit.
fn text() -> Vec<u8> {
    b"A text that is long enough, ~~ and?? has one or two more words than it needs; \xc3\xbf.".repeat(2)
}

#[test]
fn lines_may_be_short_and_blanks_stand_anywhere() {
    let (text, digits) = (text(), encode(&text()));
    let gap = |at: usize| ["", " ", "\n\t", "", "\r\n\r\n"][at * at % 5];
    let odd: Vec<_> = digits.chars().enumerate().map(|(at, digit)| format!("{digit}{}", gap(at))).collect();
    let odd = odd.concat();
    for short in [lines(&digits, 16, "\n"), lines(&digits, 4, " "), lines(&digits, 1, "\n\n   "), odd] {
        for content in [
            short.clone(),
            format!("{{\"file\": \"{short}\"}}"),
            format!("{{\"file\": \"{}\"}}", short.replace('\n', "\\n")),
            format!("<file>\n  {short}\n</file>"),
            format!("file: |\n  {short}\nother: x\n"),
            format!("PHOTO;ENCODING=b:{short}=\r\nEND:VCARD"),
            format!("base64 -d <<EOF\n{short}\nEOF\n"),
            format!("echo {short} | base64 -d"),
            format!("var x = atob(`\n{short}\n`)"),
        ] {
            let found = found(&content);
            assert!(found.iter().any(|piece| piece.starts_with(&text[..text.len() - 2])), "{content}");
        }
    }
    // Groups of one length count whatever they say.
    let (payload, digits) = (payload(), encode(&payload()));
    for content in [lines(&digits, 8, " "), format!("<a>some words\n{}</a>", lines(&digits, 12, "\n"))] {
        assert_eq!(found(&content), std::slice::from_ref(&payload), "{content}");
    }
    assert_eq!(found(lines(&hex(&payload), 2, " ")), std::slice::from_ref(&payload));
    let dump = format!("bytes {}\nthat was it", lines(&hex(&text), 4, "  "));
    assert_eq!(found(&dump), [text]);
}

#[test]
fn long_lines_may_have_empty_ones_between_them_and_marks_in_front() {
    let (payload, text) = (payload(), encode(&payload()));
    for between in ["\n\n", "\n> ", "\n# ", "\r\n>> ", "\n * ", "\n>\n> ", " \n\n\n\t"] {
        let content = format!("It says:{between}{}\n--\n", lines(&text, 40, between));
        assert_eq!(found(&content), std::slice::from_ref(&payload), "{content}");
    }
}

#[test]
fn markup_may_stand_between() {
    let (payload, text) = (payload(), encode(&payload()));
    for between in ["<!-- a > b -->", "]]><![CDATA[", "\n  <!---->\n  ", "]]>\n <!--x--> <![CDATA[", "]]>"] {
        let content = format!("<a><![CDATA[{}</a>", lines(&text, 30, between));
        assert_eq!(found(&content), std::slice::from_ref(&payload), "{content}");
    }
    assert_eq!(found(format!("<a>{}</a>", lines(&text, 30, "<b/>"))), Vec::<Vec<u8>>::new());
}

#[test]
fn escapes_of_scripts_and_names_of_html_are_undone() {
    let (payload, text) = (payload(), encode(&payload()));
    let each = |how: fn(u8) -> String| text.bytes().map(how).collect::<String>();
    for content in [
        each(|byte| format!("\\u{{{byte:x}}}")),
        each(|byte| format!("\\u{{0000{byte:x}}}").replace("0000", "00")),
        each(|byte| format!("\\{byte:03o}")),
        lines(&text, 7, "\\\n"),
        lines(&text, 7, "\\\r\n"),
        each(|byte| match byte {
            b'b' | b'f' | b'n' | b'r' | b't' | b'u' | b'v' | b'x' | b'0'..=b'9' => {
                char::from(byte).to_string()
            }
            other => format!("\\{}", char::from(other)),
        }),
        each(|byte| format!("&#x{byte:050x};")),
        each(|byte| format!("&#{byte:09}")),
        text.replace('+', "&plus;").replace('/', "&sol;").replace('=', "&equals;"),
    ] {
        let content = format!("f('{content}')");
        assert_eq!(found(&content), std::slice::from_ref(&payload), "{content}");
    }
    let entities = format!("<a href=\"&#x44;ata&colon;a/b&semi;base64&comma;{text}\">");
    assert!(found(&entities).contains(&payload));
    for none in ["\\u{110000}", "\\u{}", "\\u{41", "\\400", "&#;", "&#x;", "&plus", "\\"] {
        let content = format!("{none}{}", "x".repeat(9));
        assert_eq!(&*escapes::undone(content.as_bytes()), content.as_bytes(), "{none}");
    }
}

#[test]
fn strings_that_a_script_joins_are_one() {
    let (payload, text) = (payload(), encode(&payload()));
    for joint in ["\"+\"", "' + '", "\" .\n   \"", "` +\r\n\t`", "\" & _\r\n  \"", "\"/* a */+ // b\n \""] {
        let (open, close) = (&joint[joint.len() - 1..], &joint[..1]);
        let script = format!("var x = atob({open}{}{close});", lines(&text, 30, joint));
        assert_eq!(found(&script), std::slice::from_ref(&payload), "{script}");
    }
    for list in ["\", \"", "\"-\"", "\"+x+\""] {
        assert_eq!(found(format!("[\"{}\"]", lines(&text, 30, list))), Vec::<Vec<u8>>::new(), "{list}");
    }
}

#[test]
fn base32_is_told_by_its_digits() {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits = payload().iter().map(|byte| format!("{byte:08b}")).collect::<Vec<_>>().concat();
    let groups = bits.as_bytes().chunks(5).map(|group| format!("{:0<5}", String::from_utf8_lossy(group)));
    let digits = groups.map(|group| char::from(alphabet[usize::from_str_radix(&group, 2).unwrap()]));
    let text: String = digits.collect();
    for content in [format!("{{\"file\":\"{text}======\"}}"), lines(&text, 64, "\n")] {
        assert_eq!(found(&content)[1..], [payload()], "{content}");
    }
    // Nothing but capitals, and yet base64.
    let zeros = [vec![0; 70], vec![16, 65, 4]].concat();
    assert_eq!(found(encode(&zeros))[0], zeros);
}

#[test]
fn files_that_stand_in_strings_of_json_are_found_and_words_are_not() {
    let page = format!("<!DOCTYPE html>\n<html>{}\"\\</html>", "x".repeat(80));
    let program = [b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0".as_slice(), &[0xb8; 100]].concat();
    let unicode = program.iter().map(|byte| format!("\\u{byte:04x}")).collect::<Vec<_>>().concat();
    let utf8: String =
        program.iter().map(|byte| char::from(*byte)).collect::<String>().replace('\0', "\\u0000");
    let escaped = page.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    for (json, expected) in [
        (format!("{{\"a\":\"b\",\"page\":\"{escaped}\",\"c\":1}}"), page.as_bytes()),
        (format!(" [\"{escaped}\"]"), page.as_bytes()),
        (format!("\"{escaped}"), page.as_bytes()),
        (format!("{{\"f\":\"{unicode}\"}}"), &program),
        (format!("{{\"f\":\"{utf8}\"}}"), &program),
    ] {
        assert_eq!(found(&json), [expected], "{json}");
    }
    let words = "lorem ipsum dolor sit amet ".repeat(40);
    for nothing in [
        format!("{{\"a\":\"{words}\"}}"),
        format!("var a = \"{escaped}\""),
        "{\"".to_owned(),
        "[\"\\".to_owned(),
    ] {
        assert_eq!(found(&nothing), Vec::<Vec<u8>>::new(), "{nothing}");
    }
}

#[test]
fn json_is_told_behind_marks_comments_and_the_name_of_a_function() {
    let page = format!("<!DOCTYPE html>{}", "x".repeat(80));
    let object = format!("{{\"it\": \"is\", \"page\": \"{page}\"}}");
    for json in [
        format!("\u{feff}{object}"),
        format!("// It's a comment\r\n /* \" */\n{object}"),
        format!("{}{object}", " ".repeat(5000)),
        format!("jQuery.cb_1({object});"),
        format!("/**/cb ( {object})"),
        format!(")]}}',\n{object}"),
        format!("for(;;);{object}"),
        object.replace('"', "'"),
        format!("{{'it': \"isn't\", a: '{page}'}}"),
    ] {
        assert_eq!(found(&json), [page.as_bytes()], "{json}");
        let wide: Vec<u8> = json.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let is_plain = json.starts_with('\u{feff}') || json.as_bytes()[1].is_ascii();
        assert!(!is_plain || found(&wide) == [page.as_bytes()], "in UTF-16: {json}");
    }
    for other in [format!("say \"{page}\""), format!("f(1, \"{page}\")"), format!("f(g(\"{page}\"))")] {
        assert_eq!(found(&other), Vec::<Vec<u8>>::new(), "{other}");
    }
}

#[test]
fn pieces_of_content_are_read_as_its_beginning_says() {
    let reading = |beginning: &[u8]| Reading::of(beginning);
    let page = format!("some words of it\", \"page\": \"<!DOCTYPE html>{}", "x".repeat(80));
    assert!(reading(b"{\"text\": \"some").may_find(page.as_bytes()));
    assert!(reading(b"// A comment that does not").may_find(page.as_bytes()));
    assert!(!reading(b"some text").may_find(page.as_bytes()));
    let digits: Vec<u8> = encode(&payload()).encode_utf16().flat_map(u16::to_be_bytes).collect();
    let cyrillic: Vec<u8> = "\u{feff}\u{43f}\u{440}".encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert!(reading(&cyrillic).may_find(&digits));
    assert!(!reading(&cyrillic[2..]).may_find(&cyrillic));
}

#[test]
fn utf16_is_read_as_what_it_says() {
    let content = format!("<a>{}</a>", encode(&payload()));
    for mark in [&[][..], &[0xfeff]] {
        let units = mark.iter().copied().chain(content.encode_utf16());
        let (little, big): (Vec<_>, Vec<_>) =
            units.map(|unit| (unit.to_le_bytes(), unit.to_be_bytes())).unzip();
        assert_eq!(found(little.concat()), [payload()]);
        assert_eq!(found(big.concat()), [payload()]);
    }
}

#[test]
fn data_uris_are_found_in_base64_and_as_text() {
    let (payload, text) = (payload(), encode(&payload()));
    let percent = payload.iter().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
    for content in [
        format!("data:image/png;base64,{text}"),
        format!("<img src=\"data:image/png;base64,{text}\">"),
        format!("<img src=DATA:image/png;charset=x;BASE64,{text}>"),
        format!("url(data:font/woff2;base64,{text})"),
        format!("<img src='data:;base64,{}'>", lines(&text, 10, "\n ")),
        format!("\"data:a/b;base64,{}\"", text.replace('+', "%2B").replace('/', "%2f")),
        format!("data:,{percent}"),
        format!("href=\"data:text/html;charset=utf-8,{percent}\""),
        format!("'d\ta\r\nta:a/b\t;ba\nse64,{text}'"),
        format!("'data:a/b,{}'", lines(&percent, 7, "\t")),
        // Unclosed, and one behind it.
        format!("\"data:a/b, x url(data:a/b;base64,{text}"),
    ] {
        assert!(found(&content).contains(&payload), "{content}");
    }
    let labelled = embedded(format!("(data:a/b;base64,{text})").as_bytes(), &budget());
    assert_eq!(labelled.pieces, [Embedded { bytes: payload, labelled: true }], "and not once more");
}

#[test]
fn hexadecimal_digits_are_those_of_bytes() {
    let payload = payload();
    for text in [hex(&payload), hex(&payload).to_uppercase(), lines(&hex(&payload), 64, "\n")] {
        assert_eq!(found(format!("\"{text}\"")), std::slice::from_ref(&payload));
    }
}

#[test]
fn words_hashes_and_lines_are_nothing() {
    let sha512 = encode(&[0x5a; 64]);
    for content in [
        "It is a long established fact that a reader will be distracted by the readable content.".repeat(9),
        "/usr/share/doc/something/with/a/long/name.d/and.a.file".repeat(9),
        format!("\"integrity\": \"sha512-{sha512}\","),
        format!("{}  a file\n", hex(&[0xa5; 64])).repeat(9),
        "-".repeat(200),
        format!("/{}/\n", "*".repeat(200)),
        "=".repeat(500),
        "////////////////////////////////////////".repeat(9),
        "data: no comma, and no type; data:{a,b} 'data:x'".repeat(9),
        "word\n".repeat(300) + "!",
    ] {
        assert_eq!(found(&content), Vec::<Vec<u8>>::new(), "{content}");
    }
    assert!(!has_embedded(b"") && !has_embedded(&[0xff; 500]));
}

#[test]
fn the_deadline_ends_the_search() {
    let content = format!("\"{0}\",\"{0}\"", encode(&payload()));
    let over = embedded(content.as_bytes(), &Budget { deadline: Instant::now(), ..budget() });
    assert_eq!((over.pieces.len(), over.defect), (0, Some(Defect::Deadline)));
}

#[test]
fn hostile_repetition_takes_linear_time() {
    for unit in [
        "(data:a/b,",
        "'data:a/b,",
        "data:",
        "\\",
        "&#",
        "&#x",
        "A=",
        "AAAAAAAAAAAAAAAAAAAAA\n",
        "%",
        "--A",
        "AZ ",
        "A0 B C ",
        "\"'",
        "AAAAAAAAAAAAAAAAAAAAAA<!--",
        "AAAAAAAAAAAAAAAAAAAAAAA\"/*",
        "\n",
        "&#0",
        "d\na\nta:",
        "Z                   ",
    ] {
        let content = unit.repeat((1 << 20) / unit.len());
        let begun = Instant::now();
        let pieces = embedded(content.as_bytes(), &budget());
        assert!(begun.elapsed() < Duration::from_secs(5), "{unit:?}: {:?}", begun.elapsed());
        let total: usize = pieces.pieces.iter().map(|piece| piece.bytes.len()).sum();
        assert!(total <= 6 * content.len(), "{unit:?}");
    }
}

proptest! {
    #[test]
    fn what_was_encoded_is_found(
        data in proptest::collection::vec(any::<u8>(), MIN_BYTES..400),
        width in MIN_LINE..100usize,
    ) {
        prop_assume!(data.iter().any(|byte| *byte != data[0]));
        for content in [format!("<a>{}</a>", encode(&data)), format!("\"{}\"", lines(&encode(&data), width, "\n"))] {
            // What looks like hexadecimal digits is taken for those.
            prop_assert!(found(&content).contains(&data), "{}", content);
        }
        let escaped = encode(&data).bytes().map(|byte| format!("\\u{byte:04x}")).collect::<Vec<_>>().concat();
        let escaped = format!("\"{escaped}\"");
        prop_assert!(found(escaped).contains(&data));
    }

    #[test]
    fn no_bytes_make_it_panic(data in proptest::collection::vec(any::<u8>(), 0..600)) {
        let pieces = embedded(&data, &budget());
        prop_assert!(pieces.pieces.iter().map(|piece| piece.bytes.len()).sum::<usize>() <= 6 * data.len());
        prop_assert!(pieces.pieces.is_empty() || has_embedded(&data));
    }

    #[test]
    fn no_text_of_such_marks_makes_it_panic(text in "([dD]ata:|;base64|,|[A-Za-z0-9+/=]{10,40}|\\\\u00|\\\\|&#x?|%|\n|[\"'()<> -]){0,80}") {
        let pieces = embedded(text.as_bytes(), &budget());
        prop_assert!(pieces.pieces.iter().map(|piece| piece.bytes.len()).sum::<usize>() <= 6 * text.len());
        prop_assert!(pieces.pieces.is_empty() || has_embedded(text.as_bytes()));
    }
}
