//! How long a URL takes until its keys are known: `cargo run --release -p icapstan-urls --example measure`.

use icapstan_urls::{CanonicalUrl, MAX_URL, expressions};
use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::Instant;

const ROUNDS: u32 = 300_000;

fn main() {
    let targets = [
        ("usual", "http://www.example.com/assets/js/app.min.js?v=20260101"),
        ("host alone", "http://example.com/"),
        (
            "long, seven labels",
            "http://a.b.c.d.cdn.example.co.uk/one/two/three/four/five/page.html?a=1&b=2&c=3&session=0123456789abcdef",
        ),
        ("upper case and escapes", "http://WWW.Example.COM/a%20b/%7Euser/%e4%b8%ad/../x.html?q=%22quoted%22"),
        ("address", "http://192.0.2.7:8080/bins/x.sh"),
        ("IDN", "http://b%C3%BCcher.example/x"),
    ];
    for (name, target) in targets {
        let parse = time(|| {
            black_box(CanonicalUrl::of_request(
                b"GET",
                black_box(target.as_bytes()),
                Some(b"www.example.com"),
            ))
            .ok();
        });
        let mut keys = 0;
        let all = time(|| {
            let Ok(url) = CanonicalUrl::of_request(b"GET", black_box(target.as_bytes()), None) else {
                return;
            };
            keys = 0;
            expressions::<()>(&url, |key| {
                black_box(key);
                keys += 1;
                ControlFlow::Continue(())
            });
        });
        println!("{name}: {parse:.0} ns canonical form, {all:.0} ns with its {keys} keys");
    }
    let origin = time(|| {
        black_box(CanonicalUrl::of_request(
            b"GET",
            black_box(b"/a/b.html?x=1"),
            Some(b"www.example.com:8080"),
        ))
        .ok();
    });
    let connect = time(|| {
        black_box(CanonicalUrl::of_request(b"CONNECT", black_box(b"www.example.com:443"), None)).ok();
    });
    println!("path and Host: {origin:.0} ns; CONNECT: {connect:.0} ns");
    for (name, piece) in
        [("escapes", "%2525"), ("folders", "a/../"), ("dots", "/./"), ("what must be escaped", "\u{e9}")]
    {
        let path = format!("/{}", piece.repeat(MAX_URL / piece.len()));
        let once = time_of(300, || {
            black_box(CanonicalUrl::of_request(b"GET", black_box(path.as_bytes()), Some(b"www.example.com")))
                .ok();
        });
        println!("{MAX_URL} bytes of {name}: {:.0} us", once / 1e3);
    }
    for (name, label) in [("one label", "\u{e9}".repeat(500)), ("many labels", "\u{e9}.".repeat(330))] {
        let url = format!("http://{label}/");
        let once = time_of(300, || {
            black_box(CanonicalUrl::parse(black_box(url.as_bytes()))).ok();
        });
        println!("a host of {} bytes to encode, {name}: {:.0} us", label.len(), once / 1e3);
    }
}

fn time(what: impl FnMut()) -> f64 {
    time_of(ROUNDS, what)
}

/// Nanoseconds a call: the best of five, so that what else runs counts little.
fn time_of(rounds: u32, mut what: impl FnMut()) -> f64 {
    (0..5)
        .map(|_| {
            let start = Instant::now();
            (0..rounds).for_each(|_| what());
            start.elapsed().as_secs_f64() * 1e9 / f64::from(rounds)
        })
        .fold(f64::INFINITY, f64::min)
}
