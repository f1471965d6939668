//! What is harmless stays so, however much it looks like something else.

use super::build::{base64, nested, pdf, quoted_printable, tar, uuencoded, wrapped, zip};
use super::multipart::form;
use super::rows::{Row, download, upload};
use icapstan_testkit::{brotli, clean_bytes, clean_text, deflate, gzip, hex, zstd};

const JSON: &str = "application/json";
const FORM: &str = "multipart/form-data; boundary=bnd";

fn lines(count: u64, line: impl Fn(u64) -> String) -> String {
    (0..count).map(line).collect()
}

fn digits(len: usize, seed: u64) -> String {
    base64(&clean_bytes(len, seed))
}

pub(super) fn rows() -> Vec<Row> {
    let text = clean_text(20_000);
    let token =
        format!("{}.{}.{}", base64(&text[..40]), base64(&text[..300]), digits(256, 1)).replace('=', "");
    let icons = lines(400, |n| {
        let icon = [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &clean_bytes(400, n)].concat();
        format!(".i{n} {{ background: url(data:image/png;base64,{}) }}\n", base64(&icon))
    });
    let rows = vec![
        download("nothing", []),
        download("one byte", [b'x']),
        download("text", text.clone()),
        download("zeros", vec![0; 70_000]),
        download("noise", clean_bytes(300_000, 1)),
        download("large noise", clean_bytes(9 << 20, 1)),
        download("gzip", gzip(&text)).coding("gzip"),
        download("br, gzip", gzip(&brotli(&text))).coding("br, gzip"),
        download("zstd", zstd(&text)).coding("zstd"),
        download("deflate", deflate(&text)).coding("deflate").chunks_of(11),
        download("zip in zip in zip", nested(&text, 3)),
        download("tar in gzip", gzip(&tar(&text))),
        download("PDF with an attached file", pdf(&text)),
        upload("form", FORM, form("Content-Disposition: form-data; name=f; filename=a.txt", &text)),
        upload("form with a zip", FORM, form("Content-Disposition: form-data; name=f; filename=a", zip(&text))),
        upload("form with base64", FORM, form("Content-Transfer-Encoding: base64", base64(&text))),
        upload("form field with a token", "application/x-www-form-urlencoded", format!("a=b&token={token}")),
        download("mail", {
            let head = "From: a@o.test\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n\r\n";
            [head.as_bytes(), wrapped(&base64(&text), 76, "\r\n").as_bytes()].concat()
        })
        .content_type("message/rfc822"),
        download("quoted-printable", format!("X-A: b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{}", quoted_printable(&text))),
        download("uuencode", uuencoded(&text)),
        upload("JSON: base64 of text", JSON, format!("{{\"a\": \"{}\"}}", base64(&text))),
        upload("JSON: base64 of zip", JSON, format!("{{\"a\": \"{}\"}}", base64(&zip(&text)))),
        upload("JSON: base64 of noise", JSON, format!("{{\"a\": \"{}\"}}", digits(1 << 20, 2))),
        upload("JSON: a token", JSON, format!("{{\"access_token\": \"{token}\"}}")),
        upload("JSON: three thousand hashes", JSON, {
            lines(3000, |n| format!("{{\"integrity\": \"sha512-{}\"}},\n", digits(64, n)))
        }),
        upload("JSON: three thousand keys", JSON, lines(3000, |n| format!("{{\"key\": \"{}\"}},\n", digits(256, n)))),
        download("three thousand long hashes", lines(3000, |n| format!("{}  file-{n}\n", hex(&clean_bytes(64, n))))),
        download("a bundle of certificates", {
            lines(150, |n| {
                let der = [b"\x30\x82\x04\xb0\x30\x82".as_slice(), &clean_bytes(1200, n)].concat();
                format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", wrapped(&base64(&der), 64, "\n"))
            })
        }),
        download("style with four hundred pictures", icons).content_type("text/css"),
        download("script with a source map", {
            let map = base64(b"{\"version\":3,\"sources\":[\"a.ts\"],\"names\":[],\"mappings\":\"AAAA,SAAS,CAAC;AACV\"}");
            format!("f();\n//# sourceMappingURL=data:application/json;charset=utf-8;base64,{map}\n")
        })
        .content_type("text/javascript"),
        download("page with a picture as text", {
            "<img src=\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E%3Cpath d='M0 0h8v8z'/%3E%3C/svg%3E\">"
        })
        .content_type("text/html"),
        download("paths", lines(500, |n| format!("/usr/share/{}/{n}\n", "some-folder/".repeat(12)))),
        download("lines that are drawn", format!("{}\n{}\n", "-".repeat(200), "/".repeat(200))),
    ];
    rows.into_iter().map(Row::clean).collect()
}
