//! How zygotes and workers begin and end.

use crate::support::{
    Folder, MEMORY, Worker, Zygote, eicar, ended, names, pair, receive, request, send, tell,
};
use icapstan_clamav_wire::{Command, Confinement, Event};
use std::fs;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Long to scan: nothing in it ends a scan early.
fn slow() -> Vec<u8> {
    (0..96_u32 << 20).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[test]
fn several_workers_serve_side_by_side() {
    let (zygote, _database) = Zygote::ready();
    let workers: Vec<Worker> = (0..4).map(|_| zygote.fork()).collect();
    for _ in 0..20 {
        for worker in &workers {
            worker.submit(&eicar(), &request());
        }
        for worker in &workers {
            let (bytes, _) = receive(&worker.socket);
            let reply = icapstan_clamav_wire::Reply::decode(&bytes).unwrap();
            assert_eq!(names(&reply), ["Eicar.UNOFFICIAL"]);
        }
    }
}

#[test]
fn the_end_of_the_control_socket_ends_every_process() {
    let (mut zygote, _database) = Zygote::ready();
    let workers: Vec<Worker> = (0..3).map(|_| zygote.fork()).collect();
    workers[0].scan(&eicar());
    assert!(zygote.end().success());
    assert!(workers.iter().all(Worker::ends));
}

#[test]
fn the_death_of_the_zygote_is_that_of_its_workers() {
    let (mut zygote, _database) = Zygote::ready();
    let workers: Vec<Worker> = (0..2).map(|_| zygote.fork()).collect();
    workers[0].submit(&slow(), &request());
    workers[1].scan(&eicar());
    zygote.kill();
    assert!(workers.iter().all(Worker::ends));
}

#[test]
fn the_end_of_its_socket_ends_a_worker_and_it_is_reaped() {
    let (zygote, _database) = Zygote::ready();
    let worker = zygote.fork();
    worker.scan(&eicar());
    let (pid, pidfd) = (worker.pid, worker.pidfd.try_clone().unwrap());
    drop(worker);
    assert!(ended(&pidfd));
    // The zygote answers a fork only after it has looked after its children.
    zygote.fork().scan(&eicar());
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", zygote.pid())).unwrap();
    assert!(!children.split_whitespace().any(|child| child == pid.to_string()), "{children}");
}

#[test]
fn signals_to_stop_end_neither_zygote_nor_worker_and_closed_sockets_do() {
    let (mut zygote, _database) = Zygote::ready();
    let (worker, idle) = (zygote.fork(), zygote.fork());
    worker.submit(&slow(), &request());
    for pid in [zygote.pid(), worker.pid, idle.pid] {
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            tell(pid, signal);
        }
    }
    // The scan that was under way is answered, and the next one, and new workers are made.
    let (bytes, _) = receive(&worker.socket);
    assert!(icapstan_clamav_wire::Reply::decode(&bytes).is_ok());
    for worker in [&worker, &idle, &zygote.fork()] {
        assert_eq!(names(&worker.scan(&eicar())), ["Eicar.UNOFFICIAL"]);
    }
    let pidfd = idle.pidfd.try_clone().unwrap();
    drop(idle);
    assert!(ended(&pidfd));
    assert!(zygote.end().success());
    assert!(worker.ends());
}

#[test]
fn a_worker_killed_in_the_middle_of_a_scan_takes_nobody_with_it() {
    let (zygote, _database) = Zygote::ready();
    let (victim, other) = (zygote.fork(), zygote.fork());
    victim.submit(&slow(), &request());
    victim.kill();
    let (bytes, _) = receive(&victim.socket);
    assert!(bytes.is_empty(), "it had answered already");
    assert!(victim.ends());
    assert_eq!(names(&other.scan(&eicar())), ["Eicar.UNOFFICIAL"]);
    assert_eq!(names(&zygote.fork().scan(&eicar())), ["Eicar.UNOFFICIAL"]);
}

