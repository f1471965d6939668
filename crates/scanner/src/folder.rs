//! The signature folder: what it looks like from outside, and what is in it.

use icapstan_model::GenerationId;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The endings of the files that libclamav loads from a folder (`CLI_DBEXT` in its `others.h`), YARA
/// rules left out: libclamav is never given those.
const EXTENSIONS: [&str; 37] = [
    "db", "hdb", "hdu", "fp", "mdb", "mdu", "hsb", "hsu", "sfp", "msb", "msu", "ndb", "ndu", "ldb", "ldu",
    "sdb", "zmd", "rmd", "pdb", "gdb", "wdb", "cbc", "ftm", "cfg", "cvd", "cld", "cud", "cdb", "cat", "crb",
    "idb", "ioc", "pwdb", "ign", "ign2", "imp", "info",
];

/// The endings of files with YARA rules.
const RULE_EXTENSIONS: [&str; 2] = ["yar", "yara"];

/// No folder with more files is loaded.
const MAX_FILES: usize = 10_000;

/// The database files of a folder as seen from outside: cheap to take, and different after any change
/// that goes through the file system, the swap of a symbolic link included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot(Vec<Seen>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    name: OsString,
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    inode: (u64, u64),
}

// === impl Snapshot ===

impl Snapshot {
    /// Looks at the files that `folder` holds now.
    pub(crate) fn take(folder: &Path) -> io::Result<Self> {
        Self::of(database_files(folder)?)
    }

    /// The same of files with YARA rules.
    pub(crate) fn take_rules(folder: &Path) -> io::Result<Self> {
        Self::of(files(folder, &RULE_EXTENSIONS)?)
    }

    fn of(files: Vec<(OsString, PathBuf)>) -> io::Result<Self> {
        let mut seen = Vec::new();
        for (name, path) in files {
            let metadata = fs::metadata(path)?;
            seen.push(Seen {
                name,
                len: metadata.len(),
                modified: (metadata.mtime(), metadata.mtime_nsec()),
                changed: (metadata.ctime(), metadata.ctime_nsec()),
                inode: (metadata.dev(), metadata.ino()),
            });
        }
        Ok(Self(seen))
    }

    /// Whether there is nothing to load.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether `folder` holds at least one database file.
pub(crate) fn holds_database(folder: &Path) -> bool {
    database_files(folder).is_ok_and(|files| !files.is_empty())
}

/// BLAKE3 over the sorted names and the bytes of the database files, the same on every machine.
pub(crate) fn digest(folder: &Path) -> io::Result<GenerationId> {
    digest_of(database_files(folder)?, "icapstan signature set v1")
}

/// The same over files with YARA rules.
pub(crate) fn digest_rules(folder: &Path) -> io::Result<GenerationId> {
    digest_of(files(folder, &RULE_EXTENSIONS)?, "icapstan YARA rules v1")
}

fn digest_of(files: Vec<(OsString, PathBuf)>, what: &str) -> io::Result<GenerationId> {
    let mut hasher = blake3::Hasher::new_derive_key(what);
    let mut buffer = vec![0; 256 << 10];
    for (name, path) in files {
        let mut file = File::open(path)?;
        // Lengths in front of what they measure, so that no two sets run together alike.
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        let mut content = blake3::Hasher::new();
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            content.update(&buffer[..count]);
        }
        hasher.update(content.finalize().as_bytes());
    }
    Ok(GenerationId(*hasher.finalize().as_bytes()))
}

/// When the signatures were made: the newest date that a database's makers wrote into its head, so that
/// files of one's own do not hide that those are old; without such heads the newest change of a file.
pub(crate) fn released(folder: &Path) -> Option<SystemTime> {
    let files = database_files(folder).ok()?;
    let said = files.iter().filter_map(|(_, path)| said_time(path)).max();
    let changed = || files.iter().filter_map(|(_, path)| fs::metadata(path).ok()?.modified().ok()).max();
    said.or_else(changed)
}

