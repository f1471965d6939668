//! `icapstan blocked-urls`: what administrators do with the URLs that processes share through Redis.

use crate::cli::RedisFlags;
use crate::exit::{Exit, chain};
use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};
use icapstan_api::{Config, Problem};
use icapstan_cache::{Finder, Listed, Put, RedisError, Shown, exact_url, finder};
use icapstan_model::{ThreatName, Verdict};
use icapstan_telemetry::timestamp;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};
use thiserror::Error;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the URLs that are blocked because their download was cut
    #[command(after_help = LIST_EXAMPLES)]
    List(List),
    /// Block URLs, as if their download had been cut
    #[command(
        after_help = "Example:\n  icapstan blocked-urls add --config icapstan.yaml http://example.org/x.zip"
    )]
    Add(Add),
    /// Block URLs no longer, until a download of them is cut again
    #[command(
        after_help = "Example:\n  icapstan blocked-urls remove --config icapstan.yaml http://example.org/x.zip"
    )]
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    place: Place,
    /// Only those of this tenant
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    urls: Urls,
    /// What pages and logs call it
    #[arg(long, value_name = "NAME", default_value = "Administrator")]
    threat: String,
}

#[derive(Debug, Args)]
pub(crate) struct Remove {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    urls: Urls,
}

/// Where the records are.
#[derive(Debug, Args)]
struct Place {
    /// The configuration of the processes that share them (`redis`, `blockedUrls`)
    #[arg(long, env = "ICAPSTAN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    redis: RedisFlags,
    /// Print one line of JSON for each URL
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Urls {
    /// Whose services they are for (`services[].tenant`)
    #[arg(long, value_name = "NAME", default_value = "")]
    tenant: String,
    /// The URLs, as clients ask for them, such as `http://example.org/x.zip`
    #[arg(value_name = "URL", required = true)]
    urls: Vec<String>,
}

/// Redis did not do its part.
#[derive(Debug, Error)]
#[error("{label}: {0}", label = .0.failure.as_str())]
struct Away(RedisError);

const LIST_EXAMPLES: &str = "\
Exit codes: 0 it was done, 1 Redis did not do it, 64 the command line or the configuration is wrong.

Examples:
  icapstan blocked-urls list --config icapstan.yaml
  icapstan blocked-urls list --redis redis://127.0.0.1 --redis-key-file key --json";

/// Does what was asked for, and says how to end.
pub(crate) fn run(command: &Command) -> Exit {
    let result = match command {
        Command::List(args) => list(args),
        Command::Add(args) => add(args),
        Command::Remove(args) => remove(args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("icapstan: {}", chain(error.as_ref()));
        if error.is::<Away>() { Exit::Failure } else { Exit::Usage }
    })
}

fn list(args: &List) -> anyhow::Result<Exit> {
    let (finder, _) = args.place.open()?;
    let Listed { mut entries, unbelieved } = wait(finder.list())?;
    entries.retain(|shown| args.tenant.as_deref().is_none_or(|tenant| shown.entry.tenant() == tenant));
    for shown in &entries {
        if args.place.json {
            println!("{}", as_json(shown));
        } else {
            println!("{}", as_line(shown));
        }
    }
    for (why, count) in unbelieved {
        eprintln!("icapstan: {count} records in Redis are not believed: {why}");
    }
    Ok(Exit::Success)
}

fn add(args: &Add) -> anyhow::Result<Exit> {
    let (finder, ttl) = args.place.open()?;
    let urls = args.urls.exact()?;
    let threat = ThreatName::from(args.threat.as_str());
    let puts = wait(finder.add(&args.urls.tenant, &urls, &threat, ttl))?;
    Ok(tell(&args.place, &urls, &puts, "blocked"))
}

fn remove(args: &Remove) -> anyhow::Result<Exit> {
    let (finder, _) = args.place.open()?;
    let urls = args.urls.exact()?;
    let puts = wait(finder.remove(&args.urls.tenant, &urls))?;
    Ok(tell(&args.place, &urls, &puts, "no longer blocked"))
}

fn tell(place: &Place, urls: &[String], puts: &[Put], done: &str) -> Exit {
    let mut exit = Exit::Success;
    for (url, put) in urls.iter().zip(puts) {
        let result = match put {
            Put::Kept | Put::Known => done,
            Put::Older => "not done: Redis has something newer about it; try again",
            Put::Future | Put::Over => "not done: the clock of Redis has jumped; try again",
        };
        if !matches!(put, Put::Kept | Put::Known) {
            exit = Exit::Failure;
        }
        if place.json {
            println!(
                "{}",
                json!({"url": url, "done": matches!(put, Put::Kept | Put::Known), "result": result})
            );
        } else {
            println!("{url}\t{result}");
        }
    }
    exit
}

/// Everything that comes from Redis is printable ASCII, or it would not have been believed.
fn as_line(shown: &Shown) -> String {
    let Shown { entry, left, .. } = shown;
    let threat = entry.verdict().threat().map_or("", ThreatName::as_str);
    let tenant = if entry.tenant().is_empty() { "-" } else { entry.tenant() };
    let by = if entry.generation().is_some() { "detection" } else { "administrator" };
    format!(
        "{}\t{}\t{threat}\t{by}\t{tenant}\t{}\t{}s",
        entry.url(),
        entry.verdict().kind(),
        since(shown),
        left.as_secs()
    )
}

fn as_json(shown: &Shown) -> Value {
    let Shown { entry, left, .. } = shown;
    json!({
        "url": entry.url(),
        "tenant": entry.tenant(),
        "verdict": entry.verdict().kind().as_str(),
        "threat": entry.verdict().threat().map(ThreatName::as_str),
        "generation": entry.generation().map(|generation| generation.to_string()),
        "since": since(shown),
        "secondsLeft": left.as_secs(),
    })
}

fn since(shown: &Shown) -> String {
    // A time beyond what there is a date for is none that is believed.
    UNIX_EPOCH.checked_add(Duration::from_millis(shown.since)).map(timestamp).unwrap_or_default()
}

fn wait<T>(work: impl Future<Output = Result<T, RedisError>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    Ok(runtime.block_on(work).map_err(Away)?)
}

// === impl Place ===

impl Place {
    /// What finds the records, and how long entries count.
    fn open(&self) -> anyhow::Result<(Finder, Duration)> {
        let mut config = match &self.config {
            Some(path) => Config::load(path)?,
            None => Config::default(),
        };
        self.redis.lay_over(&mut config.redis);
        config.check().map_err(|problems| {
            anyhow!(problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))
        })?;
        let finder = finder(&config.blocked_urls, &config.redis)?;
        let Some(finder) = finder else {
            bail!(
                "no Redis is named, neither by --redis nor by the configuration (redis.url): each process has its own URLs then"
            )
        };
        Ok((finder, config.blocked_urls.ttl))
    }
}

