//! Folders for temporary files: one for the run, one in it for each worker.
//!
//! libclamav says "clean" of what it could not write to disk, so that room must never run out: before
//! a scan there must be enough of it, during a scan each worker is held to its share, and the shares
//! together never exceed what was free.

#[cfg(test)]
mod tests;

use parking_lot::Mutex;
use rustix::fs::{FlockOperation, FsWord, Mode, OFlags, StatVfs, flock, statfs, statvfs};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;
use thiserror::Error;
use tokio::sync::Semaphore;

const PREFIX: &str = "icapstan-scanner-";
const LOCK: &str = "lock";
const SHARED_MEMORY: &str = "/dev/shm";
/// `TMPFS_MAGIC` of linux/magic.h.
const TMPFS_MAGIC: u32 = 0x0102_1994;
/// A tmpfs with less is left alone: containers have 64 MiB of it by default.
const WORTHWHILE: u64 = 512 << 20;

/// Kinds of file systems whose other end may be a machine or a process that answers no more, by
/// linux/magic.h: NFS, SMB, 9P, FUSE, AFS, Ceph, Lustre, GFS2, OCFS2.
const REMOTE_MAGIC: [u32; 11] = [
    0x6969,
    0x517b,
    0xff53_4d42,
    0xfe53_4d42,
    0x0102_1997,
    0x6573_5546,
    0x5346_414f,
    0x00c3_6400,
    0x0bd0_0bd0,
    0x0116_1970,
    0x7461_636f,
];

/// What each worker can write between two looks at it, and thus what must stay free.
const MARGIN_PER_WORKER: u64 = 24 << 20;
/// With a smaller share a worker is not even begun with.
pub(crate) const MIN_SHARE: u64 = 8 << 20;
const MIN_INODES: u64 = 4096;
/// No worker may have more files than this at once, whatever their size.
const MAX_ENTRIES: u64 = 50_000;

/// The folder of this run. Removed when dropped.
#[derive(Debug)]
pub(crate) struct RunFolder {
    // Dropped in this order: the folder is gone before its lock is.
    folder: TempDir,
    /// Of the file in it that tells other runs that it is in use.
    lock: Mutex<File>,
    serial: AtomicU64,
    workers: u64,
    share: u64,
    /// If a look at the file system may take for ever: as many looks may be under way.
    looks: Option<Arc<Semaphore>>,
}

/// A worker's own folder. Removed when dropped.
#[derive(Debug)]
pub(crate) struct WorkerFolder(PathBuf);

/// How much one scan may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// Bytes of temporary files.
    share: u64,
    /// Bytes that must stay free beside them.
    margin: u64,
}

/// Why there is no room to scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// There is not enough, or nobody can tell.
    Full,
    /// The worker's folder is gone.
    Gone,
}

/// Why no scan could begin now.
#[derive(Debug, Error)]
pub(crate) enum Shortage {
    #[error("temp folder {} has {} MiB free, {} are needed", .folder.display(), .free >> 20, .needed >> 20)]
    Bytes { folder: PathBuf, free: u64, needed: u64 },
    #[error("temp folder {} has room for {free} more files, {MIN_INODES} are needed", .folder.display())]
    Inodes { folder: PathBuf, free: u64 },
    #[error("temp folder {} cannot be looked at: {error}", .folder.display())]
    Lost { folder: PathBuf, error: io::Error },
}

// === impl RunFolder ===

