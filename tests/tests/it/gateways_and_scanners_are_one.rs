//! Gateways and scanners as processes of their own answer as one process would, whatever becomes of some of them.

use crate::common::{OK, assert_block, assert_refused, assert_response_echo, respmod};
use icapstan_testkit::{
    Authority, EICAR_NAME, IcapClient, IcapResponse, Member, Signal, Tiers, clean_bytes, eicar, eventually,
};
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What came before is to be scanned all the same.
const UNCACHED: &str = "verdictCache: {enabled: false}\nscanner: {workers: 1}\n";
/// These are about other things than silence, which a busy machine makes too.
const PATIENT: &str = "scanners: {silence: 8s}\n";

/// Clients that ask until they are told to end.
struct Load<'a> {
    is_over: &'a AtomicBool,
    right: &'a AtomicUsize,
    slowest_ms: &'a AtomicUsize,
}

impl Load<'_> {
    /// One client: a clean object, an infected one, and so on.
    fn run(&self, gateway: SocketAddr, seed: usize) {
        let mut client = IcapClient::connect(gateway);
        for number in 0.. {
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            let asked = Instant::now();
            if number % 4 == 3 {
                client.send(respmod().body(eicar()).bytes());
                assert_block(&client.read_respmod(), EICAR_NAME);
            } else {
                let body = clean_bytes(1000 + (seed * 7919 + number * 104_729) % 60_000, 1);
                client.send(respmod().body(&body).bytes());
                assert_clean(&client.read_respmod(), &body);
            }
            let took = usize::try_from(asked.elapsed().as_millis());
            self.slowest_ms.fetch_max(took.expect("it is less than an age"), Ordering::Relaxed);
            self.right.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Does something while clients ask `gateways`, each answer of which has to be right. Tells how many there were, and how
/// long the slowest took.
pub(crate) fn under_load(gateways: &[&Member], act: impl FnOnce(&dyn Fn(usize))) -> (usize, Duration) {
    let (is_over, right, slowest_ms) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|seed| {
                let load = Load { is_over: &is_over, right: &right, slowest_ms: &slowest_ms };
                let gateway = gateways[seed % gateways.len()].address();
                scope.spawn(move || load.run(gateway, seed))
            })
            .collect();
        let more = |count: usize| {
            let begun = right.load(Ordering::Relaxed);
            eventually("clients are answered", || {
                let has_failed = clients.iter().any(thread::ScopedJoinHandle::is_finished);
                (has_failed || right.load(Ordering::Relaxed) >= begun + count).then_some(())
            });
        };
        more(20);
        act(&more);
        is_over.store(true, Ordering::Relaxed);
    });
    (right.into_inner(), Duration::from_millis(slowest_ms.into_inner() as u64))
}

fn assert_clean(response: &IcapResponse, body: &[u8]) {
    assert_response_echo(response, OK, body);
}

fn addresses(scanners: &[Member]) -> Vec<SocketAddr> {
    scanners.iter().map(Member::address).collect()
}

#[test]
fn all_gateways_answer_alike_and_all_scanners_have_their_part() {
    let tiers = Tiers::new(&format!("{UNCACHED}{PATIENT}"));
    let scanners: Vec<_> = (0..3).map(|_| tiers.scanner()).collect();
    let gateways: Vec<_> = (0..2).map(|_| tiers.gateway(&addresses(&scanners))).collect();
    let mut tags = Vec::new();
    for gateway in &gateways {
        eventually("it has all scanners", || {
            (gateway.metric("icapstan_scan_client_scanners", "ready") >= 3.0).then_some(())
        });
        let mut client = IcapClient::connect(gateway.address());
        for body in [clean_bytes(10, 1), clean_bytes(70_000, 1), clean_bytes(3 << 20, 1)] {
            client.send(respmod().body(&body).bytes());
            let response = client.read_respmod();
            assert_clean(&response, &body);
            tags.push(response.istag().to_owned());
        }
        client.send(respmod().body(eicar()).bytes());
        assert_block(&client.read_respmod(), EICAR_NAME);
    }
    assert!(tags.windows(2).all(|pair| pair[0] == pair[1]), "{tags:?}");
    let (answers, _) = under_load(&gateways.iter().collect::<Vec<_>>(), |more| more(100));
    assert!(answers >= 120);
    for scanner in &scanners {
        let served = scanner.metric("icapstan_scan_server_requests_total", "answered");
        assert!(served >= 10.0, "{served} of {answers}");
        assert!(scanner.metric("icapstan_scanner_scans_total", "") >= served);
    }
}

