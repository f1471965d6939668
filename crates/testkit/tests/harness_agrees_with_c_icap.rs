//! The harness against a server that is not ours: what fails here is the harness's own fault.

use icapstan_testkit::http::Request;
use icapstan_testkit::{
    IcapClient, Kind, Message, Origin, Process, Reply, Squid, clean_bytes, eventually, free_port, need,
    skipped, tempdir,
};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// c-icap with its echo service under our paths.
struct CIcap {
    address: SocketAddr,
    _process: Process,
    _dir: TempDir,
}

impl CIcap {
    fn start() -> Self {
        let program = need("/usr/bin/c-icap", "c-icap", "c-icap");
        let modules = need("/usr/lib/x86_64-linux-gnu/c_icap", "c-icap", "c-icap");
        let dir = tempdir();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let config = dir.path().join("c-icap.conf");
        std::fs::write(&config, configuration(dir.path(), modules, address)).expect("the folder is writable");
        let mut command = Command::new(program);
        command.args(["-N", "-D", "-d", "1", "-f"]).arg(&config);
        let process = Process::start("c-icap", command);
        eventually("c-icap listens", || {
            assert!(!process.has_ended(), "c-icap ended; it said:\n{}", process.logs().text());
            IcapClient::try_connect(address).ok()
        });
        Self { address, _process: process, _dir: dir }
    }
}

fn configuration(dir: &Path, modules: &Path, address: SocketAddr) -> String {
    let (dir, modules) = (dir.display(), modules.display());
    format!(
        "PidFile {dir}/pid
CommandsSocket {dir}/ctl
Port {address}
TmpDir {dir}
ServerLog {dir}/server.log
AccessLog {dir}/access.log
ModulesDir {modules}
ServicesDir {modules}
StartServers 1
MaxServers 1
ThreadsPerChild 10
Service echo srv_echo.so
ServiceAlias reqmod echo
ServiceAlias respmod echo
"
    )
}

#[test]
fn the_strict_client_reads_echoes_and_options_of_another_server() {
    if skipped("c-icap") {
        return;
    }
    let server = CIcap::start();
    let mut icap = IcapClient::connect(server.address);
    icap.send(Message::options("/respmod").bytes());
    let options = icap.read_options();
    assert_eq!(options.status, 200);
    assert!(options.head.names("Methods", "RESPMOD"));
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n";
    let body = clean_bytes(50_000, 1);
    let request =
        Message::respmod("/respmod").request_head("GET / HTTP/1.1\r\nHost: o\r\n\r\n").response_head(head);
    icap.send(request.body(&body).bytes());
    let response = icap.read(Kind::Respmod);
    assert_eq!(response.status, 200);
    assert!(response.body_data() == body);
}

#[test]
fn squid_origin_and_http_client_carry_bodies_through_another_server() {
    if skipped("c-icap") || skipped("squid") {
        return;
    }
    let server = CIcap::start();
    let squid = Squid::start(server.address);
    let origin = Origin::start();
    for size in [0, 1, 70_000] {
        let body = clean_bytes(size, 2);
        let url = origin.put(&format!("/{size}"), Reply::bytes(body.clone()));
        let response = Request::get(&url).through(squid.proxy());
        assert_eq!(response.status, 200);
        assert!(response.body == body);
    }
    let lines = squid.wait_for_log("responses", 3, |line| line.method == "RESPMOD");
    assert!(lines.iter().all(|line| !line.failed()), "{lines:?}");
    squid.assert_no_icap_error();
}
