//! Room is told truly, folders come back, and strangers are left alone.

use super::*;
use std::os::unix::fs::{PermissionsExt, symlink};

const MIB: u64 = 1 << 20;

#[test]
fn shares_together_never_exceed_what_is_free() {
    assert_eq!(
        room(1000 * MIB, u64::MAX, 2, 48 * MIB, 256 * MIB),
        Ok(Room { share: 256 * MIB, margin: 48 * MIB })
    );
    assert_eq!(
        room(148 * MIB, u64::MAX, 2, 48 * MIB, 256 * MIB),
        Ok(Room { share: 50 * MIB, margin: 48 * MIB })
    );
    assert_eq!(room(60 * MIB, u64::MAX, 2, 48 * MIB, 256 * MIB), Err(NoRoom::Full));
    assert_eq!(room(0, u64::MAX, 2, 48 * MIB, 256 * MIB), Err(NoRoom::Full));
    assert_eq!(room(1000 * MIB, 100, 2, 48 * MIB, 256 * MIB), Err(NoRoom::Full));
}

fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

#[tokio::test]
async fn a_worker_beyond_its_share_in_bytes_or_with_its_folder_gone_is_found_out() {
    let base = tempfile::tempdir().unwrap();
    let run = RunFolder::create(Some(base.path()), 1, 256 * MIB).unwrap();
    assert_eq!(fs::metadata(run.path()).unwrap().permissions().mode() & 0o777, 0o700);
    let folder = run.subfolder("w").unwrap();
    let room = Room { share: MIB, margin: 0 };
    fs::create_dir(folder.path().join("deep")).unwrap();
    assert!(room.holds(folder.path()));
    fs::write(folder.path().join("deep/file"), vec![1; 2 << 20]).unwrap();
    assert!(!room.holds(folder.path()));
    fs::remove_dir_all(folder.path()).unwrap();
    assert!(!room.holds(folder.path()));
    assert_eq!(run.room(&folder, soon()).await, Err(NoRoom::Gone));
    fs::remove_dir_all(run.path()).unwrap();
    let room = run.room(&run.subfolder("w").unwrap(), soon()).await;
    assert!(room.is_ok(), "a lost run folder is made again");
}

#[tokio::test]
async fn a_file_system_that_may_not_answer_is_looked_at_aside_and_not_for_ever() {
    let base = tempfile::tempdir().unwrap();
    let mut run = RunFolder::create(Some(base.path()), 1, 256 * MIB).unwrap();
    let folder = run.subfolder("w").unwrap();
    let here = run.room(&folder, soon()).await.unwrap();
    let looks = Arc::new(Semaphore::new(1));
    run.looks = Some(looks.clone());
    assert_eq!(run.room(&folder, soon()).await, Ok(here));
    let stuck = looks.acquire().await.unwrap();
    assert_eq!(run.room(&folder, soon()).await, Err(NoRoom::Full), "too many looks are under way");
    drop(stuck);
    fs::remove_dir(folder.path()).unwrap();
    assert_eq!(run.room(&folder, soon()).await, Err(NoRoom::Gone));
}

#[test]
fn a_lost_run_folder_is_made_again_with_its_lock_and_never_where_a_stranger_waits() {
    let base = tempfile::tempdir().unwrap();
    let run = RunFolder::create(Some(base.path()), 1, 256 * MIB).unwrap();
    let is_locked = || {
        let file = File::open(run.path().join(LOCK)).unwrap();
        flock(&file, FlockOperation::NonBlockingLockExclusive).is_err()
    };
    let folder = run.subfolder("self-test").unwrap();
    run.restore(&folder).unwrap();
    assert!(is_locked());

    fs::remove_dir_all(run.path()).unwrap();
    run.restore(&folder).unwrap();
    assert!(folder.path().is_dir() && is_locked());
    assert_eq!(fs::metadata(run.path()).unwrap().permissions().mode() & 0o777, 0o700);

    // A cleaner that takes old files only.
    fs::remove_file(run.path().join(LOCK)).unwrap();
    run.keep().unwrap();
    assert!(is_locked());
    remove_stale(base.path());
    assert!(folder.path().is_dir());

    fs::remove_dir_all(run.path()).unwrap();
    let stranger = tempfile::tempdir().unwrap();
    symlink(stranger.path(), run.path()).unwrap();
    assert!(run.restore(&folder).is_err() && run.subfolder("w").is_err());
    assert_eq!(fs::read_dir(stranger.path()).unwrap().count(), 0);
    fs::remove_file(run.path()).unwrap();
}

#[test]
fn where_no_scan_could_begin_the_shortage_is_told_in_figures() {
    let base = tempfile::tempdir().unwrap();
    assert!(RunFolder::create(Some(base.path()), 1, MIB).unwrap().check_room().is_ok());
    let greedy = RunFolder::create(Some(base.path()), 1 << 30, MIB).unwrap();
    let text = greedy.check_room().unwrap_err().to_string();
    assert!(text.contains(&format!("MiB free, {} are needed", 32_u64 << 30)), "{text}");
    for workers in [1, 2, 34] {
        let least = floor(workers);
        assert!(room(least, u64::MAX, workers, margin(workers), 256 * MIB).is_ok());
        assert!(room(least - 1, u64::MAX, workers, margin(workers), 256 * MIB).is_err());
    }
    fs::remove_dir_all(greedy.path()).unwrap();
    assert!(matches!(greedy.check_room(), Err(Shortage::Lost { .. })));
}

#[test]
fn dead_runs_are_removed_and_living_ones_and_strangers_are_not() {
    let base = tempfile::tempdir().unwrap();
    let living = RunFolder::create(Some(base.path()), 1, MIB).unwrap();
    let dead = base.path().join(format!("{PREFIX}dead"));
    fs::create_dir(&dead).unwrap();
    fs::write(dead.join(LOCK), "").unwrap();
    let fresh = base.path().join(format!("{PREFIX}fresh"));
    fs::create_dir(&fresh).unwrap();
    let stranger = base.path().join("stranger");
    fs::create_dir(&stranger).unwrap();
    fs::write(stranger.join(LOCK), "").unwrap();
    symlink(&stranger, base.path().join(format!("{PREFIX}link"))).unwrap();

    let second = RunFolder::create(Some(base.path()), 1, MIB).unwrap();
    assert!(!dead.exists());
    assert!(living.path().exists() && second.path().exists() && fresh.exists());
    assert!(stranger.join(LOCK).exists());
    let path = second.path().to_owned();
    drop(second);
    assert!(!path.exists());
}
