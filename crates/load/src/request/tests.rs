use super::*;
use crate::settings::{Kind, test_settings};

fn wire(request: &Request, from: usize, to: usize) -> Vec<u8> {
    let mut bytes = vec![];
    let mut at = from;
    while at < to {
        let mut slices = [IoSlice::new(&[]); PIECES];
        let count = request.gather(at, to, &mut slices);
        assert!((1..=PIECES).contains(&count));
        for slice in &slices[..count] {
            assert!(!slice.is_empty());
            bytes.extend_from_slice(slice);
            at += slice.len();
        }
    }
    assert_eq!(at, to);
    bytes
}

fn whole(request: &Request) -> Vec<u8> {
    wire(request, 0, request.whole)
}

fn text(request: &Request) -> String {
    String::from_utf8(whole(request)).unwrap()
}

#[test]
fn options_is_a_head() {
    let request = Request::new(&test_settings(Shape::Options), false);
    assert_eq!(
        text(&request),
        "OPTIONS icap://icap.test:1344/avscan ICAP/1.0\r\nHost: icap.test:1344\r\n\r\n"
    );
    assert_eq!((request.first, request.expect), (request.whole, Expect::Options));
}

#[test]
fn a_get_may_be_answered_204_and_has_no_body() {
    let request = Request::new(&test_settings(Shape::Reqmod), false);
    let text = text(&request);
    let (icap, http) = text.split_once("\r\n\r\n").unwrap();
    assert!(icap.starts_with("REQMOD icap://icap.test:1344/avscan ICAP/1.0\r\n"), "{text}");
    assert!(icap.contains("\r\nAllow: 204\r\nPreview: 0\r\n"), "{text}");
    assert!(icap.ends_with(&format!("\r\nEncapsulated: req-hdr=0, null-body={}", http.len())), "{text}");
    assert!(http.starts_with("GET http://www.example.org/notice/0000000000000000 HTTP/1.1\r\n"), "{text}");
    assert!(http.ends_with("\r\n\r\n"), "{text}");
}

#[test]
fn hosts_differ_where_each_is_to_be_another_and_nothing_moves() {
    let settings = Settings { unique: true, unique_hosts: true, ..test_settings(Shape::Reqmod) };
    let mut request = Request::new(&settings, false);
    let before = text(&request);
    request.stamp(7, 0, request.whole);
    let after = text(&request);
    let number = after.split("/notice/").nth(1).and_then(|rest| rest.get(..SLOT)).unwrap();
    let first = format!(
        "GET http://www.{number}.example.org/notice/{number} HTTP/1.1\r\nHost: www.{number}.example.org\r\n"
    );
    assert!(after.contains(&first), "{after}");
    let zeros = "0".repeat(SLOT);
    assert_ne!(number, zeros);
    assert_eq!(after.replace(number, &zeros), before);
    let same = Settings { unique_hosts: false, ..settings };
    let mut request = Request::new(&same, false);
    request.stamp(7, 0, request.whole);
    assert!(text(&request).contains(&format!("GET http://www.example.org/notice/{number} HTTP/1.1\r\n")));
}

