//! The command line.

use crate::request::Request;
use crate::settings::{Kind, Settings, Shape, Slow, SlowState};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use icapstan_api::ByteSize;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

/// No body is larger: it is held in memory.
const MAX_BODY: u64 = 1 << 30;

/// Generates ICAP load and measures what it costs the server.
#[derive(Debug, Parser)]
#[command(name = "icapstan-load", version, about, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Load a server and tell what came of it
    #[command(after_help = EXAMPLES)]
    Run(Box<RunArgs>),
    /// Serve ICAP without doing anything: the floor for every server
    Bare(BareArgs),
}

/// The arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The ICAP server
    #[arg(long, value_name = "HOST:PORT")]
    target: String,
    /// The path of the ICAP service
    #[arg(long, value_name = "PATH")]
    service: String,
    /// What to ask
    #[arg(long, value_enum)]
    shape: Shape,
    /// Connections that ask
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// How long to measure
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = icapstan_api::parse_duration)]
    duration: Duration,
    /// Load before that, which is not counted
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = icapstan_api::parse_duration)]
    warm_up: Duration,
    /// Requests a second at fixed times; without it each connection asks as fast as it is answered
    #[arg(long, value_name = "R", value_parser = rate)]
    rate: Option<f64>,
    /// Count answers 429, 500 and 503 apart, as what an overloaded server may say
    #[arg(long)]
    refusals: bool,
    /// The size of the body, such as 10240 or 10Ki; REQMOD becomes a POST
    #[arg(long, value_name = "SIZE")]
    body: Option<ByteSize>,
    /// What the body looks like
    #[arg(long, value_enum, default_value_t = Kind::Text)]
    kind: Kind,
    /// Make each body and each URL different
    #[arg(long)]
    unique: bool,
    /// Make each host different, too
    #[arg(long, requires = "unique")]
    unique_hosts: bool,
    /// Send so many bytes first and wait
    #[arg(long, value_name = "N")]
    preview: Option<u32>,
    /// Allow 204 for messages with a body
    #[arg(long)]
    allow_204: bool,
    /// Make a connection for each request; its time counts
    #[arg(long)]
    new_connections: bool,
    /// Further connections that ask for OPTIONS once and then stay
    #[arg(long, value_name = "N", default_value_t = 0)]
    idle: u32,
    /// Further connections that stay where --slow-state says
    #[arg(long, value_name = "N", default_value_t = 0, requires = "slow_state")]
    slow: u32,
    /// Where slow connections stay
    #[arg(long, value_enum, value_name = "STATE", requires = "slow")]
    slow_state: Option<SlowState>,
    /// From one byte of a slow connection to the next
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = icapstan_api::parse_duration)]
    slow_interval: Duration,
    /// The share of bodies that are the EICAR test file, which must be blocked
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0, value_parser = fraction)]
    infected: f64,
    /// A process of the server, to be measured with its descendants; repeatable
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    server_pid: Vec<i32>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `bare`.
#[derive(Debug, Args)]
pub struct BareArgs {
    /// Where to listen; with port 0 the system chooses
    #[arg(long, value_name = "ADDR")]
    pub listen: SocketAddr,
}

const EXAMPLES: &str = "\
Exit codes: 0 measured, 1 nothing could be measured, 64 the command line is wrong.

Examples:
  icapstan-load run --target 127.0.0.1:1344 --service /reqmod --shape reqmod
  icapstan-load run --target 127.0.0.1:1344 --service /respmod --shape respmod \\
      --body 10Ki --unique --json
  icapstan-load run --target 127.0.0.1:1344 --service /respmod --shape respmod \\
      --body 1k --rate 500 --slow 100 --slow-state body";

// === impl RunArgs ===

impl RunArgs {
    /// The settings, if they fit together.
    pub fn settings(&self) -> Result<Settings, clap::Error> {
        let address = self.target.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
        let settings = Settings {
            target: self.target.clone(),
            address: address.ok_or_else(|| wrong(&format!("no such address: {}", self.target)))?,
            service: self.service.clone(),
            shape: self.shape,
            connections: self.connections,
            duration: self.duration,
            warm_up: self.warm_up,
            rate: self.rate,
            refusals: self.refusals,
            body: self.body.map(ByteSize::to_usize),
            kind: self.kind,
            unique: self.unique,
            unique_hosts: self.unique_hosts,
            preview: self.preview.map(|len| len as usize),
            allow_204: self.allow_204,
            new_connections: self.new_connections,
            idle: self.idle,
            slow: self.slow_state.filter(|_| self.slow > 0).map(|state| Slow {
                count: self.slow,
                state,
                interval: self.slow_interval,
            }),
            infected: self.infected,
            server_pids: self.server_pid.clone(),
        };
        match self.conflict(&settings) {
            Some(conflict) => Err(wrong(&conflict)),
            None => Ok(settings),
        }
    }

