//! What autoscalers are told is what scanners have to do, and nothing where that is not known.

use crate::common::{OK, assert_response_echo, respmod};
use crate::worker_faults::Frozen;
use icapstan_testkit::{
    Authority, IcapClient, Keda, Member, Process, Signal, Tiers, clean_bytes, eventually, tempdir,
};
use std::net::SocketAddr;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

/// Equal objects are to be scanned all the same, and as slowly as it takes.
const SLOW: &str = "verdictCache: {enabled: false}\nscanner: {workers: 1}\n\
                    policies: [{name: default, scan: {timeout: 10m}}]\n";
/// Bytes of each object: no small one, for which there is a worker more that has its patience with them.
const SIZE: u32 = 100_000;
/// As `tonic::Code` has it.
const INVALID_ARGUMENT: i32 = 3;
const UNAVAILABLE: i32 = 14;

/// What autoscalers ask for.
struct Asked {
    saturation: Keda,
    jobs: Keda,
    bytes: Keda,
    seconds: Keda,
}

/// What they are told.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Told {
    saturation: f64,
    jobs: f64,
    bytes: f64,
    seconds: f64,
}

impl Asked {
    fn of(scaler: &Member) -> Self {
        let of = |metric| Keda::connect(scaler.address(), &[("metric", metric), ("target", "10")]);
        Self {
            saturation: Keda::connect(scaler.address(), &[("scalerAddress", "scaler:7346")]),
            jobs: of("backlogJobs"),
            bytes: of("backlogBytes"),
            seconds: of("backlogSeconds"),
        }
    }

    fn told(&self) -> Told {
        let value = |keda: &Keda| keda.value().expect("there are figures");
        Told {
            saturation: value(&self.saturation),
            jobs: value(&self.jobs),
            bytes: value(&self.bytes),
            seconds: value(&self.seconds),
        }
    }

    /// What they are told as soon as there are so many scans, and nothing changes any more.
    #[track_caller]
    fn told_of(&self, jobs: f64) -> Told {
        let mut before = None;
        eventually("there are as many scans", || {
            let now = Some(self.told());
            let is_same = std::mem::replace(&mut before, now) == now;
            now.filter(|told| is_same && is(told.jobs, jobs))
        })
    }
}

/// Has scans take as long as this lives.
fn held(scanner: &Member) -> Frozen {
    Frozen::all_of(scanner.process(), 1)
}

fn is(number: f64, wanted: f64) -> bool {
    (number - wanted).abs() < 1e-6
}

/// Has `count` objects scanned at once, each of another content.
fn send<'s>(scope: &'s Scope<'s, '_>, gateway: SocketAddr, count: u64) -> Vec<ScopedJoinHandle<'s, ()>> {
    let one = |seed| {
        scope.spawn(move || {
            let body = clean_bytes(SIZE as usize, seed);
            let mut client = IcapClient::connect(gateway);
            client.send(respmod().body(&body).bytes());
            assert_response_echo(&client.read_respmod(), OK, &body);
        })
    };
    (0..count).map(one).collect()
}

fn answered(clients: Vec<ScopedJoinHandle<'_, ()>>) {
    for client in clients {
        client.join().expect("it is answered");
    }
}

fn addresses(scanners: &[Member]) -> Vec<SocketAddr> {
    scanners.iter().map(Member::address).collect()
}

/// That the page of metrics says the same. It is brought up to date each second.
#[track_caller]
fn assert_page(scaler: &Member, told: Told) {
    eventually("the page of metrics says the same", || {
        let metric = |name: &str| scaler.metric(name, "");
        let page = Told {
            saturation: metric("icapstan_fleet_workers_wanted"),
            jobs: metric("icapstan_fleet_backlog_jobs"),
            bytes: metric("icapstan_fleet_backlog_bytes"),
            seconds: metric("icapstan_fleet_backlog_scan_seconds"),
        };
        let is_same = is(page.saturation, told.saturation)
            && is(page.jobs, told.jobs)
            && is(page.bytes, told.bytes)
            && is(page.seconds, told.seconds);
        (is_same && metric("icapstan_fleet_figures_valid") > 0.5).then_some(())
    });
}

