//! The command line.

use crate::client::{ServiceUri, TlsOptions};
use clap::{Args, Parser, Subcommand, ValueEnum};
use icapstan_api::{FleetSettings, LogFormat, LogLevel, RedisSettings};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Kubernetes-native ICAP antivirus and URL-scanning service.
#[derive(Debug, Parser)]
#[command(name = "icapstan", version, about, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve ICAP and scan, all in this process and its workers
    #[command(after_help = STANDALONE_EXAMPLES)]
    Standalone(Standalone),
    /// Serve ICAP, and have objects scanned by `icapstan scanner` processes
    #[command(after_help = GATEWAY_EXAMPLES)]
    Gateway(Gateway),
    /// Scan for `icapstan gateway` processes
    #[command(after_help = SCANNER_EXAMPLES)]
    Scanner(Scanner),
    /// Tell autoscalers how much `icapstan scanner` processes have to do
    #[command(after_help = SCALER_EXAMPLES)]
    Scaler(Scaler),
    /// Have one object scanned by an ICAP service
    #[command(after_help = SCAN_EXAMPLES)]
    Scan(Scan),
    /// Show what an ICAP service says of itself
    #[command(
        after_help = "Examples:\n  icapstan options icap://127.0.0.1:1344/respmod\n  icapstan options icaps://scan.example:11344/respmod --ca ca.pem"
    )]
    Options(Options),
    /// Check a configuration file without starting anything
    #[command(
        after_help = "Exit codes: 0 the file can be used, 64 it cannot.\n\nExample:\n  icapstan check-config /etc/icapstan.yaml"
    )]
    CheckConfig(CheckConfig),
    /// Print the custom resource definitions for Kubernetes
    #[command(after_help = "Example:\n  icapstan crds | kubectl apply --server-side -f -")]
    Crds,
    /// Turn the settings of Kaspersky Scan Engine (ICAP mode) into a configuration file
    #[command(after_help = IMPORT_KSE_EXAMPLES)]
    ImportKse(ImportKse),
    /// Compile URL lists, or look URLs up in them
    #[command(subcommand)]
    Lists(crate::lists::Command),
    /// Compile hash lists, or look files and digests up in them
    #[command(subcommand)]
    Hashes(crate::hashes::Command),
    /// List the URLs that are blocked, add some, take some out
    #[command(subcommand)]
    BlockedUrls(crate::blocked_urls::Command),
    /// Read what was kept of infected objects
    #[command(subcommand)]
    Quarantine(crate::quarantine::Command),
    /// Try what policies do
    #[command(subcommand)]
    Policy(crate::policy::Command),
    /// Take containers apart that come by the socket that is the standard input; started by the others
    #[command(hide = true)]
    UnpackWorker(UnpackWorker),
}

/// What is not given here comes from `--config`, and else has the defaults of docs/configuration.md.
#[derive(Clone, Debug, Args)]
pub(crate) struct Standalone {
    /// Where ICAP clients connect to; port 0 lets the system choose
    #[arg(long, env = "ICAPSTAN_LISTEN", value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// A folder with ClamAV databases (.cvd, .cld, .hdb, .hsb, .ndb, .ldb ...). Without it, the
    /// system's folder if it holds a database, else a few test signatures
    #[arg(long, env = "ICAPSTAN_SIGNATURES", value_name = "DIR")]
    signatures: Option<PathBuf>,
    #[command(flatten)]
    redis: RedisFlags,
    #[command(flatten)]
    common: Common,
}

/// What is not given here comes from `--config`, and else has the defaults of docs/configuration.md.
#[derive(Clone, Debug, Args)]
pub(crate) struct Gateway {
    /// Where ICAP clients connect to; port 0 lets the system choose
    #[arg(long, env = "ICAPSTAN_LISTEN", value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where scanners are; all addresses of a host count
    #[arg(long = "scanner", env = "ICAPSTAN_SCANNERS", value_name = "HOST:PORT", value_delimiter = ',')]
    scanners: Vec<String>,
    /// Let objects go to scanners as they are; without it only on this machine
    #[arg(long, env = "ICAPSTAN_PLAINTEXT")]
    plaintext: bool,
    /// Where operators connect to, if a plan is followed; port 0 lets the system choose
    #[arg(long, env = "ICAPSTAN_FLEET_LISTEN", value_name = "ADDR")]
    fleet_listen: Option<SocketAddr>,
    #[command(flatten)]
    plan: PlanFlags,
    #[command(flatten)]
    redis: RedisFlags,
    #[command(flatten)]
    common: Common,
}

/// What is not given here comes from `--config`, and else has the defaults of docs/configuration.md.
#[derive(Clone, Debug, Args)]
pub(crate) struct Scanner {
    /// Where gateways connect to; port 0 lets the system choose
    #[arg(long, env = "ICAPSTAN_LISTEN", value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// A folder with ClamAV databases (.cvd, .cld, .hdb, .hsb, .ndb, .ldb ...). Without it, the
    /// system's folder if it holds a database, else a few test signatures
    #[arg(long, env = "ICAPSTAN_SIGNATURES", value_name = "DIR")]
    signatures: Option<PathBuf>,
    /// Let objects come as they are; without it only from this machine
    #[arg(long, env = "ICAPSTAN_PLAINTEXT")]
    plaintext: bool,
    #[command(flatten)]
    plan: PlanFlags,
    #[command(flatten)]
    redis: RedisFlags,
    #[command(flatten)]
    common: Common,
}

