//! Traces of transactions reach a collector, say nothing private, and cost nobody a verdict or time.

use crate::common::{OK, assert_204};
use icapstan_testkit::{
    CollectedSpan, Collector, IcapClient, IcapResponse, Message, PATIENCE, Signal, Standalone, clean_bytes,
    eicar, eventually, free_port,
};
use std::fmt::Write;
use std::time::{Duration, Instant};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn config(collector: &str, more: &str) -> String {
    format!("tracing: {{endpoint: '{collector}', {more}}}\n")
}

fn ask(icap: &mut IcapClient, body: &[u8], traceparent: Option<&str>) -> IcapResponse {
    let head = "GET http://private.test/secret-path?token=secret-query HTTP/1.1\r\nHost: private.test\r\n\
                Cookie: secret-cookie\r\n\r\n";
    let mut request = Message::respmod("/respmod")
        .field("X-Client-IP", "192.0.2.77")
        .field("X-Client-Username", "secret-user")
        .request_head(head)
        .response_head(OK)
        .allow_204()
        .body(body);
    if let Some(value) = traceparent {
        request = request.field("traceparent", value);
    }
    icap.send(request.bytes());
    icap.read_respmod()
}

fn find<'s>(spans: &'s [CollectedSpan], name: &str) -> &'s CollectedSpan {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name} in {spans:#?}"))
}

#[test]
fn a_transaction_is_one_trace_which_joins_its_parent_and_says_nothing_private() {
    let collector = Collector::start();
    let config = config(&collector.url(), "sampleRatio: 0") + "log: {access: '-'}\n";
    let server = Standalone::with().in_one_process().config(&config).start();
    let mut icap = IcapClient::connect(server.icap());
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let refused = ask(&mut icap, &eicar(), Some(&parent));
    assert_eq!(refused.get("X-Icapstan-Reason"), Some("detect"));

    let spans = collector.trace("icap RESPMOD", Some(TRACE));
    let root = find(&spans, "icap RESPMOD");
    assert_eq!((root.parent.as_str(), root.is_error), (PARENT, false));
    for (name, of) in [
        ("receive body", "icap RESPMOD"),
        ("scan", "icap RESPMOD"),
        ("decide and answer", "icap RESPMOD"),
        ("scan object", "scan"),
        ("wait in queue", "scan object"),
        ("wait for worker", "scan object"),
        ("engine call", "scan object"),
    ] {
        let (part, whole) = (find(&spans, name), find(&spans, of));
        assert_eq!(part.parent, whole.id, "{name}");
        assert!(whole.time.0 <= part.time.0 && part.time.1 <= whole.time.1, "{name}: {part:?} {whole:?}");
    }
    for (key, value) in [
        ("icapstan.mode", "RESPMOD"),
        ("icapstan.service", "respmod"),
        ("icapstan.policy", "default"),
        ("icapstan.verdict", "detect"),
        ("icapstan.action", "block"),
        ("icapstan.icap.status", "200"),
    ] {
        assert_eq!(root.get(key), value, "{key}");
    }
    // Equal objects are not scanned again, and the trace says so.
    let again = "0af7651916cd43dd8448eb211c80319c";
    ask(&mut IcapClient::connect(server.icap()), &eicar(), Some(&format!("00-{again}-{PARENT}-01")));
    let second = collector.trace("icap RESPMOD", Some(again));
    assert_eq!(find(&second, "scan").get("icapstan.cache"), "hit");
    assert!(second.iter().all(|span| span.name != "scan object"));

    for private in ["private.test", "secret", "192.0.2.77", "127.0.0.1:", "Eicar", "EICAR"] {
        assert!(!collector.knows(private), "{private}");
    }
    // Logs lead to the trace, also to one that is told elsewhere only.
    let silent = "11111111111111111111111111111111";
    ask(
        &mut IcapClient::connect(server.icap()),
        &clean_bytes(300, 1),
        Some(&format!("00-{silent}-{PARENT}-00")),
    );
    for id in [TRACE, silent] {
        let told = format!("\"trace\":\"{id}\"");
        eventually("a line has the trace", || server.process().logs().text().contains(&told).then_some(()));
    }
    assert!(collector.spans().iter().all(|span| span.trace != silent));
}

