//! `icapstan lists`: compiles URL lists, and says what they say of a URL.

use crate::exit::{Exit, chain};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use icapstan_api::Config;
use icapstan_gateway::{Built, build_url_lists};
use icapstan_urls::{CanonicalUrl, Keep, Kind, ListFile, Lists};
use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Compile the lists of a configuration to one file, for `urlLists.file`
    #[command(
        after_help = "Example:\n  icapstan lists compile --config icapstan.yaml /var/lib/icapstan/urls"
    )]
    Compile(Compile),
    /// Say what the lists say of URLs
    #[command(after_help = LOOKUP_EXAMPLES)]
    Lookup(Lookup),
}

#[derive(Debug, Args)]
pub(crate) struct Compile {
    /// The configuration that names the sources (`urlLists.sources`)
    #[arg(long, env = "ICAPSTAN_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// The file to write; one that is there is replaced in one step
    #[arg(value_name = "OUT")]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Lookup {
    /// The configuration whose lists are asked (`urlLists`)
    #[arg(long, env = "ICAPSTAN_CONFIG", value_name = "FILE", required_unless_present = "file")]
    config: Option<PathBuf>,
    /// A file that `lists compile` wrote
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
    /// The URLs; `-` reads one from each line of standard input
    #[arg(value_name = "URL", required = true)]
    urls: Vec<String>,
}

const LOOKUP_EXAMPLES: &str = "\
Exit codes: 0 no URL is in a list of malware or phishing, 1 one is, 2 one is no URL.

Examples:
  icapstan lists lookup --config icapstan.yaml http://example.org/x
  icapstan lists lookup --file /var/lib/icapstan/urls - < access.txt";

/// Does what was asked for, and says how to end.
pub(crate) fn run(command: &Command) -> Exit {
    let result = match command {
        Command::Compile(args) => compile(args),
        Command::Lookup(args) => lookup(args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("icapstan: {}", chain(error.as_ref()));
        Exit::Usage
    })
}

fn compile(args: &Compile) -> anyhow::Result<Exit> {
    let config = Config::load(&args.config)?;
    anyhow::ensure!(
        !config.url_lists.sources.is_empty(),
        "{} names no sources (urlLists.sources)",
        args.config.display()
    );
    let built = build_url_lists(&config.url_lists.sources, &args.out)?;
    print(&config, &built);
    println!("{}: {} bytes, identity {}", args.out.display(), built.compiled.bytes, built.compiled.identity);
    Ok(Exit::Success)
}

/// Tells of each list what became of its lines.
fn print(config: &Config, built: &Built) {
    for (source, report) in config.url_lists.sources.iter().zip(&built.reports) {
        for problem in &report.problems {
            eprintln!("{}:{}: {}", source.path.display(), problem.line, problem.reason);
        }
        println!(
            "{}: {} lines, {} entries, {} left out, {} remarks",
            source.name, report.lines, report.entries, report.left_out, report.remarks
        );
    }
}

fn lookup(args: &Lookup) -> anyhow::Result<Exit> {
    let lists = match (&args.file, &args.config) {
        (Some(file), _) => open(file)?,
        (None, Some(config)) => of_config(config)?,
        (None, None) => anyhow::bail!("neither --config nor --file is given"),
    };
    let mut exit = Exit::Success;
    let mut tell = |url: &str| {
        let said = say(&lists, url);
        // The worst of all.
        exit = match (exit, said) {
            (Exit::NotScanned, _) | (_, Exit::NotScanned) => Exit::NotScanned,
            (Exit::Found, _) | (_, Exit::Found) => Exit::Found,
            _ => Exit::Success,
        };
    };
    for url in &args.urls {
        if url == "-" {
            for line in std::io::stdin().lock().lines() {
                tell(line.context("standard input cannot be read")?.trim());
            }
        } else {
            tell(url);
        }
    }
    Ok(exit)
}

fn open(file: &Path) -> anyhow::Result<Lists> {
    let opened = ListFile::open(file, &Keep::Memory).with_context(|| file.display().to_string())?;
    Ok(Lists::new(opened, SystemTime::now()))
}

fn of_config(config: &Path) -> anyhow::Result<Lists> {
    let settings = Config::load(config)?.url_lists;
    if let Some(file) = &settings.file {
        return open(file);
    }
    anyhow::ensure!(!settings.sources.is_empty(), "{} names no lists (urlLists)", config.display());
    let folder = tempfile::tempdir().context("there is no place to compile the lists in")?;
    let target = folder.path().join("lists");
    build_url_lists(&settings.sources, &target)?;
    open(&target)
}

/// Prints what the lists say of one URL: what is known of it, by tabs.
fn say(lists: &Lists, text: &str) -> Exit {
    let shown: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    let url = match CanonicalUrl::parse(text.as_bytes()) {
        Ok(url) => url,
        Err(error) => {
            println!("{shown}\tno URL: {error}");
            return Exit::NotScanned;
        }
    };
    let categories = lists.categories(&url).join(",");
    let Some(found) = lists.lookup(&url) else {
        println!("{shown}\tnot listed");
        return Exit::Success;
    };
    let info = &found.list.info;
    println!("{shown}\t{}\t{}\t{}\t{categories}", info.kind, info.name, found.entry);
    if matches!(info.kind, Kind::Malware | Kind::Phishing) { Exit::Found } else { Exit::Success }
}