// === impl Urls ===

impl Urls {
    fn exact(&self) -> anyhow::Result<Vec<String>> {
        // As where the file is read.
        let probe = Verdict::Infected("x".into());
        let mut urls = Vec::new();
        for url in &self.urls {
            let shown: String = url
                .chars()
                .take(200)
                .map(|c| if icapstan_model::is_deceptive(c) { '\u{fffd}' } else { c })
                .collect();
            let is_web = ["http://", "https://"].iter().any(|scheme| {
                url.get(..scheme.len()).is_some_and(|front| front.eq_ignore_ascii_case(scheme))
            });
            let exact = exact_url(as_asked_for(url)).filter(|_| is_web);
            let exact = exact.ok_or_else(|| {
                anyhow!(
                    "{shown} is no URL that can be blocked: http:// or https://, printable ASCII, up to 8 KiB"
                )
            })?;
            if icapstan_cache::Entry::new(&self.tenant, &exact, &probe, None).is_none() {
                bail!("--tenant is made of up to 63 letters, digits and - _ .");
            }
            urls.push(exact);
        }
        Ok(urls)
    }
}

/// As clients write it on the wire: scheme and host in lower case, and a path.
fn as_asked_for(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let slash = if rest.starts_with('/') { "" } else { "/" };
    format!("{}://{}{slash}{rest}", scheme.to_ascii_lowercase(), authority.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_what_clients_ask_for() {
        for (written, asked_for) in [
            ("http://example.org", "http://example.org/"),
            ("HTTP://Example.ORG:8080?A=b", "http://example.org:8080/?A=b"),
            ("http://example.org/X.zip?Y", "http://example.org/X.zip?Y"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(as_asked_for(written), asked_for);
        }
    }
}
