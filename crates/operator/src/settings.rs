//! From what people wrote to what a fleet is given: services and policies, checked one by one. Knows no API.
//!
//! What cannot be used takes nothing away: in its place stays what was in use under the same name, and somebody is told.

#[cfg(test)]
mod tests;

use icapstan_api::fleet::{ContentDigest, SettingsBundle};
use icapstan_api::{Config, IcapService, Problem, ScanPolicy, ServiceMode};
use icapstan_gateway::GatewayError;
use icapstan_policy::check_policies;
use std::collections::{BTreeMap, BTreeSet};

/// No fleet has more services, nor more policies.
pub const MAX_OBJECTS: usize = 1024;
/// No message about an object is longer, in bytes.
const MAX_MESSAGE: usize = 1000;

/// What people wrote.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Services by the names of their objects, the oldest first.
    pub services: Vec<(String, IcapService)>,
    /// Policies, which are called what their objects are called.
    pub policies: Vec<ScanPolicy>,
    /// What all gateways have besides: identities, lists, what rules may refer to. Its services and policies do
    /// not count.
    pub base: Config,
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assembled {
    /// What the fleet is given.
    pub bundle: SettingsBundle,
    /// The same as bytes.
    pub bytes: Vec<u8>,
    /// What these are.
    pub digest: ContentDigest,
    /// What of it decides, by the paths of services without slashes around them.
    pub bases: BTreeMap<String, [u8; 32]>,
    /// Of each service by the name of its object.
    pub services: BTreeMap<String, Outcome>,
    /// Of each policy.
    pub policies: BTreeMap<String, Outcome>,
}

/// What became of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is used as it was written.
    Accepted,
    /// It cannot be used, for a cause that is in it.
    Invalid {
        /// What is wrong, each with its field.
        message: String,
        /// What was used under its name before is used still.
        kept: bool,
    },
    /// It refers to what is not there, or cannot be used.
    Unresolved {
        /// What.
        message: String,
        /// What was used under its name before is used still.
        kept: bool,
    },
    /// Another one, which is older, has what it wants for itself.
    Conflicted {
        /// Which, and what.
        message: String,
    },
}

// === impl Wanted ===

impl Wanted {
    /// Checks everything, with `last` for what cannot be used: that of the plan.
    pub fn assemble(&self, last: Option<&SettingsBundle>) -> Result<Assembled, GatewayError> {
        let mut outcomes = BTreeMap::new();
        let mut policies = BTreeMap::new();
        for policy in self.policies.iter().take(MAX_OBJECTS) {
            let problems = self.problems_of_policy(policy);
            let used = if problems.is_empty() {
                Some(policy.clone())
            } else {
                last.and_then(|last| last.policies.iter().find(|known| known.name == policy.name)).cloned()
            };
            outcomes.insert(policy.name.clone(), Outcome::of(&problems, used.is_some()));
            policies.extend(used.map(|used| (used.name.clone(), used)));
        }
        for policy in self.policies.iter().skip(MAX_OBJECTS) {
            outcomes.insert(policy.name.clone(), Outcome::too_many("policies"));
        }
        let (services, service_outcomes) = self.assemble_services(last, &mut policies);
        let Config { identity, detection_headers, url_lists, .. } = self.base.clone();
        let named: BTreeSet<_> = services.iter().map(|service| service.policy.clone()).collect();
        // What no service asks for would only change the digest.
        policies.retain(|name, _| named.contains(name));
        let bundle = SettingsBundle {
            services,
            policies: policies.into_values().collect(),
            identity,
            detection_headers,
            url_lists,
        };
        let bases = icapstan_gateway::settings_bases(&bundle)?;
        // Writing what was read cannot fail.
        let bytes = bundle.to_bytes().unwrap_or_default();
        let digest = ContentDigest::of(&bytes);
        Ok(Assembled { bundle, bytes, digest, bases, services: service_outcomes, policies: outcomes })
    }

