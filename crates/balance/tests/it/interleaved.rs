//! Whatever happens in whatever order.

use crate::fleet::{answered, endpoint, id};
use icapstan_balance::{
    Balancer, Ejection, EndpointId, Job, Outcome, Pick, ReportedLoad, Settings, Standing,
};
use icapstan_model::GenerationId;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

#[derive(Clone, Debug)]
enum Step {
    Update(BTreeSet<u8>),
    Connected(u8),
    Disconnected(u8),
    Draining(u8),
    Holds(u8, u8),
    Heard(u8, u64),
    Pick { bytes: u64, generation: u8, exclude: u8 },
    Finish(usize, u8),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = 0..8_u8;
    let step = prop_oneof![
        1 => prop::collection::btree_set(0..8_u8, 0..8).prop_map(Step::Update),
        4 => one.clone().prop_map(Step::Connected),
        2 => one.clone().prop_map(Step::Disconnected),
        1 => one.clone().prop_map(Step::Draining),
        1 => (one.clone(), 0..3_u8).prop_map(|(one, generation)| Step::Holds(one, generation)),
        1 => (one, any::<u64>()).prop_map(|(one, work)| Step::Heard(one, work)),
        16 => (any::<u64>(), 0..4_u8, 0..9_u8)
            .prop_map(|(bytes, generation, exclude)| Step::Pick { bytes, generation, exclude }),
        16 => (any::<usize>(), 0..10_u8).prop_map(|(which, how)| Step::Finish(which, how)),
        3 => (0..8_000_u64).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 0..400)
}

fn outcome(how: u8) -> Option<Outcome> {
    let load = Some(ReportedLoad { work: Duration::from_millis(u64::from(how)), workers: 2 });
    match how {
        0 => None,
        1 => Some(Outcome::Cancelled),
        2 => Some(Outcome::Refused { load }),
        3 | 4 => Some(Outcome::Lost),
        5..=7 => Some(Outcome::Late),
        _ => Some(answered(load)),
    }
}

/// What a test can tell of an endpoint without knowing how the balancer works.
#[derive(Default)]
struct Known {
    is_connected: bool,
    is_draining: bool,
}

proptest! {
    #[test]
    fn counts_are_right_and_only_the_eligible_are_picked(steps in steps(), seed: u64) {
        let mut now = Instant::now();
        let settings = Settings {
            ejection: Ejection { in_a_row: 2, ..Ejection::default() },
            most_jobs: 12,
            ..Settings::default()
        };
        let balancer = Balancer::new(settings, seed, now);
        let mut known: BTreeMap<EndpointId, Known> = BTreeMap::new();
        let mut picks: Vec<(Pick, u64)> = Vec::new();
        for step in steps {
            match step {
                Step::Update(set) => {
                    let endpoints: Vec<_> = set.iter().map(|&one| endpoint(one, None)).collect();
                    let changes = balancer.update(&endpoints, now);
                    for gone in changes.removed {
                        prop_assert!(known.remove(&gone).is_some());
                    }
                    for new in changes.added {
                        prop_assert!(known.insert(new, Known::default()).is_none());
                    }
                }
                Step::Connected(one) => {
                    balancer.connected(id(one), now);
                    if let Some(known) = known.get_mut(&id(one)) {
                        *known = Known { is_connected: true, is_draining: false };
                    }
                }
                Step::Disconnected(one) => {
                    balancer.disconnected(id(one), now);
                    if let Some(known) = known.get_mut(&id(one)) {
                        known.is_connected = false;
                    }
                }
                Step::Draining(one) => {
                    balancer.draining(id(one), now);
                    if let Some(known) = known.get_mut(&id(one)) {
                        known.is_draining = true;
                    }
                }
                Step::Holds(one, generation) => {
                    balancer.generations(id(one), &[GenerationId([generation; 32])], now);
                }
                Step::Heard(one, work) => {
                    let load = ReportedLoad { work: Duration::from_micros(work), workers: 0 };
                    balancer.heard(id(one), Some(load), now);
                }
                Step::Pick { bytes, generation, exclude } => {
                    let before: BTreeMap<_, _> =
                        balancer.endpoints().into_iter().map(|one| (one.id, one)).collect();
                    let exclude = [id(exclude)];
                    let generation = (generation < 3).then_some(GenerationId([generation; 32]));
                    let pick = balancer.pick(Job { bytes, generation, exclude: &exclude }, now);
                    let is_fit = |one: &icapstan_balance::EndpointView| {
                        one.standing == Standing::Ready && one.jobs < 12 && one.id != exclude[0]
                    };
                    match pick {
                        Some(pick) => {
                            let one = &before[&pick.id()];
                            prop_assert!(known[&one.id].is_connected && !known[&one.id].is_draining);
                            prop_assert_ne!(one.id, exclude[0]);
                            prop_assert!(one.jobs < 12);
                            prop_assert_eq!(pick.is_probe(), one.standing == Standing::Ejected);
                            prop_assert!(pick.is_probe() || one.standing == Standing::Ready);
                            picks.push((pick, bytes.min(1 << 40)));
                        }
                        None => prop_assert!(!before.values().any(is_fit), "{:?}", before),
                    }
                }
                Step::Finish(which, how) => {
                    if !picks.is_empty() {
                        let (pick, _) = picks.swap_remove(which % picks.len());
                        match outcome(how) {
                            Some(outcome) => pick.finish(outcome, now),
                            None => drop(pick),
                        }
                    }
                }
                Step::Pass(millis) => now += Duration::from_millis(millis),
            }
            check(&balancer, &known, &picks)?;
        }
        picks.clear();
        let view = balancer.view();
        prop_assert_eq!((view.jobs, view.bytes), (0, 0));
        // When all is well again all come back.
        for round in 0..200 {
            now += Duration::from_secs(2);
            for (&one, known) in &mut known {
                if round == 0 || !known.is_connected {
                    balancer.connected(one, now);
                    *known = Known { is_connected: true, is_draining: false };
                }
            }
            let all: Vec<_> = (0..20).filter_map(|_| balancer.pick(Job::default(), now)).collect();
            for pick in all {
                pick.finish(answered(None), now);
            }
        }
        prop_assert_eq!(balancer.view().ready, known.len());
    }
}

fn check(
    balancer: &Balancer,
    known: &BTreeMap<EndpointId, Known>,
    picks: &[(Pick, u64)],
) -> Result<(), TestCaseError> {
    let (mut candidates, mut ejected) = (0, 0);
    let endpoints = balancer.endpoints();
    prop_assert_eq!(endpoints.len(), known.len());
    for one in endpoints {
        let known = &known[&one.id];
        match one.standing {
            Standing::Connecting => prop_assert!(!known.is_connected),
            Standing::Draining => prop_assert!(known.is_connected && known.is_draining),
            standing => {
                prop_assert!(known.is_connected && !known.is_draining);
                candidates += 1;
                ejected += usize::from(standing != Standing::Ready);
            }
        }
        // Those of an endpoint that went and came again are not this one's.
        let of: Vec<_> = picks.iter().filter(|(pick, _)| pick.id() == one.id).collect();
        prop_assert!(usize::try_from(one.jobs).is_ok_and(|jobs| jobs <= of.len()));
        prop_assert!(one.bytes <= of.iter().map(|(_, bytes)| bytes).sum::<u64>());
    }
    let allowed = if candidates < 2 { 0 } else { (candidates * 33 / 100).max(1) };
    prop_assert!(ejected <= allowed, "{} of {}", ejected, candidates);
    Ok(())
}
