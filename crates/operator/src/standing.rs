//! What statuses of policies and services say. Knows no API and no clock.

use crate::settings::Outcome;
use icapstan_api::fleet::{ContentDigest, FleetPlanSpec, PlanEpoch};
use icapstan_api::kube::condition::{ACCEPTED, ISTAG_SYNCED, PROGRAMMED, READY, RESOLVED_REFS};
use icapstan_api::kube::{Gateways, IcapServiceStatus, ScanPolicyStatus, ServiceTag, conditions, reason};
use icapstan_fleet::flip::Gateway;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// How far settings are on their way to gateways.
#[derive(Clone, Debug)]
pub struct Progress {
    active: Option<PlanEpoch>,
    pending: Option<PlanEpoch>,
    activated_at: Option<Timestamp>,
    /// The active epoch names the settings that are wanted.
    is_current: bool,
    gateways: Gateways,
}

// === impl Progress ===

impl Progress {
    /// Of the settings `wanted`, by what the plan says and what gateways have.
    pub fn of(
        plan: &FleetPlanSpec,
        activated_at: Option<Timestamp>,
        wanted: ContentDigest,
        gateways: &[Gateway],
    ) -> Self {
        let number = plan.active.as_ref().map_or(0, |epoch| epoch.number);
        let ready = gateways.iter().filter(|gateway| gateway.ready);
        let has_it = |gateway: &&Gateway| gateway.heard && !gateway.fenced && gateway.active_epoch >= number;
        let stale = ready.clone().filter(|gateway| !has_it(gateway)).map(|gateway| gateway.name.clone());
        Self {
            is_current: plan.active.as_ref().is_some_and(|epoch| epoch.settings == wanted),
            gateways: Gateways::new(u32::try_from(ready.count()).unwrap_or(u32::MAX), stale),
            active: plan.active.clone(),
            pending: plan.pending.as_ref().map(|pending| pending.epoch.clone()),
            activated_at,
        }
    }

    fn is_programmed(&self) -> bool {
        self.is_current && self.gateways.stale.is_empty()
    }

    fn programmed(&self) -> (bool, &'static str, String) {
        let Gateways { summary, stale, .. } = &self.gateways;
        if self.is_programmed() {
            return (true, reason::PROGRAMMED, format!("{summary} gateways run it."));
        }
        let waits = if stale.is_empty() { String::new() } else { format!(", not {}", stale.join(", ")) };
        let message = if self.is_current {
            format!("{summary} gateways run it{waits}.")
        } else {
            "It is not yet part of what gateways run.".to_owned()
        };
        (false, reason::PROGRAMMING, message)
    }
}

/// The status of a policy. It differs from `before` only if something has changed.
pub fn policy_status(
    before: &ScanPolicyStatus,
    generation: i64,
    outcome: &Outcome,
    hash: Option<&[u8; 32]>,
    progress: &Progress,
    now: Timestamp,
) -> ScanPolicyStatus {
    let mut list = before.conditions.clone();
    accept(&mut list, outcome, generation, now);
    program(&mut list, outcome, progress, generation, now);
    ready(&mut list, outcome, progress, generation, now);
    ScanPolicyStatus {
        observed_generation: Some(generation),
        conditions: list,
        hash: hash.map_or_else(String::new, |hash| ContentDigest(*hash).hex()),
        gateways: Some(progress.gateways.clone()),
    }
}

