//! Who may do some things and no others.

use super::cluster::MANAGER;
use super::namespace::Namespace;
use super::{kubeconfig, until};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::config::Config;
use kube::{Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// A service account with a role of its own, and a token that is bound to it.
#[derive(Debug)]
pub struct Account {
    name: String,
    path: PathBuf,
    config: Config,
}

/// As long as no test runs.
const TOKEN_SECONDS: i64 = 7200;

// === impl Account ===

impl Account {
    pub(super) async fn create(namespace: &Namespace, name: &str, rules: Vec<PolicyRule>) -> Self {
        let admin = namespace.client();
        let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        let account = ServiceAccount { metadata: metadata.clone(), ..ServiceAccount::default() };
        apply(&admin, name, &account).await;
        apply(&admin, name, &Role { metadata: metadata.clone(), rules: Some(rules.clone()) }).await;
        apply(&admin, name, &binding(namespace.name(), name, metadata)).await;

        let spec =
            TokenRequestSpec { expiration_seconds: Some(TOKEN_SECONDS), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec, ..TokenRequest::default() };
        let accounts: Api<ServiceAccount> = Api::default_namespaced(admin);
        let answer = accounts.create_token_request(name, &PostParams::default(), &request).await;
        let answer = answer.unwrap_or_else(|error| panic!("no token for {name}: {error}"));
        let token = answer.status.expect("a token was asked for").token;

        let kubeconfig = kubeconfig::with_token(namespace.contents(), &token);
        let folder = namespace.cluster().folder();
        let path = kubeconfig::write(&kubeconfig, folder, &format!("{}.{name}", namespace.name()));
        let config = kubeconfig::config(&kubeconfig).await;
        let this = Self { name: name.to_owned(), path, config };
        this.wait_for(namespace.name(), &rules).await;
        this
    }

    /// Its name in its namespace.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A client that may do what the account may.
    pub fn client(&self) -> Client {
        Client::try_from(self.config.clone()).expect("the settings fit")
    }

    /// A file for processes that may do what the account may.
    pub fn kubeconfig(&self) -> &Path {
        &self.path
    }

    /// Who decides hears of a role a moment after it was written.
    async fn wait_for(&self, namespace: &str, rules: &[PolicyRule]) {
        let reviews: Api<SelfSubjectAccessReview> = Api::all(self.client());
        for rule in rules {
            let asked = SelfSubjectAccessReview {
                spec: SelfSubjectAccessReviewSpec {
                    resource_attributes: Some(something_of(rule, namespace)),
                    ..SelfSubjectAccessReviewSpec::default()
                },
                ..SelfSubjectAccessReview::default()
            };
            until(&format!("{} may do what {rule:?} says", self.name), async || {
                let answer = reviews.create(&PostParams::default(), &asked).await.ok()?;
                answer.status?.allowed.then_some(())
            })
            .await;
        }
    }
}

/// The first of what the rule allows.
fn something_of(rule: &PolicyRule, namespace: &str) -> ResourceAttributes {
    let first = |list: &Option<Vec<String>>| list.as_ref().and_then(|list| list.first()).cloned();
    let resource = first(&rule.resources).unwrap_or_default();
    let (resource, subresource) = match resource.split_once('/') {
        Some((resource, subresource)) => (resource.to_owned(), Some(subresource.to_owned())),
        None => (resource, None),
    };
    ResourceAttributes {
        group: first(&rule.api_groups),
        name: first(&rule.resource_names),
        namespace: Some(namespace.to_owned()),
        resource: Some(resource),
        subresource,
        verb: rule.verbs.first().cloned(),
        ..ResourceAttributes::default()
    }
}

fn binding(namespace: &str, name: &str, metadata: ObjectMeta) -> RoleBinding {
    let account = Subject {
        kind: "ServiceAccount".to_owned(),
        name: name.to_owned(),
        namespace: Some(namespace.to_owned()),
        ..Subject::default()
    };
    let role = RoleRef {
        api_group: "rbac.authorization.k8s.io".to_owned(),
        kind: "Role".to_owned(),
        name: name.to_owned(),
    };
    RoleBinding { metadata, role_ref: role, subjects: Some(vec![account]) }
}

async fn apply<K>(client: &Client, name: &str, object: &K)
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
{
    let api: Api<K> = Api::default_namespaced(client.clone());
    let params = PatchParams::apply(MANAGER).force();
    let applied = api.patch(name, &params, &Patch::Apply(object)).await;
    applied.unwrap_or_else(|error| panic!("{} {name} is refused: {error}", K::kind(&())));
}
