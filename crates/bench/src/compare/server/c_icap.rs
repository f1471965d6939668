//! c-icap, with settings that make it fast: no logs, connections without end, enough threads, and
//! processes that are neither made nor ended meanwhile.

use super::{START, Server, Wanted, clamd};
use crate::compare::case::Subject;
use crate::compare::urls::Lists;
use crate::context::{self, Context, Core};
use crate::daemon::Daemon;
use anyhow::Context as _;
use icapstan_testkit::free_port;
use std::fmt::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread;

/// What its configuration is made of.
#[derive(Clone, Copy, Debug)]
struct Settings<'a> {
    files: &'a context::CIcap,
    folder: &'a Path,
    address: SocketAddr,
    processes: u32,
    connections: u32,
    root: bool,
    /// clamd's socket; with it objects are scanned...
    clamd: Option<&'a Path>,
    /// ... with these URLs looked up, and else messages sent back.
    lists: Option<&'a Lists>,
}

/// Fewer threads for a process than this save nothing.
const MIN_THREADS: u32 = 40;

/// Starts it, and clamd before it where it is to scan.
pub(super) fn start(context: &Context, wanted: &Wanted<'_>) -> anyhow::Result<Server> {
    let files = context.programs.c_icap.as_ref().context("c-icap was not looked for")?;
    let folder = context.subfolder("c-icap")?;
    let clamd = wanted
        .signatures
        .map(|signatures| clamd::start(context, signatures, &folder, wanted.remembers))
        .transpose()?;
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let settings = Settings {
        files,
        folder: &folder,
        address,
        processes: thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1)),
        connections: wanted.connections,
        root: rustix::process::geteuid().is_root(),
        clamd: clamd.as_ref().map(|(_, socket)| socket.as_path()),
        lists: wanted.lists,
    };
    let config = folder.join("c-icap.conf");
    std::fs::write(&config, settings.render())?;
    let mut command = context.command(&files.program, Core::Server);
    command.arg("-N").arg("-f").arg(&config);
    let process = Daemon::start("c-icap", command);
    context.wait(&process, START, || TcpStream::connect(address).ok()).with_context(|| {
        format!("its log:\n{}", std::fs::read_to_string(folder.join("server.log")).unwrap_or_default())
    })?;
    let service = match (&clamd, wanted.lists) {
        (Some(_), _) => "/avscan",
        (None, Some(_)) => "/url_check",
        (None, None) => "/echo",
    };
    let mut processes = vec![process];
    processes.extend(clamd.map(|(process, _)| process));
    Ok(Server { subject: Subject::CIcap, address, services: [service; 2], processes })
}

// === impl Settings ===

