//! What holds in one process holds where a network is between the gateway and the scanner: who leaves frees a worker, a
//! transaction is one trace, and certificates are what they say.

use crate::common::{OK, assert_204, assert_block, respmod};
use crate::gateways_and_scanners_are_one::under_load;
use icapstan_testkit::{
    Authority, Collector, EICAR_NAME, IcapClient, Member, Message, PATIENCE, Pem, Process, Tiers,
    clean_bytes, eicar, eventually, tempdir,
};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// What came before is to be scanned all the same.
const UNCACHED: &str = "verdictCache: {enabled: false}\nscanner: {workers: 1}\n";

fn scan_server(own: &Pem, ca: &Path) -> String {
    let (cert, key, ca) = (own.cert.display(), own.key.display(), ca.display());
    format!("{UNCACHED}scanServer: {{tls: {{certFile: {cert}, keyFile: {key}, clientCaFile: {ca}}}}}\n")
}

fn scanners(own: &Pem, ca: &Path) -> String {
    let (cert, key, ca) = (own.cert.display(), own.key.display(), ca.display());
    format!("{UNCACHED}scanners: {{silence: 8s, tls: {{caFile: {ca}, certFile: {cert}, keyFile: {key}}}}}\n")
}

/// A gateway that will not be ready.
fn refused_gateway(tiers: &Tiers, scanner: &Member) -> Process {
    let mut command = tiers.command("gateway", "127.0.0.1:0");
    command.arg("--scanner").arg(scanner.address().to_string());
    Process::start("gateway", command)
}

fn assert_judges(gateway: &Member) {
    let mut client = IcapClient::connect(gateway.address());
    client.send(respmod().body(eicar()).bytes());
    assert_block(&client.read_respmod(), EICAR_NAME);
    client.send(respmod().allow_204().body(clean_bytes(1000, 1)).bytes());
    assert_204(&client.read_respmod());
}

#[test]
fn a_client_that_leaves_frees_its_worker_across_the_hop_within_a_tenth_of_a_second() {
    let tiers = Tiers::new(UNCACHED);
    let scanner = tiers.scanner();
    let gateway = tiers.gateway(&[scanner.address()]);
    let mut icap = IcapClient::connect(gateway.address());
    // Too large for the worker that is kept for small ones.
    let other = respmod().allow_204().body(clean_bytes(100_000, 1)).bytes();
    let mut timed = || {
        let begun = Instant::now();
        icap.send(&other);
        assert_204(&icap.read_respmod());
        begun.elapsed()
    };
    let alone = (0..5).map(|_| timed()).max().expect("there are some");
    let long = respmod().allow_204().body(clean_bytes(10_000_000, 2)).bytes();
    let busy = || scanner.metric("icapstan_scanner_workers", "state=\"busy\"") > 0.5;
    let behind: Vec<_> = (0..5)
        .map(|_| {
            eventually("the worker is idle", || (!busy()).then_some(()));
            let mut leaving = IcapClient::connect(gateway.address());
            leaving.send(&long);
            eventually("it is being scanned", || busy().then_some(()));
            leaving.reset();
            timed()
        })
        .collect();
    println!("{alone:?} alone, {behind:?} behind one that left");
    let best = *behind.iter().min().expect("there are some");
    // The best of them: others may use the machine.
    assert!(best < alone + Duration::from_millis(100), "{behind:?}");
    assert!(scanner.metric("icapstan_scanner_worker_deaths_total", "cause=\"cancelled\"") > 0.5);
    assert!(scanner.metric("icapstan_scan_server_requests_total", "outcome=\"cancelled\"") > 0.5);
}

#[test]
fn a_transaction_is_one_trace_over_both_tiers() {
    let collector = Collector::start();
    let tiers = Tiers::new(&format!("tracing: {{endpoint: '{}', sampleRatio: 0}}\n", collector.url()));
    let scanner = tiers.scanner();
    let gateway = tiers.gateway(&[scanner.address()]);
    let mut icap = IcapClient::connect(gateway.address());
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let request = Message::respmod("/respmod").field("traceparent", &parent).response_head(OK);
    icap.send(request.body(eicar()).bytes());
    assert_block(&icap.read_respmod(), EICAR_NAME);

    let of_trace =
        || -> Vec<_> { collector.spans().into_iter().filter(|span| span.trace == TRACE).collect() };
    // Each tier sends its own part when it likes.
    let spans = eventually("both tiers have told", || {
        let spans = of_trace();
        let has = |name: &str| spans.iter().any(|span| span.name == name);
        (has("icap RESPMOD") && has("scan object") && has("engine call")).then_some(spans)
    });
    let roots: Vec<_> = spans.iter().filter(|span| span.parent == PARENT).collect();
    assert!(roots.len() == 1 && roots[0].name == "icap RESPMOD", "{spans:#?}");
    for span in spans.iter().filter(|span| span.parent != PARENT) {
        let whole = spans.iter().find(|whole| whole.id == span.parent);
        let whole = whole.unwrap_or_else(|| panic!("{span:?} is part of nothing among {spans:#?}"));
        assert!(whole.time.0 <= span.time.0 && span.time.1 <= whole.time.1, "{span:?} {whole:?}");
    }
    // What the scanner did has the same trace in its log lines.
    let told = format!("\"trace\":\"{TRACE}\"");
    assert!(gateway.process().logs().text().contains(&told));
}

