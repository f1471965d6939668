//! What is told, and what is not.

use super::*;

const ALL: Sampling = Sampling { ratio: 1.0, follow_parent: true, followed_per_second: 10 };
const NONE: Sampling = Sampling { ratio: 0.0, ..ALL };

#[expect(clippy::unnecessary_wraps, reason = "whoever is asked takes an option")]
fn parent(sampled: bool) -> Option<TraceContext> {
    Some(TraceContext { trace_id: [7; 16], span_id: [9; 8], sampled })
}

fn ended(source: &mut SpanSource) -> Vec<FinishedSpan> {
    let mut batch = Vec::new();
    source.take_waiting(&mut batch, usize::MAX);
    batch
}

#[test]
fn parts_hang_together_and_parents_are_joined() {
    let (tracer, mut source) = Tracer::new(ALL);
    let begun = tracer.begin("icap REQMOD", || parent(true));
    let mut scan = begun.span.child("scan");
    scan.word("empty", "");
    scan.word("verdict", "clean");
    scan.name("service", &"ä".repeat(200));
    scan.number("bytes", 5);
    scan.fail("time");
    let inner = tracer.child(scan.context(), "engine call");
    inner.end();
    scan.end();
    drop(begun);
    let spans = ended(&mut source);
    let [inner, scan, root] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((root.parent, root.trace_id, root.kind), (Some([9; 8]), [7; 16], SpanKind::Server));
    assert_eq!((scan.parent, inner.parent), (Some(root.span_id), Some(scan.span_id)));
    assert!(spans.iter().all(|span| span.trace_id == [7; 16] && span.begin <= span.end));
    assert!(
        root.begin <= scan.begin
            && scan.begin <= inner.begin
            && inner.end <= scan.end
            && scan.end <= root.end
    );
    assert_eq!((scan.error, scan.attributes.len()), (Some("time"), 3));
    assert_eq!(scan.attributes[1].1, SpanValue::Name("ä".repeat(64).into()));
}

#[test]
fn a_client_cannot_have_more_told_than_is_allowed() {
    let (tracer, _source) = Tracer::new(NONE);
    let told = (0..1000).filter(|_| tracer.begin("x", || parent(true)).span.is_told()).count();
    assert!((10..=20).contains(&told), "{told}");
    let (tracer, _source) = Tracer::new(Sampling { followed_per_second: 0, ..NONE });
    assert!(!tracer.begin("x", || parent(true)).span.is_told());
    let (tracer, _source) = Tracer::new(Sampling { follow_parent: false, ..ALL });
    assert!(tracer.begin("x", || parent(false)).span.is_told(), "what it says counts for nothing");
}

#[test]
fn what_is_not_told_leaves_nothing_but_the_name_of_its_trace() {
    let (tracer, mut source) = Tracer::new(ALL);
    let begun = tracer.begin("x", || parent(false));
    assert_eq!((begun.span.is_told(), begun.trace), (false, parent(false)));
    assert!(!tracer.child(begun.trace, "y").is_told() && !begun.span.child("z").is_told());
    drop(begun);
    let (off, none) = (Tracer::off(), Tracer::new(NONE).0);
    assert!(off.begin("x", || panic!("nobody wants to know")).trace.is_none());
    assert!(!off.child(parent(true), "x").is_told());
    assert!(none.begin("x", || None).trace.is_none());
    assert_eq!(ended(&mut source), []);
}

#[test]
fn spans_that_find_no_room_are_counted_and_nobody_waits() {
    let (tracer, mut source) = Tracer::with_room(ALL, 3);
    let before = DROPPED.get();
    for _ in 0..10 {
        tracer.begin("x", || None).span.end();
    }
    assert!(DROPPED.get() >= before + 7);
    let ids: std::collections::HashSet<_> = ended(&mut source).iter().map(|span| span.trace_id).collect();
    assert_eq!(ids.len(), 3, "each is a trace of its own");
}

#[test]
fn a_span_says_no_more_than_it_may() {
    let (tracer, mut source) = Tracer::new(ALL);
    let mut span = tracer.begin("x", || None).span;
    for number in 0..1000 {
        span.number("n", number);
    }
    span.end();
    assert_eq!(ended(&mut source)[0].attributes.len(), 24);
}
