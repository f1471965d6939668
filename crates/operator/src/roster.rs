//! Who there is: what endpoints say of pods, and what pods say of themselves. Knows no sockets and no clock.

use icapstan_api::fleet::ContentDigest;
use icapstan_fleet::flip::Gateway;
use icapstan_fleet::{Mirrored, Report, Scanner, Stage};
use icapstan_proto::fleet::{self, State, state::Role};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// No more pods of a kind are counted.
const MAX: usize = 4096;
/// No name is longer, in bytes, than that of a pod may be; what is longer is cut.
const MAX_NAME: usize = 253;
/// No text is kept longer, in bytes.
const MAX_TEXT: usize = 512;
/// No process has more revisions.
const MAX_REVISIONS: usize = 64;

/// What an EndpointSlice says of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its name.
    pub pod: String,
    /// Others are sent there.
    pub ready: bool,
}

/// Pods of one kind.
#[derive(Debug)]
pub struct Roster {
    /// Who has not told its state for so long is not heard.
    patience: Duration,
    seats: BTreeMap<SocketAddr, Seat>,
}

#[derive(Debug, Default)]
struct Seat {
    place: Place,
    heard: Option<(State, Instant)>,
}

// === impl Roster ===

impl Roster {
    /// Who is silent for longer than `patience` is not heard.
    pub fn new(patience: Duration) -> Self {
        Self { patience, seats: BTreeMap::new() }
    }

    /// There are these, and no others. Whether that is new.
    pub fn place(&mut self, places: BTreeMap<SocketAddr, Place>) -> bool {
        let before = self.seats.len();
        self.seats.retain(|address, _| places.contains_key(address));
        let mut is_new = before != self.seats.len();
        for (address, place) in places.into_iter().take(MAX) {
            let seat = self.seats.entry(address).or_insert_with(|| {
                is_new = true;
                Seat::default()
            });
            if seat.place.pod != place.pod {
                // Another pod has the address now.
                seat.heard = None;
            }
            is_new |= seat.place != place;
            seat.place = place;
        }
        is_new
    }

    /// Where they are.
    pub fn addresses(&self) -> BTreeSet<SocketAddr> {
        self.seats.keys().copied().collect()
    }

    /// One said how it is. Whether that differs from what it said before, beyond its load.
    pub fn heard(&mut self, address: SocketAddr, mut state: State, now: Instant) -> bool {
        let Some(seat) = self.seats.get_mut(&address) else { return false };
        bound(&mut state);
        let is_new = seat.heard.as_ref().is_none_or(|(before, at)| {
            now.saturating_duration_since(*at) > self.patience || without_load(before) != without_load(&state)
        });
        seat.heard = Some((state, now));
        is_new
    }

    /// There is no connection to it. Whether there was one.
    pub fn lost(&mut self, address: SocketAddr) -> bool {
        self.seats.get_mut(&address).is_some_and(|seat| seat.heard.take().is_some())
    }

    /// When the next one falls silent, if it goes on like that.
    pub fn next_silence(&self) -> Option<Instant> {
        self.seats.values().filter_map(|seat| Some(seat.heard.as_ref()?.1 + self.patience)).min()
    }

    /// What is said of each, and whether it was heard lately.
    fn seats(&self, now: Instant) -> impl Iterator<Item = (&Place, Option<&State>)> {
        self.seats.values().map(move |seat| {
            let heard =
                seat.heard.as_ref().filter(|(_, at)| now.saturating_duration_since(*at) <= self.patience);
            (&seat.place, heard.map(|(state, _)| state))
        })
    }

    /// All of them, if they are scanners.
    pub fn scanners(&self, now: Instant) -> Vec<Scanner> {
        self.seats(now).map(|(place, state)| scanner(place, state)).collect()
    }

    /// All of them, if they are gateways.
    pub fn gateways(&self, now: Instant) -> Vec<Gateway> {
        self.seats(now).map(|(place, state)| gateway(place, state)).collect()
    }

    /// The least verdict version of all that are heard.
    pub fn verdict_version(&self, now: Instant) -> Option<u32> {
        self.seats(now).filter_map(|(_, state)| Some(state?.verdict_version)).min()
    }
}

