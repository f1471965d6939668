//! A look at signature files before libclamav loads them.

use super::{LoadError, as_c, as_path, lossy};
use crate::engine;
use std::ffi::CStr;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;

/// Ends of the names of all files that libclamav takes from a folder, by what can be said about the
/// number of signatures that it loads from them.
const KINDS: [(Kind, &[&str]); 9] = [
    (Kind::Plain { level_at: 3 }, &["hdb", "hsb", "mdb", "msb", "imp"]),
    (Kind::Plain { level_at: 4 }, &["ndb", "sdb"]),
    (Kind::Plain { level_at: 10 }, &["cdb"]),
    (Kind::Plain { level_at: usize::MAX }, &["db", "idb"]),
    (Kind::Logical, &["ldb"]),
    (Kind::Uncounted, &["fp", "sfp", "ftm", "info", "cfg", "cat"]),
    (Kind::Rules, &["yar", "yara"]),
    (Kind::Bytecode, &["cbc"]),
    (
        Kind::Inexact,
        &[
            "cvd", "cld", "cud", "ign", "ign2", "hdu", "hsu", "mdu", "msu", "ndu", "ldu", "pdb", "gdb",
            "wdb", "crb", "ioc", "pwdb", "zmd", "rmd",
        ],
    ),
];

/// Begins a fuzzy hash of a picture in a logical signature.
const IMAGE_HASH: &[u8] = b"fuzzy_img#";
/// Longer lines are an error: libclamav's longest signatures are far below.
const MAX_LINE: u64 = 16 << 20;

/// What a folder's files hold.
pub(super) struct Census {
    /// How many signatures must be loaded at least; nothing if that cannot be known, because a
    /// file leaves out signatures of others or is a container with a count of its own.
    pub(super) expected: Option<u64>,
    pub(super) image_hashes: bool,
    pub(super) rule_files: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Each line is a signature, if it is for this level of functions. The lowest level stands in
    /// the field of this number, the highest in the next; both can be missing.
    Plain { level_at: usize },
    /// So is each line here, but the level is written in another way.
    Logical,
    /// libclamav counts nothing here when it counts beforehand.
    Uncounted,
    /// YARA rules. libclamav's reader of them is of 2014; they are not for it.
    Rules,
    /// Programs for libclamav's interpreter. Signed ones come in a container; others are never run.
    Bytecode,
    /// Some signatures may rightly be left out, here or elsewhere, or the count is another one.
    Inexact,
}

// === impl Census ===

impl Default for Census {
    fn default() -> Self {
        Self { expected: Some(0), image_hashes: false, rule_files: 0 }
    }
}

impl Census {
    /// Looks at one more folder. What libclamav would skip in silence or stumble over is an error.
    pub(super) fn take(&mut self, folder: &CStr, temp_dir: &CStr) -> Result<(), LoadError> {
        let entries = fs::read_dir(as_path(folder)).map_err(|error| LoadError::path(folder, error))?;
        for entry in entries {
            let path = entry.map_err(|error| LoadError::path(folder, error))?.path();
            let Some(kind) = Kind::of(&path) else { continue };
            self.take_file(&path, kind, temp_dir)
                .map_err(|what| LoadError::Path(path.to_string_lossy().into_owned(), what))?;
        }
        Ok(())
    }

    fn take_file(&mut self, path: &Path, kind: Kind, temp_dir: &CStr) -> Result<(), String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        let metadata = file.metadata().map_err(|error| error.to_string())?;
        if !metadata.is_file() {
            return Err("not a regular file".to_owned());
        }
        if metadata.len() == 0 {
            return Err("an empty file".to_owned());
        }
        match kind {
            Kind::Plain { .. } | Kind::Logical => self.take_lines(path, file, kind),
            Kind::Uncounted => Ok(()),
            Kind::Rules => {
                self.rule_files = self.rule_files.saturating_add(1);
                Ok(())
            }
            Kind::Bytecode => Err("unsigned bytecode, which is never run".to_owned()),
            Kind::Inexact => {
                self.expected = None;
                if !self.image_hashes && is_container(path) {
                    self.image_hashes = container_has_image_hashes(path, temp_dir).unwrap_or_else(|why| {
                        // If it is broken, loading will say so. If only room is missing, the dearer
                        // way misses nothing.
                        crate::log(&format!("{}: not looked into: {why}", path.display()));
                        true
                    });
                }
                Ok(())
            }
        }
    }

    fn take_lines(&mut self, path: &Path, file: File, kind: Kind) -> Result<(), String> {
        let level = engine::functionality_level();
        let mut beyond: u64 = 0;
        let mut image_hashes = false;
        for_each_line(file, |line| {
            beyond += u64::from(!is_for_level(line, kind, level));
            image_hashes |= kind == Kind::Logical && has_image_hash(line);
        })?;
        self.image_hashes |= image_hashes;
        let name = as_c(path).ok_or("a name with a zero byte")?;
        let counted = engine::count_signatures(&name).map_err(|error| error.to_string())?;
        if let Some(expected) = &mut self.expected {
            *expected = expected.saturating_add(counted.saturating_sub(beyond));
        }
        Ok(())
    }
}

