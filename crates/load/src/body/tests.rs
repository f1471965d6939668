use super::*;
use std::collections::HashSet;

const KINDS: [Kind; 3] = [Kind::Text, Kind::Html, Kind::Random];

fn stamped(body: &mut Body, number: u64) -> Vec<u8> {
    body.stamp(number, 0, usize::MAX);
    body.bytes().to_vec()
}

#[test]
fn every_size_is_exact_and_stamping_keeps_it() {
    for kind in KINDS {
        for size in (0..600).chain([1024, 10_240, 65_536, 1_048_576]) {
            let mut body = Body::new(kind, size);
            assert_eq!(body.bytes().len(), size, "{kind:?}");
            assert_eq!(stamped(&mut body, 7).len(), size, "{kind:?}");
        }
    }
}

#[test]
fn bodies_of_different_numbers_differ_at_several_places() {
    for kind in KINDS {
        for size in [1024, 10_240, 1_048_576] {
            let mut body = Body::new(kind, size);
            let (one, other) = (stamped(&mut body, 1), stamped(&mut body, 2));
            let pieces = size.div_ceil(SPACING).max(2);
            for piece in 0..pieces {
                let range = piece * size / pieces..(piece + 1) * size / pieces;
                assert_ne!(one[range.clone()], other[range], "{kind:?} {size} piece {piece}");
            }
            let all: HashSet<_> = (0..100).map(|number| stamped(&mut body, number)).collect();
            assert_eq!(all.len(), 100);
        }
    }
}

#[test]
fn small_bodies_differ_too_or_say_that_they_cannot() {
    for kind in KINDS {
        for size in 0..300 {
            let mut body = Body::new(kind, size);
            let differ = stamped(&mut body, 1) != stamped(&mut body, 2);
            assert_eq!(differ, body.can_differ(), "{kind:?} {size}");
        }
        assert!(Body::new(kind, 300).can_differ());
    }
    assert!(Body::new(Kind::Text, 16).can_differ());
}

#[test]
fn stamping_piece_by_piece_is_stamping_the_whole() {
    for kind in KINDS {
        let mut body = Body::new(kind, 20_000);
        let whole = stamped(&mut body, 5);
        for step in [1, 15, 16, 1000] {
            let mut seen = vec![];
            for from in (0..20_000).step_by(step) {
                let to = (from + step).min(20_000);
                // Another connection used the same bytes in between.
                body.stamp(6, 0, usize::MAX);
                body.stamp(5, from, to);
                seen.extend_from_slice(&body.bytes()[from..to]);
            }
            assert_eq!(seen, whole, "{kind:?} {step}");
        }
    }
}

#[test]
fn text_and_pages_are_printable_and_pages_are_whole() {
    for size in [400, 1024, 10_240, 65_536] {
        let text = String::from_utf8(stamped(&mut Body::new(Kind::Text, size), 3)).unwrap();
        assert!(text.bytes().all(|b| matches!(b, b' '..=b'~' | b'\n')));
        let page = String::from_utf8(stamped(&mut Body::new(Kind::Html, size), 3)).unwrap();
        assert!(page.starts_with("<!DOCTYPE html>"), "{page}");
        assert!(page.ends_with("</html>\n"), "{page}");
        for (open, close) in [("<p", "</p>"), ("<ul", "</ul>"), ("<table", "</table>"), ("<body", "</body>")]
        {
            assert_eq!(page.matches(open).count(), page.matches(close).count(), "{size} {open} in {page}");
        }
    }
}

#[test]
fn random_bytes_look_random() {
    let body = Body::new(Kind::Random, 65_536);
    let mut counts = [0_u32; 256];
    body.bytes().iter().for_each(|&byte| counts[usize::from(byte)] += 1);
    assert!(counts.iter().all(|count| (150..400).contains(count)), "{counts:?}");
}

#[test]
fn eicar_has_its_published_length_and_ends() {
    let eicar = Body::eicar();
    assert_eq!(eicar.bytes().len(), 68);
    assert!(eicar.bytes().starts_with(b"X5O!") && eicar.bytes().ends_with(b"$H+H*"));
    assert!(!eicar.can_differ());
}