    /// Services that can be used, in the order of their paths.
    fn assemble_services(
        &self,
        last: Option<&SettingsBundle>,
        policies: &mut BTreeMap<String, ScanPolicy>,
    ) -> (Vec<IcapService>, BTreeMap<String, Outcome>) {
        let mut outcomes = BTreeMap::new();
        let mut used: Vec<IcapService> = Vec::new();
        let mut taken: BTreeMap<String, String> = BTreeMap::new();
        for (name, service) in &self.services {
            if used.len() == MAX_OBJECTS {
                outcomes.insert(name.clone(), Outcome::too_many("services"));
                continue;
            }
            let rival = service.paths().find_map(|path| Some((path.to_owned(), taken.get(path)?.clone())));
            if let Some((path, rival)) = rival {
                let message = format!("the path {path} is that of {rival}, which is older");
                outcomes.insert(name.clone(), Outcome::Conflicted { message });
                continue;
            }
            let before = last.and_then(|last| last.services.iter().find(|known| known.path == service.path));
            let (outcome, service) = self.judge(service, before, last, policies);
            outcomes.insert(name.clone(), outcome);
            if let Some(service) = service {
                taken.extend(service.paths().map(|path| (path.to_owned(), name.clone())));
                used.push(service);
            }
        }
        used.sort_by(|one, other| one.path.cmp(&other.path));
        (used, outcomes)
    }

    /// What becomes of a service, and what is used for it.
    fn judge(
        &self,
        service: &IcapService,
        before: Option<&IcapService>,
        last: Option<&SettingsBundle>,
        policies: &mut BTreeMap<String, ScanPolicy>,
    ) -> (Outcome, Option<IcapService>) {
        let problems = self.problems_of_service(service);
        let (outcome, wanted) = if problems.is_empty() {
            (Outcome::Accepted, Some(service))
        } else {
            (Outcome::of(&problems, before.is_some()), before)
        };
        let Some(wanted) = wanted else { return (outcome, None) };
        if policies.contains_key(&wanted.policy) {
            return (outcome, Some(wanted.clone()));
        }
        let message = format!("there is no ScanPolicy {:?} that can be used", wanted.policy);
        // What it was used with before, whatever has become of that.
        let kept = before.and_then(|before| {
            let is_there = policies.contains_key(&before.policy);
            let policy = last?.policies.iter().find(|policy| policy.name == before.policy);
            if !is_there {
                policies.insert(before.policy.clone(), policy?.clone());
            }
            Some(before.clone())
        });
        (Outcome::Unresolved { message, kept: kept.is_some() }, kept)
    }

    fn problems_of_policy(&self, policy: &ScanPolicy) -> Vec<Problem> {
        let config = Config {
            policies: vec![policy.clone()],
            services: vec![IcapService {
                policy: policy.name.clone(),
                ..IcapService::new("/policy", &[ServiceMode::Reqmod])
            }],
            ..self.checked_base()
        };
        let mut problems = config.check().err().unwrap_or_default();
        if problems.is_empty() {
            problems = check_policies(&config.policies).err().unwrap_or_default();
        }
        within(problems, "policies[0]")
    }

    fn problems_of_service(&self, service: &IcapService) -> Vec<Problem> {
        let policy = ScanPolicy::new(ScanPolicy::DEFAULT_NAME);
        let service = IcapService { policy: policy.name.clone(), ..service.clone() };
        let config = Config { policies: vec![policy], services: vec![service], ..self.checked_base() };
        within(config.check().err().unwrap_or_default(), "services[0]")
    }

    /// What rules may refer to, with files where each gateway has them.
    fn checked_base(&self) -> Config {
        let mut base = self.base.clone();
        let lists = &mut base.url_lists;
        for path in lists.file.iter_mut().chain(lists.sources.iter_mut().map(|source| &mut source.path)) {
            *path = std::path::Path::new("/").join(&*path);
        }
        base
    }
}

/// Problems of one object, by its own fields.
fn within(problems: Vec<Problem>, place: &str) -> Vec<Problem> {
    let own = |problem: Problem| {
        let path = problem.path.strip_prefix(place).map(|rest| format!("spec{rest}"));
        Problem::new(path.unwrap_or(problem.path), problem.message)
    };
    problems.into_iter().map(own).collect()
}

// === impl Outcome ===

impl Outcome {
    fn of(problems: &[Problem], kept: bool) -> Self {
        if problems.is_empty() {
            return Self::Accepted;
        }
        let mut message = problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; ");
        message.truncate(message.floor_char_boundary(MAX_MESSAGE));
        Self::Invalid { message, kept }
    }

    fn too_many(what: &str) -> Self {
        Self::Conflicted { message: format!("there are {MAX_OBJECTS} older {what}, and no fleet has more") }
    }

    /// Whether it is used as it was written.
    pub fn is_accepted(&self) -> bool {
        *self == Self::Accepted
    }

    /// Whether something is used under its name.
    pub fn is_used(&self) -> bool {
        match self {
            Self::Accepted => true,
            Self::Invalid { kept, .. } | Self::Unresolved { kept, .. } => *kept,
            Self::Conflicted { .. } => false,
        }
    }
}
