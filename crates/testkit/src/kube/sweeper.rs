//! A folder that is removed when this process ends, in whatever way.

use crate::net::tempdir;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Waits for the end of its input, which is the end of who started it. What else ends with that process may write a
/// last time, hence the tries.
const SCRIPT: &str = r#"cat >/dev/null; for try in 1 2 3 4 5; do rm -rf -- "$1" && exit; sleep 0.2; done"#;

/// A new folder, for what lives as long as the process: values of that kind are never dropped.
#[derive(Debug)]
pub(super) struct Swept {
    path: PathBuf,
    // Its input is open as long as this process is.
    _sweeper: Child,
}

// === impl Swept ===

impl Swept {
    /// Makes it.
    #[track_caller]
    pub(super) fn new() -> Self {
        let path = tempdir().keep();
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "sweeper"]).arg(&path);
        // An interrupt from the keyboard is for the tests, not for who cleans up behind them.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let sweeper = command.spawn().unwrap_or_else(|error| panic!("sh does not start: {error}"));
        Self { path, _sweeper: sweeper }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
