//! What one pick costs, on real time.

use icapstan_balance::{Balancer, Endpoint, Job, Outcome, ReportedLoad, Settings};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const ENDPOINTS: u8 = 200;
const ROUNDS: u32 = 500_000;

/// The mean time for a pick and its end, with 200 endpoints and so many threads at it.
pub fn pick_cost(threads: u32) -> Duration {
    let now = Instant::now();
    let balancer = Balancer::new(Settings::default(), 1, now);
    let endpoints: Vec<_> =
        (0..ENDPOINTS).map(|index| Endpoint::from(SocketAddr::from(([10, 0, 0, index], 7344)))).collect();
    for id in balancer.update(&endpoints, now).added {
        balancer.connected(id, now);
    }
    let load = Some(ReportedLoad { work: Duration::from_millis(3), workers: 2 });
    let took = Duration::from_millis(1);
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    if let Some(pick) = balancer.pick(Job { bytes: 10_240, ..Job::default() }, now) {
                        pick.finish(Outcome::Answered { took, load }, now);
                    }
                }
            });
        }
    });
    begin.elapsed() / ROUNDS
}
