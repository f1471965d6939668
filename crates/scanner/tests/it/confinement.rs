//! What workers are kept from, and what is told where the kernel cannot see to it.

use crate::harness::{Bench, eicar, names, signature, text, worker};
use crate::log::warnings_with;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

const WARNING: &str = "This kernel does not keep workers from";

/// The value of a line of `/proc/PID/status`.
fn status(pid: i32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("{name} is not in {status}")).trim().to_owned()
}

/// A program that runs the worker as on a kernel that has no Landlock.
fn without_landlock(folder: &Path) -> PathBuf {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|folder| folder.join("python3"))
        .find(|path| path.exists());
    let python = fs::canonicalize(found.expect("python3 is there to start the worker")).unwrap();
    // A filter that answers ENOSYS to landlock_create_ruleset, which has one number everywhere.
    let mut script = format!("#!{}\n", python.display());
    write!(
        script,
        r#"
import ctypes, os, struct, sys
steps = [(0x20, 0, 0, 0), (0x15, 0, 1, 444), (0x06, 0, 0, 0x00050026), (0x06, 0, 0, 0x7fff0000)]
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
filter = ctypes.create_string_buffer(struct.pack("HP", len(steps), ctypes.addressof(program)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, filter, 0, 0) == 0
os.execv({worker:?}, [{worker:?}] + sys.argv[1:])
"#,
        worker = worker().to_str().unwrap()
    )
    .unwrap();
    let path = folder.join("icapstan-clamav-worker");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[tokio::test]
async fn every_worker_that_serves_has_its_system_calls_filtered() {
    let bench = Bench::start(|config| config.workers = 2).await;
    assert_eq!(names(&bench.scan(&eicar()).await), ["Eicar-Test-Signature.UNOFFICIAL"]);
    let (zygotes, workers) = bench.processes();
    assert_eq!(workers.len(), 2);
    for pid in workers {
        assert_eq!(status(pid, "NoNewPrivs"), "1");
        // 2 is SECCOMP_MODE_FILTER. The zygote has as many filters as the test itself.
        assert_eq!(status(pid, "Seccomp"), "2");
        let filters = |pid| status(pid, "Seccomp_filters").parse::<u32>().unwrap();
        assert_eq!(filters(pid), filters(zygotes[0]) + 2);
    }
    bench.end().await;
}

#[tokio::test]
async fn without_landlock_scans_go_on_and_each_generation_tells_of_it_once() {
    let folder = tempfile::tempdir().unwrap();
    let program = without_landlock(folder.path());
    let told = warnings_with(WARNING);
    let bench = Bench::start(|config| config.worker = program).await;
    let first = bench.epoch().signatures.id;
    assert_eq!(names(&bench.scan(&eicar()).await), ["Eicar-Test-Signature.UNOFFICIAL"]);
    assert!(bench.scan(&text(1000, 1)).await.is_clean());
    assert_eq!(bench.processes().1.len(), 2, "two workers");
    assert_eq!(told.load(Ordering::Relaxed), 1);
    fs::write(bench.signatures.path().join("more.ndb"), signature("More", b"another signature")).unwrap();
    bench.epoch_where(|epoch| epoch.signatures.id != first).await;
    assert_eq!(told.load(Ordering::Relaxed), 2);
    bench.end().await;
}
