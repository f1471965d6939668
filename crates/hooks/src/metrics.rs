//! What operators see of hooks.

use icapstan_api::HookSettings;
use icapstan_metrics::{Counters, Families, Gauge, Histograms, label};
use prometheus::Registry;
use std::time::Duration;

/// Metrics of [`Hooks`](crate::Hooks).
#[derive(Clone, Debug)]
pub struct HookMetrics {
    pub(crate) runs: Counters<(Place, Ending)>,
    pub(crate) dropped: Counters<Cause>,
    pub(crate) took: Histograms<Type>,
    pub(crate) waiting: Gauge,
    pub(crate) running: Gauge,
}

label! {
    /// Which hook: a program by its place in the settings, or a server.
    pub(crate) enum Place as "hook" {
        /// `hooks.exec[0]`.
        Exec0 = "exec0",
        /// `hooks.exec[1]`.
        Exec1 = "exec1",
        /// `hooks.exec[2]`.
        Exec2 = "exec2",
        /// `hooks.exec[3]`.
        Exec3 = "exec3",
        /// `hooks.exec[4]`.
        Exec4 = "exec4",
        /// `hooks.exec[5]`.
        Exec5 = "exec5",
        /// `hooks.exec[6]`.
        Exec6 = "exec6",
        /// `hooks.exec[7]`.
        Exec7 = "exec7",
        /// `hooks.exec[8]`.
        Exec8 = "exec8",
        /// `hooks.exec[9]`.
        Exec9 = "exec9",
        /// `hooks.exec[10]`.
        Exec10 = "exec10",
        /// `hooks.exec[11]`.
        Exec11 = "exec11",
        /// `hooks.exec[12]`.
        Exec12 = "exec12",
        /// `hooks.exec[13]`.
        Exec13 = "exec13",
        /// `hooks.exec[14]`.
        Exec14 = "exec14",
        /// `hooks.exec[15]`.
        Exec15 = "exec15",
        /// Any server.
        Http = "http",
    }
}

label! {
    /// How a call ended.
    pub(crate) enum Ending as "result" {
        /// With status 0, or with one of HTTP from 200 to 299.
        Ok = "ok",
        /// With another.
        Failed = "failed",
        /// It took too long.
        Timeout = "timeout",
        /// It could not be begun, or nothing came back.
        Error = "error",
    }
}

label! {
    /// Why a call is lost.
    pub(crate) enum Cause as "cause" {
        /// No more can wait.
        QueueFull = "queue-full",
        /// The program ended before.
        Stopped = "stopped",
        /// No hook of these settings is called so.
        Unknown = "unknown",
    }
}

label! {
    /// What a hook is.
    pub(crate) enum Type as "type" {
        /// A program.
        Exec = "exec",
        /// A server.
        Http = "http",
    }
}

/// From what a program takes at least to the longest timeout.
const BOUNDS: [Duration; 12] = [
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_mins(1),
    Duration::from_mins(5),
];

// === impl HookMetrics ===

impl HookMetrics {
    /// Registers all of them.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let families = Families::of(registry);
        Ok(Self {
            runs: families.counters(
                "icapstan_hook_runs_total",
                "Calls of hooks, by the hook's place in the settings and by how they ended.",
            )?,
            dropped: families
                .counters("icapstan_hook_dropped_total", "Calls of hooks that are lost, by cause.")?,
            took: families.histograms(
                "icapstan_hook_run_seconds",
                "How long a hook ran, by its type. What it waited before does not count.",
                &BOUNDS,
            )?,
            waiting: families.gauge("icapstan_hook_queue_length", "Calls of hooks that wait.")?,
            running: families.gauge("icapstan_hook_running", "Hooks that run.")?,
        })
    }
}

// === impl Place ===

impl Place {
    const EXEC: [Self; HookSettings::MAX_EXEC] = [
        Self::Exec0,
        Self::Exec1,
        Self::Exec2,
        Self::Exec3,
        Self::Exec4,
        Self::Exec5,
        Self::Exec6,
        Self::Exec7,
        Self::Exec8,
        Self::Exec9,
        Self::Exec10,
        Self::Exec11,
        Self::Exec12,
        Self::Exec13,
        Self::Exec14,
        Self::Exec15,
    ];

    /// How many there are.
    pub(crate) const COUNT: usize = Self::EXEC.len() + 1;

    /// `hooks.exec[index]`.
    pub(crate) fn exec(index: usize) -> Self {
        Self::EXEC[index.min(Self::EXEC.len() - 1)]
    }

    pub(crate) const fn kind(self) -> Type {
        match self {
            Self::Http => Type::Http,
            _ => Type::Exec,
        }
    }
}
