//! The whole life of the process.

use crate::{sandbox, serve};
use rustix::process::{Pid, Resource, Rlimit, Signal, getppid, setpriority_process, setrlimit};
use std::io;
use std::process::ExitCode;

/// Open files: the standard three, a container, and members.
const OPEN_FILES: u64 = 24;

/// Processor seconds of one process, over all its containers: far more than the scanner lets it have, and a
/// bound in case that the scanner cannot.
const CPU_SECONDS: u64 = 900;

/// Bytes of one file in memory, whatever the order says.
const FILE_SIZE: u64 = 4 << 30;

/// What a process is started with.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// The process that started it, and without which it is to end.
    pub parent: u32,
    /// Bytes of address space beyond what the program takes by itself; 0 for no limit.
    pub memory: u64,
    /// How much it steps back for others.
    pub nice: i32,
}

/// Gives up all rights, and takes containers apart until the scanner closes the socket, which is the standard
/// input.
pub fn run(start: &Start) -> ExitCode {
    // What a decoder has to say of its own faults may be what an object made it say.
    std::panic::set_hook(Box::new(|_| {}));
    let result = confine(start).and_then(|()| serve::serve(rustix::stdio::stdin()));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("icapstan unpack-worker: {error}");
            ExitCode::FAILURE
        }
    }
}

/// From here on only what unpacking takes.
fn confine(start: &Start) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have ended before the kernel was told.
    let parent = i32::try_from(start.parent).ok().and_then(Pid::from_raw);
    if getppid() != parent {
        return Err(io::Error::other("the scanner has ended"));
    }
    setpriority_process(None, start.nice)?;
    limit(Resource::Core, 0)?;
    limit(Resource::Nofile, OPEN_FILES)?;
    limit(Resource::Cpu, CPU_SECONDS)?;
    limit(Resource::Fsize, FILE_SIZE)?;
    if start.memory > 0 {
        limit(Resource::As, address_space()?.saturating_add(start.memory))?;
    }
    sandbox::enter()
}

fn limit(resource: Resource, value: u64) -> io::Result<()> {
    Ok(setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?)
}

/// Bytes that the program takes now.
fn address_space() -> io::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    let kibibytes = kibibytes.ok_or_else(|| io::Error::other("/proc/self/status does not tell VmSize"))?;
    Ok(kibibytes << 10)
}
