//! Forms, in every way in which real readers take them.

use super::build::{base64, quoted_printable, uuencoded, zip};
use super::rows::{Row, download, upload};
use icapstan_testkit::{brotli, deflate, eicar, gzip};

const TYPE: &str = "multipart/form-data; boundary=bnd";
const FILE: &str = "Content-Disposition: form-data; name=\"f\"; filename=\"a.com\"";

/// One part of those header lines.
pub(super) fn form(fields: &str, content: impl AsRef<[u8]>) -> Vec<u8> {
    let head = format!("--bnd\r\n{fields}\r\n\r\n");
    [head.as_bytes(), content.as_ref(), b"\r\n--bnd--\r\n"].concat()
}

fn lf(body: Vec<u8>) -> Vec<u8> {
    body.into_iter().filter(|byte| *byte != b'\r').collect()
}

fn file() -> Vec<u8> {
    form(FILE, eicar())
}

fn encoded(how: &str, text: &str) -> Vec<u8> {
    form(&format!("{FILE}\r\nContent-Transfer-Encoding: {how}"), text)
}

pub(super) fn rows() -> Vec<Row> {
    let unterminated = file()[..file().len() - "\r\n--bnd--\r\n".len()].to_vec();
    let inner = String::from_utf8(file()).expect("text").replace("bnd", "inner");
    let nested = form("Content-Type: multipart/mixed; boundary=inner", inner);
    vec![
        upload("form", TYPE, file()),
        upload("form, chunks of five bytes", TYPE, file()).chunks_of(5),
        upload("form without file name", TYPE, form("Content-Disposition: form-data; name=f", eicar())),
        upload("form, LF only", TYPE, lf(file())),
        upload("form in capitals", "MULTIPART/FORM-DATA; BOUNDARY=bnd", file()),
        upload("form, quoted boundary", "multipart/form-data; boundary=\"bnd\"", file()),
        upload(
            "form, other parameters first",
            "multipart/form-data; charset=utf-8; boundary=bnd; x=y",
            file(),
        ),
        upload("form between text", TYPE, [b"before\r\n".as_slice(), &file(), b"behind"].concat()),
        upload("form that is not terminated", TYPE, unterminated),
        upload("form without a boundary", "multipart/form-data", file()),
        upload("form with another boundary", "multipart/form-data; boundary=other", file()),
        upload("form, boundary by RFC 2231", "multipart/form-data; boundary*=us-ascii''bnd", file()),
        upload("form, two boundaries", "multipart/form-data; boundary=bnd; boundary=other", file()),
        upload("form, two types", TYPE, file()).content_type("text/plain"),
        upload("form labelled as text", "text/plain", file()),
        upload("form labelled as JSON", "application/json", file()),
        download("form without a label", file()),
        upload("form, name by RFC 2231", TYPE, {
            form("Content-Disposition: form-data; name=f; filename*=UTF-8''a%2Ecom", eicar())
        }),
        upload("form in a form", TYPE, nested),
        upload("form, white space behind the boundary", TYPE, {
            String::from_utf8(file()).expect("text").replacen("--bnd\r\n", "--bnd \t\r\n", 1)
        }),
        upload("form, part in gzip", TYPE, form(FILE, gzip(&eicar()))),
        upload("form, part in zip", TYPE, form(FILE, zip(&eicar()))),
        upload("form, part in base64", TYPE, encoded("base64", &base64(&eicar()))),
        upload("form, part in base64 with letters in capitals", TYPE, encoded("BASE64", &base64(&eicar()))),
        upload(
            "form, part in quoted-printable",
            TYPE,
            encoded("quoted-printable", &quoted_printable(&eicar())),
        ),
        upload("form, part in quoted-printable, behind a comment", TYPE, {
            encoded("(x) quoted-printable", &quoted_printable(&eicar()))
        }),
        upload("form, part in deflate by a coding of its own", TYPE, {
            form(&format!("{FILE}\r\nContent-Encoding: deflate"), deflate(&eicar()))
        }),
        upload("form, part in br by a coding of its own", TYPE, {
            form(&format!("{FILE}\r\nContent-Encoding: br"), brotli(&eicar()))
        }),
        upload("form, part in uuencode", TYPE, encoded("x-uuencode", &uuencoded(&eicar()))),
        upload("form, part of JSON with base64", TYPE, {
            form("Content-Disposition: form-data; name=j", format!("{{\"f\":\"{}\"}}", base64(&eicar())))
        }),
        upload("form, field of base64", TYPE, {
            form("Content-Disposition: form-data; name=j", base64(&eicar()))
        }),
        upload("form in gzip", TYPE, gzip(&file())).coding("gzip"),
        upload("related", "multipart/related; type=\"text/xml\"; boundary=bnd", file()),
    ]
}
