use super::*;
use icapstan_proto::{fleet, scan};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

fn address(number: u8) -> SocketAddr {
    ([127, 0, 0, number], 7344).into()
}

fn state(name: &str, report: Report) -> State {
    let Report { jobs, bytes, backlog, workers, busy } = report;
    let load = scan::Load { jobs, bytes, wait_us: 0, workers, busy };
    let backlog_us = u64::try_from(backlog.as_micros()).unwrap();
    State {
        name: name.to_owned(),
        incarnation: 1,
        role: Some(Role::Scanner(fleet::Scanner { load: Some(load), backlog_us, ..Default::default() })),
        ..Default::default()
    }
}

fn report(jobs: u32, busy: u32) -> Report {
    Report { jobs, bytes: u64::from(jobs) * 1000, backlog: SECOND * jobs, workers: 4, busy }
}

/// `count` scanners that were all heard ten seconds after the start.
fn heard(count: u8) -> (Fleet, Instant) {
    let begun = Instant::now();
    let now = begun + 10 * SECOND;
    let mut fleet = Fleet::new(begun);
    fleet.known(&(1..=count).map(address).collect(), begun);
    hear(&mut fleet, 1..=count, now);
    (fleet, now)
}

fn hear(fleet: &mut Fleet, numbers: impl IntoIterator<Item = u8>, now: Instant) {
    for number in numbers {
        fleet.heard(address(number), state(&number.to_string(), report(14, 4)), now);
    }
}

#[test]
fn what_scanners_say_is_summed_up() {
    let (mut fleet, now) = heard(3);
    let figures = fleet.figures(now);
    assert_eq!((figures.scanners, figures.trouble), ([3, 0, 0, 0, 0], None));
    let sums = Sums { jobs: 42, bytes: 42_000, backlog: 42.0, waiting: 30.0, workers: 12, busy: 12 };
    assert_eq!(figures.sums, sums);
    assert!((sums.wanted() - 18.0).abs() < 1e-9, "12 are busy, and 30 s of work want six more");
    assert_eq!(figures.workers_each, Some(4.0));
}

#[test]
fn workers_that_are_replaced_move_no_target() {
    let (mut fleet, now) = heard(2);
    for number in [1, 2] {
        let few = Report { workers: 1, ..report(1, 1) };
        fleet.heard(address(number), state(&number.to_string(), few), now);
    }
    let figures = fleet.figures(now);
    assert_eq!((figures.sums.workers, figures.workers_each), (2, Some(4.0)));
    // Begun again with fewer, it has fewer.
    for number in [1, 2] {
        let again = state(&number.to_string(), Report { workers: 2, ..report(1, 1) });
        fleet.heard(address(number), State { incarnation: 2, ..again }, now);
    }
    assert_eq!(fleet.figures(now).workers_each, Some(2.0));
}

#[test]
fn a_scanner_that_falls_silent_counts_for_half_a_minute() {
    let (mut fleet, now) = heard(3);
    for (after, scanners, jobs) in [
        (3, [3, 0, 0, 0, 0], 42),
        (4, [2, 1, 0, 0, 0], 42),
        (29, [2, 1, 0, 0, 0], 42),
        (30, [2, 0, 1, 0, 0], 28),
    ] {
        let then = now + after * SECOND;
        hear(&mut fleet, 1..=2, then);
        let figures = fleet.figures(then);
        assert_eq!((figures.scanners, figures.sums.jobs), (scanners, jobs), "after {after} s");
        assert_eq!(figures.trouble, None, "two of three are heard");
    }
    // Its connection being lost says that sooner, and counts as long.
    let (mut fleet, now) = heard(3);
    fleet.lost(address(3));
    let figures = fleet.figures(now);
    assert_eq!((figures.scanners, figures.sums.jobs), ([2, 1, 0, 0, 0], 42));
}

#[test]
fn with_fewer_than_half_of_the_scanners_there_are_no_figures() {
    let (mut fleet, now) = heard(4);
    for (lost, trouble) in [
        (4, None),
        (3, None),
        (2, Some(Unheard::TooFew { heard: 1, known: 4 })),
        (1, Some(Unheard::TooFew { heard: 0, known: 4 })),
    ] {
        fleet.lost(address(lost));
        assert_eq!(fleet.figures(now).trouble, trouble, "without {lost}");
    }
    // Long after that they are still known.
    let figures = fleet.figures(now + 3600 * SECOND);
    assert_eq!(figures.trouble, Some(Unheard::TooFew { heard: 0, known: 4 }));
    assert_eq!((figures.sums, figures.workers_each), (Sums::default(), Some(4.0)), "a target is kept");
    fleet.known(&BTreeSet::new(), now);
    assert_eq!(fleet.figures(now).trouble, Some(Unheard::Nobody));
}

#[test]
fn who_is_no_longer_in_the_list_is_forgotten() {
    let (mut fleet, now) = heard(3);
    fleet.known(&[address(1), address(2)].into(), now);
    hear(&mut fleet, [3], now);
    let figures = fleet.figures(now);
    assert_eq!((figures.scanners, figures.sums.jobs), ([2, 0, 0, 0, 0], 28));
}

