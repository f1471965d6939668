//! Nextcloud files_antivirus: a connection per file, reads to its end, looks for one header.
//! Rules read in nextcloud/files_antivirus, lib/ICAP.

use super::dial;
use crate::common::server;
use icapstan_testkit::{chunked, clean_bytes, eicar};
use std::io::{Read, Write};

#[derive(Debug, PartialEq)]
enum Verdict {
    Clean,
    Infected(String),
    Error(String),
}

/// Uploads as the app does, and reads until the server closes, as it does in debug mode.
fn scan(mode: &str, body: &[u8], header: &str) -> Verdict {
    let server = server();
    let mut stream = dial(server.icap());
    let put = "PUT /f.bin HTTP/1.0\r\nHost: nextcloud\r\n\r\n";
    let get = "GET /f.bin HTTP/1.0\r\nHost: nextcloud\r\n\r\n";
    let ok = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", body.len().max(1));
    let (line, encapsulated, heads) = match mode {
        "REQMOD" => ("REQMOD icap://h/avscan", "req-hdr=0, req-body=40".to_owned(), put.to_owned()),
        _ => (
            "RESPMOD icap://h/avscan",
            format!("req-hdr=0, res-hdr=40, res-body={}", 40 + ok.len()),
            format!("{get}{ok}"),
        ),
    };
    let head = format!(
        "{line} ICAP/1.0\r\nAllow: 204\r\nX-Client-IP: \r\nEncapsulated: {encapsulated}\r\n\
         Transfer-Encoding: chunked\r\nHost: h\r\nUser-Agent: NC-AV-CLIENT\r\nConnection: close\r\n\r\n{heads}"
    );
    stream.write_all(&[head.as_bytes(), &chunked(body)].concat()).expect("the server reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the server closes, or this hangs");
    judge(&String::from_utf8_lossy(&answer), header)
}

fn judge(answer: &str, header: &str) -> Verdict {
    let (head, rest) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let code = head.split(' ').nth(1).unwrap_or_default();
    if !matches!(code, "200" | "204") {
        return Verdict::Error(format!("status {code}"));
    }
    let named = head.split("\r\n").find_map(|line| line.strip_prefix(header)?.strip_prefix(':'));
    if let Some(value) = named {
        return Verdict::Infected(value.trim().to_owned());
    }
    let inner = rest.split("\r\n").next().unwrap_or_default();
    if inner.contains("403 Forbidden") || inner.contains("403 VirusFound") {
        return Verdict::Infected("by status".to_owned());
    }
    Verdict::Clean
}

#[test]
fn nextcloud_accepts_clean_uploads_and_refuses_infected_ones() {
    for mode in ["REQMOD", "RESPMOD"] {
        for header in ["X-Infection-Found", "X-Virus-ID"] {
            for clean in [clean_bytes(1, 1), clean_bytes(200_000, 2), Vec::new()] {
                assert_eq!(scan(mode, &clean, header), Verdict::Clean, "{mode}, {} bytes", clean.len());
            }
            match scan(mode, &eicar(), header) {
                Verdict::Infected(what) => assert!(what.to_lowercase().contains("eicar"), "{header}: {what}"),
                other => panic!("{mode} {header}: {other:?}"),
            }
        }
        // Configured with a header that we do not send, the status line still tells.
        assert_eq!(scan(mode, &eicar(), "X-Other"), Verdict::Infected("by status".to_owned()));
    }
}