#[test]
fn offsets_and_lengths_are_those_of_the_bytes() {
    for shape in [Shape::Reqmod, Shape::Respmod] {
        let settings = Settings { body: Some(1000), ..test_settings(shape) };
        let text = text(&Request::new(&settings, false));
        let (icap, rest) = text.split_once("\r\n\r\n").unwrap();
        assert!(!icap.contains("Allow:") && !icap.contains("Preview:"), "{text}");
        let offset: usize = icap.rsplit_once("-body=").unwrap().1.parse().unwrap();
        let (heads, body) = rest.split_at(offset);
        assert!(heads.ends_with("\r\n\r\n") && heads.contains("\r\nContent-Length: 1000\r\n"), "{text}");
        assert!(body.starts_with("3e8\r\n") && body.ends_with("\r\n0\r\n\r\n"), "{text}");
        assert_eq!(body.len(), 1000 + "3e8\r\n".len() + "\r\n0\r\n\r\n".len());
        if shape == Shape::Respmod {
            let at: usize =
                icap.split_once("res-hdr=").unwrap().1.split_once(',').unwrap().0.parse().unwrap();
            assert!(heads[at..].starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        }
    }
}

#[test]
fn a_preview_ends_with_ieof_exactly_if_the_body_fits() {
    let of = |preview, body| {
        let settings = Settings { body: Some(body), preview: Some(preview), ..test_settings(Shape::Respmod) };
        Request::new(&settings, false)
    };
    for (preview, body) in [(0, 0), (100, 0), (100, 99), (100, 100)] {
        let request = of(preview, body);
        assert!(text(&request).ends_with("0; ieof\r\n\r\n"), "{preview} {body}");
        assert_eq!(request.first, request.whole);
    }
    for (preview, body) in [(0, 1), (100, 101), (1, 200_000)] {
        let request = of(preview, body);
        let (first, rest) = (wire(&request, 0, request.first), wire(&request, request.first, request.whole));
        let (head, _) = request.body().split_at(preview);
        let chunk = if preview == 0 { vec![] } else { chunked(head) };
        assert!(
            first.ends_with(&[b"\r\n\r\n".as_slice(), &chunk, b"0\r\n\r\n"].concat()),
            "{preview} {body}"
        );
        assert!(rest.ends_with(b"\r\n0\r\n\r\n"));
        assert!(!text(&request).contains("ieof"));
    }
}

fn chunked(data: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat()
}

#[test]
fn every_part_of_the_wire_can_be_gathered() {
    let settings = Settings { body: Some(3_000_000), preview: Some(70_000), ..test_settings(Shape::Reqmod) };
    let request = Request::new(&settings, false);
    let all = whole(&request);
    for from in [0, 1, 500, 65_000, 66_000, 1_000_000, request.whole - 1] {
        for to in [from + 1, from + 70_000, request.whole] {
            let to = to.min(request.whole);
            assert_eq!(wire(&request, from, to), all[from..to], "{from}..{to}");
        }
    }
}

#[test]
fn unique_requests_differ_in_url_and_body_and_keep_their_size() {
    for kind in [Kind::Text, Kind::Html, Kind::Random] {
        let settings = Settings { body: Some(200_000), kind, ..test_settings(Shape::Respmod) };
        let mut request = Request::new(&settings, false);
        let stamped = |request: &mut Request, number, step: usize| {
            let mut bytes = vec![];
            for from in (0..request.whole).step_by(step) {
                let to = (from + step).min(request.whole);
                request.stamp(number, from, to);
                bytes.extend(wire(request, from, to));
                // What another connection does in between.
                request.stamp(!number, 0, request.whole);
            }
            bytes
        };
        let one = stamped(&mut request, 1, usize::MAX);
        assert_eq!(one, stamped(&mut request, 1, 777), "{kind:?}: the same in pieces");
        let two = stamped(&mut request, 2, usize::MAX);
        assert_eq!(one.len(), two.len());
        let differing = |range: Range<usize>| one[range.clone()] != two[range];
        assert!(differing(0..500), "{kind:?}: the URL");
        assert!((1..40).all(|piece| differing(piece * 5000..(piece + 1) * 5000)), "{kind:?}: the body");
    }
}

#[test]
fn an_infected_request_carries_eicar_alone_and_another_url() {
    let settings = Settings { body: Some(5000), kind: Kind::Random, ..test_settings(Shape::Respmod) };
    let request = Request::new(&settings, true);
    assert_eq!(request.body(), Body::eicar().bytes());
    assert_eq!(request.expect, Expect::Blocked);
    let text = text(&request);
    assert!(text.contains("/sample/0000000000000000 ") && text.contains("Content-Length: 68\r\n"), "{text}");
    assert!(text.contains("Content-Type: text/plain\r\n"), "{text}");
}
