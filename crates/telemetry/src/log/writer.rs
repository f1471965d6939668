//! The thread that writes the log. It alone waits for standard error.

use super::LogFormat;
use super::lines::Lines;
use crate::output::Output;
use crate::queue::Queue;
use std::io;
use std::sync::Arc;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

/// Starts the thread. It runs as long as the process does.
pub(super) fn start(queue: Arc<Queue<Lines>>, format: LogFormat) -> io::Result<()> {
    let output = Output::new(io::stderr());
    std::thread::Builder::new().name("icapstan-log".to_owned()).spawn(move || run(&queue, format, output))?;
    Ok(())
}

fn run(queue: &Queue<Lines>, format: LogFormat, mut output: Output<io::Stderr>) {
    let mut batch = Lines::default();
    let mut untold: u64 = 0;
    loop {
        untold += queue.take(&mut batch);
        let lost = output.write(batch.as_bytes());
        if lost > 0 {
            queue.count_dropped(lost);
            untold += lost;
        }
        if untold > 0 && output.write(note(format, untold).as_bytes()) == 0 {
            untold = 0;
        }
    }
}

/// The line that tells of dropped ones. Made by hand: an event could be filtered out or be dropped
/// itself, and would not stand where the others are missing.
fn note(format: LogFormat, dropped: u64) -> String {
    const MESSAGE: &str = "Log lines were dropped: standard error did not take them in time.";
    const TARGET: &str = "icapstan_telemetry::log";
    let mut time = String::new();
    // A clock that cannot be told leaves the time out, not the line.
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    match format {
        LogFormat::Json => format!(
            "{{\"timestamp\":\"{time}\",\"level\":\"WARN\",\"message\":\"{MESSAGE}\",\"dropped\":{dropped},\"target\":\"{TARGET}\"}}\n"
        ),
        LogFormat::Text => format!("{time}  WARN {TARGET}: {MESSAGE} dropped={dropped}\n"),
    }
}
