//! Content codings of the encapsulated message: what they hide, what they hide badly, what they blow up to.

use crate::common::{
    ask_respmod, assert_block, assert_refused, assert_response_echo, assert_still_framed, respmod, session,
};
use icapstan_testkit::{MARKER_NAME, brotli, clean_bytes, clean_text, deflate, eicar, gzip, marker, zstd};

fn response_head(fields: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{fields}\r\n")
}

/// Threats that lie in the middle of an encoded body, and those at its beginning.
fn infected_texts() -> [(Vec<u8>, &'static str); 2] {
    [([clean_text(3000), marker(), clean_text(3000)].concat(), MARKER_NAME), (eicar(), "eicar")]
}

#[test]
fn rfc3507_4_4_2_c122_content_codings_hide_nothing() {
    type Coder = fn(&[u8]) -> Vec<u8>;
    let raw_deflate: Coder = |bytes| {
        let zlib = deflate(bytes);
        zlib[2..zlib.len() - 4].to_vec()
    };
    let coders: [(&str, Coder); 9] = [
        ("gzip", gzip),
        ("x-gzip", gzip),
        ("GZIP", gzip),
        ("deflate", deflate),
        ("deflate", raw_deflate),
        ("br", brotli),
        ("zstd", zstd),
        ("gzip, br", |bytes| brotli(&gzip(bytes))),
        ("deflate, gzip, identity", |bytes| gzip(&deflate(bytes))),
    ];
    let mut icap = session();
    for (coding, encode) in coders {
        let head = response_head(&format!("Content-Encoding: {coding}\r\n"));
        for (text, threat) in infected_texts() {
            icap.send(respmod().response_head(&head).body(encode(&text)).bytes());
            assert_block(&icap.read_respmod(), threat);
        }
        let clean = encode(&clean_text(20_000));
        icap.send(respmod().response_head(&head).body(&clean).bytes());
        let response = icap.read_respmod();
        assert_response_echo(&response, &head, &clean);
        assert!(!response.head.has("X-Icapstan-Reason"), "{coding}: {}", response.shown());
    }
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_4_2_c122_codings_in_two_fields_are_one_list() {
    let head = response_head("Content-Encoding: deflate\r\nContent-Encoding: gzip\r\n");
    let body = gzip(&deflate(&[clean_text(3000), marker()].concat()));
    let (response, _icap) = ask_respmod(&respmod().response_head(head).body(body));
    assert_block(&response, MARKER_NAME);
}

#[test]
fn rfc3507_4_4_2_c122_a_wrong_label_does_not_make_a_threat_clean() {
    let plain = [clean_text(3000), marker()].concat();
    let cases = [
        ("gzip", plain.clone()),
        ("br", plain.clone()),
        ("zstd", plain.clone()),
        ("deflate", plain.clone()),
        ("br", gzip(&plain)),
        ("identity", gzip(&plain)),
        ("", gzip(&plain)),
        ("gzip", [plain.clone(), gzip(&clean_text(100))].concat()),
        ("gzip", [gzip(&clean_text(100)), gzip(&plain)].concat()),
        ("gzip", [gzip(&clean_text(100)), plain].concat()),
    ];
    for (label, body) in cases {
        let fields = if label.is_empty() { String::new() } else { format!("Content-Encoding: {label}\r\n") };
        let (response, _icap) = ask_respmod(&respmod().response_head(response_head(&fields)).body(body));
        assert_refused(&response);
    }
}

#[test]
fn rfc3507_4_4_2_c122_what_cannot_be_decoded_is_not_called_clean() {
    let whole = gzip(&clean_text(50_000));
    let cases = [
        ("gzip", whole[..whole.len() / 2].to_vec()),
        ("gzip", clean_bytes(5000, 1)),
        ("br", clean_bytes(5000, 2)),
        ("zstd", clean_bytes(5000, 3)),
        ("compress", clean_bytes(5000, 4)),
        ("something-new", clean_bytes(5000, 5)),
        (&"gzip, ".repeat(50), clean_bytes(5000, 6)),
    ];
    for (coding, body) in cases {
        let head = response_head(&format!("Content-Encoding: {}\r\n", coding.trim_end_matches(", ")));
        let (response, _icap) = ask_respmod(&respmod().response_head(head).body(body));
        assert!(response.head.has("X-Icapstan-Reason"), "{coding}: {}", response.shown());
    }
}

#[test]
fn rfc3507_4_4_2_c122_bombs_are_refused_with_their_reason() {
    let zeros = vec![0; 64 * 1024 * 1024];
    let bombs = [("gzip", gzip(&zeros)), ("br", brotli(&zeros)), ("gzip, gzip", gzip(&gzip(&zeros)))];
    for (coding, bomb) in bombs {
        let head = response_head(&format!("Content-Encoding: {coding}\r\n"));
        let (response, _icap) = ask_respmod(&respmod().response_head(head).body(&bomb));
        let reason = response.get("X-Icapstan-Reason").unwrap_or_default();
        assert!(reason.starts_with("non-scanned/"), "{coding}, {} bytes: {}", bomb.len(), response.shown());
    }
}
