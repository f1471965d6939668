//! The quarantine: its start and end, and `icapstan quarantine`, which reads what is kept.

use crate::exit::{Exit, chain};
use anyhow::{Context as _, anyhow, bail, ensure};
use clap::{Args, Subcommand};
use icapstan_api::{Config, QuarantineFolder, QuarantineSettings};
use icapstan_model::is_deceptive;
use icapstan_quarantine::{
    Content, Id, Identity, Metadata, Place, Quarantine, QuarantineGuard, QuarantineMetrics, read_identities,
    read_record,
};
use prometheus::Registry;
use std::fs::OpenOptions;
use std::io::{self, IsTerminal as _, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;
use tracing::warn;

/// How long the end waits for objects to be written, while it waits for the sinks of events.
const LAST_FLUSH: Duration = Duration::from_secs(2);

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a key: the secret one goes to a new file, the public one to standard output
    #[command(after_help = KEYGEN_EXAMPLES)]
    Keygen(Keygen),
    /// List what is kept, the oldest first
    List(List),
    /// Show what is known of an object, as JSON
    Show(Show),
    /// Bring an object back, as it came. It is most likely malware
    #[command(after_help = GET_EXAMPLES)]
    Get(Get),
    /// Remove objects for good
    Remove(Remove),
}

/// Where objects are kept.
#[derive(Debug, Args)]
pub(crate) struct Where {
    /// The configuration that says so (`quarantine`)
    #[arg(long, env = "ICAPSTAN_CONFIG", value_name = "FILE", required_unless_present = "folder")]
    config: Option<PathBuf>,
    /// The folder itself, whatever a configuration says
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Keygen {
    /// The file for the secret key, which must not be there yet
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    place: Where,
    /// The secret key: with it, what is known of each is shown too
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    place: Where,
    /// The secret key
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    /// The object
    #[arg(value_name = "ID", value_parser = id)]
    id: Id,
}

#[derive(Debug, Args)]
pub(crate) struct Get {
    #[command(flatten)]
    place: Where,
    /// The secret key
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    /// The file to write, which must not be there yet; `-` for standard output, unless that is a terminal
    #[arg(short, long, value_name = "FILE|-")]
    output: PathBuf,
    /// The object
    #[arg(value_name = "ID", value_parser = id)]
    id: Id,
}

#[derive(Debug, Args)]
pub(crate) struct Remove {
    #[command(flatten)]
    place: Where,
    /// The objects
    #[arg(value_name = "ID", value_parser = id, required = true)]
    ids: Vec<Id>,
}

const KEYGEN_EXAMPLES: &str = "\
The secret key opens all that is kept. Keep it away from the machine that scans.

Example:
  icapstan quarantine keygen -o quarantine-key.txt > quarantine-recipient.txt";

const GET_EXAMPLES: &str = "\
Exit codes: 0 it is there wholly, 1 it is not.

Examples:
  icapstan quarantine get 20260131T235959.123456Z-0123456789abcdef --config icapstan.yaml \\
    --identity quarantine-key.txt -o sample
  age -d -i quarantine-key.txt 20260131T235959.123456Z-0123456789abcdef.age | tail -n +3 > sample";

fn id(text: &str) -> Result<Id, &'static str> {
    Id::parse(text).ok_or("is no id; `icapstan quarantine list` shows them")
}

/// Starts to keep objects, if that is set up. What waits takes no more than a quarter of what all bodies may take.
pub(crate) fn start(
    settings: &QuarantineSettings,
    memory: u64,
    spool: u64,
    registry: &Registry,
) -> anyhow::Result<(Quarantine, QuarantineGuard)> {
    let metrics = QuarantineMetrics::register(registry)?;
    Ok(Quarantine::start(settings, memory.min(spool) / 4, &metrics)?)
}

/// Lets the last objects be written, on a thread of its own.
pub(crate) fn stop(guard: QuarantineGuard) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("icapstan-end".to_owned()).spawn(move || {
        if !guard.stop(LAST_FLUSH) {
            warn!("Some infected objects were not put into the quarantine in time.");
        }
    })
}

/// Does what was asked for, and says how to end.
pub(crate) fn run(command: &Command) -> Exit {
    let result = match command {
        Command::Keygen(args) => keygen(args),
        Command::List(args) => list(args),
        Command::Show(args) => show(args),
        Command::Get(args) => get(args),
        Command::Remove(args) => remove(args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("icapstan: {}", chain(error.as_ref()));
        Exit::Failure
    })
}