/// The ninth field of the head of a CVD, in seconds (ClamAV's `cvd.c`; the head has 512 bytes).
fn said_time(path: &Path) -> Option<SystemTime> {
    /// The year 2100; later is no time of a release.
    const LATEST: u64 = 4_102_444_800;
    let mut head = Vec::new();
    File::open(path).ok()?.take(512).read_to_end(&mut head).ok()?;
    let fields = head.strip_prefix(b"ClamAV-VDB:")?;
    let seconds = fields.split(|byte| *byte == b':').nth(7)?;
    let seconds: u64 = std::str::from_utf8(seconds).ok()?.trim_end().parse().ok()?;
    (seconds <= LATEST).then(|| UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Names and paths of the database files, sorted by name.
fn database_files(folder: &Path) -> io::Result<Vec<(OsString, PathBuf)>> {
    files(folder, &EXTENSIONS)
}

/// Names and paths of the files with one of these endings, sorted by name.
fn files(folder: &Path, extensions: &[&str]) -> io::Result<Vec<(OsString, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let known = path
            .extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|extension| extensions.iter().any(|known| known.eq_ignore_ascii_case(extension)));
        // Symbolic links are followed: that is how mounted ConfigMaps show their files.
        if known && fs::metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
            files.push((entry.file_name(), path));
        }
        if files.len() > MAX_FILES {
            return Err(io::Error::other(format!("more than {MAX_FILES} files")));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn signatures_are_as_old_as_their_makers_say() {
        let folder = tempfile::tempdir().unwrap();
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        assert_eq!(released(folder.path()), None);
        write("own.hdb", b"44d88612fea8a8f36de82e1278abb02f:68:Test\n");
        let own = File::open(folder.path().join("own.hdb")).unwrap();
        own.set_modified(at(1_800_000_000)).unwrap();
        assert_eq!(released(folder.path()), Some(at(1_800_000_000)));
        let head = |seconds: &str| {
            let mut head =
                format!("ClamAV-VDB:07 Jun 2024 04-25 -0400:27299:2062000:90:md5:dsig:raynman:{seconds}");
            head.extend(std::iter::repeat_n(' ', 512 - head.len()));
            [head.as_bytes(), b"\x1f\x8b..."].concat()
        };
        write("main.cvd", &head("1631708363"));
        write("daily.cld", &head("1717748726"));
        assert_eq!(released(folder.path()), Some(at(1_717_748_726)));
        for odd in ["", "x", "99999999999999999999", "-1", "4102444801"] {
            write("daily.cld", &head(odd));
            assert_eq!(released(folder.path()), Some(at(1_631_708_363)), "{odd}");
        }
    }

    #[test]
    fn equal_content_has_an_equal_id_wherever_it_lies_and_other_files_do_not_count() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (folder, order) in [(&one, ["a.ndb", "b.hdb"]), (&two, ["b.hdb", "a.ndb"])] {
            for name in order {
                fs::write(folder.path().join(name), name).unwrap();
            }
        }
        let id = digest(one.path()).unwrap();
        assert_eq!(id, digest(two.path()).unwrap());

        fs::write(two.path().join("readme.txt"), "not loaded").unwrap();
        fs::write(two.path().join("rules.yara"), "never loaded").unwrap();
        assert_eq!(id, digest(two.path()).unwrap());

        fs::write(two.path().join("a.ndb"), "A.ndb").unwrap();
        assert_ne!(id, digest(two.path()).unwrap());
        fs::write(two.path().join("a.ndb"), "a.ndb").unwrap();
        assert_eq!(id, digest(two.path()).unwrap());
        fs::rename(two.path().join("a.ndb"), two.path().join("c.ndb")).unwrap();
        assert_ne!(id, digest(two.path()).unwrap());
    }

    #[test]
    fn bytes_moved_from_one_file_to_the_next_change_the_id() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(one.path().join("a.ndb"), "xy").unwrap();
        fs::write(one.path().join("b.ndb"), "z").unwrap();
        fs::write(two.path().join("a.ndb"), "x").unwrap();
        fs::write(two.path().join("b.ndb"), "yz").unwrap();
        assert_ne!(digest(one.path()).unwrap(), digest(two.path()).unwrap());
    }

    #[test]
    fn a_swapped_link_an_edit_of_equal_length_and_a_new_file_are_all_seen() {
        let folder = tempfile::tempdir().unwrap();
        for version in ["v1", "v2"] {
            fs::create_dir(folder.path().join(version)).unwrap();
            fs::write(folder.path().join(version).join("a.ndb"), version).unwrap();
        }
        symlink("v1", folder.path().join("..data")).unwrap();
        symlink("..data/a.ndb", folder.path().join("a.ndb")).unwrap();
        let first = Snapshot::take(folder.path()).unwrap();
        let first_id = digest(folder.path()).unwrap();
        assert!(!first.is_empty());
        assert_eq!(first, Snapshot::take(folder.path()).unwrap());

        // As the kubelet does it: a new link, renamed over the old one.
        symlink("v2", folder.path().join("..data_tmp")).unwrap();
        fs::rename(folder.path().join("..data_tmp"), folder.path().join("..data")).unwrap();
        let swapped = Snapshot::take(folder.path()).unwrap();
        assert_ne!(first, swapped);
        assert_ne!(first_id, digest(folder.path()).unwrap());

        let file = File::options().write(true).open(folder.path().join("v2/a.ndb")).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
        let touched = Snapshot::take(folder.path()).unwrap();
        assert_ne!(swapped, touched);

        fs::write(folder.path().join("b.hdb"), "x").unwrap();
        assert_ne!(touched, Snapshot::take(folder.path()).unwrap());
    }
}