    fn conflict(&self, settings: &Settings) -> Option<String> {
        let needs_body = [
            // The URL alone can differ as well.
            (self.unique && self.shape != Shape::Reqmod, "--unique"),
            (self.preview.is_some(), "--preview"),
            (self.allow_204, "--allow-204"),
            (self.infected > 0.0, "--infected"),
        ];
        let conflict = match (self.shape, self.body) {
            (Shape::Options, Some(_)) => "--body has no meaning with --shape options",
            (Shape::Respmod, None) => "--shape respmod needs --body",
            (_, Some(size)) if size.bytes() > MAX_BODY => "--body is at most 1Gi",
            (_, None) => {
                let (_, flag) = needs_body.into_iter().find(|(given, _)| *given)?;
                return Some(format!("{flag} needs --body"));
            }
            _ if self.duration.is_zero() => "--duration is 0",
            _ if self.unique && !Request::new(settings, false).can_differ() => {
                "--body is too small for --unique: text needs 16 bytes, a page about 200"
            }
            _ => return None,
        };
        Some(conflict.to_owned())
    }
}

fn wrong(text: &str) -> clap::Error {
    let mut command = Cli::command();
    command.build();
    let run = command.find_subcommand_mut("run").expect("the subcommand is there");
    run.error(ErrorKind::ValueValidation, text)
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    // Below one in a day, or faster than the clock ticks, nothing can be measured.
    if (1e-5..=1e9).contains(&rate) { Ok(rate) } else { Err("a rate is more than 0".to_owned()) }
}

fn fraction(text: &str) -> Result<f64, String> {
    let fraction: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1.0).contains(&fraction) { Ok(fraction) } else { Err("a fraction is from 0 to 1".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(args: &str) -> Result<Settings, String> {
        let fixed = ["icapstan-load", "run", "--target", "127.0.0.1:1", "--service", "/s", "--shape"];
        let args = fixed.into_iter().chain(args.split(' '));
        let cli = Cli::try_parse_from(args).map_err(|error| error.to_string())?;
        let Command::Run(run) = cli.command else { panic!("another command") };
        run.settings().map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_is_not_given_has_the_documented_defaults() {
        let settings = settings("reqmod").unwrap();
        assert_eq!(settings.connections, 16);
        assert_eq!(settings.duration, Duration::from_secs(10));
        assert_eq!(settings.warm_up, Duration::from_secs(3));
        assert!(settings.rate.is_none() && settings.body.is_none() && settings.slow.is_none());
        assert!(!settings.unique && settings.infected == 0.0);
    }

    #[test]
    fn everything_can_be_given() {
        let settings = settings(
            "respmod --connections 7 --duration 500ms --warm-up 0s --rate 1500.5 --body 10Ki --kind html \
             --unique --preview 1024 --allow-204 --new-connections --idle 3 --slow 4 --slow-state read \
             --slow-interval 2s --infected 0.25 --server-pid 1 --server-pid 2 --json",
        )
        .unwrap();
        assert_eq!(settings.body, Some(10_240));
        assert_eq!(settings.rate, Some(1500.5));
        assert_eq!(settings.server_pids, [1, 2]);
        let slow = settings.slow.unwrap();
        assert_eq!((slow.count, slow.state, slow.interval), (4, SlowState::Read, Duration::from_secs(2)));
    }

    #[test]
    fn urls_without_a_body_can_differ() {
        let settings = settings("reqmod --unique --unique-hosts").unwrap();
        assert!(settings.unique && settings.unique_hosts && settings.body.is_none());
    }

    #[test]
    fn what_does_not_fit_together_is_refused_with_the_reason() {
        for (args, reason) in [
            ("respmod", "needs --body"),
            ("options --body 1k", "no meaning"),
            ("reqmod --infected 0.5", "--infected needs --body"),
            ("respmod --body 1k --unique-hosts", "--unique"),
            ("reqmod --preview 5", "--preview needs --body"),
            ("options --unique", "--unique needs --body"),
            ("respmod --body 15 --unique", "too small"),
            ("respmod --body 2Gi", "at most 1Gi"),
            ("respmod --body 1k --infected 1.5", "from 0 to 1"),
            ("respmod --body 1k --rate 0", "more than 0"),
            ("respmod --body 1k --duration 0s", "--duration is 0"),
            ("reqmod --slow 5", "--slow-state"),
            ("reqmod --connections 0", "0 is not in 1.."),
            ("reqmod --server-pid 0", "0 is not in 1.."),
            ("reqmod --duration 10", "no unit"),
            ("resmod", "invalid value"),
        ] {
            let error = settings(args).unwrap_err();
            assert!(error.contains(reason), "{args}: {error}");
        }
    }
}