#[test]
fn figures_rise_with_what_is_sent_and_fall_when_it_is_done() {
    let tiers = Tiers::new(SLOW);
    let scanners = [tiers.scanner(), tiers.scanner()];
    let gateway = tiers.gateway(&addresses(&scanners));
    eventually("it has both", || {
        (gateway.metric("icapstan_scan_client_scanners", "ready") > 1.5).then_some(())
    });
    let scaler = tiers.scaler(&addresses(&scanners));
    let asked = Asked::of(&scaler);
    assert_eq!(asked.told_of(0.0), Told { saturation: 0.0, jobs: 0.0, bytes: 0.0, seconds: 0.0 });
    assert_eq!(asked.saturation.is_active(), Ok(true), "it is not scaled to nothing");
    let workers = eventually("all workers are counted", || {
        Some(scaler.metric("icapstan_fleet_workers", "")).filter(|workers| is(*workers, 4.0))
    });
    let (name, target) = asked.saturation.spec().expect("there is one");
    assert_eq!(name, "icapstan-saturation");
    assert!(is(target, 0.7 * workers / 2.0), "{target} of {workers} workers of two scanners");
    assert_eq!(asked.jobs.spec(), Ok(("icapstan-backlog-jobs".to_owned(), 10.0)));

    let until_told = |jobs| asked.told_of(jobs);
    thread::scope(|scope| {
        // So that scanners know that objects take their time.
        let frozen: Vec<_> = scanners.iter().map(held).collect();
        let clients = send(scope, gateway.address(), 4);
        until_told(4.0);
        let begun = Instant::now();
        eventually("some time is over", || (begun.elapsed() > Duration::from_secs(1)).then_some(()));
        drop(frozen);
        answered(clients);
        until_told(0.0);

        let frozen: Vec<_> = scanners.iter().map(held).collect();
        let clients = send(scope, gateway.address(), 24);
        let told = until_told(24.0);
        assert!(is(told.bytes, 24.0 * f64::from(SIZE)), "{told:?}");
        assert!(told.seconds > 0.5, "{told:?}");
        assert_page(&scaler, told);
        let busy = scaler.metric("icapstan_fleet_workers_busy", "");
        assert!(is(busy, workers), "{busy} of {workers}");
        let waiting = told.seconds * (24.0 - busy) / 24.0;
        let about = busy + waiting / 5.0;
        assert!((told.saturation - about).abs() < 0.3 * about, "{told:?}: about {about}");
        // What scanners show themselves comes to the same.
        eventually("scanners show the same", || {
            let sum = |name: &str| -> f64 { scanners.iter().map(|scanner| scanner.metric(name, "")).sum() };
            let shown = (
                sum("icapstan_scan_server_jobs"),
                sum("icapstan_scan_server_job_bytes"),
                sum("icapstan_scan_server_backlog_seconds"),
            );
            let is_same =
                is(shown.0, 24.0) && is(shown.1, told.bytes) && (shown.2 - told.seconds).abs() < 0.01;
            is_same.then_some(())
        });
        drop(frozen);
        answered(clients);
    });
    let told = asked.told_of(0.0);
    assert!(is(told.bytes, 0.0) && is(told.seconds, 0.0), "{told:?}");
    assert_page(&scaler, told);
}

#[test]
fn a_scanner_that_is_killed_takes_nothing_from_the_figures_for_half_a_minute() {
    let tiers = Tiers::new(SLOW);
    let mut scanners = [tiers.scanner(), tiers.scanner()];
    let gateway = tiers.gateway(&addresses(&scanners));
    eventually("it has both", || {
        (gateway.metric("icapstan_scan_client_scanners", "ready") > 1.5).then_some(())
    });
    let scaler = tiers.scaler(&addresses(&scanners));
    let asked = Asked::of(&scaler);
    asked.told_of(0.0);
    let (begun, silent_for) = thread::scope(|scope| {
        let [dying, staying] = &scanners;
        let frozen = [held(dying), held(staying)];
        let clients = send(scope, gateway.address(), 12);
        asked.told_of(12.0);
        let lost = dying.metric("icapstan_scan_server_jobs", "");
        assert!((1.0..12.0).contains(&lost), "both have some: {lost}");
        let begun = Instant::now();
        dying.process().signal(Signal::KILL);
        // What it had goes to the other one, and is still counted for it.
        asked.told_of(12.0 + lost);
        eventually("it is silent", || {
            (scaler.metric("icapstan_fleet_scanners", "silent") > 0.5).then_some(())
        });
        let readyz = scaler.readyz();
        assert!(readyz.contains("1 of 2 scanners are not heard"), "{readyz}");
        // No answer is smaller than what there is to do, until it is forgotten.
        let mut silent_for = Duration::ZERO;
        let told = eventually("it is forgotten", || {
            let told = asked.told();
            assert!(told.jobs >= 12.0, "{told:?}");
            let is_forgotten = is(told.jobs, 12.0);
            if !is_forgotten {
                silent_for = begun.elapsed();
            }
            is_forgotten.then_some(told)
        });
        assert!(is(told.bytes, 12.0 * f64::from(SIZE)), "{told:?}");
        drop(frozen);
        answered(clients);
        (begun, silent_for)
    });
    println!("it counted for {silent_for:?}, all took {:?}", begun.elapsed());
    assert!(silent_for > Duration::from_secs(25), "{silent_for:?}");
    asked.told_of(0.0);

    // One of two is half; without both there is nothing to go by.
    let address = scanners[0].address().to_string();
    scanners[0].wait_exit();
    scanners[1].terminate();
    assert!(scanners[1].wait_exit().success());
    let refused = eventually("nobody is heard", || asked.saturation.value().err());
    assert_eq!(refused.code, UNAVAILABLE, "{refused:?}");
    assert!(refused.message.contains("only 0 of"), "{refused:?}");
    assert_eq!(asked.saturation.is_active(), Ok(true));
    assert!(asked.saturation.spec().is_ok(), "a target there still is");
    let readyz = scaler.readyz();
    assert!(readyz.contains("only 0 of"), "{readyz}");
    eventually("the page says so", || {
        (scaler.metric("icapstan_fleet_figures_valid", "") < 0.5).then_some(())
    });
    let _again = tiers.scanner_at(&address);
    scaler.until_ready();
    asked.told_of(0.0);
}

