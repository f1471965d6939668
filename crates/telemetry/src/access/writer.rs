//! The thread that writes the access log. It alone makes text of records and waits for the disk.

use super::records::Records;
use super::target::Output;
use super::{AccessRecord, format};
use crate::log::LogFormat;
use crate::queue::Queue;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How much text is made before it is written.
const CHUNK: usize = 64 * 1024;

/// How often the log tells of lost lines at most.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

/// What is not told in the log yet.
struct Complaint {
    untold: u64,
    told: Option<Instant>,
}

/// Starts the thread. It runs as long as the process does.
pub(super) fn start(queue: Arc<Queue<Records>>, format: LogFormat, output: Output) -> io::Result<()> {
    let thread = std::thread::Builder::new().name("icapstan-access".to_owned());
    thread.spawn(move || run(&queue, format, output))?;
    Ok(())
}

fn run(queue: &Queue<Records>, format: LogFormat, mut output: Output) {
    let mut batch = Records::default();
    let mut text = Vec::with_capacity(CHUNK);
    let mut complaint = Complaint { untold: 0, told: None };
    loop {
        complaint.untold += queue.take(&mut batch);
        let lost = write(batch.iter(), format, &mut text, &mut output);
        if lost > 0 {
            queue.count_dropped(lost);
            complaint.untold += lost;
        }
        complaint.tell();
    }
}

/// Writes all records. Returns how many are lost.
fn write<'a>(
    records: impl Iterator<Item = &'a AccessRecord>,
    format: LogFormat,
    text: &mut Vec<u8>,
    output: &mut Output,
) -> u64 {
    let mut lost = 0;
    for record in records {
        format::line(format, record, text);
        if text.len() >= CHUNK {
            lost += output.write(text);
            text.clear();
        }
    }
    lost += output.write(text);
    text.clear();
    lost
}

// === impl Complaint ===

impl Complaint {
    fn tell(&mut self) {
        if self.untold > 0 && self.told.is_none_or(|told| told.elapsed() >= COMPLAINT_INTERVAL) {
            tracing::warn!(
                dropped = self.untold,
                "Access log lines were dropped: they were not taken in time."
            );
            *self = Self { untold: 0, told: Some(Instant::now()) };
        }
    }
}