/// The status of a service whose path without slashes around it is `id`.
pub fn service_status(
    before: &IcapServiceStatus,
    generation: i64,
    (id, outcome): (&str, &Outcome),
    progress: &Progress,
    now: Timestamp,
) -> IcapServiceStatus {
    let mut list = before.conditions.clone();
    accept(&mut list, outcome, generation, now);
    let refs = match outcome {
        Outcome::Unresolved { message, .. } => (false, reason::REF_NOT_FOUND, message.as_str()),
        _ => (true, reason::SUCCEEDED, ""),
    };
    conditions::set(&mut list, RESOLVED_REFS, refs, generation, now);
    program(&mut list, outcome, progress, generation, now);
    let is_synced = progress.gateways.stale.is_empty() && progress.active.is_some();
    let (why, message) = if is_synced {
        (reason::ACTIVATED, String::new())
    } else {
        (reason::GATEWAYS_UNACKED, format!("{} gateways are in the active epoch.", progress.gateways.summary))
    };
    conditions::set(&mut list, ISTAG_SYNCED, (is_synced, why, &message), generation, now);
    ready(&mut list, outcome, progress, generation, now);
    let tag = |epoch: &PlanEpoch| epoch.istags.get(id).cloned();
    let istag = progress.active.as_ref().and_then(|epoch| {
        let active = tag(epoch)?;
        // Epochs that leave the tag as it is are none that clients notice.
        let pending = progress.pending.as_ref().and_then(tag).filter(|pending| *pending != active);
        Some(ServiceTag { active, pending, epoch: epoch.number, activated_at: progress.activated_at })
    });
    IcapServiceStatus {
        observed_generation: Some(generation),
        conditions: list,
        istag,
        gateways: Some(progress.gateways.clone()),
    }
}

fn accept(list: &mut Vec<Condition>, outcome: &Outcome, generation: i64, now: Timestamp) {
    let kept = |message: &str, kept: bool| {
        let then =
            if kept { "what was in use before stays in use" } else { "nothing is in use in its place" };
        format!("{message}; {then}")
    };
    let (accepted, why, message) = match outcome {
        Outcome::Accepted => (true, reason::COMPILED, String::new()),
        Outcome::Invalid { message, kept: is_kept } => (false, reason::INVALID, kept(message, *is_kept)),
        // It could be used, if only what it names were there.
        Outcome::Unresolved { message, kept: is_kept } => {
            (false, reason::REF_NOT_FOUND, kept(message, *is_kept))
        }
        Outcome::Conflicted { message } => (false, reason::PATH_TAKEN, message.clone()),
    };
    conditions::set(list, ACCEPTED, (accepted, why, &message), generation, now);
}

fn program(
    list: &mut Vec<Condition>,
    outcome: &Outcome,
    progress: &Progress,
    generation: i64,
    now: Timestamp,
) {
    let (is_it, why, message) = if outcome.is_accepted() {
        progress.programmed()
    } else {
        (false, reason::INVALID, "It is not accepted.".to_owned())
    };
    conditions::set(list, PROGRAMMED, (is_it, why, &message), generation, now);
}