fn scanner(place: &Place, state: Option<&State>) -> Scanner {
    let unheard = Scanner { name: place.pod.clone(), ready: place.ready, ..Scanner::default() };
    let Some((state, told)) = state.and_then(|state| match &state.role {
        Some(Role::Scanner(scanner)) => Some((state, scanner)),
        _ => None,
    }) else {
        return unheard;
    };
    Scanner {
        // The plan calls it by the name that it has for itself.
        name: if state.name.is_empty() { unheard.name } else { state.name.clone() },
        ready: place.ready && state.not_ready.is_empty(),
        heard: true,
        draining: state.draining,
        incarnation: state.incarnation,
        plan_generation: state.plan_generation,
        held: told.held.iter().filter_map(|set| digest(&set.generation)).collect(),
        revisions: told.revisions.iter().filter_map(report).collect(),
        mirrored: told.mirrored.as_ref().and_then(mirrored),
    }
}

fn gateway(place: &Place, state: Option<&State>) -> Gateway {
    let unheard = Gateway { name: place.pod.clone(), ready: place.ready, ..Gateway::default() };
    let Some((state, told)) = state.and_then(|state| match &state.role {
        Some(Role::Gateway(gateway)) => Some((state, gateway)),
        _ => None,
    }) else {
        return unheard;
    };
    Gateway {
        name: if state.name.is_empty() { unheard.name } else { state.name.clone() },
        // By its endpoint alone: that is what clients go by.
        ready: unheard.ready,
        heard: true,
        fenced: told.fenced,
        plan_generation: state.plan_generation,
        active_epoch: told.active_epoch,
        prepared_epoch: told.prepared_epoch,
        unprepared: told.unprepared.clone(),
    }
}

fn digest(bytes: &[u8]) -> Option<ContentDigest> {
    bytes.try_into().ok().map(ContentDigest)
}

fn report(revision: &fleet::Revision) -> Option<Report> {
    let stage = Stage::of(revision.stage, revision.failure);
    Some(Report { digest: digest(&revision.digest)?, stage, detail: revision.detail.clone() })
}

fn mirrored(told: &fleet::Mirrored) -> Option<Mirrored> {
    Some(Mirrored {
        digest: digest(&told.digest)?,
        compared: told.compared,
        newly_detected: told.newly_detected,
        newly_clean: told.newly_clean,
        newly_failed: told.newly_failed,
        inconclusive: told.inconclusive,
        engine_us: told.engine_us,
        candidate_engine_us: told.candidate_engine_us,
    })
}

/// Whoever is connected to may say anything: it is kept short.
fn bound(state: &mut State) {
    cut(&mut state.name, MAX_NAME);
    cut(&mut state.version, MAX_NAME);
    cut(&mut state.not_ready, MAX_TEXT);
    match &mut state.role {
        Some(Role::Scanner(scanner)) => {
            scanner.held.truncate(MAX_REVISIONS);
            scanner.revisions.truncate(MAX_REVISIONS);
            scanner.revisions.iter_mut().for_each(|revision| cut(&mut revision.detail, MAX_TEXT));
            cut(&mut scanner.trouble, MAX_TEXT);
            if let Some(mirrored) = &mut scanner.mirrored {
                mirrored.differences.truncate(MAX_REVISIONS);
            }
        }
        Some(Role::Gateway(gateway)) => {
            cut(&mut gateway.unprepared, MAX_TEXT);
            if gateway.istags.len() > MAX {
                gateway.istags.clear();
            }
        }
        None => {}
    }
}

fn cut(text: &mut String, most: usize) {
    text.truncate(text.floor_char_boundary(most));
}

