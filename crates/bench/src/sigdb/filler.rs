//! The lines of the files, in the notation of ClamAV's signature manual
//! (<https://docs.clamav.net/manual/Signatures.html>).

use super::Plan;
use super::known::{
    CLAM_EXE, EICAR_MD5, HASH_MARKER, HASH_NAME, LOGICAL_MARKERS, LOGICAL_NAME, PATTERN_MARKER, PATTERN_NAME,
};
use super::pattern::{hex, pattern, with_wildcards};
use super::rng::Rng;
use anyhow::Context;
use icapstan_testkit::{EICAR_NAME, eicar};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// One file under construction.
#[derive(Debug)]
pub(super) struct Writer {
    file: BufWriter<File>,
    line: Vec<u8>,
    count: u64,
}

/// ClamAV's numbers of file types, and how many of a hundred patterns are for them: any, PE, OLE2,
/// HTML, mail, ELF, text, PDF.
const TARGETS: [(u8, u32); 8] = [(0, 18), (1, 52), (2, 5), (3, 8), (4, 2), (6, 7), (7, 5), (10, 3)];

/// Sizes of files whose hashes are known.
const SIZES: (u32, u32) = (600, 4_000_000);

// === impl Writer ===

impl Writer {
    pub(super) fn create(folder: &Path, name: &str) -> anyhow::Result<Self> {
        let path = folder.join(name);
        let file = File::create(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Self { file: BufWriter::with_capacity(1 << 20, file), line: Vec::with_capacity(512), count: 0 })
    }

    /// `.hdb`; returns how many there are.
    pub(super) fn md5_hashes(mut self, plan: &Plan) -> io::Result<u64> {
        writeln!(self.line, "{EICAR_MD5}:{}:{EICAR_NAME}", eicar().len())?;
        self.end()?;
        writeln!(self.line, "{CLAM_EXE}:ClamAV-Test-File")?;
        self.end()?;
        self.hashes::<16>(&mut Rng::new(plan.seed, "md5"), "Md5", plan.counts.md5())?;
        self.finish()
    }

    /// `.hsb`; returns how many there are.
    pub(super) fn sha256_hashes(mut self, plan: &Plan) -> io::Result<u64> {
        hex(&Sha256::digest(HASH_MARKER), &mut self.line);
        writeln!(self.line, ":{}:{HASH_NAME}", HASH_MARKER.len())?;
        self.end()?;
        let count = plan.counts.hashes - plan.counts.md5();
        self.hashes::<32>(&mut Rng::new(plan.seed, "sha256"), "Sha256", count)?;
        self.finish()
    }

    /// `.ndb`; returns how many there are.
    pub(super) fn patterns(mut self, plan: &Plan) -> io::Result<u64> {
        write!(self.line, "{EICAR_NAME}:0:0:")?;
        hex(&eicar(), &mut self.line);
        self.line.push(b'\n');
        self.end()?;
        write!(self.line, "{PATTERN_NAME}:0:*:")?;
        hex(PATTERN_MARKER, &mut self.line);
        self.line.push(b'\n');
        self.end()?;
        let mut rng = Rng::new(plan.seed, "ndb");
        for number in 0..plan.counts.ndb {
            write!(self.line, "Bench.Ndb.{number}:{}:*:", rng.weighted(&TARGETS))?;
            let bytes = pattern(&mut rng, 12, 40);
            with_wildcards(&mut rng, &bytes, &mut self.line);
            self.line.push(b'\n');
            self.end()?;
        }
        self.finish()
    }

    /// `.ldb`; returns how many there are.
    pub(super) fn logical(mut self, plan: &Plan) -> io::Result<u64> {
        self.logical_line(LOGICAL_NAME, 0, &LOGICAL_MARKERS)?;
        let mut rng = Rng::new(plan.seed, "ldb");
        for number in 0..plan.counts.ldb {
            let target = if rng.percent(20) { 0 } else { rng.weighted(&TARGETS[1..]) };
            let parts: Vec<_> = (0..rng.between(2, 4)).map(|_| pattern(&mut rng, 8, 24)).collect();
            self.logical_line(&format!("Bench.Ldb.{number}"), target, &parts)?;
        }
        self.finish()
    }

    /// All parts must be there. The levels are those of the engines from 0.81 on.
    fn logical_line(&mut self, name: &str, target: u8, parts: &[impl AsRef<[u8]>]) -> io::Result<()> {
        let all: Vec<_> = (0..parts.len()).map(|part| part.to_string()).collect();
        write!(self.line, "{name};Engine:51-255,Target:{target};{}", all.join("&"))?;
        for part in parts {
            self.line.push(b';');
            hex(part.as_ref(), &mut self.line);
        }
        self.line.push(b'\n');
        self.end()
    }

    fn hashes<const N: usize>(&mut self, rng: &mut Rng, kind: &str, count: u32) -> io::Result<()> {
        for number in 0..count {
            hex(&rng.bytes::<N>(), &mut self.line);
            writeln!(self.line, ":{}:Bench.{kind}.{number}", rng.between(SIZES.0, SIZES.1))?;
            self.end()?;
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        self.file.write_all(&self.line)?;
        self.line.clear();
        self.count += 1;
        Ok(())
    }

    fn finish(mut self) -> io::Result<u64> {
        self.file.flush()?;
        Ok(self.count)
    }
}

// === impl Counts ===

impl super::Counts {
    /// Of all hashes, 40 % are MD5.
    fn md5(self) -> u32 {
        u32::try_from(u64::from(self.hashes) * 2 / 5).expect("a part of what fits")
    }
}