/// What is not given here comes from `--config`, and else has the defaults of docs/configuration.md.
#[derive(Clone, Debug, Args)]
pub(crate) struct Scaler {
    /// Where autoscalers connect to; port 0 lets the system choose
    #[arg(long, env = "ICAPSTAN_LISTEN", value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where scanners are; all addresses of a host count
    #[arg(long = "scanner", env = "ICAPSTAN_SCANNERS", value_name = "HOST:PORT", value_delimiter = ',')]
    scanners: Vec<String>,
    /// Let figures come and go as they are; without it only on this machine
    #[arg(long, env = "ICAPSTAN_PLAINTEXT")]
    plaintext: bool,
    #[command(flatten)]
    common: Common,
}

/// What all processes that serve have.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Common {
    /// Where probes and metrics are answered over HTTP
    #[arg(long, env = "ICAPSTAN_ADMIN", value_name = "ADDR")]
    pub(crate) admin: Option<SocketAddr>,
    /// The configuration file
    #[arg(long, env = "ICAPSTAN_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The least important log messages that are written
    #[arg(long, env = "ICAPSTAN_LOG_LEVEL", value_name = "LEVEL")]
    pub(crate) log_level: Option<Level>,
    /// How log lines look
    #[arg(long, env = "ICAPSTAN_LOG_FORMAT", value_name = "FORMAT")]
    pub(crate) log_format: Option<Format>,
}

/// What flags say, whichever command has them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    pub(crate) common: Common,
    /// Where ICAP clients connect to.
    pub(crate) listen: Option<SocketAddr>,
    /// Where gateways connect to.
    pub(crate) scan_listen: Option<SocketAddr>,
    /// Where autoscalers connect to.
    pub(crate) scaler_listen: Option<SocketAddr>,
    /// Where operators connect to.
    pub(crate) fleet_listen: Option<SocketAddr>,
    /// The plan that is followed.
    pub(crate) plan: PlanFlags,
    pub(crate) signatures: Option<PathBuf>,
    pub(crate) scanners: Vec<String>,
    pub(crate) plaintext: bool,
    pub(crate) redis: RedisFlags,
}

/// The plan of a fleet.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct PlanFlags {
    /// Follow the plan in this file (the `spec` of a `FleetPlan`, as YAML or JSON), as it changes
    #[arg(long = "plan", env = "ICAPSTAN_PLAN", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Follow the `FleetPlan` of that name
    #[arg(long = "plan-name", env = "ICAPSTAN_PLAN_NAME", value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Its namespace; default: that of this process
    #[arg(long = "plan-namespace", env = "ICAPSTAN_PLAN_NAMESPACE", value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// A folder of this process alone, for the last plan and what it needs
    #[arg(long = "state", env = "ICAPSTAN_STATE", value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
}

/// What blocked URLs are shared through.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RedisFlags {
    /// The Redis that blocked URLs are shared through: redis://HOST:PORT/DATABASE, or rediss:// for TLS
    #[arg(long = "redis", env = "ICAPSTAN_REDIS", value_name = "URL")]
    pub(crate) url: Option<String>,
    /// A file with at least 32 secret bytes, which all processes that share have
    #[arg(long = "redis-key-file", env = "ICAPSTAN_REDIS_KEY_FILE", value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Scan {
    /// A file, `-` for standard input, or `eicar` for the harmless EICAR test file
    #[arg(value_name = "FILE|-|eicar")]
    pub(crate) object: String,
    /// The service to ask
    #[arg(long, env = "ICAPSTAN_SERVER", value_name = "URI", default_value = "icap://127.0.0.1:1344/avscan")]
    pub(crate) server: ServiceUri,
    #[command(flatten)]
    pub(crate) tls: TlsOptions,
    /// Print one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// How long to wait for the server
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = icapstan_api::parse_duration)]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The service, such as icap://127.0.0.1:1344/respmod
    #[arg(value_name = "URI")]
    pub(crate) uri: ServiceUri,
    #[command(flatten)]
    pub(crate) tls: TlsOptions,
    /// How long to wait for the server
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = icapstan_api::parse_duration)]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct CheckConfig {
    /// The file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct UnpackWorker {
    /// The process that starts it
    #[arg(long)]
    pub(crate) parent: u32,
    /// Bytes of address space
    #[arg(long)]
    pub(crate) memory: u64,
    /// How much it steps back for others
    #[arg(long)]
    pub(crate) nice: i32,
}

/// Prints icapstan.yaml on standard output, and on standard error what is lost or differs.
#[derive(Debug, Args)]
pub(crate) struct ImportKse {
    /// Its settings
    #[arg(value_name = "kavicapd.xml")]
    pub(crate) xml: PathBuf,
    /// Its service rules (the file that RulesFilePath names)
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Option<PathBuf>,
}

