//! The load generator: how it is called, and what it tells.

use super::case::{Load, Shape};
use super::server::Server;
use crate::context::{Context, Core};
use anyhow::{Context as _, bail};
use icapstan_testkit::Process;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// What one run measured. It tells more, which is kept as it is.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Measured {
    /// Answers.
    pub(super) requests: u64,
    /// Answers in a second.
    pub(super) rate: f64,
    /// Requests without an answer, by kind.
    #[serde(default)]
    pub(super) errors: BTreeMap<String, u64>,
    /// Answers that were not the right ones.
    pub(super) wrong: u64,
    /// Answers by ICAP status.
    #[serde(default)]
    pub(super) statuses: BTreeMap<String, u64>,
    /// How long right answers took; nothing when there were none.
    pub(super) latency_us: Option<Latency>,
    /// Refusals, where these were no faults.
    #[serde(default)]
    pub(super) refused: Option<Refused>,
    /// How long after the last request the last answer came; nothing if some did not.
    #[serde(default)]
    pub(super) drained_seconds: Option<f64>,
    #[serde(default)]
    pub(super) unfinished: Unfinished,
    /// What it cost the server.
    pub(super) server: Option<Cost>,
}

/// Answers 429, 500 and 503.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Refused {
    pub(super) count: u64,
    pub(super) latency_us: Option<Latency>,
}

/// Requests without an answer.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Unfinished {
    pub(super) count: u64,
}

/// Microseconds from request to answer.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// What the server's processes took, with all their descendants.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Cost {
    /// Nothing when there were no right answers.
    pub(super) cpu_us_per_request: Option<f64>,
    pub(super) pss_bytes: Memory,
}

/// Proportional set size, in bytes.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Memory {
    pub(super) peak: f64,
    pub(super) after: f64,
}

/// One run: what is compared, and all that was told.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) measured: Measured,
    pub(super) raw: Value,
}

/// How much longer than the run itself the generator may take: it makes bodies before it begins.
const SLACK: Duration = Duration::from_mins(1);

/// Runs the generator against a server.
pub(super) fn run(
    context: &Context,
    server: &Server,
    load: &Load,
    warm_up: Duration,
    duration: Duration,
) -> anyhow::Result<Run> {
    let mut command = context.command(&context.programs.load, Core::Load);
    let service = server.service_for(load.shape);
    command.args(arguments(server.address, service, server.pids(), load, warm_up, duration));
    let process = Process::start("icapstan-load", command);
    context.wait_exit(&process, warm_up + duration + SLACK).context("the load generator did not end")?;
    let output = process.logs().output();
    parse(&output).with_context(|| {
        format!("the load generator did not measure {}; it said:\n{}", server.subject, process.logs().text())
    })
}

fn arguments(
    server: SocketAddr,
    service: &str,
    pids: impl Iterator<Item = u32>,
    load: &Load,
    warm_up: Duration,
    duration: Duration,
) -> Vec<String> {
    let millis = |time: Duration| format!("{}ms", time.as_millis());
    let mut args = vec!["run".to_owned(), "--json".to_owned()];
    let mut option = |name: &str, value: String| args.extend([format!("--{name}"), value]);
    option("target", server.to_string());
    option("service", service.to_owned());
    option("shape", load.shape.as_str().to_owned());
    option("connections", load.connections.to_string());
    option("warm-up", millis(warm_up));
    option("duration", millis(duration));
    if load.shape == Shape::Respmod {
        option("body", load.body.to_string());
        option("kind", load.kind.as_str().to_owned());
    }
    if let Some(rate) = load.rate {
        option("rate", format!("{rate:.3}"));
    }
    for pid in pids {
        option("server-pid", pid.to_string());
    }
    let switches = [
        ("--unique", load.unique),
        ("--unique-hosts", load.unique_hosts),
        // What has no body always allows it.
        ("--allow-204", load.allow_204 && load.body > 0),
        ("--new-connections", load.new_connections),
        ("--refusals", load.rate.is_some()),
    ];
    args.extend(switches.iter().filter(|(_, on)| *on).map(|(name, _)| (*name).to_owned()));
    args
}

