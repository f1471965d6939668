//! How many jobs are sent again.

use icapstan_balance::{Retry, RetryBudget, RetrySettings};
use std::time::{Duration, Instant};

fn settings() -> RetrySettings {
    RetrySettings { percent: 10, each_second: 0, most_saved: 50, most_tries: 3 }
}

fn taken(budget: &RetryBudget, times: usize, now: Instant) -> usize {
    (0..times).filter(|_| budget.take(Retry::Refused, 1, now)).count()
}

#[test]
fn retries_are_a_share_of_the_jobs() {
    let now = Instant::now();
    let budget = RetryBudget::new(settings(), now);
    let mut retries = 0;
    for _ in 0..10_000 {
        budget.sent();
        retries += taken(&budget, 1, now);
    }
    assert_eq!(retries, 1_000);
}

#[test]
fn no_more_than_so_many_are_saved_up() {
    let now = Instant::now();
    let budget = RetryBudget::new(settings(), now);
    (0..10_000).for_each(|_| budget.sent());
    assert_eq!(budget.left(now), 50);
    assert_eq!(taken(&budget, 100, now), 50);
}

#[test]
fn each_second_gives_some_without_any_job() {
    let now = Instant::now();
    let budget = RetryBudget::new(RetrySettings { each_second: 4, ..settings() }, now);
    assert_eq!(taken(&budget, 100, now), 12, "three seconds' worth at the start");
    assert_eq!(taken(&budget, 100, now + Duration::from_millis(500)), 2);
    assert_eq!(taken(&budget, 100, now + Duration::from_millis(500)), 0, "not twice for one time");
    assert_eq!(taken(&budget, 100, now), 0, "nor when a clock is behind");
    assert_eq!(taken(&budget, 100, now + Duration::from_hours(9)), 50);
}

#[test]
fn a_lost_connection_is_free_once_and_no_job_is_sent_for_ever() {
    let now = Instant::now();
    let budget = RetryBudget::new(settings(), now);
    assert!(budget.take(Retry::Lost, 1, now));
    assert!(!budget.take(Retry::Lost, 2, now));
    assert!(!budget.take(Retry::Late, 1, now));
    (0..100).for_each(|_| budget.sent());
    assert!(budget.take(Retry::Lost, 2, now));
    assert!(!budget.take(Retry::Lost, 3, now), "three tries are all");
}

#[test]
fn threads_together_take_no_more_than_there_is() {
    let now = Instant::now();
    let budget = RetryBudget::new(RetrySettings { most_saved: 1_000, ..settings() }, now);
    (0..5_000).for_each(|_| budget.sent());
    let all: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| taken(&budget, 1_000, now))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(all, 500);
}
