//! Files that say where an API server is, and who asks it.

use kube::config::{AuthInfo, Cluster, Config, Context, KubeConfigOptions, Kubeconfig};
use serde_json::json;
use std::path::{Path, PathBuf};

/// The name of all that there is one of.
const NAME: &str = "test";

/// One for the server at `server` that shows a certificate of `ca`, and for who shows `token`.
pub(super) fn new(server: &str, ca: &Path, token: &str) -> Kubeconfig {
    serde_json::from_value(json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": {"server": server, "certificate-authority": ca}}],
        "users": [{"name": NAME, "user": {"token": token}}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}],
        "current-context": NAME,
    }))
    .expect("it is a kubeconfig")
}

/// Whether the tests are to use a cluster that is there.
pub(super) fn is_in_environment() -> bool {
    std::env::var_os("KUBECONFIG").is_some_and(|paths| !paths.is_empty())
}

/// The one that `KUBECONFIG` names, if it does, with nothing in it but its current context.
#[track_caller]
pub(super) fn from_environment() -> Option<Kubeconfig> {
    if !is_in_environment() {
        return None;
    }
    let read = Kubeconfig::from_env().unwrap_or_else(|error| panic!("KUBECONFIG cannot be used: {error}"));
    let mut all = read.expect("the variable is set");
    let name = all.current_context.clone().expect("what KUBECONFIG names has a current context");
    all.contexts.retain(|context| context.name == name);
    let context = context(&mut all).clone();
    all.clusters.retain(|cluster| cluster.name == context.cluster);
    all.auth_infos.retain(|user| Some(&user.name) == context.user.as_ref());
    Some(all)
}

/// The same, for work in `namespace`.
pub(super) fn in_namespace(kubeconfig: &Kubeconfig, namespace: &str) -> Kubeconfig {
    let mut kubeconfig = kubeconfig.clone();
    context(&mut kubeconfig).namespace = Some(namespace.to_owned());
    kubeconfig
}

/// The same, for who shows `token`.
pub(super) fn with_token(kubeconfig: &Kubeconfig, token: &str) -> Kubeconfig {
    let mut kubeconfig = kubeconfig.clone();
    let user = serde_json::from_value(json!([{"name": NAME, "user": {"token": token}}]));
    kubeconfig.auth_infos = user.expect("it is a user");
    context(&mut kubeconfig).user = Some(NAME.to_owned());
    kubeconfig
}

/// The same, but by way of `server`, which shows a certificate of `ca`. No certificate of a client passes there.
pub(super) fn by_way_of(kubeconfig: &Kubeconfig, server: &str, ca: &Path) -> Kubeconfig {
    let mut kubeconfig = kubeconfig.clone();
    for cluster in &mut kubeconfig.clusters {
        cluster.cluster = Some(Cluster {
            server: Some(server.to_owned()),
            certificate_authority: Some(ca.display().to_string()),
            ..Cluster::default()
        });
    }
    for user in &mut kubeconfig.auth_infos {
        without_certificate(user.auth_info.get_or_insert_default());
    }
    kubeconfig
}

/// What of a user is shown in the handshake, taken away.
pub(super) fn without_certificate(user: &mut AuthInfo) {
    user.client_certificate = None;
    user.client_certificate_data = None;
    user.client_key = None;
    user.client_key_data = None;
}

/// Written as a file called `name`.
#[track_caller]
pub(super) fn write(kubeconfig: &Kubeconfig, folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(format!("{name}.kubeconfig"));
    // JSON is YAML.
    let text = serde_json::to_string_pretty(kubeconfig).expect("it is text");
    std::fs::write(&path, text).expect("the folder is writable");
    path
}

/// As settings of a client.
pub(super) async fn config(kubeconfig: &Kubeconfig) -> Config {
    Config::from_custom_kubeconfig(kubeconfig.clone(), &KubeConfigOptions::default())
        .await
        .unwrap_or_else(|error| panic!("the kubeconfig cannot be used: {error}"))
}

fn context(kubeconfig: &mut Kubeconfig) -> &mut Context {
    let named = kubeconfig.contexts.first_mut().and_then(|named| named.context.as_mut());
    named.expect("there is a current context")
}
