//! The load generator: how it is called here, and what is taken from what it tells.

use super::server::Server;
use crate::context::{Context, Core};
use anyhow::Context as _;
use icapstan_testkit::Process;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// A running generator. It ends when it is dropped.
#[derive(Debug)]
pub(super) struct Load {
    process: Process,
}

/// What one run measured.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Measured {
    pub(super) requests: u64,
    pub(super) rate: f64,
    errors: BTreeMap<String, u64>,
    pub(super) wrong: u64,
    config: Config,
    unfinished: Unfinished,
    latency_us: Option<Latency>,
    pub(super) server: Option<Cost>,
    pub(super) idle: Option<Idle>,
    pub(super) slow: Option<Slow>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Config {
    rate: Option<f64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Unfinished {
    count: u64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Latency {
    p99: f64,
}

/// What the server's processes took.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Cost {
    pub(super) pss_bytes: Memory,
}

/// Proportional set size before the first connection, and the most of once a second.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Memory {
    pub(super) before: u64,
    pub(super) peak: u64,
}

/// Connections that only stay.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Idle {
    pub(super) opened: u64,
    pub(super) still_open: u64,
}

/// Connections that do not go on.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Slow {
    pub(super) opened: u64,
    pub(super) still_open: u64,
    pub(super) ended: BTreeMap<String, u64>,
    pub(super) statuses: BTreeMap<String, u64>,
    pub(super) seconds: Option<Seconds>,
}

/// How long slow connections were borne.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Seconds {
    pub(super) min: f64,
    pub(super) max: f64,
}

/// How much longer than its own times the generator may take: it opens connections before it begins,
/// and an open loop waits for answers afterwards.
const SLACK: Duration = Duration::from_mins(1);

// === impl Load ===

impl Load {
    /// Starts `icapstan-load run` with these arguments, which none of them has a space in.
    pub(super) fn start(context: &Context, server: &Server, args: &str) -> Self {
        let mut command = context.command(&context.programs.load, Core::Load);
        command.args(["run", "--json", "--target", &server.running.icap.to_string()]);
        command.args(args.split_ascii_whitespace());
        Self { process: Process::start("icapstan-load", command) }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.process.has_ended()
    }

    /// Waits for its end, which should come within `time`.
    pub(super) fn finish(self, context: &Context, time: Duration) -> anyhow::Result<Measured> {
        context.wait_exit(&self.process, time + SLACK).context("the load generator did not end")?;
        let output = self.process.logs().output();
        serde_json::from_str(output.trim())
            .with_context(|| format!("the load generator failed; it said:\n{}", self.process.logs().text()))
    }
}

/// Starts it and waits for its end.
pub(super) fn run(
    context: &Context,
    server: &Server,
    args: &str,
    time: Duration,
) -> anyhow::Result<Measured> {
    server.check(context)?;
    let millis = time.as_millis();
    Load::start(context, server, &format!("{args} --duration {millis}ms")).finish(context, time)
}

// === impl Measured ===

impl Measured {
    /// Requests without a right answer, wrong ones aside. In a closed loop some are always under way
    /// when the window ends.
    pub(super) fn failures(&self) -> u64 {
        let unfinished = if self.config.rate.is_some() { self.unfinished.count } else { 0 };
        self.errors.values().sum::<u64>() + unfinished
    }

    /// Those, by kind.
    pub(super) fn failures_shown(&self) -> String {
        format!("{:?}, {} unfinished", self.errors, self.unfinished.count)
    }

    /// Milliseconds within which 99 of 100 right answers came; no number if there were none.
    pub(super) fn p99_ms(&self) -> f64 {
        self.latency_us.map_or(f64::NAN, |latency| latency.p99 / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(rate: &str) -> Measured {
        let text = format!(
            r#"{{"config":{{"rate":{rate}}},"requests":5,"rate":2.5,"errors":{{"reset":2}},"wrong":1,
            "unfinished":{{"count":3,"oldest_us":1}},"latency_us":{{"p99":1500.0,"max":2}},
            "server":{{"pss_bytes":{{"before":1,"peak":2,"after":1}}}},"idle":{{"opened":4,"still_open":3}},
            "slow":{{"opened":2,"still_open":0,"ended":{{"closed":2}},"statuses":{{}},
            "seconds":{{"min":1,"median":1,"max":2}}}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn what_is_under_way_at_the_end_is_a_failure_only_at_a_fixed_rate() {
        assert_eq!((measured("50.0").failures(), measured("null").failures()), (5, 2));
    }

    #[test]
    fn the_output_is_read() {
        let measured = measured("null");
        assert!((measured.p99_ms() - 1.5).abs() < 1e-9);
        assert_eq!(measured.idle.map(|idle| idle.still_open), Some(3));
        assert_eq!(measured.slow.and_then(|slow| slow.seconds).map(|seconds| seconds.max), Some(2.0));
    }
}
