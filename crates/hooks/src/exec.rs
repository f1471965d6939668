//! Programs.

use crate::call::Call;
use crate::prepare;
use icapstan_api::ExecHook;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// The one variable of its environment: what is not named by its path is looked for in the system's folders.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// How long a process that was killed may take to go.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Why a program cannot be a hook.
#[derive(Debug, Error)]
pub(crate) enum CommandError {
    #[error("cannot be looked at")]
    Look(#[source] io::Error),
    #[error("is no file that can be executed")]
    NotExecutable,
    #[error("may be changed by everybody (its mode is {0:o})")]
    Open(u32),
}

/// How a program did not end by itself.
#[derive(Debug, Error)]
pub(crate) enum ExecError {
    #[error("it cannot be started")]
    Start(#[source] io::Error),
    #[error("it cannot be waited for")]
    Wait(#[source] io::Error),
    #[error("it took longer than {0:?} and was killed")]
    Timeout(Duration),
}

/// A program that runs, and all of its process group. Killed when dropped.
struct Running {
    child: Child,
    group: Pid,
    is_gone: bool,
}

/// Whether it can be called, as far as that can be known before.
pub(crate) fn check(hook: &ExecHook) -> Result<(), CommandError> {
    let metadata = fs::metadata(&hook.command).map_err(CommandError::Look)?;
    let mode = metadata.permissions().mode();
    if !metadata.is_file() || mode & 0o111 == 0 {
        return Err(CommandError::NotExecutable);
    }
    if mode & 0o002 != 0 { Err(CommandError::Open(mode & 0o7777)) } else { Ok(()) }
}

/// Runs it to its end, or kills it. `json` is what it reads.
pub(crate) async fn run(hook: &ExecHook, call: &Call, json: &[u8]) -> Result<ExitStatus, ExecError> {
    let input = input(json).map_err(ExecError::Start)?;
    let mut running = Running::start(hook, call, input).map_err(ExecError::Start)?;
    let mut ended = match ended(running.group) {
        Ok(ended) => ended,
        Err(error) => {
            running.kill();
            // On this thread nobody waits, and what was killed is soon gone.
            let _ = running.child.wait();
            running.is_gone = true;
            return Err(ExecError::Wait(error));
        }
    };
    let is_in_time = timeout(hook.timeout, &mut ended).await.is_ok();
    // What it has left behind in its group ends with it. Nobody has waited for it yet, so that the number of
    // the group is still its own.
    running.kill();
    if !is_in_time && timeout(LAST_WAIT, &mut ended).await.is_err() {
        // It hangs in the kernel, where nothing can be done. Its place stays taken until it is gone, so that
        // there are never more of them than may run at once.
        tracing::warn!(
            hook = hook.name,
            pid = running.group.as_raw_nonzero(),
            "A killed program does not end."
        );
        let _ = ended.await;
    }
    let status = running.child.try_wait().map_err(ExecError::Wait)?;
    running.is_gone = status.is_some();
    match status {
        Some(status) if is_in_time => Ok(status),
        _ => Err(ExecError::Timeout(hook.timeout)),
    }
}

/// For people.
pub(crate) fn shown(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with status {code}"),
        (None, Some(signal)) => format!("it was ended by signal {signal}"),
        (None, None) => "it ended".to_owned(),
    }
}

/// A file in memory, so that nobody waits for a program that does not read.
fn input(json: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("icapstan-hook", MemfdFlags::CLOEXEC)?);
    file.write_all(json)?;
    file.rewind()?;
    Ok(file)
}

/// Comes when the process has ended, which nobody has waited for then: its number is still its own.
fn ended(pid: Pid) -> io::Result<oneshot::Receiver<()>> {
    let (told, ended) = oneshot::channel();
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    // Of its own: in a pool of the runtime it could wait behind names that are looked up.
    thread::Builder::new().name("icapstan-hook".to_owned()).spawn(move || {
        while matches!(waitid(WaitId::Pid(pid), options), Err(Errno::INTR)) {}
        // Nobody may want to know any more.
        let _ = told.send(());
    })?;
    Ok(ended)
}

// === impl Running ===

impl Running {
    fn start(hook: &ExecHook, call: &Call, input: File) -> io::Result<Self> {
        let mut command = Command::new(&hook.command);
        command
            .args(hook.args.iter().map(|argument| call.argument(argument)))
            .env_clear()
            .env("PATH", PATH)
            .current_dir("/")
            .stdin(input)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        prepare::isolate(&mut command);
        let child = command.spawn()?;
        let group = Pid::from_child(&child);
        Ok(Self { child, group, is_gone: false })
    }

    fn kill(&self) {
        match kill_process_group(self.group, Signal::KILL) {
            // It is gone already, and so are all others.
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => tracing::debug!(%error, "A process group cannot be killed."),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_gone {
            self.kill();
            // Waiting for it could take as long as the kernel likes.
            let _ = self.child.try_wait();
        }
    }
}
