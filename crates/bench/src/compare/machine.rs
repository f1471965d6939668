//! What must be known of the machine to judge a figure.

use crate::context::{Context, output_of};
use serde::Serialize;
use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// The machine and the programs, before anything is measured.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Machine {
    pub(super) cpu: String,
    /// That this process may use.
    pub(super) cores: usize,
    pub(super) memory_bytes: u64,
    pub(super) kernel: String,
    /// Processes that ran or wanted to, on average of the last 1, 5 and 15 minutes.
    pub(super) load_average: [f64; 3],
    /// Seconds since 1970.
    pub(super) time: u64,
    /// Whether the programs of this workspace were built with optimisation.
    pub(super) optimised: bool,
    pub(super) icapstan: String,
    pub(super) c_icap: Option<String>,
    pub(super) clamav: Option<String>,
}

/// More than this before the start is somebody else's work.
const IDLE_LOAD: f64 = 0.5;

// === impl Machine ===

impl Machine {
    pub(super) fn look(context: &Context) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let version = |command: &mut Command| output_of(command).map(|text| text.trim().to_owned());
        let programs = &context.programs;
        let clamav = programs.clamd.as_ref().or(programs.clamscan.as_ref());
        Self {
            cpu: field(&read("/proc/cpuinfo"), "model name").unwrap_or_default(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: field(&read("/proc/meminfo"), "MemTotal")
                .and_then(|value| value.split(' ').next()?.parse::<u64>().ok())
                .unwrap_or_default()
                * 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load_average: load_average(&read("/proc/loadavg")),
            time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
            optimised: !cfg!(debug_assertions),
            icapstan: version(Command::new(&programs.icapstan).arg("--version")).unwrap_or_default(),
            c_icap: programs
                .c_icap
                .as_ref()
                .and_then(|c_icap| version(Command::new(&c_icap.program).arg("-V"))),
            clamav: clamav.and_then(|program| version(Command::new(program).arg("-V"))),
        }
    }

    /// What makes every figure doubtful.
    pub(super) fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        if self.load_average[0] > IDLE_LOAD {
            doubts.push(format!("the machine was not idle: load average {:.2}", self.load_average[0]));
        }
        if !self.optimised {
            doubts.push("the programs were built without optimisation".to_owned());
        }
        doubts
    }
}

/// The value of the first line `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim().to_owned())
    })
}

fn load_average(text: &str) -> [f64; 3] {
    let mut numbers = text.split(' ').map(|number| number.parse().unwrap_or_default());
    std::array::from_fn(|_| numbers.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_from_the_kernels_tables() {
        assert_eq!(load_average("0.15 0.49 1.32 2/91 21806\n").to_vec(), vec![0.15, 0.49, 1.32]);
        let info = "processor\t: 0\nmodel name\t: A CPU @ 2: fast\nmodel name\t: another\n";
        assert_eq!(field(info, "model name").as_deref(), Some("A CPU @ 2: fast"));
        assert_eq!(field(info, "flags"), None);
    }

    #[test]
    fn a_busy_machine_and_slow_programs_are_doubted() {
        let sound = Machine { optimised: true, ..Machine::default() };
        assert!(sound.doubts().is_empty());
        assert_eq!(Machine { load_average: [2.0; 3], optimised: false, ..sound }.doubts().len(), 2);
    }
}
