//! e2guardian: one `OPTIONS` at its start, one chunk per object, `200` without our header is an infection.
//! Rules read in e2guardian/e2guardian, src/contentscanners/icapscan.cpp.

use super::{dial, exchange_head, read_head};
use crate::common::server;
use icapstan_testkit::{chunked, clean_bytes, eicar};
use std::io::Write;

/// What it learnt from `OPTIONS`: header lines are compared with their case.
#[derive(Debug, Default)]
struct Service {
    preview: Option<usize>,
    uses_header: bool,
    compares_status: bool,
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Clean,
    Infected(String),
    Error(String),
}

fn learn() -> Service {
    let server = server();
    let mut stream = dial(server.icap());
    let head = exchange_head(&mut stream, b"OPTIONS icap://h/respmod ICAP/1.0\r\nHost: h\r\n\r\n");
    assert!(head.starts_with("ICAP/1.0 200"), "{head}");
    let mut service = Service::default();
    for line in head.split("\r\n") {
        if let Some(size) = line.strip_prefix("Preview: ") {
            service.preview = size.trim().parse().ok().filter(|&size| size > 0);
        } else if let Some(out) = line.strip_prefix("X-Allow-Out:") {
            service.uses_header |= out.contains("X-Infection-Found");
        } else if let Some(id) = line.strip_prefix("Service-ID:") {
            service.compares_status |= id.contains("KAVIcap");
        } else if let Some(server) = line.strip_prefix("Server:") {
            service.compares_status |= server.contains("AntiVir-WebGate");
        }
    }
    service
}

fn scan(service: &Service, body: &[u8], previewing: bool) -> Verdict {
    let server = server();
    let mut stream = dial(server.icap());
    let (get, ok) = ("GET http://o.test/x HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n");
    let size = service.preview.unwrap_or(0).min(body.len());
    let previewing = previewing && size < body.len();
    let field = if previewing { format!("Preview: {size}\r\n") } else { String::new() };
    let head = format!(
        "RESPMOD icap://h/respmod ICAP/1.0\r\nHost: h\r\nAllow: 204\r\n{field}Encapsulated: req-hdr=0, res-hdr=32, res-body=51\r\n\r\n{get}{ok}"
    );
    let first = if previewing { &body[..size] } else { body };
    stream.write_all(&[head.as_bytes(), &chunked(first)].concat()).expect("the server reads");
    let mut answer = read_head(&mut stream);
    if previewing && answer.starts_with("ICAP/1.0 100") {
        stream.write_all(&chunked(&body[size..])).expect("the server reads");
        answer = read_head(&mut stream);
    }
    // It closes here, whatever else the answer holds.
    match answer.get(9..12) {
        Some("204") => Verdict::Clean,
        Some("200") => {
            let found = answer.split("\r\n").find(|line| line.contains("X-Infection-Found"));
            let name = found.and_then(|line| line.split_once("Threat=")?.1.split_once(';'));
            Verdict::Infected(name.map_or_else(|| "Unknown".to_owned(), |(name, _)| name.to_owned()))
        }
        other => Verdict::Error(format!("{other:?}")),
    }
}

#[test]
fn e2guardian_gets_204_for_clean_and_a_name_for_infected() {
    let service = learn();
    assert!(service.uses_header && !service.compares_status && service.preview.is_some(), "{service:?}");
    for previewing in [false, true] {
        for clean in [clean_bytes(1, 1), clean_bytes(4096, 2), clean_bytes(1_000_000, 3)] {
            assert_eq!(scan(&service, &clean, previewing), Verdict::Clean, "{} bytes", clean.len());
        }
        match scan(&service, &eicar(), previewing) {
            Verdict::Infected(name) => assert!(name.to_lowercase().contains("eicar"), "{name}"),
            other => panic!("{other:?}"),
        }
    }
}