#[test]
fn as_many_are_told_as_were_asked_for_and_no_client_can_ask_for_more() {
    let collector = Collector::start();
    let more = "sampleRatio: 0.25, parentsPerSecond: 1";
    let mut server = Standalone::with().config(&config(&collector.url(), more)).start();
    let mut icap = IcapClient::connect(server.icap());
    let body = clean_bytes(300, 1);
    for _ in 0..400 {
        assert_204(&ask(&mut icap, &body, None));
    }
    server.terminate();
    assert!(server.wait_exit().success());
    let told = collector.spans().iter().filter(|span| span.name == "icap RESPMOD").count();
    // Five times the standard deviation of 400 draws.
    assert!((57..=143).contains(&told), "{told}");

    let collector = Collector::start();
    let more = "sampleRatio: 0, parentsPerSecond: 1";
    let mut server = Standalone::with().config(&config(&collector.url(), more)).start();
    let mut icap = IcapClient::connect(server.icap());
    let begun = Instant::now();
    for serial in 0..200 {
        let parent = format!("00-{serial:032x}-{PARENT}-01").replace("00-0000", "00-abcd");
        assert_204(&ask(&mut icap, &body, Some(&parent)));
    }
    let allowed = 2 + begun.elapsed().as_secs();
    server.terminate();
    assert!(server.wait_exit().success());
    let told = collector.spans().iter().filter(|span| span.name == "icap RESPMOD").count() as u64;
    assert!((1..=allowed).contains(&told), "{told} of {allowed}");
}

#[test]
fn a_collector_that_is_gone_or_mute_changes_no_verdict_and_nobody_waits() {
    let address = format!("127.0.0.1:{}", free_port()).parse().expect("it is one");
    let more = "sampleRatio: 1, timeout: 1s";
    let mut server =
        Standalone::with().in_one_process().config(&config(&format!("http://{address}"), more)).start();
    let mut icap = IcapClient::connect(server.icap());
    let mut ask_many = |serial: u64| {
        let begun = Instant::now();
        for serial in serial..serial + 100 {
            assert_204(&ask(&mut icap, &clean_bytes(300, serial), None));
        }
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    };
    let said = |text: &str| server.process().logs().text().matches(text).count();
    // Nobody is there.
    ask_many(0);
    eventually("the failure is told", || (said("Traces cannot be exported") == 1).then_some(()));
    // There is one now.
    let collector = Collector::start_at(address);
    eventually("it works again", || {
        (said("Traces are exported again") == 1 && !collector.spans().is_empty()).then_some(())
    });
    // It does not answer any more.
    collector.be_mute(true);
    let calls = collector.calls();
    ask_many(1000);
    eventually("it is asked", || (collector.calls() > calls).then_some(()));
    ask_many(2000);
    eventually("that is told too", || (said("Traces cannot be exported") == 2).then_some(()));
    // The end does not wait for it.
    ask_many(3000);
    let begun = Instant::now();
    server.terminate();
    assert!(server.wait_exit().success());
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    drop(collector);
}

#[test]
fn what_is_lost_is_counted() {
    let port = free_port();
    let more = "sampleRatio: 1, timeout: 100ms";
    let server = Standalone::with().config(&config(&format!("http://127.0.0.1:{port}"), more)).start();
    let mut icap = IcapClient::connect(server.icap());
    // Each has four spans or more, and 4,096 wait at most beside one batch of 512.
    let body = clean_bytes(3, 1);
    for _ in 0..1500 {
        assert_204(&ask(&mut icap, &body, None));
    }
    eventually("what did not fit is counted", || {
        (server.metric("icapstan_trace_spans_dropped_total", "") > 0.0).then_some(())
    });
}

#[test]
fn the_log_level_changes_while_it_runs_and_needs_no_restart() {
    let level = |level: &str| format!("log: {{level: '{level}'}}\n");
    let server = Standalone::with().in_one_process().config(&level("info")).start();
    let reloaded = || server.metric("icapstan_config_reloads_total", "result=\"ok\"");
    let mut text = String::new();
    for (count, (filter, is_told)) in
        [("warn", false), ("warn,icapstan=info", true), ("info,icapstan::reload=off", false), ("info", true)]
            .into_iter()
            .enumerate()
    {
        let before = server.process().logs().text().matches("Changed settings are in use").count();
        text.clear();
        write!(text, "{}", level(filter)).expect("text takes all");
        server.replace_config(&text);
        server.process().signal(Signal::HUP);
        let wanted = f64::from(u32::try_from(count).expect("few") + 1);
        eventually("the file is taken up", || (reloaded() >= wanted).then_some(()));
        if is_told {
            eventually("what is not left out is told", || {
                (server.process().logs().text().matches("Changed settings are in use").count() > before)
                    .then_some(())
            });
        } else {
            // Told before the metric that was waited for, if at all; what the next step tells comes behind it.
            assert_eq!(server.process().logs().text().matches("Changed settings are in use").count(), before);
        }
        assert!(server.metric("icapstan_config_restart_needed", "") < 0.5, "{filter}");
    }
}
