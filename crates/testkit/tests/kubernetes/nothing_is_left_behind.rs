//! A control plane ends with the process that started it, also when that is killed.

use super::namespace;
use icapstan_testkit::kube::Cluster;
use icapstan_testkit::{Process, Signal, eventually};
use kube::config::Kubeconfig;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;

/// Set for the process that is killed, which runs the same test.
const KILLED: &str = "ICAPSTAN_TEST_IS_KILLED";
/// What it says before where its namespace is.
const SAYS: &str = "kubeconfig: ";

#[tokio::test]
async fn a_process_that_is_killed_leaves_no_server_and_no_folder() {
    let Some(namespace) = namespace("left").await else { return };
    if !Cluster::get().await.is_own() {
        return;
    }
    if std::env::var_os(KILLED).is_some() {
        println!("{SAYS}{}", namespace.kubeconfig().display());
        std::future::pending::<()>().await;
    }
    let mut command = Command::new(std::env::current_exe().expect("it has a path"));
    let name = "nothing_is_left_behind::a_process_that_is_killed_leaves_no_server_and_no_folder";
    command.args(["--exact", "--nocapture", name]).env(KILLED, "1");
    let killed = Process::start("tests", command);
    let kubeconfig =
        killed.wait_for("where its namespace is", |line| Some(PathBuf::from(line.split_once(SAYS)?.1)));
    let contents = Kubeconfig::read_from(&kubeconfig).expect("it is a kubeconfig");
    let server = contents.clusters[0].cluster.as_ref().and_then(|cluster| cluster.server.clone());
    let server = server.expect("it is somewhere").replace("https://", "");
    TcpStream::connect(&server).expect("it is there");

    killed.signal(Signal::KILL);
    eventually("nobody serves", || TcpStream::connect(&server).is_err().then_some(()));
    let folder = kubeconfig.parent().expect("it is in a folder");
    eventually("the folder is gone", || (!folder.exists()).then_some(()));
}