impl RunFolder {
    /// Makes the folder of this run in `base`, or where it is best, and removes those of dead runs.
    pub(crate) fn create(
        base: Option<&Path>,
        workers: usize,
        share: u64,
    ) -> Result<Self, (PathBuf, io::Error)> {
        let workers = workers as u64;
        let base = base.map_or_else(|| default_base(floor(workers)), Path::to_owned);
        let failed = |error| (base.clone(), error);
        remove_stale(&base);
        for _ in 0..16 {
            let folder = tempfile::Builder::new()
                .prefix(PREFIX)
                .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
                .tempdir_in(&base)
                .map_err(failed)?;
            let lock = File::create_new(folder.path().join(LOCK)).map_err(failed)?;
            // Another run that starts just now may take the folder for a dead one's until this lock is
            // held. Then there is nothing in it yet, and another name is as good.
            if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok()
                && lock.metadata().map_err(failed)?.nlink() > 0
            {
                let looks = is_remote(folder.path()).then(|| {
                    tracing::warn!(
                        folder = %folder.path().display(),
                        "Temporary files are on a network file system: scans wait for it, and fail with it."
                    );
                    Arc::new(Semaphore::new(usize::try_from(workers).unwrap_or(1)))
                });
                let lock = Mutex::new(lock);
                return Ok(Self { folder, lock, serial: AtomicU64::new(1), workers, share, looks });
            }
        }
        Err(failed(io::Error::from(io::ErrorKind::ResourceBusy)))
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A new empty folder whose name begins with `kind`.
    pub(crate) fn subfolder(&self, kind: &str) -> io::Result<WorkerFolder> {
        let number = self.serial.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.path().join(format!("{kind}-{number}"));
        self.keep()?;
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(WorkerFolder(path))
    }

    /// Makes a folder again if somebody who cleans up has removed it.
    pub(crate) fn restore(&self, folder: &WorkerFolder) -> io::Result<()> {
        self.keep()?;
        match DirBuilder::new().mode(0o700).create(&folder.0) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => result,
        }
    }

    /// Makes the folder of the run and its lock again if somebody who cleans up has removed them. Without
    /// its lock the folder would be a dead run's to others.
    pub(crate) fn keep(&self) -> io::Result<()> {
        let path = self.folder.path();
        let lock_path = path.join(LOCK);
        let mut lock = self.lock.lock();
        let held = lock.metadata()?;
        let is_held = fs::symlink_metadata(&lock_path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (held.dev(), held.ino()));
        if is_held {
            return Ok(());
        }
        tracing::warn!(folder = %path.display(), "The folder for temporary files was removed and is made again.");
        DirBuilder::new().mode(0o700).recursive(true).create(path)?;
        // The name is known by now, and what stands there may be somebody else's.
        let found = fs::symlink_metadata(path)?;
        if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::from(io::ErrorKind::PermissionDenied));
        }
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = File::from(rustix::fs::open(&lock_path, flags, Mode::RUSR | Mode::WUSR)?);
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        *lock = file;
        Ok(())
    }

    /// Whether there is room for a scan by each worker.
    pub(crate) fn check_room(&self) -> Result<(), Shortage> {
        let folder = self.folder.path().to_owned();
        let found = match statvfs(&folder) {
            Ok(found) => found,
            Err(error) => return Err(Shortage::Lost { folder, error: error.into() }),
        };
        let (free, needed, inodes) = (bytes_free(&found), floor(self.workers), inodes_free(&found));
        if free < needed {
            return Err(Shortage::Bytes { folder, free, needed });
        }
        if inodes < MIN_INODES {
            return Err(Shortage::Inodes { folder, free: inodes });
        }
        Ok(())
    }

    /// Removes the folder while this still lives. Nothing may be made in it any more.
    pub(crate) fn clear(&self) {
        let _ = fs::remove_dir_all(self.folder.path());
    }

    /// What a scan that begins now may write. On file systems of this machine to look takes a
    /// microsecond; others are looked at in a thread, and not waited for beyond the deadline.
    pub(crate) async fn room(&self, folder: &WorkerFolder, deadline: Instant) -> Result<Room, NoRoom> {
        let (workers, share) = (self.workers, self.share);
        let Some(looks) = &self.looks else { return look(&folder.0, workers, share) };
        // Looks that never end are as many as these at most.
        let permit = looks.clone().try_acquire_owned().map_err(|_| NoRoom::Full)?;
        let path = folder.0.clone();
        let aside = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            look(&path, workers, share)
        });
        let looked = tokio::time::timeout_at(deadline.into(), aside).await;
        looked.map_err(|_| NoRoom::Full)?.map_err(|_| NoRoom::Full)?
    }
}

// === impl WorkerFolder ===

impl WorkerFolder {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Whether nothing is in it. Of a worker that scans nothing, nothing should be.
    pub(crate) fn is_empty(&self) -> bool {
        fs::read_dir(&self.0).is_ok_and(|mut entries| entries.next().is_none())
    }
}

impl Drop for WorkerFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %self.0.display(), %error, "A temporary folder cannot be removed.");
        }
    }
}

// === impl Room ===

