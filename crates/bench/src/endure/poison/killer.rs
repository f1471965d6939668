//! Ends workers by a signal while they have a marked object, as an object that libclamav crashes of would:
//! such ones are not at hand, and would be gone with the next version.

use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often workers are looked at.
const LOOK: Duration = Duration::from_millis(3);

/// Looks at the workers of a server until it is stopped.
pub(super) struct Killer {
    over: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

// === impl Killer ===

impl Killer {
    /// Whoever among the server's grandchildren has an object of this length.
    pub(super) fn start(server: u32, marked: u64) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let mut killed = BTreeSet::new();
            let mut count = 0;
            while !is_over.load(Ordering::Relaxed) {
                let workers: BTreeSet<u32> = children(server).into_iter().flat_map(children).collect();
                // A number may mean another process later.
                killed.retain(|pid| workers.contains(pid));
                for pid in &workers {
                    if !killed.contains(pid) && has_object(*pid, marked) && kill(*pid) {
                        killed.insert(*pid);
                        count += 1;
                    }
                }
                std::thread::sleep(LOOK);
            }
            count
        });
        Self { over, thread }
    }

    /// How many it has ended.
    pub(super) fn stop(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

/// Those of all threads.
fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let listed =
        threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    listed
        .flat_map(|text| text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// Objects are memory without a name in any folder, of which the kernel tells the length.
fn has_object(pid: u32, len: u64) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    files.flatten().any(|file| {
        let is_object = fs::read_link(file.path()).is_ok_and(|to| is_memory(&to));
        is_object && fs::metadata(file.path()).is_ok_and(|metadata| metadata.len() == len)
    })
}

fn is_memory(path: &Path) -> bool {
    path.to_string_lossy().starts_with("/memfd:icapstan-object")
}

/// By the signal that a failed allocation in libclamav ends it with. `SIGSEGV` from outside is caught once by
/// what looks for overflows of the stack.
fn kill(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| kill_process(pid, Signal::ABORT).is_ok())
}
