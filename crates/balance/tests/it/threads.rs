//! Many threads at once.

use crate::fleet::{Fleet, answered, id};
use icapstan_balance::{Job, Outcome, Settings};
use std::time::Duration;

#[test]
fn counts_come_back_to_zero_while_endpoints_come_and_go() {
    let fleet = Fleet::new(10, Settings::default());
    let (balancer, start) = (&fleet.balancer, fleet.now);
    std::thread::scope(|scope| {
        for thread in 0..3_u64 {
            scope.spawn(move || {
                let mut held = Vec::new();
                for round in 0..20_000_u64 {
                    let now = start + Duration::from_micros(round * 100);
                    held.extend(balancer.pick(Job { bytes: round, ..Job::default() }, now));
                    if held.len() > 20 {
                        let outcome = match (round + thread) % 7 {
                            0 => Outcome::Late,
                            1 => Outcome::Lost,
                            2 => Outcome::Cancelled,
                            3 => Outcome::Refused { load: None },
                            _ => answered(None),
                        };
                        held.swap_remove(usize::try_from(round).unwrap() % 20).finish(outcome, now);
                    }
                }
            });
        }
        scope.spawn(move || {
            for round in 0..2_000_u32 {
                let now = start + Duration::from_millis(u64::from(round));
                let one = id(u8::try_from(round % 10).unwrap());
                balancer.disconnected(one, now);
                balancer.connected(one, now);
            }
        });
    });
    let view = fleet.balancer.view();
    assert_eq!((view.jobs, view.bytes), (0, 0));
    assert_eq!(view.total(), 10);
    assert!(view.ready >= 7, "{view:?}");
}
