//! `icapstan hashes`: compiles hash lists, and says what they say of files and digests.

use crate::exit::{Exit, chain};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use icapstan_api::Config;
use icapstan_hashes::{Digest, Kind, ListFile, Lists, Match};
use icapstan_scanner::{BuiltHashLists, build_hash_lists};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Compile the lists of a configuration to one file, for `hashLists.file`
    #[command(
        after_help = "Example:\n  icapstan hashes compile --config icapstan.yaml /var/lib/icapstan/hashes"
    )]
    Compile(Compile),
    /// Say what the lists say of files, or of digests
    #[command(after_help = LOOKUP_EXAMPLES)]
    Lookup(Lookup),
}

#[derive(Debug, Args)]
pub(crate) struct Compile {
    /// The configuration that names the sources (`hashLists.sources`)
    #[arg(long, env = "ICAPSTAN_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// The file to write; one that is there is replaced in one step
    #[arg(value_name = "OUT")]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Lookup {
    /// The configuration whose lists are asked (`hashLists`)
    #[arg(long, env = "ICAPSTAN_CONFIG", value_name = "FILE", required_unless_present = "file")]
    config: Option<PathBuf>,
    /// A file that `hashes compile` wrote
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
    /// MD5, SHA-1 or SHA-256 in hexadecimal digits, whatever the size; or the name of a file
    #[arg(value_name = "DIGEST|FILE", required = true)]
    asked: Vec<String>,
}

const LOOKUP_EXAMPLES: &str = "\
Exit codes: 0 nothing is in a list that denies, 1 something is, 2 a file cannot be read.

Examples:
  icapstan hashes lookup --config icapstan.yaml setup.exe
  icapstan hashes lookup --file /var/lib/icapstan/hashes 44d88612fea8a8f36de82e1278abb02f";

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
        !config.hash_lists.sources.is_empty(),
        "{} names no sources (hashLists.sources)",
        args.config.display()
    );
    let built = build_hash_lists(&config.hash_lists.sources, &args.out)?;
    print(&config, &built);
    println!("{}: {} bytes, identity {}", args.out.display(), built.compiled.bytes, built.compiled.identity);
    Ok(Exit::Success)
}

/// Tells of each list what became of its lines.
fn print(config: &Config, built: &BuiltHashLists) {
    for (source, report) in config.hash_lists.sources.iter().zip(&built.reports) {
        for problem in &report.problems {
            eprintln!("{}:{}: {}", source.path.display(), problem.line, problem.reason);
        }
        println!(
            "{}: {} lines, {} entries, {} left out",
            source.name, report.lines, report.entries, report.left_out
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
    for asked in &args.asked {
        let found = match Digest::parse(asked.as_bytes()) {
            Some(digest) => Ok(lists.lookup_digest(&digest)),
            None => of_file(&lists, Path::new(asked)),
        };
        let said = say(asked, found);
        // The worst of all.
        exit = match (exit, said) {
            (Exit::NotScanned, _) | (_, Exit::NotScanned) => Exit::NotScanned,
            (Exit::Found, _) | (_, Exit::Found) => Exit::Found,
            _ => Exit::Success,
        };
    }
    Ok(exit)
}

fn open(file: &Path) -> anyhow::Result<Lists> {
    let opened = ListFile::open(file).with_context(|| file.display().to_string())?;
    Ok(Lists::new(opened, SystemTime::now()))
}

fn of_config(config: &Path) -> anyhow::Result<Lists> {
    let settings = Config::load(config)?.hash_lists;
    if let Some(file) = &settings.file {
        return open(file);
    }
    anyhow::ensure!(!settings.sources.is_empty(), "{} names no lists (hashLists)", config.display());
    let folder = tempfile::tempdir().context("there is no place to compile the lists in")?;
    let target = folder.path().join("lists");
    build_hash_lists(&settings.sources, &target)?;
    open(&target)
}

fn of_file(lists: &Lists, path: &Path) -> std::io::Result<Option<Match>> {
    let mut file = File::open(path)?;
    let (mut hasher, mut buffer) = (lists.hasher(), vec![0; 256 << 10]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(lists.lookup(&hasher.finish())),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// Prints what the lists say of one thing: what is known of it, by tabs.
fn say(asked: &str, found: std::io::Result<Option<Match>>) -> Exit {
    let shown: String = asked.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    match found {
        Ok(None) => {
            println!("{shown}\tnot listed");
            Exit::Success
        }
        Ok(Some(found)) => {
            let info = &found.list.info;
            println!("{shown}\t{}\t{}\t{}\t{}", info.kind, info.name, found.name, found.digest);
            if info.kind == Kind::Deny { Exit::Found } else { Exit::Success }
        }
        Err(error) => {
            println!("{shown}\tneither a digest nor a file that can be read: {error}");
            Exit::NotScanned
        }
    }
}
