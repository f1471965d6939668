//! icapstan as these cases start it, and what it says of itself.

use super::report::CaseReport;
use super::tree::Tree;
use crate::context::{Context, last_lines};
use crate::icapstan::{self, Running};
use crate::interrupt::is_interrupt;
use crate::sigdb::{clean, known};
use anyhow::{Context as _, anyhow, bail};
use icapstan_testkit::http::Request;
use icapstan_testkit::{IcapClient, Kind, Message};
use std::net::SocketAddr;
use std::time::Duration;

/// A running server, with the signatures of the known answers.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) running: Running,
}

/// Worker processes.
pub(super) const WORKERS: u32 = 2;

/// Requests; bodies are scanned.
pub(super) const REQMOD: &str = "/reqmod";
/// Responses; bodies are scanned.
pub(super) const RESPMOD: &str = "/respmod";
/// Responses; bodies are scanned, for a second at most.
pub(super) const BRIEF: &str = "/brief";
/// Both, and nothing is scanned.
pub(super) const ECHO: &str = "/echo";

/// The admin port was free a moment ago, but another may take it first; so often it is tried.
const ATTEMPTS: u32 = 3;

/// How long an answer may take: more than the longest scan of the defaults.
const PATIENCE: Duration = Duration::from_secs(30);

/// Words of the clean object.
const CLEAN_WORDS: usize = 1000;

// === impl Server ===

impl Server {
    /// Starts one with the deadlines of the defaults, and these further settings.
    pub(super) fn start(context: &Context, further: &str) -> anyhow::Result<Self> {
        let mut attempt = 1;
        let running = loop {
            let folder = context.subfolder("icapstan")?;
            let config = config(&folder.display().to_string(), further);
            match icapstan::start(context, &folder, &config, None) {
                Err(error) if attempt < ATTEMPTS && !is_interrupt(&error) => {
                    eprintln!("icapstan does not start, it is tried again: {error:#}");
                    attempt += 1;
                }
                result => break result.context("icapstan does not start")?,
            }
        };
        let server = Self { running };
        server.known_answers(context)?;
        Ok(server)
    }

    pub(super) fn tree(&self) -> Tree {
        Tree::new(self.running.process.pid())
    }

    /// Fails when it has ended, or the user wants to.
    pub(super) fn check(&self, context: &Context) -> anyhow::Result<()> {
        context.check()?;
        if self.running.process.has_ended() {
            bail!("icapstan ended; it said:\n{}", last_lines(&self.running.process));
        }
        Ok(())
    }

    /// Fails unless each known object is found and the clean one passes.
    pub(super) fn known_answers(&self, context: &Context) -> anyhow::Result<()> {
        for known in known() {
            self.check(context)?;
            let reason = self.reason(&known.object)?;
            if reason.as_deref() != Some("detect") {
                bail!("the object {:?} is not found; the reason is {reason:?}", known.name);
            }
        }
        match self.reason(&clean(CLEAN_WORDS))? {
            None => Ok(()),
            Some(reason) => bail!("clean text does not pass: {reason}"),
        }
    }

    /// Promises that what comes next is answered as ever.
    pub(super) fn next_are_right(&self, context: &Context, report: &mut CaseReport) {
        let right = self.known_answers(context);
        if let Err(error) = &right {
            report.note(format!("afterwards: {error:#}"));
        }
        report.holds("next clean and infected objects right", right.is_ok());
    }

    /// The sum of a metric over all its series with such a label.
    pub(super) fn metric(&self, name: &str, label: &str) -> anyhow::Result<f64> {
        metric(self.running.admin, name, label)
    }

    /// What is said of an object, on a connection of its own.
    fn reason(&self, object: &[u8]) -> anyhow::Result<Option<String>> {
        let mut client = IcapClient::try_connect(self.running.icap).context("it takes no connection")?;
        client.patience(PATIENCE);
        client.try_send(download("Content-Type: text/plain\r\n", object))?;
        let response = client.try_read(Kind::Respmod).map_err(|error| anyhow!("no answer: {error}"))?;
        match response.status {
            200 | 204 => Ok(response.get("X-Icapstan-Reason").map(str::to_owned)),
            status => bail!("it answers {status}"),
        }
    }
}

/// A RESPMOD of this body, whose response has these fields.
pub(super) fn download(fields: &str, body: &[u8]) -> Vec<u8> {
    download_from(RESPMOD, fields, body)
}

/// The same, of another service.
pub(super) fn download_from(service: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    Message::respmod(service)
        .allow_204()
        .request_head("GET http://bench.test/object HTTP/1.1\r\nHost: bench.test\r\n\r\n")
        .response_head(format!("HTTP/1.1 200 OK\r\n{fields}\r\n"))
        .body(body)
        .bytes()
}

/// Services and policies of all cases.
pub(super) const CONFIG_SERVICES: &str = "\
services:
  - {path: /reqmod, modes: [REQMOD], scan: content}
  - {path: /respmod, modes: [RESPMOD], scan: content}
  - {path: /brief, modes: [RESPMOD], scan: content, policy: brief}
  - {path: /echo, scan: none}
policies:
  - {name: default}
  - {name: brief, scan: {timeout: 1s}}
";

fn config(folder: &str, further: &str) -> String {
    format!(
        "{CONFIG_SERVICES}\
         scanner: {{workers: {WORKERS}, tempDir: {folder}}}\n\
         verdictCache: {{enabled: false}}\n\
         log: {{level: warn, format: json}}\n\
         {further}\n"
    )
}

/// The sum of a metric of whoever has this admin address, over all its series with such a label.
pub(super) fn metric(admin: SocketAddr, name: &str, label: &str) -> anyhow::Result<f64> {
    let url = format!("http://{admin}/metrics");
    let response = Request::get(&url).try_direct().map_err(|error| anyhow!("no metrics: {error}"))?;
    Ok(sum(&String::from_utf8_lossy(&response.body), name, label))
}

/// Sums the series of an exposition in text.
fn sum(text: &str, name: &str, label: &str) -> f64 {
    let series = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        if !rest.starts_with(['{', ' ']) || !rest.contains(label) {
            return None;
        }
        rest.rsplit_once(' ')?.1.parse::<f64>().ok()
    });
    series.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_testkit::binary;
    use std::process::Command;

    #[test]
    fn the_product_takes_what_is_rendered() {
        let dir = icapstan_testkit::tempdir();
        let file = dir.path().join("icapstan.yaml");
        for further in ["", "limits: {sessions: 12000}"] {
            std::fs::write(&file, config(&dir.path().display().to_string(), further)).unwrap();
            let output = Command::new(binary("icapstan")).arg("check-config").arg(&file).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }

    #[test]
    fn series_of_one_metric_are_summed() {
        let text = "# TYPE a gauge\na{state=\"x\"} 1\na{state=\"y\"} 2.5\na_total 7\nb 3\n";
        assert!((sum(text, "a", "") - 3.5).abs() < 1e-9);
        assert!((sum(text, "a", "\"y\"") - 2.5).abs() < 1e-9);
        assert!((sum(text, "b", "") - 3.0).abs() < 1e-9);
    }
}
