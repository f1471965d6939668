//! A worker: one object at a time until its socket is closed.

use crate::engine::Engine;
use crate::rules::Rules;
use crate::{sandbox, socket, sys};
use icapstan_clamav_wire::{Files, Request};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Open files of a worker. Each level of nesting takes two or three.
const MAX_OPEN_FILES: u64 = 256;

/// A scan that took this long may have left much free memory behind, which is then given back.
const LONG: Duration = Duration::from_millis(50);

/// What a fresh worker is.
pub(crate) struct Start {
    pub(crate) zygote: libc::pid_t,
    pub(crate) temp_dir: std::ffi::CString,
    pub(crate) memory: u64,
    pub(crate) image_hashes: bool,
}

/// The whole life of a worker, from the fork on.
pub(crate) fn run(engine: &Engine, rules: Option<&Rules>, object: OwnedFd, start: &Start) -> ExitCode {
    let object = match confine(object, start) {
        Ok(object) => object,
        Err(error) => {
            crate::log(&format!("a worker could not be confined: {error}"));
            return ExitCode::FAILURE;
        }
    };
    if let Err(error) = engine.set_temp_dir(&start.temp_dir) {
        crate::log(&format!("a worker cannot use its temporary folder: {error}"));
        return ExitCode::FAILURE;
    }
    match serve(engine, rules, object.as_fd(), start.image_hashes) {
        Ok(()) => ExitCode::SUCCESS,
        // The supervisor is gone or did not wait for the reply.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            crate::log(&format!("a worker ends: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Gives up all that a worker does not need.
fn confine(object: OwnedFd, start: &Start) -> io::Result<OwnedFd> {
    sys::die_with_parent()?;
    if sys::parent_pid() != start.zygote {
        return Err(io::Error::other("the zygote ended meanwhile"));
    }
    let log = sys::null_stderr()?;
    let [object, log] = sys::keep_only([object, log])?;
    crate::log_to(log);
    sys::unblock_child_signal()?;
    sys::reseed()?;
    sys::no_new_privileges()?;
    sys::set_limit(libc::RLIMIT_CORE, 0)?;
    sys::set_limit(libc::RLIMIT_NOFILE, MAX_OPEN_FILES)?;
    if start.memory > 0 {
        sys::set_limit(libc::RLIMIT_AS, sys::address_space()?.saturating_add(start.memory))?;
    }
    // Behind all that needs more.
    sandbox::enter(&start.temp_dir)?;
    Ok(object)
}

fn serve(
    engine: &Engine,
    rules: Option<&Rules>,
    socket: BorrowedFd<'_>,
    image_hashes: bool,
) -> io::Result<()> {
    while let Some(packet) = socket::receive(socket)? {
        let request = Request::decode(&packet.bytes)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let [object] = &packet.fds[..] else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a request needs exactly one descriptor"));
        };
        let started = Instant::now();
        let (reply, files) = engine.scan(&request, object.as_fd(), image_hashes, rules);
        let is_long = started.elapsed() >= LONG;
        drop(packet);
        for files in files.chunks(Files::MAX) {
            let files = Files { id: request.id, files: files.to_vec() };
            socket::send(socket, &files.encode(), None)?;
        }
        socket::send(socket, &reply.encode(), None)?;
        if is_long {
            sys::trim_heap();
        }
    }
    Ok(())
}
