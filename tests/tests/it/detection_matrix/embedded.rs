//! Content that stands encoded in other content.

use super::build::{base32, base64, each, percent, utf16, wrapped, zip};
use super::rows::{Row, download, upload};
use icapstan_testkit::{clean_text, deflate, eicar, gzip, hex};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const HTML: &str = "text/html";

fn json(text: &str) -> String {
    format!("{{\"name\": \"a.com\", \"content\": \"{text}\", \"size\": 68}}")
}

fn escaped(text: &str) -> String {
    each(text.as_bytes(), |byte| format!("\\u{byte:04x}"))
}

/// A tar file as it was before POSIX, with nothing in it that says so.
fn old_tar(content: &[u8]) -> Vec<u8> {
    let mut header = [0; 512];
    header[..5].copy_from_slice(b"a.com");
    header[100..107].copy_from_slice(b"0000644");
    header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    header[136..147].copy_from_slice(b"00000000000");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let padding = vec![0; content.len().next_multiple_of(512) - content.len() + 1024];
    [&header, content, &padding].concat()
}

/// How base64 may be written so that its readers pass over what stands in it.
fn broken_up(bad: &str) -> Vec<Row> {
    let script = |name, text: String| download(name, format!("var a = atob('{text}');"));
    let hyper = |name, url: String| download(name, format!("<a href=\"{url}\">x</a>")).content_type(HTML);
    let uri = format!("data:application/x-foo;base64,{bad}");
    let halves = bad.split_at(40);
    vec![
        upload("JSON: base64 in lines of twelve", JSON, json(&wrapped(bad, 12, "\\n"))),
        upload("JSON: base64 with blanks in it", JSON, json(&wrapped(bad, 5, "  "))),
        upload("JSON: base64 with empty lines in it", JSON, json(&wrapped(bad, 30, "\\n\\n"))),
        upload("XML: base64 in lines of eight", "text/xml", {
            format!("<a>\n  {}\n</a>", wrapped(bad, 8, "\n  "))
        }),
        upload("YAML: base64 in lines of ten", "text/yaml", {
            format!("a: |\n  {}\nb: c\n", wrapped(bad, 10, "\n  "))
        }),
        upload("vCard: base64 in lines of 16", "text/vcard", {
            format!("BEGIN:VCARD\r\nPHOTO;ENCODING=b:{}\r\nEND:VCARD\r\n", wrapped(bad, 16, "\r\n "))
        }),
        download("script: base64 in lines of 16 of a here-document", {
            format!("base64 -d <<EOF\n{}\nEOF\n", wrapped(bad, 16, "\n"))
        }),
        download("mail's text: base64 in lines that are quoted", format!("> {}\n", wrapped(bad, 60, "\n> "))),
        download("hexadecimal digits with blanks between", wrapped(&hex(&eicar()), 2, " ")),
        script(
            "script: base64 with u escapes in braces",
            each(bad.as_bytes(), |byte| format!("\\u{{{byte:x}}}")),
        ),
        script("script: base64 with octal escapes", each(bad.as_bytes(), |byte| format!("\\{byte:o}"))),
        script("script: base64 that goes on in the next line", wrapped(bad, 9, "\\\n")),
        script("script: base64 with a backslash for nothing", bad.replacen('W', "\\W", 1)),
        script("script: base64 in two strings with a comment between", {
            format!("{}'/* a */ + // b\n '{}", halves.0, halves.1)
        }),
        hyper("HTML: data: URI with names for its marks", {
            uri.replacen(':', "&colon;", 1).replacen(',', "&comma;", 1)
        }),
        hyper(
            "HTML: data: URI by numbers with many zeros",
            each(uri.as_bytes(), |byte| format!("&#{byte:020};")),
        ),
        hyper("HTML: data: URI in percent codes with tabs in it", {
            format!("da\tta:application/x-foo,{}", wrapped(&percent(&eicar()), 10, "\t"))
        }),
        upload("XML: base64 in two sections", "text/xml", {
            format!("<a><![CDATA[{}]]><![CDATA[{}]]></a>", halves.0, halves.1)
        }),
        upload("XML: base64 with a comment in it", "text/xml", {
            format!("<a>{}<!-- b -->{}</a>", halves.0, halves.1)
        }),
        upload("JSON: base64 of zlib", JSON, json(&base64(&deflate(&[eicar(), clean_text(90)].concat())))),
        upload("JSON: base64 of an old tar", JSON, json(&base64(&old_tar(&eicar())))),
    ]
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = whole();
    rows.extend(broken_up(&base64(&eicar())));
    rows
}