#[test]
fn a_worker_is_confined() {
    let (zygote, _database) = Zygote::ready();
    // An elder, whose descriptors the younger must not inherit.
    let _elder = zygote.fork();
    let worker = zygote.fork();
    worker.scan(&eicar());
    let proc = |what: &str| format!("/proc/{}/{what}", worker.pid);

    let mut open: Vec<(String, String)> = fs::read_dir(proc("fd"))
        .unwrap()
        .filter_map(|entry| {
            let entry = entry.unwrap();
            let target = fs::read_link(entry.path()).ok()?;
            Some((entry.file_name().into_string().ok()?, target.to_string_lossy().into_owned()))
        })
        .collect();
    open.sort();
    let targets: Vec<&str> = open.iter().map(|(_, target)| target.as_str()).collect();
    assert_eq!(targets.len(), 5, "{open:?}");
    assert_eq!(targets[..3], ["/dev/null"; 3], "{open:?}");
    assert!(targets[3].starts_with("socket:"), "{open:?}");

    let status = fs::read_to_string(proc("status")).unwrap();
    let mut lines = vec!["Threads:\t1", "NoNewPrivs:\t1", "SigBlk:\t0000000000000000"];
    if zygote.confinement.has(Confinement::CALLS) {
        lines.extend(["Seccomp:\t2", "Seccomp_filters:\t2"]);
    }
    for line in lines {
        assert!(status.contains(line), "{line} is not in {status}");
    }
    let limits = fs::read_to_string(proc("limits")).unwrap();
    let limit = |name: &str| -> u64 {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().next().unwrap().parse().unwrap()
    };
    assert_eq!((limit("Max core file size"), limit("Max open files")), (0, 256));
    assert!((MEMORY..MEMORY + (1 << 30)).contains(&limit("Max address space")), "{limits}");
    let stat = fs::read_to_string(proc("stat")).unwrap();
    let nice = stat.rsplit(')').next().unwrap().split_whitespace().nth(16).unwrap().to_owned();
    assert_eq!(nice, "1");
}

#[test]
fn a_worker_whose_folder_is_not_there_ends_before_its_first_object() {
    let (zygote, _database) = Zygote::ready();
    let temp = Folder::new();
    let gone = temp.path().join("gone");
    assert!(zygote.fork_at(temp, &gone, MEMORY).ends());
    assert_eq!(names(&zygote.fork().scan(&eicar())), ["Eicar.UNOFFICIAL"]);
}

#[test]
fn a_worker_that_is_asked_nonsense_ends_without_an_answer() {
    let (zygote, _database) = Zygote::ready();
    let (ours, theirs) = pair();
    for fds in [&[][..], &[ours.as_raw_fd(), theirs.as_raw_fd()]] {
        let worker = zygote.fork();
        send(&worker.socket, &request().encode(), fds);
        assert!(worker.ends(), "{} descriptors", fds.len());
        assert!(receive(&worker.socket).0.is_empty());
    }
    let worker = zygote.fork();
    send(&worker.socket, b"nonsense", &[]);
    assert!(worker.ends());
    assert_eq!(names(&zygote.fork().scan(&eicar())), ["Eicar.UNOFFICIAL"]);
}

#[test]
fn a_fork_without_a_socket_is_refused_and_the_zygote_goes_on() {
    let (zygote, _database) = Zygote::ready();
    let temp = Folder::new();
    let command = Command::Fork { temp_dir: temp.path().as_os_str().as_bytes().to_vec(), memory: 0 };
    send(zygote.control(), &command.encode(), &[]);
    assert!(matches!(zygote.event().0, Event::ForkFailed { .. }));
    assert_eq!(names(&zygote.fork().scan(&eicar())), ["Eicar.UNOFFICIAL"]);
}

#[test]
fn an_object_that_needs_more_memory_than_there_is_is_not_called_clean() {
    let (zygote, _database) = Zygote::ready();
    let temp = Folder::new();
    let path = temp.path().to_owned();
    let worker = zygote.fork_at(temp, &path, 1 << 20);
    worker.submit(&slow(), &request());
    let (bytes, _) = receive(&worker.socket);
    // Either the process died, or it says that something was amiss.
    if !bytes.is_empty() {
        let reply = icapstan_clamav_wire::Reply::decode(&bytes).unwrap();
        let clean = reply.code == 0 && reply.flags == icapstan_clamav_wire::ReplyFlags::INSPECTED;
        assert!(!clean, "{reply:?}");
    }
}

/// Else scans are slower, and nobody would notice. Whether there are such pages is up to the system.
#[test]
fn the_loaded_signatures_ask_for_large_pages() {
    if !Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
        return;
    }
    let (zygote, _database) = Zygote::ready();
    let maps = fs::read_to_string(format!("/proc/{}/smaps", zygote.pid())).unwrap();
    let (mut size, mut sizes) = (0, Vec::new());
    for line in maps.lines() {
        if let Some(kib) = line.strip_prefix("Size:") {
            size = kib.trim_end_matches("kB").trim().parse::<u64>().unwrap();
        } else if line.strip_prefix("VmFlags:").is_some_and(|flags| flags.contains(" hg")) {
            sizes.push(size);
        }
    }
    assert!(!sizes.is_empty(), "{maps}");
    // What was taken ahead is given back: a worker's bound counts from there.
    assert!(sizes.iter().sum::<u64>() < 16 << 10, "{sizes:?} KiB");
}