#[test]
fn scanners_that_are_killed_cost_no_answer() {
    let tiers = Tiers::new(&format!("{UNCACHED}{PATIENT}"));
    let mut scanners: Vec<_> = (0..3).map(|_| tiers.scanner()).collect();
    let gateway = tiers.gateway(&addresses(&scanners));
    let (answers, slowest) = under_load(&[&gateway], |more| {
        for scanner in &mut scanners {
            let address = scanner.address().to_string();
            scanner.process().signal(Signal::KILL);
            scanner.wait_exit();
            more(40);
            *scanner = tiers.scanner_at(&address);
            eventually("it is asked again", || {
                (scanner.metric("icapstan_scan_server_requests_total", "answered") > 5.0).then_some(())
            });
        }
    });
    println!("{answers} answers, the slowest after {slowest:?}");
    assert!(gateway.metric("icapstan_gateway_verdicts_total", "failed") < 1.0);
}

#[test]
fn scanners_restarted_in_order_cost_no_answer() {
    let tiers = Tiers::new(&format!("{UNCACHED}{PATIENT}"));
    let mut scanners: Vec<_> = (0..2).map(|_| tiers.scanner()).collect();
    let gateway = tiers.gateway(&addresses(&scanners));
    let (answers, slowest) = under_load(&[&gateway], |more| {
        for scanner in &mut scanners {
            let address = scanner.address().to_string();
            scanner.terminate();
            assert!(scanner.wait_exit().success());
            more(20);
            *scanner = tiers.scanner_at(&address);
            eventually("it is asked again", || {
                (scanner.metric("icapstan_scan_server_requests_total", "answered") > 5.0).then_some(())
            });
        }
    });
    println!("{answers} answers, the slowest after {slowest:?}");
    for outcome in ["lost", "late", "malformed"] {
        assert!(gateway.metric("icapstan_scan_client_calls_total", outcome) < 1.0, "{outcome}");
    }
}

#[test]
fn nobody_waits_for_a_scanner_that_is_stopped() {
    let tiers = Tiers::new(UNCACHED);
    let scanners: Vec<_> = (0..2).map(|_| tiers.scanner()).collect();
    let gateway = tiers.gateway(&addresses(&scanners));
    let (answers, slowest) = under_load(&[&gateway], |more| {
        scanners[0].process().signal(Signal::STOP);
        eventually("it is left alone", || {
            (gateway.metric("icapstan_scan_client_silent_total", "") >= 1.0).then_some(())
        });
        let readyz = gateway.readyz();
        assert!(readyz.contains("1 of 2 scanners"), "{readyz}");
        more(50);
        scanners[0].process().signal(Signal::CONT);
        eventually("it is there again", || (!gateway.readyz().contains("1 of 2 scanners")).then_some(()));
        more(50);
    });
    println!("{answers} answers, the slowest after {slowest:?}");
    assert!(slowest < Duration::from_secs(8), "{slowest:?}: silence is a second");
}

/// As when its machine is paused, or its share of the processor is used up: what scanners said meanwhile is still to be
/// read when its clocks have run out.
#[test]
fn a_gateway_that_stood_still_blames_no_scanner() {
    let tiers = Tiers::new(UNCACHED);
    let scanners: Vec<_> = (0..3).map(|_| tiers.scanner()).collect();
    let gateway = tiers.gateway(&addresses(&scanners));
    let (answers, slowest) = under_load(&[&gateway], |more| {
        for _ in 0..4 {
            gateway.process().signal(Signal::STOP);
            thread::sleep(Duration::from_millis(1500));
            gateway.process().signal(Signal::CONT);
            more(20);
        }
    });
    println!("{answers} answers, the slowest after {slowest:?}");
    let silent = gateway.metric("icapstan_scan_client_silent_total", "");
    // On a busy machine a scanner may be.
    assert!(silent < 3.0, "{silent} of 12 times");
}

#[test]
fn without_a_scanner_objects_are_failed_at_once_and_the_gateway_is_not_ready() {
    let tiers = Tiers::new(UNCACHED);
    let scanner = tiers.scanner();
    let gateway = tiers.gateway(&[scanner.address()]);
    let address = scanner.address().to_string();
    drop(scanner);
    eventually("it is not ready", || gateway.readyz().contains("no scanner can be asked").then_some(()));
    let mut client = IcapClient::connect(gateway.address());
    let asked = Instant::now();
    client.send(respmod().body(clean_bytes(1000, 1)).bytes());
    let response = client.read_respmod();
    assert_refused(&response);
    assert!(response.shown().contains("no-scanner"), "{}", response.shown());
    assert!(asked.elapsed() < Duration::from_secs(5));
    let _scanner = tiers.scanner_at(&address);
    gateway.until_ready();
    client.send(respmod().body(clean_bytes(1000, 1)).bytes());
    assert_clean(&client.read_respmod(), &clean_bytes(1000, 1));
}

