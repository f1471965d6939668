//! Files of everyday, of many types: nothing is found in them, nothing breaks, and they come back unchanged.

use icapstan_testkit::{IcapClient, Message, Standalone};
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::PathBuf;

/// Of each extension at most so many, so that there are many types.
const OF_ONE_KIND: usize = 60;
const FILES: usize = 3000;

/// Regular files up to 10 MB, folder by folder.
fn files() -> Vec<PathBuf> {
    let mut folders: VecDeque<PathBuf> = ["/usr/share", "/usr/lib", "/usr/bin"].map(PathBuf::from).into();
    let mut kinds = BTreeMap::<String, usize>::new();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop_front() {
        let mut entries: Vec<_> = fs::read_dir(&folder).into_iter().flatten().flatten().collect();
        entries.sort_by_key(fs::DirEntry::path);
        for entry in entries {
            let (path, Ok(meta)) = (entry.path(), entry.metadata()) else { continue };
            // The collection of files that are to be found has a test of its own.
            if path.ends_with("clamav-testfiles") {
                continue;
            }
            if meta.is_dir() {
                folders.push_back(path);
            } else if meta.is_file() && (1..10 << 20).contains(&meta.len()) && fs::File::open(&path).is_ok() {
                let kind = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
                let kind = if kind.chars().all(|c| c.is_ascii_digit()) { String::new() } else { kind };
                let count = kinds.entry(kind).or_default();
                *count += 1;
                if *count <= OF_ONE_KIND {
                    files.push(path);
                }
            }
        }
    }
    println!("{} files of {} extensions", files.len(), kinds.len());
    files.truncate(FILES);
    files
}

/// Takes minutes, and what is there depends on the machine.
#[test]
#[ignore = "takes minutes; run it by name"]
fn files_of_everyday_pass_unchanged() {
    let files = files();
    assert!(files.len() > 500, "{} files", files.len());
    let config = "policies:\n  - {name: default, scan: {timeout: 60s}, partial: {enabled: false}}\n";
    let server = Standalone::with().config(config).start();
    let mut client = IcapClient::connect(server.icap());
    let (mut reasons, mut wrong) = (BTreeMap::<String, usize>::new(), Vec::new());
    for path in &files {
        let Ok(body) = fs::read(path) else { continue };
        let message = Message::respmod("/avscan")
            .request_head(crate::common::GET)
            .response_head("HTTP/1.1 200 OK\r\n\r\n")
            .body(&body);
        client.send(message.bytes());
        let response = client.read_respmod();
        let reason = response.get("X-Icapstan-Reason").unwrap_or("clean").to_owned();
        let is_page = response.response_head.as_ref().is_some_and(|head| head.first_line.contains("403"));
        if response.get("X-Virus-ID").is_some() || reason.contains("failed") {
            wrong.push(format!("{}: {:?} {reason}", path.display(), response.get("X-Virus-ID")));
        } else if is_page {
            // Such as a zip file in which other readers see something else: of no use to users, and listed here.
            println!("{}: blocked: {reason}", path.display());
        } else if response.body_data() != body {
            wrong.push(format!("{}: not the same bytes", path.display()));
        }
        *reasons.entry(if is_page { format!("blocked: {reason}") } else { reason }).or_default() += 1;
        if response.closes() {
            client = IcapClient::connect(server.icap());
        }
    }
    println!("{reasons:#?}");
    assert!(wrong.is_empty(), "of {} files:\n{}", files.len(), wrong.join("\n"));
}
