//! Standard output.

use super::lines::Lines;
use super::{Sink, WriteError};
use std::io::{self, Stdout};

#[derive(Debug)]
pub(super) struct StdoutSink(Lines<Stdout>);

// === impl StdoutSink ===

impl StdoutSink {
    pub(super) fn new() -> Self {
        Self(Lines::new(io::stdout()))
    }
}

impl Sink for StdoutSink {
    fn open(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn check(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn write(&mut self, record: &[u8]) -> Result<(), WriteError> {
        Ok(self.0.write(record)?)
    }

    fn close(&mut self) {}
}
