use super::election::{Election, Move};
use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use std::time::{Duration, Instant};

fn lease(holder: &str, renewal: i64) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(holder.to_owned()),
        lease_duration_seconds: Some(15),
        lease_transitions: Some(4),
        renew_time: Some(MicroTime(jiff::Timestamp::from_second(renewal).unwrap())),
        ..LeaseSpec::default()
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_lease_that_nobody_has_is_taken_at_once() {
    let now = Instant::now();
    assert_eq!(Election::new("a").decide(None, now), Move::Write(0));
    assert_eq!(Election::new("a").decide(Some(LeaseSpec::default()), now), Move::Write(1));
    assert_eq!(Election::new("a").decide(Some(lease("", 1)), now), Move::Write(5));
}

#[test]
fn a_lease_is_taken_when_it_has_not_changed_for_its_duration_whatever_clocks_say() {
    let mut election = Election::new("a");
    let now = Instant::now();
    // Renewed long ago by its own words, and long after now.
    for renewal in [0, 99_999_999_999] {
        assert_eq!(election.decide(Some(lease("b", renewal)), now), Move::Wait);
    }
    assert_eq!(election.decide(Some(lease("b", 1)), now), Move::Wait);
    assert_eq!(election.decide(Some(lease("b", 1)), now + 14 * SECOND), Move::Wait);
    assert_eq!(election.decide(Some(lease("b", 2)), now + 15 * SECOND), Move::Wait, "it was renewed");
    assert_eq!(election.decide(Some(lease("b", 2)), now + 29 * SECOND), Move::Wait);
    assert_eq!(election.decide(Some(lease("b", 2)), now + 30 * SECOND), Move::Write(5));
    assert_eq!(election.holder(), Some("b"));
}

#[test]
fn renewals_are_no_transitions() {
    let mut election = Election::new("a");
    assert_eq!(election.decide(Some(lease("a", 1)), Instant::now()), Move::Write(4));
}

#[test]
fn odd_durations_do_not_keep_a_lease_for_ever_nor_for_no_time() {
    let now = Instant::now();
    for (seconds, waits) in [(Some(-1), 15), (Some(0), 15), (None, 15), (Some(i32::MAX), 300), (Some(1), 1)] {
        let spec = LeaseSpec { lease_duration_seconds: seconds, ..lease("b", 1) };
        let mut election = Election::new("a");
        assert_eq!(election.decide(Some(spec.clone()), now), Move::Wait);
        let just_before = now + (waits * SECOND).saturating_sub(Duration::from_millis(1));
        assert_eq!(election.decide(Some(spec.clone()), just_before), Move::Wait, "{seconds:?}");
        assert_eq!(election.decide(Some(spec), now + waits * SECOND), Move::Write(5), "{seconds:?}");
    }
    let spec = LeaseSpec { lease_transitions: Some(i32::MAX), ..lease("", 1) };
    assert_eq!(Election::new("a").decide(Some(spec), now), Move::Write(i32::MAX));
}
