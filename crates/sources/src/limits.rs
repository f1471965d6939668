//! How much, and how long.

use icapstan_artifacts::Pace;
use std::time::Duration;

/// What one fetch may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// All files together, in bytes.
    pub max_bytes: u64,
    /// How many files.
    pub max_files: usize,
    /// The whole of it.
    pub total: Duration,
    /// How slow the other side may be.
    pub pace: Pace,
    /// How many redirects are followed for one file.
    pub redirects: u32,
    /// How often one file is gone on with after its transfer was cut.
    pub resumes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 30,
            max_files: 64,
            total: Duration::from_mins(10),
            pace: Pace {
                connect: Duration::from_secs(10),
                head: Duration::from_secs(30),
                idle: Duration::from_secs(30),
                min_rate: 16 << 10,
                grace: Duration::from_secs(30),
            },
            redirects: 5,
            resumes: 3,
        }
    }
}