impl Room {
    /// Whether the files in `folder` are still within the room. Takes time in proportion to the number
    /// of files, up to a limit, so it is not for async code.
    pub(crate) fn holds(self, folder: &Path) -> bool {
        let Ok(found) = statvfs(folder) else { return false };
        if bytes_free(&found) < self.margin / 2 || inodes_free(&found) < MIN_INODES / 2 {
            return false;
        }
        let mut usage = Usage { bytes: 0, entries: 0, max_bytes: self.share };
        usage.add(folder);
        usage.is_within()
    }
}

struct Usage {
    bytes: u64,
    entries: u64,
    max_bytes: u64,
}

impl Usage {
    fn is_within(&self) -> bool {
        self.bytes <= self.max_bytes && self.entries <= MAX_ENTRIES
    }

    /// Files may vanish and folders become unreadable while this looks: what is not there takes no room.
    fn add(&mut self, folder: &Path) {
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(folder) else { continue };
            for entry in entries.flatten() {
                self.entries += 1;
                if let Ok(metadata) = entry.metadata() {
                    self.bytes = self.bytes.saturating_add(metadata.blocks().saturating_mul(512));
                    if metadata.is_dir() {
                        folders.push(entry.path());
                    }
                }
                if !self.is_within() {
                    return;
                }
            }
        }
    }
}

fn margin(workers: u64) -> u64 {
    workers.saturating_mul(MARGIN_PER_WORKER)
}

/// With less, no scan begins.
fn floor(workers: u64) -> u64 {
    margin(workers).saturating_add(workers.saturating_mul(MIN_SHARE))
}

fn look(folder: &Path, workers: u64, share: u64) -> Result<Room, NoRoom> {
    match statvfs(folder) {
        Ok(found) => room(bytes_free(&found), inodes_free(&found), workers, margin(workers), share),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Err(NoRoom::Gone),
        Err(_) => Err(NoRoom::Full),
    }
}

fn room(free: u64, inodes: u64, workers: u64, margin: u64, share: u64) -> Result<Room, NoRoom> {
    let share = share.min(free.saturating_sub(margin) / workers.max(1));
    if share < MIN_SHARE || inodes < MIN_INODES {
        return Err(NoRoom::Full);
    }
    Ok(Room { share, margin })
}

fn bytes_free(found: &StatVfs) -> u64 {
    found.f_bavail.saturating_mul(found.f_frsize)
}

/// File systems without a fixed number of inodes show none at all.
fn inodes_free(found: &StatVfs) -> u64 {
    if found.f_files == 0 { u64::MAX } else { found.f_favail }
}

fn is_remote(folder: &Path) -> bool {
    statfs(folder).is_ok_and(|found| REMOTE_MAGIC.iter().any(|magic| found.f_type == FsWord::from(*magic)))
}

fn default_base(needed: u64) -> PathBuf {
    let shared = Path::new(SHARED_MEMORY);
    let is_tmpfs = statfs(shared).is_ok_and(|found| found.f_type == FsWord::from(TMPFS_MAGIC));
    let is_writable = rustix::fs::access(shared, rustix::fs::Access::WRITE_OK).is_ok();
    let has_room = statvfs(shared).is_ok_and(|found| bytes_free(&found) >= WORTHWHILE.max(needed));
    if is_tmpfs && is_writable && has_room { shared.to_owned() } else { std::env::temp_dir() }
}

/// Removes the folders of runs whose lock nobody holds any more.
fn remove_stale(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    let own_user = rustix::process::geteuid().as_raw();
    for entry in entries.flatten().take(10_000) {
        let is_ours = entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes())
            && entry.metadata().is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == own_user);
        if is_ours {
            remove_if_dead(&entry.path());
        }
    }
}

fn remove_if_dead(folder: &Path) {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    // Held until the folder is gone, so that its maker sees that it was taken away.
    let lock = rustix::fs::open(folder.join(LOCK), flags, Mode::empty());
    let dead = match &lock {
        Ok(lock) => flock(lock, FlockOperation::NonBlockingLockExclusive).is_ok(),
        // Without a lock it was made just now, or has lost it while it was being removed.
        Err(rustix::io::Errno::NOENT) => {
            let modified = fs::metadata(folder).and_then(|metadata| metadata.modified());
            let age = modified.ok().and_then(|at| SystemTime::now().duration_since(at).ok());
            age.is_some_and(|age| age > Duration::from_mins(1))
        }
        Err(_) => false,
    };
    if dead {
        tracing::info!(folder = %folder.display(), "Removing the temporary folder of a dead run.");
        let _ = fs::remove_dir_all(folder);
    }
}