fn whole() -> Vec<Row> {
    let bad = base64(&eicar());
    let in_json = json(&bad.replace('/', "\\/"));
    let url_safe = bad.replace('+', "-").replace('/', "_").replace('=', "");
    let halves = bad.split_at(40);
    let quoted = String::from_utf8(eicar()).expect("text").replace('\\', "\\\\");
    vec![
        upload("JSON: base64", JSON, json(&bad)),
        upload("JSON: base64, chunks of nine bytes", JSON, json(&bad)).chunks_of(9),
        upload("JSON: base64, slashes escaped", JSON, json(&bad.replace('/', "\\/"))),
        upload("JSON: base64, plus and equals escaped", JSON, {
            json(&bad.replace('+', "\\u002B").replace('=', "\\u003d"))
        }),
        upload("JSON: base64, all of it escaped", JSON, json(&escaped(&bad))),
        upload("JSON: base64 for URLs, without padding", JSON, json(&url_safe)),
        upload("JSON: base64 in lines", JSON, json(&wrapped(&bad, 60, "\\n"))),
        upload("JSON: base64 in JSON in a string", JSON, format!("{{\"a\": {in_json:?}}}")),
        upload("JSON: base64 of gzip", JSON, json(&base64(&gzip(&eicar())))),
        upload("JSON: base64 of zip", JSON, json(&base64(&zip(&eicar())))),
        upload("JSON: base64 of base64", JSON, json(&base64(bad.as_bytes()))),
        upload("JSON: base64 of JSON with base64", JSON, json(&base64(in_json.as_bytes()))),
        upload("JSON: data: URI", JSON, json(&format!("data:application/x-foo;base64,{bad}"))),
        upload("JSON: hexadecimal digits", JSON, json(&hex(&eicar()))),
        upload("JSON behind 2 MB of text", JSON, [clean_text(2 << 20), json(&bad).into_bytes()].concat()),
        download("JSON in gzip", gzip(json(&bad).as_bytes())).coding("gzip"),
        upload("XML: base64", "text/xml", format!("<?xml version=\"1.0\"?><a><b>{bad}</b></a>")),
        upload("XML: base64 in indented lines", "text/xml", {
            format!("<a>\n  <b>\n    {}\n  </b>\n</a>", wrapped(&bad, 64, "\n    "))
        }),
        upload(
            "XML: base64 in lines of Java's",
            "text/xml",
            format!("<a>{}</a>", wrapped(&bad, 76, "&#xD;\n")),
        ),
        upload("XML: base64 as CDATA", "text/xml", format!("<a><![CDATA[{bad}]]></a>")),
        upload("form field: base64", FORM, format!("a=b&file={}&c=d", percent(bad.as_bytes()))),
        upload("form field: base64 as it stands", FORM, format!("a=b&file={bad}&c=d")),
        upload("form field: data: URI", FORM, {
            format!("file={}", percent(format!("data:image/png;base64,{bad}").as_bytes()))
        }),
        upload("form field: the content", FORM, format!("a=b&file={}", percent(&eicar()))),
        download("HTML: data: URI of a picture", format!("<img src=\"data:image/png;base64,{bad}\">"))
            .content_type(HTML),
        download("HTML: data: URI of a link, in percent codes", {
            format!("<a download=a.com href='data:application/x-foo,{}'>x</a>", percent(&eicar()))
        })
        .content_type(HTML),
        download("HTML: data: URI without quotes", format!("<a href=data:;base64,{bad}>x</a>"))
            .content_type(HTML),
        download("style: data: URI", format!("a {{ background: url(data:image/gif;base64,{bad}) }}"))
            .content_type("text/css"),
        download("script: base64", format!("var a = atob('{bad}');")).content_type("text/javascript"),
        download("script: base64 with x escapes", {
            let escaped = each(bad.as_bytes(), |byte| format!("\\x{byte:02x}"));
            format!("var a = atob(\"{escaped}\");")
        }),
        download("base64", bad.clone()),
        download("base64 in lines", wrapped(&bad, 76, "\r\n") + "\r\n"),
        download("base64 in lines of four", wrapped(&bad, 4, "\n")),
        download("hexadecimal digits in lines", wrapped(&hex(&eicar()), 32, "\n")),
        download("data: URI", format!("data:application/octet-stream;base64,{bad}")),
        download(
            "armour",
            format!("-----BEGIN THING-----\n\n{}\n-----END THING-----\n", wrapped(&bad, 64, "\n")),
        ),
        download("script: base64 in two strings with a plus between", {
            format!("var a = atob('{}' + '{}');", halves.0, halves.1)
        }),
        upload("JSON: the content itself as a string", JSON, json(&quoted)),
        upload(
            "JSON behind a mark: the content itself as a string",
            JSON,
            format!("\u{feff}{}", json(&quoted)),
        ),
        upload("JSON behind a comment: the content itself as a string", JSON, {
            format!("// It's a comment\n{}", json(&quoted))
        }),
        download("script: the content itself as a string of JSON that is called with", {
            format!("jQuery1_2({});", json(&quoted))
        })
        .content_type("text/javascript"),
        upload(
            "JSON: the content itself as a string in single quotes",
            JSON,
            json(&quoted).replace('"', "'"),
        ),
        upload("JSON: the content itself as a string behind 4 MB of text in another", JSON, {
            format!("{{\"text\": \"{}\", \"b\": {}}}", "some words ".repeat(400_000), json(&quoted))
        }),
        upload("JSON in UTF-16 that begins in Cyrillic: base64 behind 4 MB", JSON, {
            utf16(&format!("[\"\u{43f}{}\", {}]", "some words ".repeat(200_000), json(&bad)))
        }),
        upload("XML in UTF-16: base64", "text/xml", utf16(&format!("<a>{bad}</a>"))),
        upload("JSON: base32", JSON, json(&base32(&eicar()))),
        download("gzip without a label: JSON with base64", gzip(json(&bad).as_bytes())),
        upload(
            "zip: a file of JSON with base64, not compressed",
            "application/zip",
            zip(json(&bad).as_bytes()),
        ),
    ]
}
