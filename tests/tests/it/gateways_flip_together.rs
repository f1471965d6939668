//! Gateways that follow one plan change what they answer by, and what they name answers after, all at once.

mod fleet;

use crate::common::assert_refused;
use fleet::Fleet;
use icapstan_api::fleet::ContentDigest;
use icapstan_testkit::{IcapClient, IcapResponse, Member, Message, clean_bytes, eventually};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The most that gateways may differ in when an epoch begins, on one machine.
const SKEW: Duration = Duration::from_millis(250);

/// One answer.
struct Seen {
    sent: Instant,
    read: Instant,
    /// Of its epoch, by its tag.
    epoch: u64,
}

fn ask_url(icap: &mut IcapClient) -> IcapResponse {
    let head = "GET http://evil.test/ HTTP/1.1\r\nHost: evil.test\r\n\r\n";
    icap.send(Message::reqmod("/urls").request_head(head).allow_204().bytes());
    icap.read_reqmod()
}

/// A response with that body, for the service that scans.
fn full(body: &[u8]) -> Vec<u8> {
    Message::respmod("/full")
        .request_head("GET http://o.test/ HTTP/1.1\r\nHost: o.test\r\n\r\n")
        .response_head("HTTP/1.1 200 OK\r\n\r\n")
        .body(body)
        .bytes()
}

fn ask_options(icap: &mut IcapClient) -> IcapResponse {
    icap.send(Message::options("/urls").bytes());
    icap.read_options()
}

fn epoch_of(response: &IcapResponse) -> u64 {
    let tag = response.istag().trim_matches('"');
    tag.strip_prefix("urls-").and_then(|number| number.parse().ok()).expect("it is a tag of the plan")
}

/// Asks one gateway on one connection until the end.
fn poll(gateway: &Member, asks_urls: bool, is_over: &AtomicBool) -> Vec<Seen> {
    let mut icap = IcapClient::connect(gateway.address());
    let mut seen = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let sent = Instant::now();
        let response = if asks_urls { ask_url(&mut icap) } else { ask_options(&mut icap) };
        let epoch = epoch_of(&response);
        if asks_urls {
            // Epochs with an odd number have the list that it is in.
            let status = if epoch % 2 == 1 { 200 } else { 204 };
            assert_eq!(response.status, status, "epoch {epoch}: a verdict and its tag are of one epoch");
        }
        seen.push(Seen { sent, read: Instant::now(), epoch });
        thread::sleep(Duration::from_millis(2));
    }
    seen
}

fn is(gateway: &Member, metric: &str, labels: &str, value: u32) -> bool {
    (gateway.metric(metric, labels) - f64::from(value)).abs() < 0.5
}

fn has_begun(gateway: &Member, number: u32) -> bool {
    is(gateway, "icapstan_plan_active_epoch", "", number)
}

fn is_prepared(gateway: &Member, number: u32) -> bool {
    is(gateway, "icapstan_plan_prepared_epoch", "", number)
}

fn version(gateway: &Member) -> serde_json::Value {
    let response = gateway.admin_get("/version").expect("the admin port answers");
    serde_json::from_slice(&response.body).expect("it is JSON")
}

/// Has the next epoch announced, waits until all are prepared, and has it begin a moment later.
fn flip(fleet: &mut Fleet, gateways: &[Member], number: u32, settings: ContentDigest) {
    fleet.announce(number.into(), settings);
    eventually("all are prepared", || {
        gateways.iter().all(|gateway| is_prepared(gateway, number)).then_some(())
    });
    let mut icap = IcapClient::connect(gateways[0].address());
    let options = ask_options(&mut icap);
    assert_eq!(epoch_of(&options), u64::from(number) - 1, "it was announced, and has not begun");
    assert_eq!(options.get("Options-TTL"), Some("60"), "clients are to ask again soon");
    fleet.schedule(Duration::from_secs(3));
    eventually("all have begun", || gateways.iter().all(|gateway| has_begun(gateway, number)).then_some(()));
    fleet.settle();
}