/// What somebody should act upon.
fn without_load(state: &State) -> State {
    let mut state = state.clone();
    match &mut state.role {
        Some(Role::Scanner(scanner)) => {
            scanner.load = None;
            scanner.backlog_us = 0;
        }
        Some(Role::Gateway(gateway)) => {
            gateway.in_flight = 0;
            gateway.bytes = 0;
        }
        None => {}
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_fleet::Failure;

    const SECOND: Duration = Duration::from_secs(1);

    fn address(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn places(pods: &[(u16, &str, bool)]) -> BTreeMap<SocketAddr, Place> {
        let place = |(port, pod, ready): &(u16, &str, bool)| {
            (address(*port), Place { pod: (*pod).to_owned(), ready: *ready })
        };
        pods.iter().map(place).collect()
    }

    fn state(name: &str) -> State {
        let revisions = vec![fleet::Revision {
            digest: vec![7; 32],
            stage: 5,
            failure: 7,
            detail: "no EICAR".to_owned(),
        }];
        let held = vec![fleet::Signatures { generation: vec![1; 32], ..fleet::Signatures::default() }];
        let scanner = fleet::Scanner { revisions, held, ..fleet::Scanner::default() };
        State {
            name: name.to_owned(),
            incarnation: 9,
            role: Some(Role::Scanner(scanner)),
            ..State::default()
        }
    }

    #[test]
    fn a_pod_counts_as_its_endpoint_and_itself_say() {
        let (mut roster, now) = (Roster::new(3 * SECOND), Instant::now());
        assert!(roster.place(places(&[(1, "s-1", true), (2, "s-2", false)])));
        assert!(!roster.place(places(&[(1, "s-1", true), (2, "s-2", false)])));
        assert!(roster.heard(address(1), state("one"), now));
        assert!(!roster.heard(address(3), state("unknown"), now));
        let scanners = roster.scanners(now);
        assert_eq!((scanners[0].name.as_str(), scanners[0].ready, scanners[0].heard), ("one", true, true));
        assert_eq!(scanners[0].held, [ContentDigest([1; 32])]);
        assert_eq!(scanners[0].stage(&ContentDigest([7; 32])), Stage::Failed(Failure::Missed));
        assert_eq!((scanners[1].name.as_str(), scanners[1].ready, scanners[1].heard), ("s-2", false, false));
        assert!(roster.gateways(now).iter().all(|gateway| !gateway.heard), "they are no gateways");
    }

    #[test]
    fn who_is_silent_or_replaced_is_not_heard() {
        let (mut roster, now) = (Roster::new(3 * SECOND), Instant::now());
        roster.place(places(&[(1, "s-1", true)]));
        roster.heard(address(1), state("s-1"), now);
        assert_eq!(roster.next_silence(), Some(now + 3 * SECOND));
        assert!(roster.scanners(now + 3 * SECOND)[0].heard);
        assert!(!roster.scanners(now + 4 * SECOND)[0].heard);
        assert!(roster.heard(address(1), state("s-1"), now + 4 * SECOND), "it is back");
        assert!(roster.place(places(&[(1, "s-9", true)])));
        assert!(!roster.scanners(now + 4 * SECOND)[0].heard, "that was another pod");
        roster.heard(address(1), state("s-9"), now);
        assert!(roster.lost(address(1)) && !roster.lost(address(1)));
        assert!(roster.place(BTreeMap::new()) && roster.addresses().is_empty());
    }

    #[test]
    fn load_is_nothing_to_act_upon_and_all_else_is() {
        let (mut roster, now) = (Roster::new(3 * SECOND), Instant::now());
        roster.place(places(&[(1, "s-1", true)]));
        roster.heard(address(1), state("s-1"), now);
        let mut busy = state("s-1");
        if let Some(Role::Scanner(scanner)) = &mut busy.role {
            scanner.backlog_us = 7;
        }
        assert!(!roster.heard(address(1), busy, now));
        assert!(roster.heard(address(1), State { draining: true, ..state("s-1") }, now));
    }

    #[test]
    fn what_is_said_is_kept_short() {
        let (mut roster, now) = (Roster::new(SECOND), Instant::now());
        roster.place(places(&[(1, "s-1", true)]));
        let mut long = state(&"ä".repeat(1000));
        if let Some(Role::Scanner(scanner)) = &mut long.role {
            let revision = fleet::Revision { detail: "x".repeat(10_000), ..scanner.revisions[0].clone() };
            scanner.revisions = vec![revision; 1000];
        }
        roster.heard(address(1), long, now);
        let scanner = &roster.scanners(now)[0];
        assert!(scanner.name.len() <= MAX_NAME && scanner.revisions.len() == MAX_REVISIONS);
        assert_eq!(scanner.revisions[0].detail.len(), MAX_TEXT);
    }
}
