//! The cluster of a test process.

use super::control_plane::ControlPlane;
use super::namespace::Namespace;
use super::sweeper::Swept;
use super::{kubeconfig, until};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams};
use kube::config::{Config, Kubeconfig};
use kube::{Client, ResourceExt};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;
use tokio::sync::Mutex;

/// The control plane that all tests of this process share; see [the module](super).
#[derive(Debug)]
pub struct Cluster {
    folder: Swept,
    kubeconfig: Kubeconfig,
    config: Config,
    /// None where `KUBECONFIG` names another one.
    own: Option<ControlPlane>,
    installed: Mutex<BTreeMap<String, Value>>,
}

/// Whose fields are those of what is installed here.
pub(super) const MANAGER: &str = "icapstan-testkit";

// === impl Cluster ===

impl Cluster {
    /// The one of this process; the first call starts it, in a few seconds.
    #[track_caller]
    pub fn get() -> impl Future<Output = &'static Self> {
        let waited = tokio::task::spawn_blocking(Self::get_blocking);
        async { waited.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())) }
    }

    /// The same, for tests that block.
    pub fn get_blocking() -> &'static Self {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(Self::start)
    }

    fn start() -> Self {
        let folder = Swept::new();
        let (kubeconfig, own) = if let Some(kubeconfig) = kubeconfig::from_environment() {
            (kubeconfig, None)
        } else {
            let own = ControlPlane::start(folder.path());
            (own.kubeconfig.clone(), Some(own))
        };
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("there is memory");
        let config = runtime.block_on(kubeconfig::config(&kubeconfig));
        Self { folder, kubeconfig, config, own, installed: Mutex::default() }
    }

    /// Whether this process started it; if not it is one that `KUBECONFIG` names, which may have controllers.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// A client that may do everything.
    pub fn client(&self) -> Client {
        Client::try_from(self.config.clone()).expect("the settings fit")
    }

    /// A new namespace, whose name begins with `prefix`.
    pub async fn namespace(&'static self, prefix: &str) -> Namespace {
        Namespace::create(self, prefix).await
    }

    /// Has these types served, once for the process, and waits until they are.
    pub async fn install_crds(&self, crds: Vec<CustomResourceDefinition>) {
        let mut installed = self.installed.lock().await;
        let client = self.client();
        let api: Api<CustomResourceDefinition> = Api::all(client.clone());
        for crd in crds {
            let (name, value) = (crd.name_any(), serde_json::to_value(&crd).expect("it is JSON"));
            if installed.get(&name) == Some(&value) {
                continue;
            }
            let params = PatchParams::apply(MANAGER).force();
            let applied = api.patch(&name, &params, &Patch::Apply(&crd)).await;
            applied.unwrap_or_else(|error| panic!("{name} is refused: {error}"));
            until(&format!("{name} is established"), async || is_established(&api, &name).await).await;
            for version in crd.spec.versions.iter().filter(|version| version.served) {
                let path = format!("/apis/{}/{}/{}", crd.spec.group, version.name, crd.spec.names.plural);
                // The condition says that it may be served, which what serves it hears a moment later.
                until(&format!("{path} is served"), async || is_served(&client, &path).await).await;
            }
            installed.insert(name, value);
        }
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn kubeconfig(&self) -> &Kubeconfig {
        &self.kubeconfig
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }
}

async fn is_established(api: &Api<CustomResourceDefinition>, name: &str) -> Option<()> {
    let conditions = api.get(name).await.ok()?.status?.conditions?;
    conditions
        .iter()
        .any(|condition| condition.type_ == "Established" && condition.status == "True")
        .then_some(())
}

async fn is_served(client: &Client, path: &str) -> Option<()> {
    let request = http::Request::get(format!("{path}?limit=1")).body(Vec::new()).expect("it is a request");
    client.request_text(request).await.ok().map(drop)
}
