//! The zygote: loads once, forks on demand, never scans.

use crate::args::Settings;
use crate::database::{self, Database};
use crate::rules::Rules;
use crate::sys::{self, Fork};
use crate::worker::{self, Start};
use crate::{messages, preload, sandbox, socket};
use icapstan_clamav_wire::{CONTROL_FD, Command, Event};
use std::collections::VecDeque;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::process::ExitCode;

/// The whole life of a zygote.
pub(crate) fn run(settings: &Settings) -> ExitCode {
    let parent = sys::parent_pid();
    if !sys::is_packet_socket(CONTROL_FD) {
        return crate::usage("descriptor 3 is not a control socket (AF_UNIX, SOCK_SEQPACKET)");
    }
    let result = prepare(settings, parent).and_then(|control| lead(settings, control));
    result.unwrap_or_else(|error| {
        crate::log(&format!("the zygote ends: {error}"));
        ExitCode::FAILURE
    })
}

fn prepare(settings: &Settings, parent: libc::pid_t) -> io::Result<OwnedFd> {
    let control = sys::adopt(CONTROL_FD)?;
    sys::die_with_parent()?;
    if sys::parent_pid() != parent {
        return Err(io::Error::other("the process that started it ended meanwhile"));
    }
    sys::ignore_stop_signals()?;
    sys::null_stdio()?;
    if let Some(nice) = settings.nice {
        sys::set_nice(nice)?;
    }
    Ok(control)
}

fn lead(settings: &Settings, control: OwnedFd) -> io::Result<ExitCode> {
    messages::install();
    let loaded = preload::load()
        .map_err(|error| format!("converters of charsets: {error}"))
        .and_then(|()| database::load(settings).map_err(|error| error.to_string()))
        .and_then(|database| Ok((database, load_rules(settings)?)));
    let (database, rules) = match loaded {
        Ok(loaded) => loaded,
        Err(message) => {
            crate::log(&format!("the databases cannot be used: {message}"));
            let event = Event::LoadFailed { message: message.into_bytes() };
            socket::send(control.as_fd(), &event.encode(), None)?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let ready = Event::Ready {
        signatures: database.signatures,
        engine: crate::engine::version().into_bytes(),
        confinement: sandbox::offered(),
        rules: rules.as_ref().map_or(0, |rules| rules.count),
    };
    let ended = sys::child_signal()?;
    socket::send(control.as_fd(), &ready.encode(), None)?;
    serve(&database, rules.as_ref(), control, ended)
}

fn load_rules(settings: &Settings) -> Result<Option<Rules>, String> {
    let load = |rules| Rules::load(rules).map_err(|error| format!("YARA rules: {error}"));
    settings.rules.as_ref().map(load).transpose()
}

/// How the latest children ended.
#[derive(Default)]
struct Fates(VecDeque<(u32, u32)>);

/// So many are remembered. They are asked for at once, or never.
const MOST_FATES: usize = 64;

/// Forks on demand until the supervisor closes the control socket.
fn serve(
    database: &Database,
    rules: Option<&Rules>,
    control: OwnedFd,
    ended: OwnedFd,
) -> io::Result<ExitCode> {
    let mut fates = Fates::default();
    loop {
        let woken = sys::wait(control.as_fd(), ended.as_fd())?;
        if woken.second {
            sys::drain(ended.as_fd());
            while let Some(child) = sys::reap() {
                fates.add(child);
                if let Some(fault) = child.fault() {
                    crate::log(&format!("worker {} ended: {fault}", child.pid));
                }
            }
        }
        if !woken.first {
            continue;
        }
        let Some(packet) = socket::receive(control.as_fd())? else { return Ok(ExitCode::SUCCESS) };
        let command = Command::decode(&packet.bytes)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let (temp_dir, memory) = match command {
            Command::Fork { temp_dir, memory } => (temp_dir, memory),
            Command::Fate { pid } => {
                let event = Event::Fate { pid, signal: fates.signal(pid) };
                socket::send(control.as_fd(), &event.encode(), None)?;
                continue;
            }
        };
        let (Ok(temp_dir), Ok([object])) = (CString::new(temp_dir), <[OwnedFd; 1]>::try_from(packet.fds))
        else {
            fork_failed(control.as_fd(), libc::EINVAL)?;
            continue;
        };
        let zygote = std::process::id().cast_signed();
        let start = Start { zygote, temp_dir, memory, image_hashes: database.image_hashes };
        match sys::fork() {
            Ok(Fork::Child) => {
                // Of these descriptors only the object socket is still open afterwards.
                std::mem::forget((control, ended));
                return Ok(worker::run(&database.engine, rules, object, &start));
            }
            Ok(Fork::Parent { pid }) => {
                fates.forget(pid.unsigned_abs());
                forked(control.as_fd(), pid)?;
            }
            Err(error) => fork_failed(control.as_fd(), error.raw_os_error().unwrap_or(libc::EIO))?,
        }
    }
}

// === impl Fates ===

impl Fates {
    fn add(&mut self, child: sys::Ended) {
        if self.0.len() >= MOST_FATES {
            self.0.pop_front();
        }
        self.0.push_back((child.pid.unsigned_abs(), child.signal()));
    }

    /// The number means another process now.
    fn forget(&mut self, pid: u32) {
        self.0.retain(|(ended, _)| *ended != pid);
    }

    fn signal(&self, pid: u32) -> u32 {
        self.0.iter().rev().find(|(ended, _)| *ended == pid).map_or(0, |(_, signal)| *signal)
    }
}

fn forked(control: BorrowedFd<'_>, pid: libc::pid_t) -> io::Result<()> {
    match sys::pidfd(pid) {
        Ok(pidfd) => {
            socket::send(control, &Event::Forked { pid: pid.unsigned_abs() }.encode(), Some(pidfd.as_fd()))
        }
        Err(error) => {
            // A worker that nobody can kill must not live.
            sys::kill(pid);
            fork_failed(control, error.raw_os_error().unwrap_or(libc::EIO))
        }
    }
}

fn fork_failed(control: BorrowedFd<'_>, errno: i32) -> io::Result<()> {
    socket::send(control, &Event::ForkFailed { errno: errno.unsigned_abs() }.encode(), None)
}
