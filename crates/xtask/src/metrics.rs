//! The page of metrics, from the registry of the program.

use anyhow::{Context, Result, bail};
use icapstan_cache::{CacheMetrics, FleetMetrics, PoisonMetrics, VerdictMetrics};
use icapstan_events::EventMetrics;
use icapstan_gateway::{EpochMetrics, GatewayMetrics, UrlListMetrics};
use icapstan_hooks::HookMetrics;
use icapstan_icap_server::ServerMetrics;
use icapstan_metrics::{Description, Kind, LabelDescription, describe};
use icapstan_quarantine::QuarantineMetrics;
use icapstan_reputation::ReputationMetrics;
use prometheus::Registry;
use std::fmt::Write;

const HEAD: &str = "\
# Metrics

Generated from the program's registry by `cargo run -p xtask -- metrics`; a test fails when it is not up
to date.

`/metrics` at the admin address (`--admin`, by default 127.0.0.1:9344) has them in the text format of
Prometheus. Each label has the values that are listed here and no others: nothing that a client sends
adds a series. `NAME` stands for names from the settings. Series that were never counted are there as 0, so that `rate()` sees their first event;
those of metrics marked *sparse* begin with it.

A metric of type histogram is scraped as `_bucket`, `_sum` and `_count`.
";

/// A part of the program, by how the names of its metrics begin.
struct Part {
    prefix: &'static str,
    title: &'static str,
    about: &'static str,
}

/// The first that fits counts.
const PARTS: [Part; 18] = [
    Part {
        prefix: "icapstan_icap_",
        title: "ICAP",
        about: "Connections and requests, whatever the services make of them.",
    },
    Part {
        prefix: "icapstan_gateway_",
        title: "Gateway",
        about: "Transactions: what was found, what policy did about it, and how long it took.",
    },
    Part {
        prefix: "icapstan_scan_",
        title: "Gateways and scanners apart",
        about: "Of `icapstan gateway` what begins with `icapstan_scan_client_`, of `icapstan scanner` what begins with \
                `icapstan_scan_server_`, of both `icapstan_scan_tls_` (docs/tiers.md).",
    },
    Part {
        prefix: "icapstan_plan_",
        title: "Plan",
        about: "Of processes that follow the plan of a fleet (`fleet`, docs/tiers.md); what begins with \
                `icapstan_plan_watcher_` and `icapstan_plan_tls_` is of gateways, and of who watches them.",
    },
    Part {
        prefix: "icapstan_fleet_",
        title: "All scanners together",
        about: "Of `icapstan scaler`: what scanners have to do, as they say (docs/autoscaling.md).",
    },
    Part {
        prefix: "icapstan_scaler_",
        title: "Scaler",
        about: "Of `icapstan scaler`: those who ask it, and the certificate that they are shown.",
    },
    Part { prefix: "icapstan_scanner_", title: "Scanner", about: "Scans, worker processes and signatures." },
    Part {
        prefix: "icapstan_verdict_cache_",
        title: "Verdict cache",
        about: "Verdicts on equal objects (`verdictCache`).",
    },
    Part {
        prefix: "icapstan_reputation_",
        title: "Reputation",
        about: "What a service is asked about URLs (`reputation`).",
    },
    Part {
        prefix: "icapstan_events_",
        title: "Events",
        about: "Security events (`events`), and the sinks that take them.",
    },
    Part {
        prefix: "icapstan_hook_",
        title: "Hooks",
        about: "Programs and servers that rules call (`hooks`).",
    },
    Part {
        prefix: "icapstan_quarantine_",
        title: "Quarantine",
        about: "Where infected objects are kept (`quarantine`).",
    },
    Part {
        prefix: "icapstan_verdict_fleet_",
        title: "Shared verdicts",
        about: "Verdicts that processes share through Redis (`verdictCache.shared`).",
    },
    Part {
        prefix: "icapstan_poison_fleet_",
        title: "Shared objects that take workers",
        about: "Objects that processes warn each other of (`scanner.poison.shared`).",
    },
    Part {
        prefix: "icapstan_blocked_urls_",
        title: "Blocked URLs",
        about: "URLs whose download was cut (`blockedUrls`).",
    },
    Part {
        prefix: "icapstan_redis_",
        title: "Redis",
        about: "What processes share things through (`redis`); `icapstan_redis_up`, `icapstan_redis_sent_total` and the time are those of blocked URLs.",
    },
    Part { prefix: "icapstan_", title: "Program", about: "The program itself and its logs." },
    Part {
        prefix: "process_",
        title: "Process",
        about: "What the process takes of the machine, without its workers.",
    },
];