// === impl Kind ===

impl Kind {
    /// Of a file, as libclamav would tell it: by the end of its name, in either case.
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
        let (_, end) = name.rsplit_once('.')?;
        KINDS.iter().find(|(_, ends)| ends.contains(&end)).map(|(kind, _)| *kind)
    }
}

/// Whether a line is not for newer or older engines only.
fn is_for_level(line: &[u8], kind: Kind, level: u32) -> bool {
    let line = line.trim_ascii();
    let (first, last) = match kind {
        Kind::Plain { level_at } => {
            let mut fields = line.split(|&b| b == b':').skip(level_at).map(number);
            (fields.next().flatten(), fields.next().flatten())
        }
        Kind::Logical => {
            let block = line.split(|&b| b == b';').nth(1).unwrap_or_default();
            let range = block.split(|&b| b == b',').find_map(|field| field.strip_prefix(b"Engine:"));
            let mut ends = range.unwrap_or_default().split(|&b| b == b'-').map(number);
            (ends.next().flatten(), ends.next().flatten())
        }
        Kind::Uncounted | Kind::Rules | Kind::Bytecode | Kind::Inexact => (None, None),
    };
    first.is_none_or(|first| first <= level) && last.is_none_or(|last| level <= last)
}

fn number(digits: &[u8]) -> Option<u32> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn has_image_hash(line: &[u8]) -> bool {
    line.windows(IMAGE_HASH.len()).any(|window| window == IMAGE_HASH)
}

fn is_container(path: &Path) -> bool {
    path.extension()
        .is_some_and(|end| ["cvd", "cld", "cud"].iter().any(|known| end.eq_ignore_ascii_case(known)))
}

/// Unpacks a container for a moment. Whether it is signed is looked at when it is loaded.
fn container_has_image_hashes(path: &Path, temp_dir: &CStr) -> Result<bool, String> {
    let folder = as_path(temp_dir).join(format!("census-{}", std::process::id()));
    fs::create_dir(&folder).map_err(|error| error.to_string())?;
    let result = unpacked_has_image_hashes(path, &folder);
    let removed = fs::remove_dir_all(&folder).map_err(|error| error.to_string());
    result.and_then(|found| removed.map(|()| found))
}

fn unpacked_has_image_hashes(path: &Path, folder: &Path) -> Result<bool, String> {
    let (Some(file), Some(into)) = (as_c(path), as_c(folder)) else {
        return Err("a name with a zero byte".to_owned());
    };
    engine::unpack(&file, &into)
        .map_err(|error| format!("{error} ({})", crate::messages::take().joined()))?;
    let mut found = false;
    for entry in fs::read_dir(folder).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        if Kind::of(&path) == Some(Kind::Logical) {
            let file = File::open(&path).map_err(|error| format!("{}: {error}", lossy_name(&path)))?;
            for_each_line(file, |line| found |= has_image_hash(line))?;
        }
    }
    Ok(found)
}

fn lossy_name(path: &Path) -> String {
    as_c(path).map(|path| lossy(&path)).unwrap_or_default()
}

/// Every line that holds a signature, in bounded memory.
fn for_each_line(file: File, mut each: impl FnMut(&[u8])) -> Result<(), String> {
    use std::io::Read as _;
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut line = Vec::new();
    loop {
        line.clear();
        let count =
            reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
        if count == 0 {
            return Ok(());
        }
        if count as u64 == MAX_LINE {
            return Err("a line of more than 16 MiB".to_owned());
        }
        if line[0] != b'#' {
            each(&line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_for_other_engines_are_known() {
        let (body, hash) = (Kind::Plain { level_at: 4 }, Kind::Plain { level_at: 3 });
        for (line, kind, expected) in [
            ("A:0:*:414243", body, true),
            ("A:0:*:414243:51:255", body, true),
            ("A:0:*:414243:217:255", body, false),
            ("A:0:*:414243:51:99\r\n", body, false),
            ("aa15bcf478d165efd2065190eb473bcb:544:A", hash, true),
            ("aa15bcf478d165efd2065190eb473bcb:544:A:73", hash, true),
            ("aa15bcf478d165efd2065190eb473bcb:544:A:300", hash, false),
            ("A;Engine:51-255,Target:0;0;414243", Kind::Logical, true),
            ("A;Engine:900-999,Target:0;0;414243", Kind::Logical, false),
            ("A;Target:0;0;414243", Kind::Logical, true),
        ] {
            assert_eq!(is_for_level(line.as_bytes(), kind, 216), expected, "{line}");
        }
    }

    #[test]
    fn kinds_are_told_by_the_end_of_the_name_in_either_case() {
        assert!(Kind::of(Path::new("/x/daily.CVD")) == Some(Kind::Inexact));
        assert!(Kind::of(Path::new("a.b.ldb")) == Some(Kind::Logical));
        assert!(Kind::of(Path::new("readme.txt")).is_none());
        assert!(Kind::of(Path::new("ldb")).is_none());
    }
}
