//! What a test has for itself.

use super::account::Account;
use super::cluster::Cluster;
use super::kubeconfig;
use crate::wait::PATIENCE;
use k8s_openapi::api::core::v1::{Namespace as Object, ServiceAccount};
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::api::{Api, DeleteParams, PostParams};
use kube::config::{Config, Kubeconfig};
use kube::{Client, Error, ResourceExt};
use std::path::{Path, PathBuf};

/// A namespace that no other test knows. Deleted when dropped, where there is somebody who does that.
#[derive(Debug)]
pub struct Namespace {
    cluster: &'static Cluster,
    name: String,
    kubeconfig: Kubeconfig,
    path: PathBuf,
    config: Config,
}

// === impl Namespace ===

impl Namespace {
    pub(super) async fn create(cluster: &'static Cluster, prefix: &str) -> Self {
        let client = cluster.client();
        let mut object = Object::default();
        object.metadata.generate_name = Some(format!("{prefix}-"));
        let created = Api::all(client.clone()).create(&PostParams::default(), &object).await;
        let name = created.unwrap_or_else(|error| panic!("no namespace {prefix}: {error}")).name_any();
        // What a controller makes, where there is one, and no pod may be without.
        let mut account = ServiceAccount::default();
        account.metadata.name = Some("default".to_owned());
        match Api::namespaced(client, &name).create(&PostParams::default(), &account).await {
            Ok(_) => {}
            Err(Error::Api(status)) if status.code == 409 => {}
            Err(error) => panic!("no service account in {name}: {error}"),
        }
        let kubeconfig = kubeconfig::in_namespace(cluster.kubeconfig(), &name);
        let path = kubeconfig::write(&kubeconfig, cluster.folder(), &name);
        let config = kubeconfig::config(&kubeconfig).await;
        Self { cluster, name, kubeconfig, path, config }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    pub fn cluster(&self) -> &'static Cluster {
        self.cluster
    }

    /// A client that may do everything, with this namespace as its default. It works in the runtime in which it was
    /// made.
    pub fn client(&self) -> Client {
        Client::try_from(self.config.clone()).expect("the settings fit")
    }

    /// A file for processes that may do everything, with this namespace as their default.
    pub fn kubeconfig(&self) -> &Path {
        &self.path
    }

    /// A service account that may do in this namespace what `rules` say, and nothing else. An account of the same
    /// name gets the rules in the place of those that it had.
    pub async fn identity(&self, service_account: &str, rules: Vec<PolicyRule>) -> Account {
        Account::create(self, service_account, rules).await
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn contents(&self) -> &Kubeconfig {
        &self.kubeconfig
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Without controllers it would stay for ever, and refuse what tests that end late still write.
        if self.cluster.is_own() {
            return;
        }
        let (config, name) = (self.config.clone(), self.name.clone());
        // A runtime of its own, since this may be the end of the test's.
        let deleting = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(async {
                let api: Api<Object> = Api::all(Client::try_from(config).ok()?);
                let params = DeleteParams::background();
                tokio::time::timeout(PATIENCE / 4, api.delete(&name, &params)).await.ok()
            })
        });
        if !matches!(deleting.join(), Ok(Some(Ok(_)))) {
            eprintln!("the namespace {} is left behind", self.name);
        }
    }
}