#[test]
fn no_connection_sees_more_than_one_change_for_each_flip_and_none_goes_back() {
    let mut fleet = Fleet::new();
    let (blocks, passes) = (fleet.settings(true), fleet.settings(false));
    fleet.begin(1, blocks);
    let gateways: Vec<_> = (0..3).map(|_| fleet.gateway()).collect();
    let is_over = AtomicBool::new(false);
    let seen: Vec<Vec<Seen>> = thread::scope(|scope| {
        let polls: Vec<_> = gateways
            .iter()
            .flat_map(|gateway| [(gateway, false), (gateway, true)])
            .map(|(gateway, asks_urls)| {
                let is_over = &is_over;
                scope.spawn(move || poll(gateway, asks_urls, is_over))
            })
            .collect();
        let flips = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for number in 2..=5 {
                let settings = if number % 2 == 1 { blocks } else { passes };
                flip(&mut fleet, &gateways, number, settings);
            }
        }));
        is_over.store(true, Ordering::Relaxed);
        let seen = polls.into_iter().map(|poll| poll.join().expect("each answer was right")).collect();
        flips.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        seen
    });
    for seen in &seen {
        let mut epochs: Vec<_> = seen.iter().map(|seen| seen.epoch).collect();
        epochs.dedup();
        assert_eq!(epochs, [1, 2, 3, 4, 5], "of {} answers", seen.len());
    }
    for number in 2..=5 {
        let all = || seen.iter().flatten();
        // Whoever was answered by it had begun by then; whoever was not began after it had asked.
        let first = all().filter(|seen| seen.epoch >= number).map(|seen| seen.read).min().expect("it began");
        let last =
            all().filter(|seen| seen.epoch < number).map(|seen| seen.sent).max().expect("there was one");
        let skew = last.saturating_duration_since(first);
        println!("epoch {number}: {skew:?}");
        assert!(skew <= SKEW, "epoch {number}: {skew:?}");
    }
    for gateway in &gateways {
        assert!(is(gateway, "icapstan_plan_epochs_total", "\"settings\"", 4));
    }
}

#[test]
fn signatures_and_tags_change_together() {
    const BAD: &[u8] = b"this is called by the name of the signatures that know it";
    let mut fleet = Fleet::new();
    let settings = fleet.settings(true);
    fleet.signatures("One", BAD);
    fleet.begin(1, settings);
    let scanner = fleet.scanner();
    let gateway = fleet.gateway();
    gateway.until_ready();
    let mut icap = IcapClient::connect(gateway.address());
    let mut judged = || {
        icap.send(full(BAD));
        let response = icap.read_respmod();
        let threat = response.get("X-Virus-ID").unwrap_or_default().to_owned();
        (response.istag().trim_matches('"').to_owned(), threat)
    };
    let (one, two) = (("full-1", "One.UNOFFICIAL"), ("full-2", "Two.UNOFFICIAL"));
    let (tag, threat) = judged();
    assert_eq!((tag.as_str(), threat.as_str()), one);
    fleet.signatures("Two", BAD);
    fleet.touch();
    eventually("the scanner has both", || {
        is(&scanner, "icapstan_plan_revisions", "stage=\"serving\"", 2).then_some(())
    });
    fleet.announce(2, settings);
    eventually("it is prepared", || is_prepared(&gateway, 2).then_some(()));
    fleet.schedule(Duration::from_secs(2));
    let mut before = 0;
    eventually("the next epoch has begun", || {
        let (tag, threat) = judged();
        let now = (tag.as_str(), threat.as_str());
        assert!(now == one || now == two, "{now:?}");
        before += u32::from(now == one);
        (now == two).then_some(())
    });
    assert!(before > 0, "it did not begin before its time");
    assert!(is(&gateway, "icapstan_plan_epochs_total", "\"signatures\"", 1));
}

#[test]
fn a_gateway_that_hears_of_a_newer_plan_and_cannot_read_it_serves_nobody() {
    let mut fleet = Fleet::new();
    let settings = fleet.settings(true);
    fleet.signatures("One", b"something that nobody sends");
    fleet.begin(1, settings);
    let _scanner = fleet.scanner();
    let gateway = fleet.gateway();
    gateway.until_ready();
    fleet.cut_off(true);
    // Scanners come to know it, and say so.
    fleet.begin(2, settings);
    eventually("nobody is served", || (is(&gateway, "icapstan_plan_fenced", "", 1)).then_some(()));
    let readyz = gateway.readyz();
    assert!(readyz.contains("scanners follow plan 2"), "{readyz}");
    eventually("no connections are made", || {
        IcapClient::try_connect(gateway.address()).is_err().then_some(())
    });
    fleet.cut_off(false);
    let mut icap = eventually("clients are served again", || IcapClient::try_connect(gateway.address()).ok());
    assert_eq!(epoch_of(&ask_url(&mut icap)), 2);
    gateway.until_ready();
}

