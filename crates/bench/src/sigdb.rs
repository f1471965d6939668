//! Synthetic ClamAV signatures: the same arguments give the same bytes.
//!
//! Real sets may be neither shipped nor fetched by everybody, and what is measured without
//! signatures says little. These have the shape of real ones: most are hashes of whole files, 40 % of
//! them MD5 and 60 % SHA-256; patterns for the usual types of files, a quarter of them with wildcards;
//! logical signatures of two to four patterns that must all be there, a fifth of them for any type.
//! Half of the patterns are random, half are like text, script or machine code with bytes in them
//! that such content does not have: the engine's filters get work, and nothing clean is hit.
//!
//! Each set also finds the objects of [`known()`], so that a server which has loaded something else, or
//! nothing, is not measured.

mod filler;
mod known;
mod pattern;
mod real;
mod rng;

pub(crate) use known::{clean, known};
pub(crate) use rng::Rng;

use anyhow::{Context, bail};
use clap::ValueEnum;
use filler::Writer;
use real::Real;
use std::fs;
use std::path::{Path, PathBuf};

/// A size that has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    /// Known answers only
    Tiny,
    /// 105,500 signatures
    Small,
    /// 602,000 signatures
    Medium,
    /// 560,000 signatures and real lists, which are not part of this program
    Official,
}

/// How many signatures of each kind are made, beside those of the known answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Hashes of whole files (`.hdb`, `.hsb`).
    pub(crate) hashes: u32,
    /// Patterns (`.ndb`).
    pub(crate) ndb: u32,
    /// Logical signatures (`.ldb`).
    pub(crate) ldb: u32,
}

/// What to write.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    counts: Counts,
    seed: u64,
    real: Option<Real>,
}

/// The files of a set that are made; each of [`Real`] begins with `real-`.
const FILES: [&str; 4] = ["bench.hdb", "bench.hsb", "bench.ndb", "bench.ldb"];

/// Writes the set into `folder`; returns how many signatures it has.
pub(crate) fn write(folder: &Path, plan: &Plan) -> anyhow::Result<u64> {
    clear(folder)?;
    let mut count = 0;
    count += Writer::create(folder, FILES[0])?.md5_hashes(plan)?;
    count += Writer::create(folder, FILES[1])?.sha256_hashes(plan)?;
    count += Writer::create(folder, FILES[2])?.patterns(plan)?;
    count += Writer::create(folder, FILES[3])?.logical(plan)?;
    if let Some(real) = &plan.real {
        count += real.unpack(folder)?;
    }
    Ok(count)
}

/// Makes the folder, and removes an earlier set. Anything else in it would be loaded too.
fn clear(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if FILES.iter().any(|file| name == *file) || Real::owns(&name) {
            fs::remove_file(entry.path())?;
        } else {
            bail!("{} is none of the files made here; choose another folder", entry.path().display());
        }
    }
    Ok(())
}

// === impl Preset ===

impl Preset {
    /// How many signatures of each kind.
    pub(crate) fn counts(self) -> Counts {
        let (hashes, ndb, ldb) = match self {
            Self::Tiny => (0, 0, 0),
            Self::Small => (100_000, 5_000, 500),
            Self::Medium => (500_000, 100_000, 2_000),
            // Its logical signatures are the real ones.
            Self::Official => (500_000, 60_000, 0),
        };
        Counts { hashes, ndb, ldb }
    }
}

// === impl Plan ===

impl Plan {
    /// Decides what to write; fails when real lists are needed and not there.
    pub(crate) fn new(
        preset: Preset,
        counts: Counts,
        seed: u64,
        real: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        let real = match (preset, real) {
            (Preset::Official, Some(folder)) => Some(Real::find(folder)?),
            (Preset::Official, None) => bail!(
                "the preset `official` needs real lists, which are not part of this program: \
                 give their folder by --real or {}; it must hold {}",
                crate::cli::REAL_SIGNATURES,
                Real::FILES.join(", ")
            ),
            _ => None,
        };
        Ok(Self { counts, seed, real })
    }

    /// The preset as it is.
    pub(crate) fn preset(preset: Preset, real: Option<PathBuf>) -> anyhow::Result<Self> {
        Self::new(preset, preset.counts(), 1, real).context("the signatures cannot be made")
    }
}

#[cfg(test)]
mod tests;