#[test]
fn scanners_that_hang_are_not_taken_for_idle_ones() {
    let tiers = Tiers::new(SLOW);
    let scanners = [tiers.scanner(), tiers.scanner()];
    let gateway = tiers.gateway(&addresses(&scanners));
    let scaler = tiers.scaler(&addresses(&scanners));
    let asked = Asked::of(&scaler);
    thread::scope(|scope| {
        let frozen: Vec<_> = scanners.iter().map(held).collect();
        let clients = send(scope, gateway.address(), 6);
        asked.told_of(6.0);
        for scanner in &scanners {
            scanner.process().signal(Signal::STOP);
        }
        let refused = eventually("nobody is heard", || {
            let value = asked.jobs.value();
            assert!(value.as_ref().is_err() || value.as_ref().is_ok_and(|jobs| *jobs >= 6.0), "{value:?}");
            value.err()
        });
        assert_eq!(refused.code, UNAVAILABLE, "{refused:?}");
        for scanner in &scanners {
            scanner.process().signal(Signal::CONT);
        }
        drop(frozen);
        // Gateways gave them up too: some of these have no verdict.
        for client in clients {
            drop(client.join());
        }
        asked.told_of(0.0);
    });
}

#[test]
fn triggers_that_ask_for_what_is_not_there_are_told_what_there_is() {
    let tiers = Tiers::new(SLOW);
    let scanner = tiers.scanner();
    let scaler = tiers.scaler(&[scanner.address()]);
    for (metadata, said) in [
        (("metric", "cpu"), "metadata.metric: \"cpu\" is not one of saturation, backlogJobs, backlogBytes"),
        (("metric", "backlogBytes"), "metadata.target: is missing"),
        (("target", "many"), "metadata.target: \"many\" is not a number of at least 0.001"),
    ] {
        let keda = Keda::connect(scaler.address(), &[metadata]);
        for refused in
            [keda.spec().unwrap_err(), keda.is_active().unwrap_err(), keda.value_of("").unwrap_err()]
        {
            assert_eq!(refused.code, INVALID_ARGUMENT, "{refused:?}");
            assert!(refused.message.starts_with(said), "{refused:?}");
        }
    }
    let keda =
        Keda::connect(scaler.address(), &[("metric", "backlogJobs"), ("target", "3"), ("activation", "0")]);
    assert_eq!(keda.is_active(), Ok(false), "there is nothing to do");
    assert_eq!(keda.value_of("s0-icapstan-backlog-jobs").unwrap_err().code, INVALID_ARGUMENT);
    assert!(scaler.metric("icapstan_scaler_requests_total", "invalid") >= 10.0);

    // Streams say at once how it is, and end in order with the process.
    let mut scaler = scaler;
    let (address, idle) = (scaler.address(), keda);
    let mut is_active = idle.stream_is_active();
    assert_eq!(is_active.next_is_active(), Some(false));
    let usual = Keda::connect(address, &[]);
    let mut specs = usual.stream_specs();
    let first = specs.next_spec().expect("there is a first one");
    assert_eq!(Ok(first), usual.spec());
    let gateway = tiers.gateway(&[scanner.address()]);
    thread::scope(|scope| {
        let frozen = held(&scanner);
        let clients = send(scope, gateway.address(), 1);
        assert_eq!(is_active.next_is_active(), Some(true));
        drop(frozen);
        answered(clients);
        assert_eq!(is_active.next_is_active(), Some(false));
    });
    scaler.terminate();
    assert_eq!(is_active.next_is_active(), None);
    while specs.next_spec().is_some() {}
    assert!(scaler.wait_exit().success());
}

