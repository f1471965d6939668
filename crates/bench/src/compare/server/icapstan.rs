//! icapstan, in one process with its workers.

use super::{Daemon, START, Server, Wanted};
use crate::compare::case::Subject;
use crate::compare::context::{Context, Core};
use crate::sigdb::{self, Plan, Preset};
use anyhow::{Context as _, anyhow};
use icapstan_testkit::free_port;
use icapstan_testkit::http::Request;
use serde_json::Value;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

/// How much it logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::compare) enum Levels {
    /// Warnings: the peers log nothing either.
    Quiet,
    /// As users have it: also how long signatures took to load.
    Usual,
}

/// Starts it and waits until it is ready.
pub(in crate::compare) fn start(
    context: &Context,
    wanted: &Wanted<'_>,
    levels: Levels,
) -> anyhow::Result<Server> {
    let folder = context.subfolder("icapstan")?;
    let config = folder.join("icapstan.yaml");
    std::fs::write(&config, render(wanted, levels, &folder))?;
    let own = folder.join("signatures");
    let signatures = if let Some(signatures) = wanted.signatures {
        signatures
    } else {
        sigdb::write(&own, &Plan::preset(Preset::Tiny, None)?)?;
        &own
    };
    // The admin address tells all others, but must be known itself.
    let admin = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut command = context.command(&context.programs.icapstan, Core::Server);
    command.args(["standalone", "--listen", "127.0.0.1:0", "--admin", &admin.to_string(), "--signatures"]);
    command.arg(signatures).arg("--config").arg(&config);
    for (name, _) in std::env::vars_os() {
        // Settings of the user's own server are none of ours.
        if name.to_string_lossy().starts_with("ICAPSTAN_") {
            command.env_remove(name);
        }
    }
    let process = Daemon::start("icapstan", command);
    // It goes on trying to load what cannot be loaded; here nothing will change.
    let failed = || process.logs().lines().into_iter().find(|line| is_error(line));
    let ready = context.wait(&process, START, || failed().map(Err).or_else(|| address(admin).map(Ok)));
    let address = ready.context("it is not ready")?.map_err(|line| anyhow!("it is not ready: {line}"))?;
    Ok(Server {
        subject: Subject::Icapstan,
        address,
        services: ["/reqmod", "/respmod"],
        processes: vec![process],
    })
}

/// Whether a line of the log is of the level that asks for somebody.
fn is_error(line: &str) -> bool {
    let entry: Option<Value> = serde_json::from_str(line).ok();
    entry.is_some_and(|entry| entry.get("level").and_then(Value::as_str) == Some("ERROR"))
}

/// Where it speaks ICAP, once it does.
fn address(admin: SocketAddr) -> Option<SocketAddr> {
    let get = |path: &str| Request::get(&format!("http://{admin}{path}")).try_direct().ok();
    get("/readyz").filter(|response| response.status == 200)?;
    let version: Value = serde_json::from_slice(&get("/version")?.body).ok()?;
    let icap = version.get("icap")?.as_str()?.parse().ok()?;
    // Ready is said of the scanner; the port may open a moment later.
    TcpStream::connect(icap).ok().map(|_| icap)
}

/// Connections live as long as those of the peers.
fn render(wanted: &Wanted<'_>, levels: Levels, folder: &Path) -> String {
    let (all, content) = if wanted.signatures.is_some() { ("all", "content") } else { ("none", "none") };
    let level = match levels {
        Levels::Quiet => "warn",
        Levels::Usual => "info",
    };
    format!(
        "services:\n  \
           - {{path: /reqmod, modes: [REQMOD], scan: {all}}}\n  \
           - {{path: /respmod, modes: [RESPMOD], scan: {content}}}\n\
         keepAlive: {{enabled: true, idleTimeout: 10m, maxRequests: 0}}\n\
         scanner: {{workers: {}, tempDir: {}}}\n\
         log: {{level: {level}, format: json}}\n",
        wanted.workers,
        folder.display()
    )
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
        for (signatures, scan) in [(None, "none"), (Some(Path::new("/s")), "content")] {
            let text = render(&Wanted { connections: 16, signatures, workers: 2 }, Levels::Quiet, dir.path());
            assert!(text.contains(&format!("path: /respmod, modes: [RESPMOD], scan: {scan}")), "{text}");
            std::fs::write(&file, &text).unwrap();
            let output = Command::new(binary("icapstan")).arg("check-config").arg(&file).output().unwrap();
            assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
