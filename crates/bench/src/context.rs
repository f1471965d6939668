//! What every measurement needs: programs, a folder in memory, and an ear for Ctrl-C.

use crate::interrupt::Interrupt;
use anyhow::{Context as _, anyhow, bail};
use icapstan_testkit::Process;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What every measurement needs. The folder goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) programs: Programs,
    interrupt: Interrupt,
    folder: TempDir,
    pin: bool,
}

/// Which programs of others are needed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    pub(crate) c_icap: bool,
    pub(crate) clamd: bool,
    pub(crate) url_check: bool,
    pub(crate) load: bool,
    pub(crate) clamscan: bool,
}

/// Where programs are.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) icapstan: PathBuf,
    pub(crate) load: PathBuf,
    pub(crate) c_icap: Option<CIcap>,
    pub(crate) clamd: Option<PathBuf>,
    pub(crate) clamscan: Option<PathBuf>,
}

/// c-icap and its files.
#[derive(Clone, Debug)]
pub(crate) struct CIcap {
    pub(crate) program: PathBuf,
    pub(crate) modules: PathBuf,
    pub(crate) magic: PathBuf,
    /// Pages; only `virus_scan` and `url_check` have some.
    pub(crate) templates: Option<PathBuf>,
}

/// Where a process runs when processes are pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Core {
    Server,
    Load,
}

/// Lines of output that are shown of a process that failed.
const SHOWN_LINES: usize = 20;

// === impl Context ===

impl Context {
    /// Finds the programs and makes the folder.
    pub(crate) fn new(pin: bool, interrupt: Interrupt, needs: Needs) -> anyhow::Result<Self> {
        let programs = Programs::find(needs)?;
        if pin {
            in_path("taskset")
                .ok_or_else(|| anyhow!("--pin needs taskset, of the Debian package util-linux"))?;
        }
        raise_descriptor_limit();
        Ok(Self { programs, interrupt, folder: folder()?, pin })
    }