/// All metrics of all processes that serve.
fn registry() -> Result<Registry> {
    let registry = Registry::new();
    icapstan_telemetry::register_build_info(&registry, "")?;
    icapstan_telemetry::register_log_metrics(&registry)?;
    icapstan_telemetry::register_trace_metrics(&registry)?;
    icapstan_telemetry::register_process_metrics(&registry)?;
    icapstan_telemetry::ReloadMetrics::register(&registry)?;
    icapstan_telemetry::CertificateMetrics::register(&registry)?;
    icapstan_telemetry::CertificateMetrics::register_tier(&registry)?;
    icapstan_telemetry::CertificateMetrics::register_scaler(&registry)?;
    icapstan_telemetry::CertificateMetrics::register_fleet(&registry)?;
    icapstan_follow::FollowMetrics::register(&registry)?;
    icapstan_scan_rpc::StatusMetrics::register(&registry)?;
    EpochMetrics::register(&registry)?;
    icapstan_scaler::ScalerMetrics::register(&registry)?;
    icapstan_scan_rpc::ClientMetrics::register(&registry)?;
    icapstan_scan_rpc::ServerMetrics::register(&registry)?;
    ServerMetrics::register(&registry)?;
    GatewayMetrics::register(&registry)?;
    UrlListMetrics::register(&registry)?;
    CacheMetrics::register(&registry)?;
    VerdictMetrics::register(&registry)?;
    FleetMetrics::register(&registry)?;
    PoisonMetrics::register(&registry)?;
    ReputationMetrics::register(&registry)?;
    EventMetrics::register(&registry)?;
    HookMetrics::register(&registry)?;
    QuarantineMetrics::register(&registry)?;
    icapstan_scanner::Metrics::register(&registry)?;
    icapstan_scanner::HashListMetrics::register(&registry)?;
    Ok(registry)
}

/// What a scrape may have to bear.
const SLOW: &str = "What cannot be gathered within a second, on a machine that has far too much to do,
is answered 500, and all of it is there the next time.";

/// The page.
pub(crate) fn page() -> Result<String> {
    let metrics = describe(&registry()?);
    let mut parts: Vec<(&Part, Vec<&Description>)> = PARTS.iter().map(|part| (part, Vec::new())).collect();
    for metric in &metrics {
        if metric.kind == Kind::Other {
            bail!("{} is of a type that this page does not know", metric.name);
        }
        let part = parts.iter_mut().find(|(part, _)| metric.name.starts_with(part.prefix));
        part.with_context(|| format!("{} belongs to no part", metric.name))?.1.push(metric);
    }
    let mut page = HEAD.to_owned();
    let lines: usize = metrics.iter().map(|metric| metric.lines).sum();
    writeln!(page, "A scrape has at most {lines} series. {SLOW}")?;
    for (part, metrics) in parts {
        writeln!(page, "\n## {}\n\n{}\n", part.title, part.about)?;
        writeln!(page, "| metric | type | labels | unit | meaning |\n|---|---|---|---|---|")?;
        for metric in metrics {
            writeln!(page, "{}", row(metric))?;
        }
    }
    Ok(page)
}

fn row(metric: &Description) -> String {
    let sparse = if metric.is_sparse { ", *sparse*" } else { "" };
    let labels: Vec<String> = metric.labels.iter().map(|it| label(metric, it)).collect();
    let mut meaning = metric.help.replace('|', "\\|");
    if !metric.bounds.is_empty() {
        let bounds: Vec<String> = metric.bounds.iter().map(ToString::to_string).collect();
        meaning = format!("{meaning} Buckets up to {}.", bounds.join(", "));
    }
    format!(
        "| `{}` | {}{sparse} | {} | {} | {meaning} |",
        metric.name,
        metric.kind.as_str(),
        labels.join("; "),
        unit(&metric.name)
    )
}

fn label(metric: &Description, label: &LabelDescription) -> String {
    // What runs is told by it, not counted by it.
    if metric.name.ends_with("_info") {
        return format!("`{}`", label.name);
    }
    let values: Vec<String> = label.values.iter().map(|value| format!("`{value}`")).collect();
    format!("`{}`: {}", label.name, values.join(", "))
}

/// The unit, which stands in the name.
fn unit(name: &str) -> &'static str {
    let name = name.strip_suffix("_total").unwrap_or(name);
    if name.ends_with("_timestamp_seconds") || name.ends_with("_start_time_seconds") {
        "seconds since 1970"
    } else if name.ends_with("_seconds") {
        "seconds"
    } else if name.ends_with("_bytes") {
        "bytes"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions() {
        for metric in describe(&registry().unwrap()) {
            let is_total = metric.name.ends_with("_total");
            assert_eq!(metric.kind == Kind::Counter, is_total, "{}: _total is for counters", metric.name);
            assert!(metric.kind != Kind::Histogram || metric.name.ends_with("_seconds"), "{}", metric.name);
            assert!(metric.help.ends_with('.') && !metric.help.contains('\n'), "{}", metric.help);
            let words = metric.labels.iter().flat_map(|label| &label.values);
            assert!(metric.name.ends_with("_info") || words.clone().all(|word| !word.is_empty()));
        }
    }

    #[test]
    fn closed_sets_are_listed_even_of_what_was_never_counted() {
        let page = page().unwrap();
        let line = page.lines().find(|line| line.starts_with("| `icapstan_icap_requests_total`")).unwrap();
        assert!(line.contains("`method`: ") && line.contains("`204`") && line.contains("*sparse*"), "{line}");
        assert!(!page.contains(env!("CARGO_PKG_VERSION")), "a release changes nothing here");
    }
}
