//! Who is left alone, for how long, and how it comes back.

use crate::fleet::{Fleet, answered, id};
use icapstan_balance::{Outcome, Settings};
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(5);

fn just_before(time: Duration) -> Duration {
    time.saturating_sub(Duration::from_millis(1))
}

#[test]
fn failures_in_a_row_eject_and_answers_between_them_do_not() {
    let fleet = Fleet::new(4, Settings::default());
    for _ in 0..20 {
        fleet.fail(0, 1);
        fleet.answer(fleet.pick_at(0).unwrap());
        fleet.answer(fleet.pick_at(0).unwrap());
    }
    assert_eq!(fleet.balancer.view().ejected, 0);
    fleet.fail(0, 5);
    assert_eq!(fleet.balancer.view().ejected, 1);
    assert!(fleet.pick_at(0).is_none());
    assert_eq!(fleet.balancer.counts().ejections, 1);
}

#[test]
fn a_share_of_failures_ejects_also_when_there_are_answers() {
    let fleet = Fleet::new(4, Settings::default());
    let mut jobs = 0;
    while let Some(pick) = fleet.pick_at(0) {
        let outcome = if jobs % 4 == 3 { answered(None) } else { Outcome::Late };
        pick.finish(outcome, fleet.now);
        jobs += 1;
        assert!(jobs < 100, "three of four fail");
    }
    assert!((10..40).contains(&jobs), "a few say nothing: {jobs}");
}

#[test]
fn one_job_probes_and_its_answer_lets_the_others_in() {
    let mut fleet = Fleet::new(4, Settings::default());
    fleet.fail(0, 5);
    fleet.pass(just_before(FIRST * 4 / 5));
    assert!(fleet.pick_at(0).is_none(), "no sooner than a fifth before its time");
    fleet.pass(FIRST * 2 / 5);
    let probe = fleet.pick_at(0).unwrap();
    assert!(probe.is_probe());
    assert_eq!(fleet.balancer.view().probing, 1);
    assert!(fleet.pick_at(0).is_none(), "one at a time");
    fleet.answer(probe);
    assert_eq!(fleet.balancer.view().ready, 4);
    assert!(!fleet.pick_at(0).unwrap().is_probe());
    assert_eq!(fleet.balancer.counts().readmissions, 1);
}

#[test]
fn a_probe_that_fails_doubles_the_time_up_to_the_longest() {
    let mut fleet = Fleet::new(4, Settings::default());
    fleet.fail(0, 5);
    let mut length = FIRST;
    for _ in 0..6 {
        fleet.pass(length * 6 / 5 + Duration::from_millis(1));
        fleet.pick_at(0).unwrap().finish(Outcome::Late, fleet.now);
        length = (length * 2).min(Duration::from_mins(1));
        fleet.pass(just_before(length * 4 / 5));
        assert!(fleet.pick_at(0).is_none(), "after {length:?}");
        fleet.now -= just_before(length * 4 / 5);
    }
    assert_eq!(length, Duration::from_mins(1));
}

#[test]
fn a_probe_that_told_nothing_is_made_again_and_a_refusal_is_a_sign_of_life() {
    let mut fleet = Fleet::new(4, Settings::default());
    fleet.fail(0, 5);
    fleet.pass(FIRST * 6 / 5);
    drop(fleet.pick_at(0).unwrap());
    assert_eq!(fleet.balancer.view().ejected, 1);
    fleet.pick_at(0).unwrap().finish(Outcome::Cancelled, fleet.now);
    let probe = fleet.pick_at(0).unwrap();
    assert!(probe.is_probe());
    probe.finish(Outcome::Refused { load: None }, fleet.now);
    assert_eq!(fleet.balancer.view().ready, 4);
}

#[test]
fn never_more_than_the_share_and_never_the_last() {
    for (count, most) in [(1, 0), (2, 1), (3, 1), (6, 1), (10, 3), (30, 9)] {
        let fleet = Fleet::new(count, Settings::default());
        for index in 0..count {
            for _ in 0..50 {
                if let Some(pick) = fleet.pick_at(index) {
                    pick.finish(Outcome::Late, fleet.now);
                }
            }
        }
        assert_eq!(fleet.balancer.view().ejected, most, "of {count}");
        assert_eq!(fleet.balancer.counts().ejections, most as u64, "none was let in for another: of {count}");
    }
}

#[test]
fn when_healthy_ones_go_ejected_ones_come_back() {
    let fleet = Fleet::new(10, Settings::default());
    (0..3).for_each(|index| fleet.fail(index, 5));
    assert_eq!(fleet.balancer.view().ejected, 3);
    (3..9).for_each(|index| fleet.balancer.disconnected(id(index), fleet.now));
    assert_eq!(fleet.balancer.view().ejected, 1);
    fleet.balancer.draining(id(9), fleet.now);
    let view = fleet.balancer.view();
    assert_eq!((view.ejected, view.ready), (1, 2));
    assert!(fleet.pick().is_some());
}

#[test]
fn the_loss_of_a_connection_is_one_failure_however_many_jobs_it_had() {
    let fleet = Fleet::new(4, Settings::default());
    let picks: Vec<_> = (0..50).map(|_| fleet.pick_at(0).unwrap()).collect();
    fleet.balancer.disconnected(id(0), fleet.now);
    for pick in picks {
        pick.finish(Outcome::Lost, fleet.now);
    }
    fleet.balancer.connected(id(0), fleet.now);
    assert_eq!(fleet.balancer.view().ready, 4);
    for _ in 0..4 {
        fleet.pick_at(0).unwrap().finish(Outcome::Lost, fleet.now);
        fleet.balancer.disconnected(id(0), fleet.now);
        fleet.balancer.connected(id(0), fleet.now);
    }
    assert_eq!(fleet.balancer.view().ejected, 1, "five connections were lost, and no answer came");
}

#[test]
fn connections_that_break_before_any_answer_eject() {
    let fleet = Fleet::new(4, Settings::default());
    for times in 1..=5 {
        fleet.balancer.disconnected(id(0), fleet.now);
        fleet.balancer.disconnected(id(0), fleet.now);
        fleet.balancer.connected(id(0), fleet.now);
        assert_eq!(fleet.balancer.view().ejected, usize::from(times == 5), "after {times}");
    }
}

#[test]
fn who_said_that_it_ends_has_not_failed() {
    let fleet = Fleet::new(4, Settings::default());
    for _ in 0..20 {
        fleet.balancer.draining(id(0), fleet.now);
        fleet.balancer.disconnected(id(0), fleet.now);
        fleet.balancer.connected(id(0), fleet.now);
    }
    assert_eq!(fleet.balancer.view().ready, 4);
}

#[test]
fn jobs_from_before_the_ejection_do_not_eject_again() {
    let mut fleet = Fleet::new(4, Settings::default());
    let old: Vec<_> = (0..20).map(|_| fleet.pick_at(0).unwrap()).collect();
    fleet.fail(0, 5);
    fleet.pass(FIRST * 6 / 5);
    fleet.answer(fleet.pick_at(0).unwrap());
    for pick in old {
        pick.finish(Outcome::Late, fleet.now);
    }
    assert_eq!(fleet.balancer.view().ready, 4);
}
