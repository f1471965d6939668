//! Mail, as a body and inside of others.

use super::build::{base64, quoted_printable, uuencoded, wrapped};
use super::multipart::form;
use super::rows::{Row, download, upload};
use icapstan_testkit::eicar;

fn mail(first: &str, encoding: &str, text: &str) -> Vec<u8> {
    format!(
        "{first}\r\nFrom: a@o.test\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream; \
         name=a.com\r\nContent-Disposition: attachment; filename=a.com\r\nContent-Transfer-Encoding: {encoding}\r\n\
         \r\n{text}\r\n"
    )
    .into_bytes()
}

fn attached(boundary: &str, part: &str) -> Vec<u8> {
    format!(
        "Received: by o.test\r\nFrom: a@o.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; \
         boundary={boundary}\r\n\r\nA mail in parts.\r\n--{boundary}\r\nContent-Type: text/plain\r\n\r\nhello\r\n\
         --{boundary}\r\n{part}\r\n--{boundary}--\r\n"
    )
    .into_bytes()
}

pub(super) fn rows() -> Vec<Row> {
    let digits = wrapped(&base64(&eicar()), 76, "\r\n");
    let quoted = quoted_printable(&eicar());
    let part =
        format!("Content-Type: application/x-foo\r\nContent-Transfer-Encoding: base64\r\n\r\n{digits}");
    let inner = String::from_utf8(attached("inner", &part)).expect("text");
    let forwarded = format!("Content-Type: message/rfc822\r\n\r\n{inner}");
    let mail_type = "message/rfc822";
    vec![
        download("mail, base64", mail("Received: by o.test", "base64", &digits)).content_type(mail_type),
        download("mail, quoted-printable", mail("Received: by o.test", "quoted-printable", &quoted)),
        download("mail, uuencode", mail("Received: by o.test", "x-uuencode", &uuencoded(&eicar()))),
        download("mail that begins oddly, base64", mail("X-Foo: bar", "base64", &digits))
            .content_type(mail_type),
        download("mail that begins oddly, no label", mail("X-Foo: bar", "quoted-printable", &quoted)),
        download(
            "mail that begins oddly, labelled as a picture",
            mail("X-Foo: bar", "quoted-printable", &quoted),
        )
        .content_type("image/png"),
        download("mail in parts", attached("outer", &part)),
        download("mail in parts, LF only", {
            String::from_utf8(attached("outer", &part)).expect("text").replace("\r\n", "\n")
        }),
        download("mail in a mail", attached("outer", &forwarded)).content_type(mail_type),
        upload(
            "form with a mail",
            "multipart/form-data; boundary=bnd",
            form("Content-Type: message/rfc822", inner),
        ),
        upload("form with a mail that begins oddly", "multipart/form-data; boundary=bnd", {
            form("Content-Type: message/rfc822", mail("X-Foo: bar", "quoted-printable", &quoted))
        }),
        download(
            "mailbox",
            [b"From a@o.test Mon Jan  1 00:00:00 2024\n".as_slice(), &attached("outer", &part)].concat(),
        ),
        download("uuencode", uuencoded(&eicar())),
    ]
}
