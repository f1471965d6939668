//! What a program does not inherit.

#![expect(unsafe_code, reason = "there is no other way to do something between fork and exec")]

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The usual soft limit on open files, which this process raises for its own use: programs with select(2) break
/// beyond it.
const OPEN_FILES: u64 = 1024;

/// Has `command` started with its standard streams only, and with the usual limit on open files.
pub(crate) fn isolate(command: &mut Command) {
    // SAFETY: between fork and exec only system calls are made: no allocation, no lock, no panic.
    unsafe {
        command.pre_exec(prepare);
    }
}

fn prepare() -> io::Result<()> {
    /// Behind the standard streams.
    const FIRST: libc::c_uint = 3;
    let flags = libc::CLOSE_RANGE_CLOEXEC.cast_signed();
    // What this process opened is closed anyway. What it was started with may not be.
    // SAFETY: this touches no memory, and what it closes, it closes in the program that is about to start.
    if unsafe { libc::close_range(FIRST, libc::c_uint::MAX, flags) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = maximum.map_or(OPEN_FILES, |maximum| maximum.min(OPEN_FILES));
    setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum })?;
    Ok(())
}