#[test]
fn at_the_start_all_are_waited_for_but_not_for_ever() {
    let begun = Instant::now();
    let mut fleet = Fleet::new(begun);
    assert_eq!(fleet.figures(begun).trouble, Some(Unheard::Beginning { heard: 0, known: 0 }));
    fleet.known(&(1..=3).map(address).collect(), begun);
    hear(&mut fleet, 1..=2, begun);
    assert_eq!(fleet.figures(begun).trouble, Some(Unheard::Beginning { heard: 2, known: 3 }));
    let mut other = Fleet::new(begun);
    other.known(&(1..=3).map(address).collect(), begun);
    hear(&mut other, [1], begun);
    hear(&mut fleet, [3], begun);
    assert_eq!(fleet.figures(begun).trouble, None);
    // From then on it is as always.
    fleet.lost(address(3));
    assert_eq!(fleet.figures(begun).trouble, None);
    // Those that were there at the start are not new: their load is missing from the sum.
    let later = begun + 5 * SECOND;
    hear(&mut other, [1], later);
    assert_eq!(other.figures(later).trouble, Some(Unheard::TooFew { heard: 1, known: 3 }));
}

#[test]
fn scanners_that_begin_need_not_be_heard_yet() {
    let (mut fleet, now) = heard(1);
    fleet.known(&(1..=9).map(address).collect(), now);
    for after in [0, 29] {
        let then = now + after * SECOND;
        hear(&mut fleet, [1], then);
        let figures = fleet.figures(then);
        assert_eq!((figures.scanners, figures.trouble), ([1, 0, 0, 8, 0], None));
    }
    let then = now + 30 * SECOND;
    hear(&mut fleet, [1], then);
    assert_eq!(fleet.figures(then).trouble, Some(Unheard::TooFew { heard: 1, known: 9 }));
}

#[test]
fn who_ends_in_order_is_missed_by_nobody() {
    let (mut fleet, now) = heard(3);
    for number in [2, 3] {
        let ending = State { draining: true, ..state(&number.to_string(), report(14, 4)) };
        fleet.heard(address(number), ending, now);
        fleet.lost(address(number));
    }
    let figures = fleet.figures(now);
    assert_eq!((figures.scanners, figures.sums.jobs, figures.trouble), ([1, 0, 0, 0, 2], 14, None));
    // Unless it is still named long after that.
    let then = now + 30 * SECOND;
    hear(&mut fleet, [1], then);
    assert_eq!(fleet.figures(then).trouble, Some(Unheard::TooFew { heard: 1, known: 3 }));
}

#[test]
fn a_scanner_with_two_addresses_is_counted_once() {
    let (mut fleet, now) = heard(2);
    fleet.known(&(1..=4).map(address).collect(), now);
    for (other, same) in [(3, 1), (4, 2)] {
        fleet.heard(address(other), state(&u8::to_string(&same), report(14, 4)), now + SECOND);
    }
    let figures = fleet.figures(now + SECOND);
    assert_eq!((figures.scanners, figures.sums.jobs), ([2, 0, 0, 0, 0], 28));
    // Begun again it is another one, whatever it is called.
    let again = State { incarnation: 2, ..state("1", report(14, 4)) };
    fleet.heard(address(3), again, now + SECOND);
    assert_eq!(fleet.figures(now + SECOND).sums.jobs, 42);
}

#[test]
fn who_says_what_cannot_be_breaks_no_sum() {
    let (mut fleet, now) = heard(2);
    let greatest =
        Report { jobs: u32::MAX, bytes: u64::MAX, backlog: SECOND, workers: u32::MAX, busy: u32::MAX };
    let mut said = state("1", greatest);
    let Some(Role::Scanner(scanner)) = &mut said.role else { unreachable!() };
    scanner.backlog_us = u64::MAX;
    fleet.heard(address(1), said, now);
    fleet.heard(address(2), state("2", Report { workers: 1, busy: 7, ..report(7, 0) }), now);
    let sums = fleet.figures(now).sums;
    assert!(sums.wanted().is_finite() && sums.bytes == u64::MAX && sums.busy == u64::from(u32::MAX) + 1);
    // A gateway, or nothing, is no scanner.
    let role = Some(Role::Gateway(fleet::Gateway::default()));
    fleet.heard(address(1), State { role, ..State::default() }, now);
    assert_eq!(fleet.figures(now).sums, sums);
}

proptest! {
    #[test]
    fn silence_never_makes_a_sum_smaller_without_saying_so(
        jobs in proptest::collection::vec(0..1000_u32, 1..12),
        lost in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        after in 0..29_u32,
    ) {
        let count = u8::try_from(jobs.len()).unwrap();
        let (mut fleet, now) = heard(count);
        for (number, jobs) in (1..=count).zip(&jobs) {
            fleet.heard(address(number), state(&number.to_string(), report(*jobs, 4.min(*jobs))), now);
        }
        let all = fleet.figures(now);
        for index in lost {
            fleet.lost(address(1 + u8::try_from(index.index(jobs.len())).unwrap()));
        }
        let then = fleet.figures(now + after * SECOND);
        prop_assert_eq!(then.sums, all.sums);
        let heard = then.scanners[Presence::Heard as usize];
        prop_assert_eq!(then.trouble.is_some(), heard == 0 || heard * 2 < jobs.len());
    }
}