fn keygen(args: &Keygen) -> anyhow::Result<Exit> {
    let identity = Identity::generate()?;
    let public = identity.recipient();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&args.output)
        .with_context(|| format!("{} cannot be made", args.output.display()))?;
    writeln!(file, "# public key: {public}\n{}", identity.secret())?;
    file.sync_all()?;
    writeln!(io::stdout(), "{public}")?;
    Ok(Exit::Success)
}

fn list(args: &List) -> anyhow::Result<Exit> {
    let place = args.place.open()?;
    let identities = args.identity.as_deref().map(read_identities).transpose()?;
    let mut exit = Exit::Success;
    let mut out = io::stdout().lock();
    for entry in place.list()? {
        let entry = entry?;
        let known = identities.as_ref().map(|identities| open(&place, &entry.id, identities));
        match known {
            None => writeln!(out, "{}\t{}", entry.id, entry.size)?,
            Some(Ok((known, _))) => {
                let threats = known.threats.join(",");
                let line = [&known.verdict, &threats, &known.client, &known.user, &known.url]
                    .map(|text| plain(text));
                writeln!(out, "{}\t{}\t{}", entry.id, known.length, line.join("\t"))?;
            }
            Some(Err(error)) => {
                writeln!(out, "{}\t{}\t{error:#}", entry.id, entry.size)?;
                exit = Exit::Failure;
            }
        }
    }
    Ok(exit)
}

fn show(args: &Show) -> anyhow::Result<Exit> {
    let (known, _) = open(&args.place.open()?, &args.id, &read_identities(&args.identity)?)?;
    let json = serde_json::to_string_pretty(&known)?;
    // Whoever sent it chose some of it, and a terminal shows it.
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        if is_deceptive(c) && c != '\n' {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| shown += &unit_text(*unit));
        } else {
            shown.push(c);
        }
    }
    writeln!(io::stdout(), "{shown}")?;
    Ok(Exit::Success)
}

fn unit_text(unit: u16) -> String {
    format!("\\u{unit:04x}")
}

fn get(args: &Get) -> anyhow::Result<Exit> {
    let is_output = args.output.as_os_str() == "-";
    ensure!(
        !is_output || !io::stdout().is_terminal(),
        "standard output is a terminal, which would obey what malware says; name a file by -o"
    );
    let (known, mut content) = open(&args.place.open()?, &args.id, &read_identities(&args.identity)?)?;
    if is_output {
        let mut out = io::stdout().lock();
        copy(&known, &mut content, &mut out)?;
        out.flush()?;
    } else {
        bring(&known, &mut content, &args.output)?;
    }
    if !known.complete {
        eprintln!("icapstan: this is the beginning of an object whose rest was never received");
    }
    Ok(Exit::Success)
}

/// Writes a file that only its owner reads, and which is there only once it is whole.
fn bring(known: &Metadata, content: &mut impl Read, path: &Path) -> anyhow::Result<()> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let cannot = || format!("{} cannot be written", path.display());
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(cannot)?;
    copy(known, content, &mut file)?;
    // Its own error says the same twice.
    file.persist_noclobber(path).map_err(|error| error.error).with_context(cannot)?;
    Ok(())
}

fn copy(known: &Metadata, content: &mut impl Read, out: &mut impl io::Write) -> anyhow::Result<()> {
    let copied = io::copy(content, out).context("the object cannot be brought back wholly")?;
    ensure!(copied == known.length, "the object has {copied} bytes, and should have {}", known.length);
    Ok(())
}

fn remove(args: &Remove) -> anyhow::Result<Exit> {
    let place = args.place.open()?;
    let mut exit = Exit::Success;
    for id in &args.ids {
        if let Err(error) = place.remove(id) {
            eprintln!("icapstan: {}", chain(&error));
            exit = Exit::Failure;
        }
    }
    Ok(exit)
}

fn open(
    place: &Place,
    id: &Id,
    identities: &[Identity],
) -> anyhow::Result<(Metadata, Content<Box<dyn Read>>)> {
    Ok(read_record(place.read(id)?, identities)?)
}

/// On one line, and nothing that a terminal obeys.
fn plain(text: &str) -> String {
    text.chars().map(|c| if is_deceptive(c) { '\u{fffd}' } else { c }).collect()
}

// === impl Where ===

impl Where {
    fn open(&self) -> anyhow::Result<Place> {
        let settings = match (&self.folder, &self.config) {
            (Some(folder), _) => QuarantineSettings {
                folder: Some(QuarantineFolder::new(folder)),
                ..QuarantineSettings::default()
            },
            (None, Some(config)) => Config::load(config)?.quarantine,
            (None, None) => bail!("neither --config nor --folder is given"),
        };
        Place::open(&settings).map_err(|error| anyhow!(error))
    }
}
