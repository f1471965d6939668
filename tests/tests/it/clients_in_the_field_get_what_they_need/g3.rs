//! g3proxy: strict about `OPTIONS`, never allows 204 outside a preview, trusts `Encapsulated`.
//! Rules read in bytedance/g3, lib/g3-icap-client/src (options/response.rs, respmod/h1).

use super::{dial, exchange_head, read_head};
use crate::common::server;
use icapstan_testkit::{chunked, clean_bytes, eicar, gzip};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// What the client understood of one answer.
#[derive(Debug, PartialEq)]
enum Answer {
    Continue,
    Original,
    Adapted { head: String, body: Vec<u8> },
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

fn parse_options(head: &str, method: &str) -> Result<(), String> {
    let status: u16 = head.get(9..12).and_then(|code| code.parse().ok()).ok_or("no status")?;
    if head.len() > 8192 || !(200..300).contains(&status) {
        return Err("status or size".to_owned());
    }
    let list = |name| field(head, name).unwrap_or_default().split(',').map(str::trim).collect::<Vec<_>>();
    if !list("Methods").contains(&method) || field(head, "ISTag").is_none_or(str::is_empty) {
        return Err("Methods or ISTag".to_owned());
    }
    if list("Allow").iter().any(|item| item.parse::<u16>().is_err()) || field(head, "Opt-body-type").is_some()
    {
        return Err("Allow or Opt-body-type".to_owned());
    }
    for name in ["Max-Connections", "Options-TTL", "Preview"] {
        if field(head, name).is_some_and(|value| value.parse::<u32>().is_err()) {
            return Err(format!("{name} is no integer"));
        }
    }
    match field(head, "Encapsulated") {
        None | Some("null-body=0") => Ok(()),
        Some(other) => Err(format!("Encapsulated: {other}")),
    }
}

/// Reads an answer; `previewing` says whether 100 and 204 may come.
fn read_answer(stream: &mut TcpStream, previewing: bool) -> Result<Answer, String> {
    let icap = read_head(stream);
    match icap.get(9..12) {
        Some("100") if previewing => return Ok(Answer::Continue),
        Some("204") if previewing => return Ok(Answer::Original),
        Some("200") => {}
        other => return Err(format!("status {other:?}")),
    }
    let parts: Vec<_> = field(&icap, "Encapsulated").unwrap_or_default().split(", ").collect();
    let [first, second] = parts.as_slice() else { return Err(format!("parts {parts:?}")) };
    if *first != "res-hdr=0" {
        return Err(format!("first part {first}"));
    }
    let size = second.strip_prefix("res-body=").ok_or("no body was found")?;
    let mut head = vec![0; size.parse().map_err(|_| "no size")?];
    stream.read_exact(&mut head).map_err(|error| error.to_string())?;
    let head = String::from_utf8(head).map_err(|_| "no UTF-8")?;
    let mut reader = BufReader::new(stream);
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).map_err(|error| error.to_string())?;
        let size = usize::from_str_radix(line.trim_end(), 16).map_err(|_| format!("chunk {line:?}"))?;
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).map_err(|error| error.to_string())?;
        body.extend_from_slice(&chunk[..size]);
        if size == 0 {
            break;
        }
    }
    match field(&head, "Content-Length").map(str::parse::<usize>) {
        Some(Ok(length)) if length == 0 || length != body.len() => Err(format!("Content-Length {length}")),
        _ => Ok(Answer::Adapted { head, body }),
    }
}

/// Without preview, then with one: what a proxy user gets.
fn fetch(stream: &mut TcpStream, body: &[u8], preview: Option<usize>) -> Result<Answer, String> {
    let get = "GET http://o.test/x HTTP/1.1\r\nHost: o.test\r\n\r\n";
    let ok = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let preview_field = preview.map(|size| format!("Preview: {size}\r\n")).unwrap_or_default();
    let head = format!(
        "RESPMOD icap://h/resp ICAP/1.0\r\nHost: h\r\nX-Client-IP: 192.0.2.1\r\nX-Client-Port: 40000\r\n\
         Encapsulated: req-hdr=0, res-hdr={}, res-body={}\r\n{preview_field}\r\n{get}{ok}",
        get.len(),
        get.len() + ok.len()
    );
    let sent = preview.unwrap_or(body.len());
    stream
        .write_all(&[head.as_bytes(), &chunked(&body[..sent])].concat())
        .map_err(|error| error.to_string())?;
    match read_answer(stream, preview.is_some())? {
        Answer::Continue => {
            stream.write_all(&chunked(&body[sent..])).map_err(|error| error.to_string())?;
            read_answer(stream, false)
        }
        answer => Ok(answer),
    }
}

#[test]
fn g3proxy_reads_options_and_gets_every_clean_body_back() {
    let server = server();
    let mut stream = dial(server.icap());
    for (path, method) in [("/resp", "RESPMOD"), ("/req", "REQMOD"), ("/avscan", "RESPMOD")] {
        let request = format!("OPTIONS icap://h{path} ICAP/1.0\r\nHost: h\r\nAllow: 204\r\n\r\n");
        let head = exchange_head(&mut stream, request.as_bytes());
        assert_eq!(parse_options(&head, method), Ok(()), "{head}");
    }
    for body in
        [clean_bytes(1, 1), clean_bytes(5000, 2), clean_bytes(300_000, 3), gzip(&clean_bytes(1000, 4))]
    {
        for preview in [None, Some(1), Some(body.len().min(4096))] {
            match fetch(&mut stream, &body, preview) {
                Ok(Answer::Original) => {}
                Ok(Answer::Adapted { body: got, .. }) => assert!(got == body),
                other => panic!("{} bytes, preview {preview:?}: {other:?}", body.len()),
            }
        }
    }
}

#[test]
fn g3proxy_shows_the_block_page() {
    let server = server();
    let mut stream = dial(server.icap());
    for preview in [None, Some(10), Some(68)] {
        match fetch(&mut stream, &eicar(), preview) {
            Ok(Answer::Adapted { head, .. }) => {
                assert!(head.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{head}");
            }
            other => panic!("preview {preview:?}: {other:?}"),
        }
    }
}
