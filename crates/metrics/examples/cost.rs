//! What counting costs, against the types of the crate prometheus: nanoseconds for each, with as many
//! threads as given (2 if none are). To be run as `cargo run --release -p icapstan-metrics --example cost`.

use icapstan_metrics::{Counters, Families, label};
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How often each thread counts.
const ROUNDS: u32 = 5_000_000;

label! {
    /// Some method.
    enum Method as "method" {
        /// One.
        Reqmod = "REQMOD",
        /// Another.
        Respmod = "RESPMOD",
    }
}

label! {
    /// Some status.
    enum Status as "status" {
        /// One.
        Ok = "200",
        /// Another.
        NoContent = "204",
    }
}

/// Runs `work` on each of `threads` threads and tells the time of one round on one thread.
fn cost(threads: u32, name: &str, work: impl Fn(u32) + Sync) {
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..ROUNDS).for_each(|round| work(black_box(round))));
        }
    });
    println!("{name:<50} {:6.1} ns", started.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS));
}

fn main() -> Result<(), prometheus::Error> {
    let threads = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(2);
    let registry = Registry::new();
    let make = Families::of(&registry);

    let theirs = IntCounterVec::new(Opts::new("a_total", "A."), &["method", "status"])?;
    let held = theirs.with_label_values(&["REQMOD", "204"]);
    let ours: Counters<(Method, Status)> = make.counters("b_total", "B.")?;
    cost(threads, "prometheus IntCounterVec::with_label_values().inc", |round| {
        let status = if round % 4 == 0 { "200" } else { "204" };
        theirs.with_label_values(&["REQMOD", status]).inc();
    });
    cost(threads, "prometheus IntCounter::inc", |_| held.inc());
    cost(threads, "ours       Counters<(A, B)>::inc", |round| {
        let status = if round % 4 == 0 { Status::Ok } else { Status::NoContent };
        ours.inc((Method::Reqmod, status));
    });

    let bounds = [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
        30.0,
    ];
    let options = HistogramOpts::new("c_seconds", "C.").buckets(bounds.to_vec());
    let theirs = HistogramVec::new(options, &["method"])?;
    let held = theirs.with_label_values(&["REQMOD"]);
    let ours = make.histograms::<Method>("d_seconds", "D.", &bounds.map(Duration::from_secs_f64))?;
    let time = |round| Duration::from_nanos(u64::from(round) * 997 % 3_000_000);
    cost(threads, "prometheus HistogramVec::with_label_values().observe", |round| {
        theirs.with_label_values(&["REQMOD"]).observe(time(round).as_secs_f64());
    });
    cost(threads, "prometheus Histogram::observe", |round| held.observe(time(round).as_secs_f64()));
    cost(threads, "ours       Histograms<A>::observe", |round| ours.observe(Method::Respmod, time(round)));
    Ok(())
}