fn ready(list: &mut Vec<Condition>, outcome: &Outcome, progress: &Progress, generation: i64, now: Timestamp) {
    let said = if !outcome.is_accepted() {
        (false, reason::INVALID, "It is not accepted.".to_owned())
    } else if progress.is_programmed() {
        (true, reason::SUCCEEDED, String::new())
    } else {
        progress.programmed()
    };
    conditions::set(list, READY, (said.0, said.1, &said.2), generation, now);
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_api::fleet::PendingEpoch;
    use std::collections::BTreeMap;

    fn epoch(number: u64, settings: &[u8], tag: &str) -> PlanEpoch {
        let istags = BTreeMap::from([("respmod".to_owned(), tag.to_owned())]);
        PlanEpoch { number, revision: ContentDigest::of(b"r"), settings: ContentDigest::of(settings), istags }
    }

    fn gateway(name: &str, active_epoch: u64) -> Gateway {
        Gateway { name: name.to_owned(), ready: true, heard: true, active_epoch, ..Gateway::default() }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn condition<'a>(list: &'a [Condition], kind: &str) -> (&'a str, &'a str, &'a str) {
        let found = conditions::find(list, kind).unwrap();
        (&found.status, &found.reason, &found.message)
    }

    #[test]
    fn a_policy_is_programmed_when_all_ready_gateways_run_it() {
        let plan = FleetPlanSpec { active: Some(epoch(3, b"s", "T1")), ..FleetPlanSpec::default() };
        let wanted = ContentDigest::of(b"s");
        let mut gateways = vec![gateway("a", 3), gateway("b", 2)];
        let progress = Progress::of(&plan, None, wanted, &gateways);
        let status =
            policy_status(&ScanPolicyStatus::default(), 7, &Outcome::Accepted, None, &progress, at(1));
        assert_eq!(
            condition(&status.conditions, PROGRAMMED),
            ("False", "Programming", "1/2 gateways run it, not b.")
        );
        assert_eq!(condition(&status.conditions, ACCEPTED).0, "True");
        gateways[1].ready = false;
        let progress = Progress::of(&plan, None, wanted, &gateways);
        let status = policy_status(&status, 7, &Outcome::Accepted, None, &progress, at(2));
        assert_eq!(condition(&status.conditions, PROGRAMMED), ("True", "Programmed", "1/1 gateways run it."));
        assert!(conditions::is_true(&status.conditions, READY, 7));
        let again = policy_status(&status, 7, &Outcome::Accepted, None, &progress, at(3));
        assert_eq!(again, status, "nothing has changed, nothing is written");
        let newer = Progress::of(&plan, None, ContentDigest::of(b"newer"), &gateways);
        let status = policy_status(&status, 8, &Outcome::Accepted, None, &newer, at(4));
        assert_eq!(condition(&status.conditions, PROGRAMMED).1, "Programming");
    }

    #[test]
    fn what_is_not_accepted_says_why_and_what_is_in_use() {
        let plan = FleetPlanSpec { active: Some(epoch(3, b"s", "T1")), ..FleetPlanSpec::default() };
        let progress = Progress::of(&plan, None, ContentDigest::of(b"s"), &[gateway("a", 3)]);
        let outcome = Outcome::Invalid { message: "spec.scan.timeout: is 0".to_owned(), kept: true };
        let status = policy_status(&ScanPolicyStatus::default(), 2, &outcome, None, &progress, at(1));
        let (is, why, message) = condition(&status.conditions, ACCEPTED);
        assert_eq!((is, why), ("False", "Invalid"));
        assert!(message.contains("spec.scan.timeout") && message.contains("stays in use"), "{message}");
        assert_eq!(condition(&status.conditions, READY).0, "False");
    }

    #[test]
    fn a_service_tells_its_tags_and_those_to_come() {
        let pending = PendingEpoch { epoch: epoch(4, b"t", "T2"), activate_at: None };
        let mut plan = FleetPlanSpec {
            active: Some(epoch(3, b"s", "T1")),
            pending: Some(pending),
            ..FleetPlanSpec::default()
        };
        let status = |plan: &FleetPlanSpec, outcome: &Outcome| {
            let progress = Progress::of(plan, Some(at(9)), ContentDigest::of(b"s"), &[gateway("a", 3)]);
            service_status(&IcapServiceStatus::default(), 1, ("respmod", outcome), &progress, at(1))
        };
        let said = status(&plan, &Outcome::Accepted);
        let tag = said.istag.unwrap();
        assert_eq!((tag.active.as_str(), tag.pending.as_deref(), tag.epoch), ("T1", Some("T2"), 3));
        assert_eq!(condition(&said.conditions, ISTAG_SYNCED).0, "True");
        plan.pending.as_mut().unwrap().epoch = epoch(4, b"t", "T1");
        assert_eq!(status(&plan, &Outcome::Accepted).istag.unwrap().pending, None, "clients notice nothing");
        let missing = Outcome::Unresolved { message: "no policy".to_owned(), kept: false };
        let said = status(&plan, &missing);
        assert_eq!(condition(&said.conditions, RESOLVED_REFS), ("False", "RefNotFound", "no policy"));
    }
}
