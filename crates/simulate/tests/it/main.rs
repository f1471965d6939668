//! What the simulated fleet shows. Equal seeds give equal figures, so that these do not depend on chance.

use icapstan_simulate::{Plan, Size, run, scenarios};

fn holds(name: &str) {
    let scenario =
        scenarios(Size::Small).into_iter().find(|scenario| scenario.name == name).expect("it is in the list");
    let figures = run(&scenario.plan, 1);
    let failed: Vec<_> = scenario.judge(&figures).into_iter().filter(|claim| !claim.holds()).collect();
    assert!(failed.is_empty(), "{name}: {failed:#?}\n{figures}");
}

#[test]
fn load_is_spread_evenly() {
    holds("steady");
}

#[test]
fn slow_scanners_get_less_and_clients_notice_little() {
    holds("slow");
}

#[test]
fn no_job_stays_at_a_stopped_scanner_longer_than_pings_take() {
    holds("stopped");
}

#[test]
fn scanners_that_never_answer_are_ejected() {
    holds("hung");
}

#[test]
fn ejection_never_empties_the_fleet() {
    holds("all-hung");
}

#[test]
fn a_crash_loses_no_job() {
    holds("crashes");
}

#[test]
fn a_partition_costs_jobs_a_ping_timeout_and_no_more() {
    holds("partition");
}

#[test]
fn a_rolling_restart_loses_nothing() {
    holds("rolling");
}

#[test]
fn three_times_the_load_leaves_the_work_useful_and_starts_no_storm() {
    holds("overload");
}

#[test]
fn scaling_follows_a_surge() {
    holds("surge");
}

#[test]
fn scaling_follows_a_day_without_oscillation() {
    holds("day");
}

#[test]
fn the_better_of_two_beats_chance() {
    let plan = Plan::new(8, 24, 15);
    let blind = Plan { is_blind: true, ..plan.clone() };
    let (chosen, drawn) = (run(&plan, 1).latency(0.99), run(&blind, 1).latency(0.99));
    assert!(chosen < drawn / 2.0, "{chosen} s, and {drawn} s by chance");
}

#[test]
fn equal_seeds_give_equal_figures() {
    let plan = Plan::new(4, 8, 6);
    let (first, second, other) = (run(&plan, 1), run(&plan, 1), run(&plan, 2));
    assert_eq!(first.to_string(), second.to_string());
    assert_ne!(first.to_string(), other.to_string());
}
