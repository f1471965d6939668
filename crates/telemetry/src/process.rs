//! What the process takes of the machine, as metrics.

use prometheus::Registry;
use prometheus::process_collector::ProcessCollector;

/// Registers the metrics that each process has by convention: `process_cpu_seconds_total`,
/// `process_resident_memory_bytes`, `process_open_fds`, `process_start_time_seconds` and their like.
/// Does nothing if they are there already. They are of this process alone, not of its workers.
pub fn register_process_metrics(registry: &Registry) -> Result<(), prometheus::Error> {
    match registry.register(Box::new(ProcessCollector::for_self())) {
        Err(prometheus::Error::AlreadyReg) => Ok(()),
        result => result,
    }
}
