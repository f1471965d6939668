//! Real lists that the user has. They are data of others and no part of this program.

use anyhow::{Context, bail};
use flate2::read::MultiGzDecoder;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// A folder with all the lists of [`Real::FILES`].
#[derive(Clone, Debug)]
pub(super) struct Real(PathBuf);

/// No list is longer when it is unpacked.
const MAX_LIST: u64 = 1 << 30;

/// What unpacked lists are called, so that they are not taken for lists of ClamAV.
const PREFIX: &str = "real-";

// === impl Real ===

impl Real {
    /// The lists that are needed: logical signatures, patterns, hashes.
    pub(super) const FILES: [&str; 3] = ["main.ldb.gz", "daily.ndb.gz", "main.hdb.gz"];

    /// Fails unless all lists are there.
    pub(super) fn find(folder: PathBuf) -> anyhow::Result<Self> {
        let missing: Vec<_> = Self::FILES.into_iter().filter(|name| !folder.join(name).is_file()).collect();
        if !missing.is_empty() {
            bail!("the folder with real lists, {}, does not hold {}", folder.display(), missing.join(", "));
        }
        Ok(Self(folder))
    }

    /// Whether a file of this name comes from [`Real::unpack`].
    pub(super) fn owns(name: &OsStr) -> bool {
        Self::FILES.iter().any(|file| name == unpacked_name(file).as_str())
    }

    /// Writes the lists beside the others; returns how many signatures they have.
    pub(super) fn unpack(&self, folder: &Path) -> anyhow::Result<u64> {
        let mut count = 0;
        for name in Self::FILES {
            let source = self.0.join(name);
            count += unpack(&source, &folder.join(unpacked_name(name)))
                .with_context(|| format!("{} cannot be unpacked", source.display()))?;
        }
        Ok(count)
    }
}

fn unpacked_name(file: &str) -> String {
    format!("{PREFIX}{}", file.trim_end_matches(".gz"))
}

fn unpack(from: &Path, to: &Path) -> anyhow::Result<u64> {
    let list = MultiGzDecoder::new(BufReader::new(File::open(from)?));
    let mut list = BufReader::with_capacity(1 << 20, list.take(MAX_LIST + 1));
    let mut out = BufWriter::with_capacity(1 << 20, File::create(to)?);
    let (mut line, mut count, mut size) = (Vec::new(), 0, 0);
    while list.read_until(b'\n', &mut line)? > 0 {
        size += line.len() as u64;
        if size > MAX_LIST {
            bail!("more than {MAX_LIST} bytes");
        }
        out.write_all(&line)?;
        count += u64::from(!line.starts_with(b"#") && !line.trim_ascii().is_empty());
        line.clear();
    }
    out.flush()?;
    Ok(count)
}
