//! rspamd: `OPTIONS` and `RESPMOD` on one connection, reads the head, closes.
//! Rules read in rspamd/rspamd, lualib/lua_scanners/icap.lua.

use super::{dial, exchange_head};
use crate::common::{assert_204, server, session};
use icapstan_testkit::{Message, chunked, clean_bytes, eicar};

#[derive(Debug, PartialEq)]
enum Symbol {
    Clean,
    Virus(String),
    Fail(String),
}

fn scan(body: &[u8], with_heads: bool) -> Symbol {
    let server = server();
    let mut stream = dial(server.icap());
    let options = exchange_head(
        &mut stream,
        b"OPTIONS icap://h/avscan ICAP/1.0\r\nHost: h\r\nUser-Agent: Rspamd\r\nConnection: keep-alive\r\nEncapsulated: null-body=0\r\n\r\n",
    );
    if !options.contains("RESPMOD") || options.get(9..12) != Some("200") {
        return Symbol::Fail(options);
    }
    let (get, ok) = ("GET http://mail.test/part HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n");
    let (encapsulated, heads) = if with_heads {
        (format!("req-hdr=0, res-hdr={}, res-body={}", get.len(), get.len() + ok.len()), format!("{get}{ok}"))
    } else {
        ("res-body=0".to_owned(), String::new())
    };
    let head = format!(
        "RESPMOD icap://h/avscan ICAP/1.0\r\nHost: h\r\nAllow: 204\r\nEncapsulated: {encapsulated}\r\n\r\n{heads}"
    );
    let answer = exchange_head(&mut stream, &[head.as_bytes(), &chunked(body)].concat());
    judge(&answer)
}

fn judge(answer: &str) -> Symbol {
    let code: u16 = answer.get(9..12).and_then(|code| code.parse().ok()).unwrap_or_default();
    if !(200..300).contains(&code) {
        return Symbol::Fail(format!("status {code}"));
    }
    for line in answer.split("\r\n") {
        if let Some(found) = line.strip_prefix("X-Infection-Found:") {
            // Type=%d; Resolution=%d; Threat=...; up to the end of the line.
            let parts: Vec<_> = found.trim().split("; ").collect();
            let [kind, resolution, threat] = parts.as_slice() else { return Symbol::Fail(found.to_owned()) };
            let number = |part: &str, name: &str| part.strip_prefix(name).and_then(|n| n.parse::<u8>().ok());
            let name = threat.strip_prefix("Threat=").and_then(|name| name.strip_suffix(';'));
            return match (number(kind, "Type="), number(resolution, "Resolution="), name) {
                (Some(2), Some(_), Some(_)) => Symbol::Fail("an error of the scanner".to_owned()),
                (Some(_), Some(_), Some(name)) => Symbol::Virus(name.to_owned()),
                _ => Symbol::Fail(found.to_owned()),
            };
        }
        if let Some(name) = line.strip_prefix("X-Virus-ID: ").filter(|name| *name != "no threats") {
            return Symbol::Virus(name.to_owned());
        }
        if line.starts_with("X-FSecure-Infected") || line.starts_with("X-Blocked: ") {
            return Symbol::Virus(line.to_owned());
        }
    }
    Symbol::Clean
}

#[test]
fn rspamd_sets_its_symbols_right() {
    for with_heads in [false, true] {
        for clean in [clean_bytes(10, 1), clean_bytes(100_000, 2)] {
            assert_eq!(scan(&clean, with_heads), Symbol::Clean);
        }
        match scan(&eicar(), with_heads) {
            Symbol::Virus(name) => assert!(name.to_lowercase().contains("eicar"), "{name}"),
            other => panic!("{other:?}"),
        }
    }
    // It closed in the middle of each answer: others are none the worse for it.
    let mut icap = session();
    icap.send(Message::respmod("/avscan").allow_204().body(b"harmless").bytes());
    assert_204(&icap.read_respmod());
}
