//! The statistics of the reference product, from the metrics: `/statistics`.

use crate::counts::Counts;
use icapstan_model::Epoch;
use icapstan_telemetry::{Version, timestamp};
use prometheus::Registry;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// What is answered at `/statistics`.
pub(crate) fn document(registry: &Arc<Registry>, epochs: watch::Receiver<Option<Arc<Epoch>>>) -> Version {
    let registry = Arc::clone(registry);
    Arc::new(move || {
        let counts = Counts::of(&registry);
        // Where others scan, they know when they loaded it.
        let told = |name| counts.has(name).then(|| time(counts.sum(name, &[]))).flatten();
        let signatures = epochs.borrow().as_ref().map(|epoch| {
            let signatures = &epoch.signatures;
            json!({
                "generation": signatures.id.to_string(),
                "count": signatures.count,
                "testOnly": signatures.test_only,
                "engine": signatures.engine,
                "date": told("icapstan_scanner_signatures_released_timestamp_seconds"),
                "loaded": told("icapstan_scanner_signatures_loaded_timestamp_seconds"),
            })
        });
        let mut all = statistics(&counts, SystemTime::now());
        all["signatures"] = json!(signatures);
        all
    })
}

/// All that the metrics say.
fn statistics(counts: &Counts, now: SystemTime) -> Value {
    let verdicts = |verdict| counts.sum("icapstan_gateway_verdicts_total", &[("verdict", verdict)]);
    let bytes = |verdict| counts.sum("icapstan_gateway_body_bytes_total", &[("verdict", verdict)]);
    let urls = |verdict| counts.sum("icapstan_gateway_urls_total", &[("verdict", verdict)]);
    let answered = |method| counts.sum("icapstan_icap_requests_total", &[("method", method)]);
    let threats = |of: &dyn Fn(&'static str) -> u64| of("detect") + of("phishing") + of("macro");
    let started = counts.sum("process_start_time_seconds", &[]);
    let uptime = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().saturating_sub(started);
    json!({
        "time": timestamp(now),
        "started": time(started),
        "uptimeSeconds": uptime,
        "requests": answered("REQMOD") + answered("RESPMOD") + answered("OTHER"),
        "optionsRequests": answered("OPTIONS"),
        "malformedRequests": counts.sum("icapstan_icap_malformed_requests_total", &[]),
        "refusedConnections": counts.sum("icapstan_icap_connections_refused_total", &[]),
        "refusedRequests": counts.sum("icapstan_gateway_refusals_total", &[]),
        "scanned": counts.sum("icapstan_gateway_verdicts_total", &[]),
        "clean": verdicts("clean"),
        "infected": threats(&verdicts),
        "detected": verdicts("detect"),
        "phishing": verdicts("phishing"),
        "macro": verdicts("macro"),
        "notScanned": verdicts("non-scanned"),
        "failed": verdicts("failed"),
        "blocked": counts.sum("icapstan_gateway_decisions_total", &[("action", "block")]),
        "processedBytes": counts.sum("icapstan_gateway_body_bytes_total", &[]),
        "infectedBytes": threats(&bytes),
        "receivedBytes": counts.sum("icapstan_icap_received_bytes_total", &[]),
        "sentBytes": counts.sum("icapstan_icap_sent_bytes_total", &[]),
        "urls": counts.sum("icapstan_gateway_urls_total", &[]),
        "infectedUrls": threats(&urls),
        "urlListEntries": counts.sum("icapstan_url_list_entries", &[]),
    })
}

/// Seconds since 1970, for people; nothing if there are none.
fn time(seconds: u64) -> Option<String> {
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).filter(|_| seconds > 0);
    time.map(timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_gateway::{GatewayMetrics, UrlListMetrics};
    use icapstan_icap_server::ServerMetrics;
    use std::path::Path;

    #[test]
    fn each_number_is_of_a_metric_and_each_is_documented() {
        let registry = Registry::new();
        icapstan_telemetry::register_process_metrics(&registry).unwrap();
        ServerMetrics::register(&registry).unwrap();
        GatewayMetrics::register(&registry).unwrap();
        UrlListMetrics::register(&registry).unwrap();
        // A metric that is not there would panic.
        let all = statistics(&Counts::of(&registry), SystemTime::now());
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/statistics.md");
        let page = std::fs::read_to_string(page).unwrap();
        let listed: Vec<_> = page
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
            .filter(|name| !name.starts_with("signatures"))
            .collect();
        let mut known: Vec<_> = all.as_object().unwrap().keys().map(String::as_str).collect();
        known.sort_unstable();
        let mut sorted = listed.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, known);
        assert!(all["uptimeSeconds"].as_u64().is_some_and(|uptime| uptime < 3600), "{all}");
    }
}