fn parse(output: &str) -> anyhow::Result<Run> {
    let raw: Value = serde_json::from_str(output.trim()).context("its output is no JSON")?;
    let measured = Measured::deserialize(&raw).context("its output lacks something")?;
    if measured.requests > 0 && measured.server.is_none() {
        bail!("it could not tell what the server's processes took");
    }
    Ok(Run { measured, raw })
}

// === impl Measured ===

impl Measured {
    /// What makes this run no measurement; empty when every answer was the right one.
    pub(super) fn faults(&self, load: &Load) -> Vec<String> {
        let mut faults = Vec::new();
        if self.requests == 0 {
            faults.push("no answer".to_owned());
        }
        if self.wrong > 0 {
            faults.push(format!("{} wrong answers", self.wrong));
        }
        for (kind, count) in self.errors.iter().filter(|(_, count)| **count > 0) {
            faults.push(format!("{count} errors ({kind})"));
        }
        let right = load.status.to_string();
        for (status, count) in self.statuses.iter().filter(|(status, count)| **status != right && **count > 0)
        {
            faults.push(format!("{count} answers {status} instead of {right}"));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::case::cases;

    const OUTPUT: &str = r#"{"config":{"connections":16},"seconds":10.0,"requests":1000,"rate":100.0,"errors":{},
        "wrong":0,"statuses":{"204":1000},"reconnects":0,
        "latency_us":{"p50":150,"p90":200.5,"p99":300,"p999":400,"max":500,"mean":160},
        "bytes_sent":1,"bytes_received":2,"loader_cpu_seconds":1.5,
        "server":{"cpu_seconds":0.5,"cpu_us_per_request":500.0,"pss_bytes":{"before":1,"peak":3000000,"after":2},"threads":3}}"#;

    fn load(name: &str) -> Load {
        cases().into_iter().find(|case| case.name == name).unwrap().load
    }

    #[test]
    fn the_output_is_read_and_kept_whole() {
        let run = parse(OUTPUT).unwrap();
        assert_eq!(
            (run.measured.requests, run.measured.latency_us.map(|latency| latency.p99)),
            (1000, Some(300.0))
        );
        assert_eq!(run.measured.server.map(|server| server.pss_bytes.peak), Some(3e6));
        assert_eq!(run.raw["reconnects"], 0);
        assert!(run.measured.faults(&load("reqmod-16")).is_empty());
    }

    #[test]
    fn requests_without_a_body_are_told_nothing_about_bodies() {
        let args = |name: &str| {
            let (second, address) = (Duration::from_secs(1), "127.0.0.1:1".parse().unwrap());
            arguments(address, "/s", [7, 8].into_iter(), &load(name), second, second).join(" ")
        };
        assert!(
            args("reqmod-16").ends_with(
                "--connections 16 --warm-up 1000ms --duration 1000ms --server-pid 7 --server-pid 8"
            )
        );
        assert!(args("medium/html-10k").contains("--body 10240 --kind html"));
        assert!(args("medium/html-10k").ends_with("--unique --allow-204"));
        assert!(args("reqmod-new").ends_with("--new-connections"));
        assert!(args("urls/usual-16").ends_with("--server-pid 8 --unique --unique-hosts"));
    }

    #[test]
    fn output_that_lacks_something_is_no_measurement() {
        assert!(parse("").is_err());
        assert!(parse("{}").is_err());
        assert!(parse(&OUTPUT.replace("\"wrong\":0,", "")).is_err());
        let (start, _) = OUTPUT.split_once("\"server\"").unwrap();
        assert!(parse(&format!("{start}\"server\":null}}")).is_err());
    }

    #[test]
    fn a_single_wrong_answer_is_a_fault() {
        let faults = |from: &str, to: &str| {
            parse(&OUTPUT.replace(from, to)).unwrap().measured.faults(&load("reqmod-16"))
        };
        assert_eq!(faults("\"wrong\":0", "\"wrong\":1"), ["1 wrong answers"]);
        assert_eq!(faults("\"errors\":{}", "\"errors\":{\"reset\":2,\"timeout\":0}"), ["2 errors (reset)"]);
        assert_eq!(faults("{\"204\":1000}", "{\"204\":999,\"200\":1}"), ["1 answers 200 instead of 204"]);
        assert_eq!(faults("\"requests\":1000", "\"requests\":0"), ["no answer"]);
    }
}
