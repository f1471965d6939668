//! Where the programs are that a control plane is made of.

use std::path::PathBuf;

/// What `tests/kube/build` builds, and in which release.
const GO_MOD: &str = include_str!("../../../../tests/kube/go.mod");
/// The module whose version is that of Kubernetes.
const MODULE: &str = "k8s.io/kubernetes ";
/// A folder of programs to take instead.
const FOLDER: &str = "ICAPSTAN_KUBE_BIN";

/// The release of Kubernetes that tests start, such as `v1.34.4`.
pub fn version() -> &'static str {
    GO_MOD
        .lines()
        .find_map(|line| line.trim_start_matches("require ").trim().strip_prefix(MODULE))
        .expect("go.mod requires it")
}

/// The client of the same release; the user's own where the cluster is the user's own.
#[track_caller]
pub fn kubectl() -> PathBuf {
    if super::kubeconfig::is_in_environment() { PathBuf::from("kubectl") } else { built("kubectl") }
}

/// One of the programs that `make setup-kube` builds; panics where it is missing.
#[track_caller]
pub(super) fn built(name: &str) -> PathBuf {
    let path = folder().join(name);
    assert!(
        path.exists(),
        "{} is missing: run `make setup-kube`, set KUBECONFIG to use a cluster that is there, or leave these tests out \
         with ICAPSTAN_SKIP=kube",
        path.display()
    );
    path
}

fn folder() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set(FOLDER).unwrap_or_else(|| {
        let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
        cache.unwrap_or_else(|| PathBuf::from("/var/cache")).join("icapstan/kube").join(version())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_that_of_the_module() {
        let numbers: Vec<&str> = version().strip_prefix('v').expect("it begins with v").split('.').collect();
        assert_eq!(numbers.len(), 3);
        assert!(numbers.iter().all(|number| number.parse::<u16>().is_ok()), "{numbers:?}");
    }
}
