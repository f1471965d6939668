//! Encapsulated HTTP heads.

use crate::hop;
use icapstan_icap_proto::{Decoder, Event, HttpHead, Limits, RequestHead, without_hop_by_hop};

/// Reads an HTTP head, of a request or of a response by the first bit of its first byte.
///
/// - Fields and values are bytes of the head, in order, and the lookups agree with them.
/// - Without the fields of one connection it is still a head of the same kind with the same start line,
///   there is nothing more to be taken out unless `Connection` said so, and it is what a plainer reading
///   makes of it.
/// - A contradiction of `Content-Length` and `Transfer-Encoding` is never taken out.
pub fn http_head(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else { return };
    let is_request = kind & 1 == 0;
    let Some(head) = wrapped(bytes, is_request) else { return };
    let Some(http) = (if is_request { head.http_request() } else { head.http_response() }) else {
        panic!("what was sent is there");
    };
    assert_eq!(http.as_bytes(), bytes);
    look(http, is_request);
    let kept = without_hop_by_hop(http);
    let expected = hop::stripped(bytes);
    assert_eq!(kept.as_deref().unwrap_or(bytes), expected, "what a plain reading takes out");
    let Some(kept) = kept else { return };
    assert!(kept.len() < bytes.len());
    let again = wrapped(&kept, is_request).expect("still a head");
    let again = if is_request { again.http_request() } else { again.http_response() };
    let again = again.expect("still there");
    assert_eq!(again.start_line(), http.start_line());
    assert_eq!(again.content_length(), http.content_length());
    assert_eq!(without_hop_by_hop(again), None, "twice takes no more than once");
    if http.value("content-length").is_some() {
        let codings = |head: HttpHead<'_>| head.values("transfer-encoding").count();
        assert_eq!(codings(again), codings(http));
    }
}

fn look(http: HttpHead<'_>, is_request: bool) {
    let bytes = http.as_bytes();
    assert!(bytes.starts_with(http.start_line()));
    if is_request {
        assert!(!http.method().is_empty() && !http.target().is_empty());
    } else {
        assert!(http.status().is_some_and(|status| status <= 999));
    }
    let mut total = 0;
    for field in http.fields() {
        total += field.name.len() + field.value.len() + 1;
        assert!(!field.name.contains(&b':'));
        if let Ok(name) = std::str::from_utf8(field.name) {
            assert!(http.values(name).any(|value| value == field.value));
        }
    }
    assert!(total <= bytes.len());
}

/// The head inside of a message that has nothing else.
fn wrapped(bytes: &[u8], is_request: bool) -> Option<Box<RequestHead>> {
    let (method, part) = if is_request { ("REQMOD", "req-hdr") } else { ("RESPMOD", "res-hdr") };
    let icap =
        format!("{method} icap://h/x ICAP/1.0\r\nEncapsulated: {part}=0, null-body={}\r\n\r\n", bytes.len());
    let wire = [icap.as_bytes(), bytes].concat();
    let mut decoder = Decoder::new(Limits::default());
    match decoder.step(&wire) {
        Ok(step) => match step.event {
            Some(Event::Head(head)) => {
                assert_eq!(step.consumed, wire.len());
                Some(head)
            }
            other => panic!("all bytes are here, but {other:?}"),
        },
        Err(_) => None,
    }
}