impl Settings<'_> {
    /// A connection holds a thread; a quarter more threads than connections, since one process may
    /// get more of them than another.
    fn threads(&self) -> u32 {
        (self.connections * 5).div_ceil(4).div_ceil(self.processes).max(MIN_THREADS)
    }

    fn render(&self) -> String {
        let Self { files, folder, address, processes, .. } = self;
        let (folder, modules) = (folder.display(), files.modules.display());
        let mut text = format!(
            "PidFile {folder}/c-icap.pid\n\
             CommandsSocket {folder}/c-icap.ctl\n\
             Timeout 300\n\
             MaxKeepAliveRequests -1\n\
             KeepAliveTimeout 600\n\
             StartServers {processes}\n\
             MaxServers {processes}\n\
             MinSpareThreads 1\n\
             MaxSpareThreads 100000\n\
             ThreadsPerChild {threads}\n\
             MaxRequestsPerChild 0\n\
             MaxRequestsReallocateMem 1000000000\n\
             Port {address}\n\
             ServerAdmin bench@localhost\n\
             ServerName bench\n\
             TmpDir {folder}\n\
             MaxMemObject 16777216\n\
             DebugLevel 0\n\
             Pipelining on\n\
             ModulesDir {modules}\n\
             ServicesDir {modules}\n\
             TemplateDefaultLanguage en\n\
             LoadMagicFile {magic}\n\
             RemoteProxyUsers off\n\
             ServerLog {folder}/server.log\n",
            threads = self.threads(),
            magic = files.magic.display(),
        );
        // Without a name it stays who it is, as anybody but root must.
        if self.root {
            text.push_str("User root\nGroup root\n");
        }
        if let Some(templates) = &files.templates {
            let _ = writeln!(text, "TemplateDir {}/", templates.display());
        }
        match (self.clamd, self.lists) {
            (Some(socket), _) => {
                let _ = write!(
                    text,
                    "Service antivirus_module virus_scan.so\n\
                     ServiceAlias avscan virus_scan?allow204=on&sizelimit=off&mode=simple\n\
                     virus_scan.ScanFileTypes TEXT DATA EXECUTABLE ARCHIVE DOCUMENT GRAPHICS STREAM\n\
                     virus_scan.SendPercentData 0\n\
                     virus_scan.StartSendPercentDataAfter 0\n\
                     virus_scan.MaxObjectSize 50M\n\
                     Module common clamd_mod.so\n\
                     clamd_mod.ClamdSocket {}\n",
                    socket.display()
                );
            }
            // Its tables in memory are the fastest that it has.
            (None, Some(lists)) => {
                let _ = write!(
                    text,
                    "Service url_check_module srv_url_check.so\n\
                     url_check.LookupTableDB listed domain hash:{} \"listed\"\n\
                     url_check.Profile default block listed\n\
                     url_check.Profile default pass ALL\n",
                    lists.text.display()
                );
            }
            (None, None) => text.push_str("Service echo srv_echo.so\n"),
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn files() -> context::CIcap {
        context::CIcap {
            program: PathBuf::from("/usr/bin/c-icap"),
            modules: PathBuf::from("/m/"),
            magic: PathBuf::from("/etc/magic"),
            templates: Some(PathBuf::from("/t")),
        }
    }

    fn settings<'a>(files: &'a context::CIcap, connections: u32, clamd: Option<&'a Path>) -> Settings<'a> {
        let address = "127.0.0.1:1".parse().unwrap();
        Settings {
            files,
            folder: Path::new("/f"),
            address,
            processes: 2,
            connections,
            root: true,
            clamd,
            lists: None,
        }
    }

    #[test]
    fn threads_are_a_quarter_more_than_connections() {
        let files = files();
        for (connections, threads) in [(1, 40), (16, 40), (1000, 625), (1001, 626)] {
            assert_eq!(settings(&files, connections, None).threads(), threads);
        }
    }

    #[test]
    fn it_echoes_without_clamd_and_scans_with_it() {
        let files = files();
        let echo = settings(&files, 1000, None).render();
        assert!(echo.contains("\nThreadsPerChild 625\n") && echo.contains("\nPort 127.0.0.1:1\n"), "{echo}");
        assert!(echo.ends_with("Service echo srv_echo.so\n") && !echo.contains("AccessLog"), "{echo}");
        let scan = settings(&files, 16, Some(Path::new("/f/clamd.sock"))).render();
        assert!(scan.ends_with("clamd_mod.ClamdSocket /f/clamd.sock\n"), "{scan}");
        assert!(scan.contains("?allow204=on&sizelimit=off&mode=simple\n") && !scan.contains("srv_echo"));
        assert!(scan.contains("TemplateDir /t/\n"));
    }

    #[test]
    fn it_looks_urls_up_where_there_are_lists() {
        let (files, lists) = (files(), Lists::nowhere());
        let text = Settings { lists: Some(&lists), ..settings(&files, 16, None) }.render();
        let end = "Service url_check_module srv_url_check.so\n\
                   url_check.LookupTableDB listed domain hash:/l/list.txt \"listed\"\n\
                   url_check.Profile default block listed\n\
                   url_check.Profile default pass ALL\n";
        assert!(text.ends_with(end) && !text.contains("srv_echo"), "{text}");
    }

    #[test]
    fn only_root_names_a_user() {
        let files = files();
        let mut settings = settings(&files, 16, None);
        assert!(settings.render().contains("User root\n"));
        settings.root = false;
        assert!(!settings.render().contains("User "));
    }
}
