//! Who is picked.

use crate::fleet::{Fleet, answered, endpoint, id};
use icapstan_balance::{Balancer, Job, Outcome, ReportedLoad, Settings, Standing};
use icapstan_model::GenerationId;
use std::time::{Duration, Instant};

fn load(work_ms: u64) -> ReportedLoad {
    ReportedLoad { work: Duration::from_millis(work_ms), workers: 1 }
}

#[test]
fn without_endpoints_there_is_nobody_and_before_a_connection_neither() {
    let now = Instant::now();
    let balancer = Balancer::new(Settings::default(), 1, now);
    assert!(balancer.pick(Job::default(), now).is_none());
    let changes = balancer.update(&[endpoint(1, None), endpoint(1, None)], now);
    assert_eq!(changes.added, [id(1)], "one, though it is there twice");
    assert!(balancer.pick(Job::default(), now).is_none());
    balancer.connected(id(1), now);
    assert!(balancer.pick(Job::default(), now).is_some());
    balancer.connected(id(9), now);
    assert_eq!(balancer.view().total(), 1, "who is not in the set is not known");
    balancer.disconnected(id(1), now);
    assert!(balancer.pick(Job::default(), now).is_none());
    assert_eq!(balancer.view().connecting, 1);
}

#[test]
fn jobs_spread_over_all() {
    let fleet = Fleet::new(20, Settings::default());
    let counts = fleet.spread(2_000);
    assert_eq!(counts.len(), 20);
    assert!(counts.values().all(|count| (95..=105).contains(count)), "{counts:?}");
    assert_eq!(fleet.balancer.view().jobs, 0, "all have ended");
}

#[test]
fn large_jobs_count_for_more() {
    let fleet = Fleet::new(2, Settings::default());
    let large = fleet.balancer.pick(Job { bytes: 10 << 20, ..Job::default() }, fleet.now).unwrap();
    let picks: Vec<_> = (0..100).map(|_| fleet.pick().unwrap()).collect();
    assert!(picks.iter().all(|pick| pick.id() != large.id()));
    assert_eq!(fleet.balancer.view().bytes, (10 << 20) + 100 * 10_240);
}

#[test]
fn what_a_scanner_has_of_others_counts_until_it_is_old() {
    let mut fleet = Fleet::new(2, Settings::default());
    fleet.pick_at(1).unwrap().finish(answered(Some(load(200))), fleet.now);
    assert_eq!(fleet.spread(100).get(&id(1)), None);
    fleet.pass(Duration::from_secs(40));
    let counts = fleet.spread(100);
    assert!((45..=55).contains(&counts[&id(1)]), "{counts:?}");
}

#[test]
fn a_report_without_a_job_counts_as_well() {
    let fleet = Fleet::new(2, Settings::default());
    fleet.balancer.heard(id(0), Some(load(500)), fleet.now);
    assert_eq!(fleet.spread(100).get(&id(0)), None);
}

#[test]
fn who_refused_is_left_in_peace_for_a_moment_but_not_ejected() {
    let mut fleet = Fleet::new(2, Settings::default());
    for _ in 0..100 {
        fleet.pick_at(1).unwrap().finish(Outcome::Refused { load: None }, fleet.now);
    }
    assert_eq!(fleet.balancer.view().ready, 2);
    assert_eq!(fleet.spread(100).get(&id(1)), None);
    fleet.pass(Duration::from_secs(40));
    assert!(fleet.spread(100)[&id(1)] > 40);
}

#[test]
fn silence_while_there_are_jobs_counts_as_load() {
    let mut fleet = Fleet::new(2, Settings::default());
    let _held = fleet.pick_at(1).unwrap();
    fleet.pass(Duration::from_secs(1));
    assert_eq!(fleet.spread(100).get(&id(1)), None);
    fleet.balancer.heard(id(1), None, fleet.now);
    assert!(fleet.spread(100)[&id(1)] > 40, "a sign of life ends that");
}

#[test]
fn who_has_just_come_gets_little_at_first() {
    let mut fleet = Fleet::new(9, Settings::default());
    fleet.balancer.disconnected(id(8), fleet.now);
    fleet.balancer.connected(id(8), fleet.now);
    let at_first = fleet.spread(900).get(&id(8)).copied().unwrap_or(0);
    assert!((1..=20).contains(&at_first), "{at_first}");
    fleet.pass(Duration::from_secs(5));
    let later = fleet.spread(900)[&id(8)];
    assert!((35..=75).contains(&later), "{later}");
    fleet.pass(Duration::from_secs(5));
    let at_last = fleet.spread(900)[&id(8)];
    assert!((95..=105).contains(&at_last), "{at_last}");
}

