//! What a running process tells is what docs/metrics.md says, and the other way round.

use crate::common::{OK, PUT};
use icapstan_testkit::{IcapClient, Message, Standalone, Tiers, eicar, eventually};
use std::collections::BTreeMap;
use std::path::Path;

/// Metrics that only processes have that work together.
const BETWEEN: [&str; 4] = ["icapstan_scan_", "icapstan_fleet_", "icapstan_scaler_", "icapstan_plan_"];

/// A documented metric: its type, and what is written of its labels.
struct Documented {
    kind: String,
    labels: String,
}

/// The rows of the page, by the names of their metrics.
fn documented() -> BTreeMap<String, Documented> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let page = std::fs::read_to_string(path).expect("the page is there");
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let name = cells.next()?.strip_suffix('`')?.to_owned();
        let kind = cells.next()?.split(',').next()?.to_owned();
        Some((name, Documented { kind, labels: cells.next()?.to_owned() }))
    });
    rows.collect()
}

fn is_between(name: &str) -> bool {
    BETWEEN.iter().any(|prefix| name.starts_with(prefix))
}

/// Names and types in a scrape.
fn scraped(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect()
}

/// The labels of a series without those that are numbers: `name{label="value",...} 1`.
fn labels(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let inside =
        line.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(labels, _)| labels);
    let pairs = inside.split(',').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| *name != "le").map(|(name, value)| (name, value.trim_matches('"')))
}

#[test]
fn each_metric_of_a_running_process_is_documented_and_each_documented_one_is_there() {
    let server = Standalone::with().in_one_process().start();
    let mut client = IcapClient::connect(server.icap());
    client.send(Message::options("/avscan").bytes());
    assert_eq!(client.read_options().status, 200);
    client.send(Message::reqmod("/avscan").request_head(PUT).body(eicar()).bytes());
    assert_eq!(client.read_reqmod().status, 200);
    let mut other = IcapClient::connect(server.icap());
    other.send(Message::respmod("/avscan").allow_204().response_head(OK).body("harmless").bytes());
    assert_eq!(other.read_respmod().status, 204);
    let mut stranger = IcapClient::connect(server.icap());
    stranger.send("GET / HTTP/1.1\r\nHost: o.test\r\n\r\n");
    assert_eq!(stranger.read_options().status, 400);

    // Some of it is counted after the answer is out.
    let counted = [
        "icapstan_icap_requests_total{method=\"REQMOD\",status=\"200\"} 1\n",
        "icapstan_icap_malformed_requests_total{error=\"request-line\"} 1\n",
        "icapstan_gateway_decisions_total{action=\"block\",mode=\"REQMOD\"} 1\n",
        "icapstan_gateway_decisions_total{action=\"pass\",mode=\"RESPMOD\"} 1\n",
        "icapstan_scanner_scans_total{verdict=\"detect\"} 1\n",
    ];
    let text = eventually("all of it is counted", || {
        Some(server.metrics()).filter(|text| counted.iter().all(|line| text.contains(line)))
    });
    let documented = documented();
    let known: BTreeMap<&str, &str> =
        documented.iter().map(|(name, row)| (name.as_str(), row.kind.as_str())).collect();
    let here = known.into_iter().filter(|(name, _)| !is_between(name)).collect();
    assert_eq!(scraped(&text), here, "run: cargo run -p xtask -- metrics");

    let mut family = "";
    let mut series = 0;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            family = rest.split(' ').next().unwrap_or_default();
        }
        if line.starts_with('#') {
            continue;
        }
        series += 1;
        for (name, value) in labels(line).filter(|_| !family.ends_with("_info")) {
            let row = &documented[family].labels;
            assert!(row.contains(&format!("`{name}`: ")), "{line}: {row}");
            assert!(row.contains(&format!("`{value}`")), "{line}: {row}");
        }
    }
    assert!(series > documented.len(), "{series} series");
}

#[test]
fn so_do_gateways_scanners_and_scalers() {
    let tiers = Tiers::new("{}");
    let scanner = tiers.scanner();
    let gateway = tiers.gateway(&[scanner.address()]);
    let documented = documented();
    let scaler = tiers.scaler(&[scanner.address()]);
    let texts = [&gateway, &scanner, &scaler].map(|member| {
        let response = member.admin_get("/metrics").expect("the admin port answers");
        String::from_utf8(response.body).expect("metrics are text")
    });
    let mut all = BTreeMap::new();
    for text in &texts {
        for (name, kind) in scraped(text) {
            assert_eq!(documented.get(name).map(|row| row.kind.as_str()), Some(kind), "{name}");
            all.insert(name, kind);
        }
    }
    for name in documented.keys().filter(|name| is_between(name)) {
        assert!(all.contains_key(name.as_str()), "{name}");
    }
}
