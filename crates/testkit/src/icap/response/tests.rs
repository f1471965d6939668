use super::*;
use crate::ReadError;
use std::io::Read;

impl Source for &[u8] {
    type Error = ReadError;

    fn head(&mut self, limit: usize) -> Result<Vec<u8>, ReadError> {
        let at = self.windows(4).take(limit).position(|w| w == b"\r\n\r\n").ok_or(ReadError::Truncated)?;
        self.exactly(at + 4)
    }

    fn line(&mut self, limit: usize) -> Result<Vec<u8>, ReadError> {
        let at = self.windows(2).take(limit).position(|w| w == b"\r\n").ok_or(ReadError::Truncated)?;
        self.exactly(at + 2)
    }

    fn exactly(&mut self, count: usize) -> Result<Vec<u8>, ReadError> {
        let mut bytes = vec![0; count];
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

const ECHO: &str = "ICAP/1.0 200 OK\r\nISTag: \"ICS-1\"\r\nEncapsulated: res-hdr=0, res-body=19\r\n\r\n\
                    HTTP/1.1 200 OK\r\n\r\n3\r\nabc\r\n0\r\n\r\n";

fn read(text: &str, kind: Kind) -> Result<IcapResponse, ReadError> {
    IcapResponse::read(&mut text.as_bytes(), kind)
}

#[test]
fn a_right_response_is_taken_apart() {
    let response = read(ECHO, Kind::Respmod).unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(response.istag(), "ICS-1");
    assert_eq!(response.response_head.as_ref().unwrap().first_line, "HTTP/1.1 200 OK");
    assert_eq!(response.body_data(), b"abc");
    assert_eq!(response.body.unwrap().chunks, [3]);
}

#[test]
fn each_broken_rule_is_named() {
    let cases = [
        ("ICAP/1.0 200 OK", "ICAP/1.1 200 OK", "no status line"),
        ("ICAP/1.0 200 OK", "ICAP/1.0 200", "no status line"),
        ("ISTag: \"ICS-1\"\r\n", "", "no ISTag"),
        ("\"ICS-1\"", "ICS-1", "ISTag is"),
        ("\"ICS-1\"", "\"ICS_1\"", "ISTag is"),
        ("\"ICS-1\"", "\"123456789012345678901234567890123\"", "ISTag is"),
        ("ISTag: \"ICS-1\"", "ISTag: \"ICS-1\"\r\nistag: \"ICS-1\"", "istag twice"),
        ("ISTag: \"ICS-1\"", "ISTag:\"ICS-1\"", "no field"),
        ("ISTag: \"ICS-1\"", "ISTag: \"ICS-1\" ", "white space"),
        ("ISTag: \"ICS-1\"", "ISTag: \"ICS-1\"\r\n folded", "no field"),
        ("ISTag: \"ICS-1\"", "ISTag: \"ICS-1\"\r\nX-Y: a\nb", "bare CR or LF"),
        ("ISTag: \"ICS-1\"", "ISTag: \"ICS-1\"\r\nX-Y: \u{e9}", "printable ASCII"),
        ("ISTag: \"ICS-1\"", "ISTag: \"ICS-1\"\r\nTransfer-Encoding: chunked", "Transfer-Encoding in"),
        ("res-hdr=0, res-body=19", "res-hdr=0,res-body=19", "Encapsulated is"),
        ("res-hdr=0, res-body=19", "res-hdr=1, res-body=19", "Encapsulated is"),
        ("res-hdr=0, res-body=19", "res-hdr=0, res-body=019", "Encapsulated is"),
        ("res-hdr=0, res-body=19", "res-hdr=0, res-body=18", "does not end at its offset"),
        ("res-hdr=0, res-body=19", "res-hdr=0, res-body=20", "does not end at its offset"),
        ("res-hdr=0, res-body=19", "req-hdr=0, res-body=19", "with the parts"),
        ("res-hdr=0, res-body=19", "null-body=0", "with the parts"),
        ("\r\n3\r\n", "\r\n03\r\n", "no chunk line"),
        ("\r\n3\r\n", "\r\n3;x\r\n", "no chunk line"),
        ("\r\n3\r\nabc", "\r\nA\r\n0123456789", "no chunk line"),
        ("abc\r\n", "abcd\r\n", "no CRLF after a chunk"),
        ("0\r\n\r\n", "0\r\nX: y\r\n\r\n", "after the last chunk"),
        ("0\r\n\r\n", "0; use-original-body=3\r\n\r\n", "no chunk line"),
    ];
    for (from, to, rule) in cases {
        assert!(ECHO.contains(from), "{from:?} is in the right response");
        let error = read(&ECHO.replacen(from, to, 1), Kind::Respmod).unwrap_err();
        assert!(error.to_string().contains(rule), "{from:?} -> {to:?}: {error}");
    }
    assert!(read(ECHO, Kind::Reqmod).is_err() || read(ECHO, Kind::Options).is_err());
    assert!(read(&ECHO[..ECHO.len() - 2], Kind::Respmod).is_err());
}

#[test]
fn a_204_and_an_error_have_no_parts() {
    let tag = "ISTag: \"A\"\r\n";
    assert!(
        read(&format!("ICAP/1.0 204 No Content\r\n{tag}Encapsulated: null-body=0\r\n\r\n"), Kind::Reqmod)
            .is_ok()
    );
    assert!(read(&format!("ICAP/1.0 204 No Content\r\n{tag}\r\n"), Kind::Reqmod).is_err());
    assert!(read(&format!("ICAP/1.0 400 Bad Request\r\n{tag}\r\n"), Kind::Reqmod).is_ok());
    assert!(
        read(
            &format!("ICAP/1.0 400 Bad Request\r\n{tag}Encapsulated: res-hdr=0, null-body=4\r\n\r\n"),
            Kind::Reqmod
        )
        .is_err()
    );
    assert!(read("ICAP/1.0 100 Continue\r\n\r\n", Kind::Respmod).is_ok());
}

#[test]
fn a_206_may_point_back_to_the_original_body() {
    let text = ECHO
        .replace("200 OK\r\nISTag", "206 Partial Content\r\nISTag")
        .replace("0\r\n\r\n", "0; use-original-body=9\r\n\r\n");
    assert_eq!(read(&text, Kind::Respmod).unwrap().body.unwrap().use_original_body, Some(9));
}