#[test]
fn autoscalers_and_scanners_are_spoken_to_over_tls() {
    let (authority, scalers, keda_authority) = (Authority::new(), tempdir(), tempdir());
    let (cert, key) = authority.files("localhost");
    let scaler_pem = authority.issue(scalers.path(), "scaler.test");
    let keda_pem = authority.issue(keda_authority.path(), "keda.test");
    let ca = authority.ca_file();
    let scan_server = format!(
        "scanServer: {{tls: {{certFile: {}, keyFile: {}, clientCaFile: {}, clientNames: ['dns:scaler.test']}}}}\n",
        cert.display(),
        key.display(),
        ca.display()
    );
    let own = format!(
        "scanners: {{tls: {{caFile: {ca}, certFile: {cert}, keyFile: {key}, serverName: localhost}}}}\n\
         scaler: {{tls: {{certFile: {cert}, keyFile: {key}, clientCaFile: {ca}, clientNames: ['dns:keda.test']}}}}\n",
        ca = ca.display(),
        cert = scaler_pem.cert.display(),
        key = scaler_pem.key.display()
    );
    let scanner = Tiers::new(&format!("{SLOW}{scan_server}")).scanner();
    let tiers = Tiers::new(&own);
    let scaler = tiers.scaler(&[scanner.address()]);
    let ask = |own| {
        let config = (*authority.client(own)).clone();
        Keda::secured(scaler.address(), config, "scaler.test", &[]).map(|keda| keda.value())
    };
    assert_eq!(ask(Some(&keda_pem)), Ok(Ok(0.0)));
    for other in [Some(&scaler_pem), None] {
        let refused = ask(other);
        assert!(!matches!(refused, Ok(Ok(_))), "{refused:?}");
    }
    eventually("both are counted", || {
        let refused = |reason| scaler.metric("icapstan_scaler_connections_refused_total", reason);
        (refused("name") > 0.5 && refused("tls") > 0.5).then_some(())
    });
}

#[test]
fn what_is_missing_or_would_be_open_to_all_is_told_at_the_start() {
    let tiers = Tiers::new("{}");
    let said = |listen: &str, args: &[&str]| {
        let mut command = tiers.command("scaler", listen);
        command.args(args);
        let mut process = Process::start("scaler", command);
        assert!(!process.wait_exit().success());
        process.logs().text()
    };
    let none = said("127.0.0.1:0", &[]);
    assert!(none.contains("no scanner is named: give --scanner HOST:PORT"), "{none}");
    let open = said("0.0.0.0:0", &["--scanner", "127.0.0.1:7344"]);
    assert!(open.contains("scaler.tls: is missing"), "{open}");
    let open = said("127.0.0.1:0", &["--scanner", "scanners.test:7344"]);
    assert!(open.contains("scanners.tls: is missing"), "{open}");
}

#[test]
fn a_scaler_follows_its_settings_and_does_not_answer_before_scanners_are_heard() {
    let tiers = Tiers::new("{}");
    let free = icapstan_testkit::free_port();
    let scaler = tiers.begin_scaler(&format!("127.0.0.1:{free}"));
    let keda = Keda::connect(scaler.address(), &[]);
    let refused = keda.value_of("").unwrap_err();
    assert_eq!(refused.code, UNAVAILABLE, "{refused:?}");
    assert_eq!(keda.spec().unwrap_err().code, UNAVAILABLE, "nobody said how many workers there are");
    assert_eq!(scaler.admin_get("/livez").map(|response| response.status), Some(200));
    assert_eq!(scaler.admin_get("/readyz").map(|response| response.status), Some(503));
    std::fs::write(tiers.dir().join("icapstan.yaml"), "log: {level: debug}\n").unwrap();
    scaler.process().signal(Signal::HUP);
    scaler
        .process()
        .wait_for("that it follows", |line| line.contains("Changed settings are in use").then_some(()));
    let scanner = tiers.scanner_at(&format!("127.0.0.1:{free}"));
    scaler.until_ready();
    assert_eq!(keda.value(), Ok(0.0));
    drop(scanner);
}
