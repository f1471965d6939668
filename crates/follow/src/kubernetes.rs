//! Plans from an object of Kubernetes.

use icapstan_api::fleet::FleetPlanSpec;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, Config};
use std::pin::Pin;
use std::time::Duration;
use thiserror::Error;
use tokio_stream::{Stream, StreamExt as _};

use crate::plan::{Origin, ReadError};
use crate::source::{Heard, Hearing, PlanSource, SourceError};

/// The API server ends a watch after this time, in seconds, and another one begins: one that is silent, since the
/// network is cut, is given up soon after.
const WATCH_SECS: u32 = 30;
/// No answer takes longer.
const READ_TIMEOUT: Duration = Duration::from_secs(45);
/// Between failures, doubled each time up to the largest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LARGEST_PAUSE: Duration = Duration::from_secs(5);

/// Which object has the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanName {
    /// Its namespace; else that of this process.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// The plan in a `FleetPlan`.
pub struct KubernetesSource {
    shown: String,
    events: Events,
    /// Whether it was seen since the list began.
    is_listed: bool,
}

type Events = Pin<Box<dyn Stream<Item = watcher::Result<Event<DynamicObject>>> + Send>>;

/// Why nobody can be asked for the object.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// This process runs in no cluster, and has no kubeconfig.
    #[error("there is no way to Kubernetes: {0}")]
    Config(#[from] kube::config::InferConfigError),
    /// No client can be made of it.
    #[error("no client for Kubernetes: {0}")]
    Client(#[from] kube::Error),
}

/// How long to wait after a failure.
#[derive(Debug)]
struct Pauses(Duration);

// === impl KubernetesSource ===

impl KubernetesSource {
    /// By the kubeconfig or the service account of this process. Nothing is asked yet.
    pub async fn infer(plan: &PlanName) -> Result<Self, ConnectError> {
        let mut config = Config::infer().await?;
        config.read_timeout = Some(READ_TIMEOUT);
        config.reset_reader_on_write = true;
        let namespace = plan.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        Ok(Self::new(Client::try_from(config)?, &namespace, &plan.name))
    }

    /// By a client that is there already.
    pub fn new(client: Client, namespace: &str, name: &str) -> Self {
        let kind = GroupVersionKind::gvk("icapstan.dev", "v1alpha1", "FleetPlan");
        let resource = ApiResource::from_gvk_with_plural(&kind, "fleetplans");
        let plans = Api::<DynamicObject>::namespaced_with(client, namespace, &resource);
        let wanted = watcher::Config::default().fields(&format!("metadata.name={name}")).timeout(WATCH_SECS);
        Self {
            shown: format!("the FleetPlan {namespace}/{name}"),
            events: Box::pin(watcher(plans, wanted).backoff(Pauses(FIRST_PAUSE))),
            is_listed: false,
        }
    }

    async fn next(&mut self) -> Heard {
        loop {
            // It never ends.
            let Some(event) = self.events.next().await else {
                return std::future::pending().await;
            };
            match event {
                Ok(Event::Init) => self.is_listed = false,
                Ok(Event::InitApply(plan)) => {
                    self.is_listed = true;
                    return read(&plan);
                }
                Ok(Event::Apply(plan)) => return read(&plan),
                Ok(Event::InitDone) if self.is_listed => {}
                Ok(Event::Delete(_) | Event::InitDone) => return Heard::None,
                Err(error) => return Heard::Trouble(SourceError::Unreachable(chain(&error))),
            }
        }
    }
}

impl PlanSource for KubernetesSource {
    fn hear(&mut self) -> Hearing<'_> {
        Box::pin(self.next())
    }

    fn origin(&self) -> Origin {
        Origin::Kubernetes
    }

    fn describe(&self) -> String {
        self.shown.clone()
    }
}

impl std::fmt::Debug for KubernetesSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KubernetesSource").field("shown", &self.shown).finish_non_exhaustive()
    }
}

/// The plan of an object.
fn read(object: &DynamicObject) -> Heard {
    let spec = object.data.get("spec").unwrap_or(&serde_json::Value::Null);
    match serde_path_to_error::deserialize::<_, FleetPlanSpec>(spec) {
        Ok(spec) => Heard::Plan(Box::new(spec)),
        Err(error) => Heard::Trouble(ReadError::Malformed(error.to_string()).into()),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        // The client's errors say those below them, too.
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        cause = error.source();
    }
    text
}

// === impl Pauses ===

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.0;
        self.0 = (2 * pause).min(LARGEST_PAUSE);
        // Not all processes of a fleet at once.
        Some(pause.mul_f64(0.5 + fastrand::f64()))
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.0 = FIRST_PAUSE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn heard(data: serde_json::Value) -> Heard {
        let kind = GroupVersionKind::gvk("icapstan.dev", "v1alpha1", "FleetPlan");
        let resource = ApiResource::from_gvk_with_plural(&kind, "fleetplans");
        read(&DynamicObject::new("default", &resource).data(data))
    }

    #[test]
    fn the_plan_is_the_spec_of_the_object() {
        let told = heard(json!({"spec": {"generation": 4}, "status": {"activatedAt": null}}));
        assert!(matches!(told, Heard::Plan(spec) if spec.generation == 4));
        let told = heard(json!({"spec": {"generation": "four"}}));
        assert!(
            matches!(&told, Heard::Trouble(error) if error.to_string().contains("generation")),
            "{told:?}"
        );
        assert!(matches!(heard(json!({})), Heard::Trouble(_)));
    }

    #[test]
    fn pauses_grow_to_a_limit_and_begin_anew() {
        let mut pauses = Pauses(FIRST_PAUSE);
        let all: Vec<_> = (0..20).filter_map(|_| pauses.next()).collect();
        assert!(all[0] < FIRST_PAUSE * 2 && all[19] >= LARGEST_PAUSE / 2 && all[19] < LARGEST_PAUSE * 2);
        pauses.reset();
        assert!(pauses.next().is_some_and(|pause| pause < FIRST_PAUSE * 2));
    }
}