#[test]
fn what_is_missing_or_would_be_open_to_all_is_told_at_the_start() {
    let tiers = Tiers::new("{}");
    let said = |tier: &str, listen: &str, args: &[&str]| {
        let output = tiers.command(tier, listen).args(args).stdin(Stdio::null()).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let none = said("gateway", "127.0.0.1:0", &[]);
    assert!(none.contains("no scanner is named: give --scanner HOST:PORT"), "{none}");
    let open = said("gateway", "127.0.0.1:0", &["--scanner", "192.0.2.1:7344"]);
    assert!(open.contains("scanners.tls: is missing") && open.contains("192.0.2.1:7344"), "{open}");
    let open = said("scanner", "0.0.0.0:0", &[]);
    assert!(open.contains("scanServer.tls: is missing"), "{open}");
    let wrong = said("gateway", "127.0.0.1:0", &["--scanner", "scanner"]);
    assert!(wrong.contains("is not HOST:PORT"), "{wrong}");
}

#[test]
fn tiers_believe_each_other_by_certificates_only() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (cert, key) = authority.files("localhost");
    let (gateway_cert, gateway_key) = authority.files("gateway.test");
    let (foreign_cert, foreign_key) = other.files("gateway.test");
    let (wrong_cert, wrong_key) = authority.files("somebody.test");
    let ca = authority.ca_file();
    let scan_server = format!(
        "scanServer: {{tls: {{certFile: {}, keyFile: {}, clientCaFile: {}, clientNames: ['dns:gateway.test']}}}}\n",
        cert.display(),
        key.display(),
        ca.display()
    );
    let scanners = |ca: &std::path::Path, cert: &std::path::Path, key: &std::path::Path, name: &str| {
        format!(
            "scanners: {{silence: 8s, tls: {{caFile: {}, certFile: {}, keyFile: {}, serverName: {name}}}}}\n",
            ca.display(),
            cert.display(),
            key.display()
        )
    };
    let scanner_tiers = Tiers::new(&format!("{UNCACHED}{scan_server}"));
    let scanner = scanner_tiers.scanner();
    let tiers = Tiers::new(&format!("{UNCACHED}{}", scanners(&ca, &gateway_cert, &gateway_key, "localhost")));
    let gateway = tiers.gateway(&[scanner.address()]);
    let mut client = IcapClient::connect(gateway.address());
    client.send(respmod().body(eicar()).bytes());
    assert_block(&client.read_respmod(), EICAR_NAME);

    // Other certificates of the same authority are taken up without a restart, and cost no answer.
    let reloads = || gateway.metric("icapstan_scan_tls_certificate_reloads_total", "ok");
    let (_, slowest) = under_load(&[&gateway], |more| {
        let (new_cert, new_key) = authority.files("gateway.test");
        assert_eq!((&new_cert, &new_key), (&gateway_cert, &gateway_key));
        eventually("they are read again", || (reloads() >= 1.0).then_some(()));
        more(20);
    });
    println!("the slowest took {slowest:?}");

    let refused = [
        ("its authority is another", scanners(&ca, &foreign_cert, &foreign_key, "localhost")),
        ("its name is another", scanners(&ca, &wrong_cert, &wrong_key, "localhost")),
        ("it asks for another name", scanners(&ca, &gateway_cert, &gateway_key, "elsewhere.test")),
        (
            "it believes another authority",
            scanners(&other.ca_file(), &gateway_cert, &gateway_key, "localhost"),
        ),
    ];
    for (why, settings) in refused {
        let tiers = Tiers::new(&format!("{UNCACHED}{settings}"));
        let mut command = tiers.command("gateway", "127.0.0.1:0");
        command.arg("--scanner").arg(scanner.address().to_string());
        let process = icapstan_testkit::Process::start("gateway", command);
        process.wait_for(why, |line| line.contains("A scanner is not reached").then_some(()));
    }
    assert!(scanner.metric("icapstan_scan_server_connections_refused_total", "tls") >= 1.0);
    assert!(scanner.metric("icapstan_scan_server_connections_refused_total", "name") >= 1.0);
    let said = scanner.process().logs().text();
    assert!(said.contains("has none of the names that may") && said.contains("dns:somebody.test"), "{said}");
}

#[test]
fn each_tier_tells_its_own_events_and_statistics() {
    let dir = icapstan_testkit::tempdir();
    let file = dir.path().join("events.json");
    let tiers =
        Tiers::new(&format!("{UNCACHED}events: [{{format: json, sink: {{file: {}}}}}]\n", file.display()));
    let scanner = tiers.scanner();
    let gateway = tiers.gateway(&[scanner.address()]);
    let mut client = IcapClient::connect(gateway.address());
    client.send(respmod().body(eicar()).bytes());
    assert_block(&client.read_respmod(), EICAR_NAME);
    let statistics = gateway.admin_get("/statistics").expect("the admin port answers");
    let statistics: serde_json::Value = serde_json::from_slice(&statistics.body).unwrap();
    assert_eq!(statistics["infected"], 1);
    assert!(!statistics["signatures"]["generation"].is_null(), "{statistics}");
    eventually("what was found is told", || {
        std::fs::read_to_string(&file).unwrap_or_default().contains(EICAR_NAME).then_some(())
    });
    for member in [gateway, scanner] {
        let mut member = member;
        member.terminate();
        assert!(member.wait_exit().success());
    }
}