/// [`LogLevel`] as the command line spells it.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// [`LogFormat`] as the command line spells it.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    Json,
    Text,
}

const STANDALONE_EXAMPLES: &str = "\
Changed settings, signatures and lists are taken up while requests go on; SIGHUP has them read at
once. SIGTERM answers what is under way and ends.

Examples:
  icapstan standalone
  icapstan standalone --listen 0.0.0.0:1344 --signatures /var/lib/clamav
  icapstan standalone --config /etc/icapstan.yaml --log-format json";

const GATEWAY_EXAMPLES: &str = "\
SIGTERM answers what is under way and ends. docs/tiers.md says how gateways and scanners work together.

Examples:
  icapstan gateway --scanner 127.0.0.1:7344
  icapstan gateway --listen 0.0.0.0:1344 --config /etc/icapstan.yaml --scanner scanners.example:7344";

const SCANNER_EXAMPLES: &str = "\
SIGTERM lets what is under way end, takes nothing new, and ends.

Examples:
  icapstan scanner
  icapstan scanner --listen 127.0.0.1:7345 --admin 127.0.0.1:9345 --signatures /var/lib/clamav
  icapstan scanner --config /etc/icapstan.yaml";

const SCALER_EXAMPLES: &str = "\
It speaks the protocol of KEDA's external scalers; docs/autoscaling.md has an example.

Examples:
  icapstan scaler --scanner 127.0.0.1:7344,127.0.0.1:7345
  icapstan scaler --config /etc/icapstan.yaml --listen 0.0.0.0:7346 --scanner scanners.example:7344";

const SCAN_EXAMPLES: &str = "\
Exit codes: 0 clean, 1 infected, 2 not scanned or an error.

Examples:
  icapstan scan eicar
  icapstan scan report.pdf --server icap://scan.example:1344/avscan
  curl -s https://example.org/file | icapstan scan - --json";

const IMPORT_KSE_EXAMPLES: &str = "\
Exit codes: 0 it was printed, 64 a file cannot be used.
docs/migrating-from-kse.md tells what becomes of each setting.

Example:
  icapstan import-kse /etc/kavicapd.xml --rules kavicapd_gui_rules.conf > icapstan.yaml
  icapstan check-config icapstan.yaml";

// === impl PlanFlags ===

impl PlanFlags {
    /// Lays what is given over `settings`.
    pub(crate) fn lay_over(&self, settings: &mut FleetSettings) {
        // Settings have absolute paths; flags are of this folder.
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        if let Some(file) = &self.file {
            settings.plan = Some(absolute(file));
            settings.plan_name = None;
        }
        if let Some(name) = &self.name {
            settings.plan_name = Some(name.clone());
            if self.file.is_none() {
                settings.plan = None;
            }
        }
        if self.namespace.is_some() {
            settings.plan_namespace.clone_from(&self.namespace);
        }
        if let Some(state) = &self.state {
            settings.state = Some(absolute(state));
        }
    }
}

// === impl RedisFlags ===

impl RedisFlags {
    /// Lays what is given over `settings`.
    pub(crate) fn lay_over(&self, settings: &mut RedisSettings) {
        if let Some(url) = &self.url {
            settings.url = Some(url.clone());
            settings.urls.clear();
        }
        if self.key_file.is_some() {
            // Settings have absolute paths; flags are of this folder.
            let file = self.key_file.as_ref().and_then(|path| std::path::absolute(path).ok());
            settings.mac_key_file = file.or_else(|| self.key_file.clone());
        }
    }
}

// === impl Level ===

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::Error,
            Level::Warn => Self::Warn,
            Level::Info => Self::Info,
            Level::Debug => Self::Debug,
            Level::Trace => Self::Trace,
        }
    }
}

// === impl Format ===

impl From<Format> for LogFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Json => Self::Json,
            Format::Text => Self::Text,
        }
    }
}

// === impl Standalone ===

impl Standalone {
    pub(crate) fn flags(self) -> Flags {
        let Self { listen, signatures, redis, common } = self;
        Flags { common, listen, signatures, redis, ..Flags::default() }
    }
}

// === impl Gateway ===

impl Gateway {
    pub(crate) fn flags(self) -> Flags {
        let Self { listen, scanners, plaintext, fleet_listen, plan, redis, common } = self;
        Flags { common, listen, fleet_listen, plan, scanners, plaintext, redis, ..Flags::default() }
    }
}

// === impl Scanner ===

impl Scanner {
    pub(crate) fn flags(self) -> Flags {
        let Self { listen, signatures, plaintext, plan, redis, common } = self;
        Flags { common, scan_listen: listen, signatures, plaintext, plan, redis, ..Flags::default() }
    }
}

// === impl Scaler ===

impl Scaler {
    pub(crate) fn flags(self) -> Flags {
        let Self { listen, scanners, plaintext, common } = self;
        Flags { common, scaler_listen: listen, scanners, plaintext, ..Flags::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