#[test]
fn excluded_draining_and_full_ones_are_not_picked() {
    let fleet = Fleet::new(4, Settings { most_jobs: 3, ..Settings::default() });
    fleet.balancer.draining(id(0), fleet.now);
    let exclude = [id(1)];
    let job = Job { exclude: &exclude, ..Job::default() };
    let picks: Vec<_> = (0..6).map(|_| fleet.balancer.pick(job, fleet.now).unwrap()).collect();
    assert!(picks.iter().all(|pick| [id(2), id(3)].contains(&pick.id())));
    assert!(fleet.balancer.pick(job, fleet.now).is_none(), "three at each");
    assert_eq!(fleet.pick().unwrap().id(), id(1));
    assert_eq!(fleet.balancer.view().draining, 1);
    fleet.balancer.disconnected(id(0), fleet.now);
    fleet.balancer.connected(id(0), fleet.now);
    assert_eq!(fleet.balancer.view().ready, 4, "a new connection is of a new process");
}

#[test]
fn the_own_zone_is_preferred_while_it_has_room() {
    let here = |least_local| Settings { zone: Some("a".into()), least_local, ..Settings::default() };
    let endpoints: Vec<_> =
        (0..8).map(|index| endpoint(index, Some(if index < 2 { "a" } else { "b" }))).collect();
    let is_near = |id: &icapstan_balance::EndpointId| *id == self::id(0) || *id == self::id(1);

    let fleet = Fleet::of(&endpoints, here(2));
    assert!(fleet.spread(20).keys().all(is_near), "there is room");
    let far: usize = fleet.spread(2_000).iter().filter(|(id, _)| !is_near(id)).map(|(_, count)| count).sum();
    assert!((1_300..1_700).contains(&far), "{far} of 2000 went elsewhere");

    let fleet = Fleet::of(&endpoints, here(3));
    assert_eq!(fleet.spread(200).len(), 8, "two are too few to be preferred");

    let fleet = Fleet::of(&endpoints, here(2));
    fleet.balancer.disconnected(id(0), fleet.now);
    fleet.balancer.disconnected(id(1), fleet.now);
    assert!(!is_near(&fleet.pick().unwrap().id()));

    let elsewhere = Settings { zone: None, ..here(1) };
    assert_eq!(Fleet::of(&endpoints, elsewhere).spread(200).len(), 8);
}

#[test]
fn who_holds_the_wanted_generation_is_preferred() {
    let fleet = Fleet::new(10, Settings::default());
    let new = GenerationId([2; 32]);
    let job = Job { generation: Some(new), ..Job::default() };
    let of = |count: usize| -> Vec<_> {
        (0..count).map(|_| fleet.balancer.pick(job, fleet.now).unwrap().id()).collect()
    };
    assert!(of(100).iter().any(|picked| *picked != id(3)), "nobody holds it: anybody will do");
    fleet.balancer.generations(id(3), &[GenerationId([1; 32]), new], fleet.now);
    assert!(of(100).iter().all(|picked| *picked == id(3)));
    let exclude = [id(3)];
    let other = fleet.balancer.pick(Job { exclude: &exclude, ..job }, fleet.now).unwrap();
    assert_ne!(other.id(), id(3));
    fleet.balancer.connected(id(3), fleet.now);
    assert!(of(100).iter().any(|picked| *picked != id(3)), "a new process has still to say what it holds");
}

#[test]
fn an_update_keeps_what_is_known_and_jobs_of_those_that_go_may_end() {
    let fleet = Fleet::new(3, Settings::default());
    let stays = fleet.pick_at(0).unwrap();
    let goes = fleet.pick_at(2).unwrap();
    let next = [endpoint(0, Some("b")), endpoint(1, None), endpoint(7, None)];
    let changes = fleet.balancer.update(&next, fleet.now);
    assert_eq!((changes.added, changes.removed, changes.left_out), (vec![id(7)], vec![id(2)], 0));
    let standings: Vec<_> =
        fleet.balancer.endpoints().iter().map(|one| (one.id, one.standing, one.jobs)).collect();
    assert_eq!(
        standings,
        [(id(0), Standing::Ready, 1), (id(1), Standing::Ready, 0), (id(7), Standing::Connecting, 0)]
    );
    fleet.answer(goes);
    fleet.answer(stays);
    assert_eq!(fleet.balancer.view().jobs, 0);
}

#[test]
fn beyond_the_limit_those_that_are_known_stay() {
    let fleet = Fleet::of(
        &[endpoint(5, None), endpoint(6, None)],
        Settings { most_endpoints: 3, ..Settings::default() },
    );
    let all: Vec<_> = (0..10).map(|index| endpoint(index, None)).collect();
    let changes = fleet.balancer.update(&all, fleet.now);
    assert_eq!((changes.added, changes.removed, changes.left_out), (vec![id(0)], vec![], 7));
}