    /// A folder of its own, in memory where there is one.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A new folder in it.
    pub(crate) fn subfolder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let dir = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(self.folder())?;
        Ok(dir.keep())
    }

    /// A command, on its core if processes are pinned.
    pub(crate) fn command(&self, program: &Path, core: Core) -> Command {
        if !self.pin {
            return Command::new(program);
        }
        let core = match core {
            Core::Server => "0",
            Core::Load => "1",
        };
        let mut command = Command::new("taskset");
        command.args(["-c", core]).arg(program);
        command
    }

    /// Fails once the user wants to end.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        Ok(self.interrupt.check()?)
    }

    /// Looks until there is something; fails when the process ends first, or after `limit`.
    pub(crate) fn wait<T>(
        &self,
        process: &Process,
        limit: Duration,
        mut look: impl FnMut() -> Option<T>,
    ) -> anyhow::Result<T> {
        let begun = Instant::now();
        loop {
            self.check()?;
            // Before looking: what it said last is still seen.
            let ended = process.has_ended();
            if let Some(found) = look() {
                return Ok(found);
            }
            if ended {
                bail!("it ended; it said:\n{}", last_lines(process));
            }
            if begun.elapsed() > limit {
                bail!("not within {limit:?}; it said:\n{}", last_lines(process));
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for the end of a process.
    pub(crate) fn wait_exit(&self, process: &Process, limit: Duration) -> anyhow::Result<()> {
        self.wait(process, limit, || process.has_ended().then_some(()))
    }
}

/// The last that a process said.
pub(crate) fn last_lines(process: &Process) -> String {
    let lines = process.logs().lines();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}

/// What a short-lived program prints; nothing when it fails.
pub(crate) fn output_of(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

/// A file for results, opened before anything is measured.
pub(crate) fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    let file = File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(BufWriter::new(file))
}

fn folder() -> anyhow::Result<TempDir> {
    let in_memory = Path::new("/dev/shm");
    let mut builder = tempfile::Builder::new();
    builder.prefix("icapstan-bench-");
    let made = if in_memory.is_dir() { builder.tempdir_in(in_memory) } else { builder.tempdir() };
    made.context("no folder for temporary files can be made")
}

/// A thousand connections have two ends. Children inherit the limit.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    // Lowering never happens here; if it is refused, a run without enough descriptors says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

// === impl Programs ===

impl Programs {
    fn find(needs: Needs) -> anyhow::Result<Self> {
        let myself = std::env::current_exe().context("this program does not know where it is")?;
        let beside = |name: &str| {
            let path = myself.with_file_name(name);
            if path.is_file() {
                return Ok(path);
            }
            Err(anyhow!(
                "{} is missing; build it with the same profile: cargo build --release \
                 -p icapstan -p icapstan-clamav-worker -p icapstan-load",
                path.display()
            ))
        };
        beside("icapstan-clamav-worker")?;
        let c_icap = needs.c_icap.then(|| CIcap::find(needs.clamd, needs.url_check)).transpose()?;
        let clamd = needs.clamd.then(|| required("clamd", "clamav-daemon")).transpose()?;
        let clamscan = needs.clamscan.then(|| required("clamscan", "clamav")).transpose()?;
        let load = if needs.load { beside("icapstan-load")? } else { PathBuf::new() };
        Ok(Self { icapstan: beside("icapstan")?, load, c_icap, clamd, clamscan })
    }
}

// === impl CIcap ===

impl CIcap {
    fn find(scans: bool, url_check: bool) -> anyhow::Result<Self> {
        let program = required("c-icap", "c-icap")?;
        let mut files = installed_files("c-icap")?;
        if scans {
            files.extend(installed_files("libc-icap-mod-virus-scan")?);
        }
        if url_check {
            files.extend(installed_files("libc-icap-mod-urlcheck")?);
        }
        let file = |end: &str| {
            files
                .iter()
                .find(|path| path.to_string_lossy().ends_with(end))
                .cloned()
                .ok_or_else(|| anyhow!("the packages of c-icap have no {end}"))
        };
        let modules = file("/srv_echo.so")?.with_file_name("");
        let magic = file("/c-icap.magic")?;
        let needed = [
            (scans, "virus_scan.so", "/templates/virus_scan/en/VIRUS_FOUND"),
            (url_check, "srv_url_check.so", "/templates/srv_url_check/en/DENY"),
        ];
        let mut templates = None;
        for (_, module, page) in needed.into_iter().filter(|(is_needed, ..)| *is_needed) {
            if file(&format!("/{module}"))?.with_file_name("") != modules {
                bail!("{module} is not beside srv_echo.so");
            }
            templates = file(page)?.ancestors().nth(3).map(Path::to_owned);
        }
        if scans {
            file("/clamd_mod.so")?;
        }
        Ok(Self { program, modules, magic, templates })
    }
}

/// The files of an installed Debian package.
fn installed_files(package: &str) -> anyhow::Result<Vec<PathBuf>> {
    let list = output_of(Command::new("dpkg").args(["-L", package]))
        .ok_or_else(|| missing(&format!("c-icap's files of {package}"), package))?;
    Ok(list.lines().map(PathBuf::from).filter(|path| path.is_file()).collect())
}

fn required(program: &str, package: &str) -> anyhow::Result<PathBuf> {
    in_path(program).ok_or_else(|| missing(program, package))
}

fn missing(what: &str, package: &str) -> anyhow::Error {
    anyhow!(
        "{what} is not installed (Debian package {package}); the comparison needs \
         c-icap, libc-icap-mod-virus-scan, libc-icap-mod-urlcheck, clamav and clamav-daemon: \
         apt-get install --no-install-recommends \
         c-icap libc-icap-mod-virus-scan libc-icap-mod-urlcheck clamav clamav-daemon"
    )
}

/// Also where only the administrator's PATH leads.
fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from);
    let mut folders = std::env::split_paths(&path).chain(system);
    folders.find_map(|folder| Some(folder.join(program)).filter(|path| path.is_file()))
}
