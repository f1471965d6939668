//! icapstan, in one process with its workers, or as a gateway and a scanner.

use crate::context::{Context, Core};
use crate::daemon::Daemon;
use crate::sigdb::{self, Plan, Preset};
use anyhow::{Context as _, anyhow};
use icapstan_testkit::free_port;
use icapstan_testkit::http::Request;
use serde_json::Value;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A running one. It ends when the process is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) process: Daemon,
    /// Where it speaks ICAP; of a scanner, where it is asked for scans.
    pub(crate) icap: SocketAddr,
    pub(crate) admin: SocketAddr,
}

/// What a process is started as.
#[derive(Clone, Copy, Debug)]
enum Tier {
    Standalone,
    Scanner,
    /// It asks the scanner there.
    Gateway(SocketAddr),
}

/// How long it may take until it answers, with signatures to load.
const START: Duration = Duration::from_mins(3);

/// Starts it with this configuration and waits until it is ready. Without signatures it gets those of
/// the known answers.
pub(crate) fn start(
    context: &Context,
    folder: &Path,
    config: &str,
    signatures: Option<&Path>,
) -> anyhow::Result<Running> {
    Tier::Standalone.start(context, folder, config, signatures)
}

/// Starts a gateway and its scanner, the gateway first in the result, and waits until both are ready.
pub(crate) fn start_tiers(
    context: &Context,
    folder: &Path,
    config: &str,
    signatures: Option<&Path>,
) -> anyhow::Result<[Running; 2]> {
    let scanner = Tier::Scanner.start(context, folder, config, signatures)?;
    let gateway = Tier::Gateway(scanner.icap).start(context, folder, config, signatures)?;
    Ok([gateway, scanner])
}

/// A command that is not started yet, of one tier or all in one.
pub(crate) fn command(
    context: &Context,
    tier: &str,
    listen: SocketAddr,
    admin: SocketAddr,
    config: &Path,
) -> Command {
    let mut command = context.command(&context.programs.icapstan, Core::Server);
    command.args([tier, "--listen", &listen.to_string(), "--admin", &admin.to_string(), "--config"]);
    command.arg(config);
    for (name, _) in std::env::vars_os() {
        // Settings of the user's own server are none of ours.
        if name.to_string_lossy().starts_with("ICAPSTAN_") {
            command.env_remove(name);
        }
    }
    command
}

/// Whether it says that it is ready.
pub(crate) fn is_ready(admin: SocketAddr) -> bool {
    let response = Request::get(&format!("http://{admin}/readyz")).try_direct();
    response.is_ok_and(|response| response.status == 200)
}

/// Whether a line of the log is of the level that asks for somebody.
fn is_error(line: &str) -> bool {
    let entry: Option<Value> = serde_json::from_str(line).ok();
    entry.is_some_and(|entry| entry.get("level").and_then(Value::as_str) == Some("ERROR"))
}

// === impl Tier ===

impl Tier {
    fn start(
        self,
        context: &Context,
        folder: &Path,
        config: &str,
        signatures: Option<&Path>,
    ) -> anyhow::Result<Running> {
        let file = folder.join("icapstan.yaml");
        std::fs::write(&file, config)?;
        let own = folder.join("signatures");
        let signatures = if let Some(signatures) = signatures {
            signatures
        } else {
            sigdb::write(&own, &Plan::preset(Preset::Tiny, None)?)?;
            &own
        };
        // The admin address tells all others, but must be known itself.
        let admin = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut command = command(context, self.name(), listen, admin, &file);
        match self {
            Self::Standalone | Self::Scanner => command.arg("--signatures").arg(signatures),
            Self::Gateway(scanner) => command.arg("--scanner").arg(scanner.to_string()),
        };
        let process = Daemon::start("icapstan", command);
        // It goes on trying to load what cannot be loaded; here nothing will change.
        let failed = || process.logs().lines().into_iter().find(|line| is_error(line));
        let ready =
            context.wait(&process, START, || failed().map(Err).or_else(|| self.address(admin).map(Ok)));
        let icap = ready.context("it is not ready")?.map_err(|line| anyhow!("it is not ready: {line}"))?;
        Ok(Running { process, icap, admin })
    }

    /// The command that starts it.
    fn name(self) -> &'static str {
        match self {
            Self::Standalone => "standalone",
            Self::Scanner => "scanner",
            Self::Gateway(_) => "gateway",
        }
    }

    /// Where it listens, once it is ready.
    fn address(self, admin: SocketAddr) -> Option<SocketAddr> {
        if !is_ready(admin) {
            return None;
        }
        let version = Request::get(&format!("http://{admin}/version")).try_direct().ok()?;
        let version: Value = serde_json::from_slice(&version.body).ok()?;
        let key = if let Self::Scanner = self { "scan" } else { "icap" };
        let address = version.get(key)?.as_str()?.parse().ok()?;
        // Ready is said of the scanner; the port may open a moment later.
        TcpStream::connect(address).ok().map(|_| address)
    }
}