#[test]
fn a_transaction_ends_with_the_tag_that_it_began_with() {
    let mut fleet = Fleet::new();
    let (blocks, passes) = (fleet.settings(true), fleet.settings(false));
    fleet.begin(1, blocks);
    let gateway = fleet.gateway();
    let mut icap = IcapClient::connect(gateway.address());
    let message = full(&clean_bytes(100_000, 1));
    let (begin, end) = message.split_at(50_000);
    icap.send(begin);
    eventually("it has begun", || {
        (gateway.metric("icapstan_icap_session_states", "request") >= 1.0).then_some(())
    });
    // At once, as for a gateway that missed the announcement.
    fleet.begin(2, passes);
    eventually("the next epoch is in use", || has_begun(&gateway, 2).then_some(()));
    icap.send(end);
    let response = icap.read_respmod();
    assert_eq!(response.istag().trim_matches('"'), "full-1");
    // There is no scanner that has the signatures of the plan.
    assert_refused(&response);
    let mut other = IcapClient::connect(gateway.address());
    assert_eq!(epoch_of(&ask_options(&mut other)), 2);
}

#[test]
fn settings_that_cannot_be_used_are_refused_and_named_and_who_is_left_behind_serves_nobody() {
    let mut fleet = Fleet::new();
    let (good, bad) = (fleet.settings(true), fleet.broken_settings());
    fleet.begin(1, good);
    let gateway = fleet.gateway();
    let unprepared = || version(&gateway)["plan"]["unprepared"].as_str().map(str::to_owned);
    fleet.announce(2, bad);
    let why = eventually("it says why", unprepared);
    assert!(why.contains("nowhere"), "{why}");
    assert!(is_prepared(&gateway, 0));
    let mut icap = IcapClient::connect(gateway.address());
    assert_eq!(epoch_of(&ask_url(&mut icap)), 1, "what was in use is");
    assert!(gateway.readyz().contains("another epoch cannot be put in use"), "{}", gateway.readyz());
    // All others have it, so that answers of this one name what does not count any more.
    fleet.begin(2, bad);
    eventually("nobody is served", || (gateway.metric("icapstan_plan_fenced", "") >= 1.0).then_some(()));
    assert!(gateway.readyz().contains("nobody is served: epoch 2 counts"), "{}", gateway.readyz());
    eventually("no connections are made", || {
        IcapClient::try_connect(gateway.address()).is_err().then_some(())
    });
    // Not a byte of an answer with the tag of before, whenever it is asked.
    if icap.try_send(Message::options("/urls").bytes()).is_ok() {
        icap.expect_gone();
    }
    fleet.begin(3, good);
    let mut again =
        eventually("clients are served again", || IcapClient::try_connect(gateway.address()).ok());
    assert_eq!(epoch_of(&ask_url(&mut again)), 3);
}

#[test]
fn a_gateway_starts_with_what_it_kept_when_there_is_nobody_to_ask() {
    let mut fleet = Fleet::new();
    let settings = fleet.settings(true);
    fleet.begin(7, settings);
    let mut gateway = fleet.gateway();
    let mut icap = IcapClient::connect(gateway.address());
    let before = ask_url(&mut icap);
    assert_eq!((epoch_of(&before), before.status), (7, 200));
    gateway.terminate();
    assert!(gateway.wait_exit().success());
    fleet.lose_everything();
    let gateway = fleet.same_gateway();
    let mut icap = IcapClient::connect(gateway.address());
    let after = ask_url(&mut icap);
    assert_eq!((epoch_of(&after), after.status), (7, 200));
    assert_eq!(version(&gateway)["plan"]["epoch"], 7);
}

#[test]
fn without_any_plan_nobody_is_listened_to() {
    let fleet = Fleet::new();
    let (process, admin) = fleet.unplanned_gateway();
    let asked = eventually("it says why", || {
        let response =
            icapstan_testkit::http::Request::get(&format!("http://{admin}/readyz")).try_direct().ok()?;
        let text = String::from_utf8(response.body).ok()?;
        text.contains("there is no plan").then_some(response.status)
    });
    assert_eq!(asked, 503);
    assert!(!process.has_ended());
}
