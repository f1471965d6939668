//! The control plane of the tests, to be looked at by hand: prints where it is, and ends with its input.

use icapstan_testkit::kube::{Cluster, kubectl};
use std::io::Read;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let namespace = Cluster::get().await.namespace("by-hand").await;
    println!("export KUBECONFIG={}", namespace.kubeconfig().display());
    println!("alias kubectl={}", kubectl().display());
    // Until Ctrl-D or Ctrl-C.
    std::io::stdin().read_to_end(&mut Vec::new()).map(drop)
}
