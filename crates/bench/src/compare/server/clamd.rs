//! clamd, the engine behind c-icap's `virus_scan`.

use super::START;
use crate::context::{Context, Core};
use crate::daemon::Daemon;
use anyhow::Context as _;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Starts it and waits until it answers; returns it with its socket.
pub(super) fn start(
    context: &Context,
    signatures: &Path,
    folder: &Path,
    remembers: bool,
) -> anyhow::Result<(Daemon, PathBuf)> {
    let program = context.programs.clamd.as_ref().context("clamd was not looked for")?;
    let (config, socket) = (folder.join("clamd.conf"), folder.join("clamd.sock"));
    let temp = folder.join("clamd-temp");
    std::fs::create_dir(&temp)?;
    let text = render(signatures, &socket, &temp, remembers, rustix::process::geteuid().is_root());
    std::fs::write(&config, text)?;
    let mut command = context.command(program, Core::Server);
    command.arg("--config-file").arg(&config);
    let process = Daemon::start("clamd", command);
    context.wait(&process, START, || ping(&socket)).context("clamd does not answer")?;
    Ok((process, socket))
}

/// Whether it answers yet: its socket may be there before the signatures are loaded.
fn ping(socket: &Path) -> Option<()> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(500))).ok()?;
    stream.write_all(b"zPING\0").ok()?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).ok()?;
    (&answer == b"PONG\0").then_some(())
}

/// The cache of clean objects is off where objects are unique: it would cost a hash of each all the same.
fn render(signatures: &Path, socket: &Path, temp: &Path, remembers: bool, root: bool) -> String {
    let cache = if remembers { "" } else { "DisableCache yes\n" };
    let user = if root { "User root\n" } else { "" };
    format!(
        "{user}\
         LocalSocket {}\n\
         LocalSocketMode 666\n\
         DatabaseDirectory {}\n\
         TemporaryDirectory {}\n\
         Foreground yes\n\
         MaxThreads 16\n\
         MaxQueue 200\n\
         MaxConnectionQueueLength 200\n\
         IdleTimeout 30\n\
         LogClean no\n\
         SelfCheck 0\n\
         Bytecode no\n\
         {cache}StreamMaxLength 100M\n\
         MaxFileSize 100M\n\
         MaxScanSize 400M\n",
        socket.display(),
        signatures.display(),
        temp.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gets_the_folder_of_signatures_and_a_cache_where_it_is_of_use() {
        let render =
            |remembers, root| render(Path::new("/db"), Path::new("/s"), Path::new("/t"), remembers, root);
        let text = render(false, false);
        assert!(text.contains("DatabaseDirectory /db\n") && text.contains("DisableCache yes\n"), "{text}");
        assert!(text.starts_with("LocalSocket /s\n"), "{text}");
        assert!(render(false, true).starts_with("User root\n"));
        assert!(!render(true, false).contains("DisableCache"));
    }
}