#[test]
fn who_connects_to_a_scanner_and_says_nothing_does_not_stay() {
    let tiers = Tiers::new(UNCACHED);
    let scanner = tiers.scanner();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let silent = [&preface[..0], &preface[..20]].map(|said| {
        let mut stream = TcpStream::connect(scanner.address()).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("it can wait");
        stream.write_all(said).expect("it is taken");
        stream
    });
    for mut stream in silent {
        // The settings of the server may come first.
        let ended = stream.read_to_end(&mut Vec::new());
        let is_over =
            ended.as_ref().map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |_| true);
        assert!(is_over, "{ended:?}");
    }
    assert_judges(&tiers.gateway(&[scanner.address()]));
}

#[test]
fn an_expired_certificate_is_refused_on_either_side_and_both_say_why() {
    let authority = Authority::new();
    let ca = authority.ca_file();
    let folders = [tempdir(), tempdir(), tempdir(), tempdir()];
    let [of_scanner, of_gateway, old_scanner, old_gateway] = &folders;
    let good_scanner = scan_server(&authority.issue(of_scanner.path(), "scanner.test"), &ca);
    let good_gateway = scanners(&authority.issue(of_gateway.path(), "gateway.test"), &ca);
    let old_scanner = scan_server(&authority.issue_expired(old_scanner.path(), "scanner.test"), &ca);
    let old_gateway = scanners(&authority.issue_expired(old_gateway.path(), "gateway.test"), &ca);

    let good_gateway = Tiers::new(&good_gateway);
    let (tiers, old_gateway) = (Tiers::new(&good_scanner), Tiers::new(&old_gateway));
    let scanner = tiers.scanner();
    let gateway = refused_gateway(&old_gateway, &scanner);
    gateway.wait_for("that it is not let in", |line| line.contains("A scanner is not reached").then_some(()));
    scanner.process().wait_for("whom it does not let in", |line| {
        (line.contains("A connection is not taken") && line.contains("xpired")).then_some(())
    });
    assert_judges(&good_gateway.gateway(&[scanner.address()]));

    let tiers = Tiers::new(&old_scanner);
    let scanner = tiers.scanner();
    let gateway = refused_gateway(&good_gateway, &scanner);
    gateway.wait_for("what is wrong with it", |line| {
        (line.contains("A scanner is not reached") && line.contains("xpired")).then_some(())
    });
    scanner
        .process()
        .wait_for("that it is not believed", |line| line.contains("A connection is not taken").then_some(()));
}

#[test]
fn both_sides_take_up_new_certificates_under_load_and_lose_no_answer() {
    let authority = Authority::new();
    let ca = authority.ca_file();
    let folders = [tempdir(), tempdir()];
    let [of_scanner, of_gateway] = &folders;
    let scanner_tiers = Tiers::new(&scan_server(&authority.issue(of_scanner.path(), "scanner.test"), &ca));
    let both = [scanner_tiers.scanner(), scanner_tiers.scanner()];
    let addresses = [both[0].address(), both[1].address()];
    let gateway_tiers = Tiers::new(&scanners(&authority.issue(of_gateway.path(), "gateway.test"), &ca));
    let gateway = gateway_tiers.gateway(&addresses);
    let reloads = |member: &Member| member.metric("icapstan_scan_tls_certificate_reloads_total", "ok");
    let (answers, slowest) = under_load(&[&gateway], |more| {
        for round in 1..=3 {
            authority.issue(of_scanner.path(), "scanner.test");
            authority.issue(of_gateway.path(), "gateway.test");
            eventually("all have read them again", || {
                let all = [&both[0], &both[1], &gateway];
                all.iter().all(|member| reloads(member) >= f64::from(round)).then_some(())
            });
            more(20);
        }
    });
    println!("{answers} answers, the slowest after {slowest:?}");
    assert!(gateway.metric("icapstan_scan_client_calls_total", "lost") < 1.0);
    // The old ones are nowhere: a gateway that comes now has the new ones, and is let in.
    assert_judges(&gateway_tiers.gateway(&addresses));
}
