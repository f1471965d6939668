//! Proof that a worker detects, unpacks and can tell clean from bad.
//!
//! Each generation is loaded together with one signature of our own for random text that nothing else
//! contains. A worker that finds it plain and inside nested archives, and finds nothing in other text,
//! has its database, its memory and its temporary folder.

use icapstan_clamav_wire::{Limits, Options, Reply, ReplyFlags, Request};
use rustix::rand::{GetRandomFlags, getrandom};
use std::fmt::Write as _;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{fs, io};
use thiserror::Error;

use crate::archive::zip;
use crate::sealed;
use crate::temp::{RunFolder, WorkerFolder};
use crate::worker::Worker;

const NAME: &str = "Icapstan.SelfTest";
const FILE: &str = "icapstan-self-test.ndb";

/// The same for YARA rules, in a folder of their own beside the signature.
const RULE_NAME: &str = "YARA.Icapstan_SelfTest";
const RULE_FILE: &str = "icapstan-self-test.yar";
const RULE_FOLDER: &str = "rules";

/// Settings of the engine's parsers, beside the signature because that is how the engine takes them.
const SETTINGS_FILE: &str = "icapstan-engine.cfg";

/// libclamav matches HTML only in a normalised form of its own, unless `DOC_CONF_HTML_SKIPRAW` (0x10 of
/// its `dconf.h`) is off: with `<html>` in front of anything, signatures for any file would miss it. All
/// other parsers of documents stay on. A configuration that comes with the signatures is loaded later
/// and thus wins, since that is how ClamAV turns off parsers that have become a danger.
const SETTINGS: &str = "DOCUMENT:0xffffffef:1:255\n";

/// For each of the samples, which take a few milliseconds on an idle machine.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The signature and the samples of one generation.
#[derive(Debug)]
pub(crate) struct Canary {
    folder: WorkerFolder,
    signature: String,
    plain: OwnedFd,
    nested: OwnedFd,
    clean: OwnedFd,
    rule: Option<Rule>,
}

/// A rule of one generation, if it has any, and what is to be found by it.
#[derive(Debug)]
struct Rule {
    text: String,
    sample: OwnedFd,
}

/// What a worker failed to prove.
#[derive(Debug, Error)]
pub(crate) enum ProofError {
    #[error("it did not answer: {0}")]
    NoAnswer(#[from] io::Error),
    #[error("it did not find the {sample} sample: {reply:?}")]
    Missed { sample: &'static str, reply: Reply },
    #[error("it did not call the clean sample clean{found}: {reply:?}", found = found(.reply))]
    Invented { reply: Reply },
}

// === impl Canary ===

impl Canary {
    /// How many signatures it adds to those that are loaded.
    pub(crate) const SIGNATURES: u64 = 1;

    /// How many rules it adds.
    pub(crate) const RULES: u64 = 1;

    /// Makes a signature, and a rule if the generation `has_rules`, and writes them into a folder of its own.
    pub(crate) fn create(run: &RunFolder, has_rules: bool) -> io::Result<Self> {
        let mut random = [0_u8; 32];
        getrandom(&mut random, GetRandomFlags::empty())?;
        let folder = run.subfolder("self-test")?;
        let marker = hex(&random);
        // Hexadecimal text of hexadecimal text: the signature is for the characters of the marker.
        let signature = format!("{NAME}:0:*:{}\n", hex(marker.as_bytes()));
        let samples = Samples::of(&marker)?;
        let canary = Self {
            folder,
            signature,
            plain: sealed::memory(b"", samples.plain.as_bytes())?,
            nested: sealed::memory(b"", &samples.nested)?,
            clean: sealed::memory(b"", samples.clean.as_bytes())?,
            rule: if has_rules { Some(Rule::create()?) } else { None },
        };
        canary.restore(run)?;
        Ok(canary)
    }

    /// Writes its database, be it again because somebody has cleaned up.
    pub(crate) fn restore(&self, run: &RunFolder) -> io::Result<()> {
        run.restore(&self.folder)?;
        fs::write(self.folder().join(FILE), &self.signature)?;
        fs::write(self.folder().join(SETTINGS_FILE), SETTINGS)?;
        if let Some(rule) = &self.rule {
            fs::create_dir_all(self.rule_folder())?;
            fs::write(self.rule_folder().join(RULE_FILE), &rule.text)?;
        }
        Ok(())
    }

    /// Where its rule is, if it has one.
    pub(crate) fn rule_folder(&self) -> PathBuf {
        self.folder().join(RULE_FOLDER)
    }

    /// The database to load beside the real one.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Lets a worker prove itself. Waits for it, so it is not for async code.
    pub(crate) fn prove(&self, worker: &mut Worker) -> Result<(), ProofError> {
        for (sample, fd) in [("plain", &self.plain), ("nested", &self.nested)] {
            let reply = ask(worker, fd)?;
            let found = reply.code == 1
                && reply.flags == ReplyFlags::INSPECTED
                && reply.names.iter().any(|name| name.starts_with(NAME.as_bytes()));
            if !found {
                return Err(ProofError::Missed { sample, reply });
            }
        }
        if let Some(rule) = &self.rule {
            let reply = ask(worker, &rule.sample)?;
            if !reply.names.iter().any(|name| name == RULE_NAME.as_bytes()) {
                return Err(ProofError::Missed { sample: "YARA", reply });
            }
        }
        let reply = ask(worker, &self.clean)?;
        if reply.code != 0 || reply.flags != ReplyFlags::INSPECTED || !reply.names.is_empty() {
            return Err(ProofError::Invented { reply });
        }
        Ok(())
    }
}

// === impl Rule ===

impl Rule {
    fn create() -> io::Result<Self> {
        let mut random = [0_u8; 32];
        getrandom(&mut random, GetRandomFlags::empty())?;
        let marker = hex(&random);
        let name = RULE_NAME.trim_start_matches("YARA.");
        let text = format!("rule {name} {{ strings: $a = \"{marker}\" condition: $a }}\n");
        // Found unpacked only.
        let sample = zip("sample.txt", format!("{marker}\n{marker}\n").as_bytes())?;
        Ok(Self { text, sample: sealed::memory(b"", &sample)? })
    }
}

/// What was found, for the operator.
fn found(reply: &Reply) -> String {
    let names: Vec<_> = reply.names.iter().map(|name| String::from_utf8_lossy(name)).collect();
    if names.is_empty() { String::new() } else { format!(" but {}", names.join(", ")) }
}

fn ask(worker: &mut Worker, fd: &OwnedFd) -> io::Result<Reply> {
    let request = Request {
        id: worker.next_id(),
        options: Options::ARCHIVES,
        limits: Limits { time_ms: 8000, file_size: 1 << 20, scan_size: 16 << 20, files: 100, depth: 5 },
    };
    let own = sealed::reopen(fd)?;
    worker.exchange_blocking(own.as_fd(), &request, Instant::now() + TIMEOUT)
}

struct Samples {
    plain: String,
    nested: Vec<u8>,
    clean: String,
}

impl Samples {
    fn of(marker: &str) -> io::Result<Self> {
        let plain = format!("This text tells icapstan that its scanner works.\n{marker}\n{marker}\n");
        let nested = zip("inner.zip", &zip("sample.txt", plain.as_bytes())?)?;
        let clean = "This text tells icapstan that its scanner leaves clean text alone.\n".to_owned();
        // Else finding it would prove no unpacking.
        if nested.windows(marker.len()).any(|window| window == marker.as_bytes()) {
            return Err(io::Error::other("the archived sample is not packed"));
        }
        Ok(Self { plain, nested, clean })
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_generations_share_a_marker_and_the_archive_hides_it() {
        let base = tempfile::tempdir().unwrap();
        let run = RunFolder::create(Some(base.path()), 1, 8 << 20).unwrap();
        let (one, two) = (Canary::create(&run, true).unwrap(), Canary::create(&run, false).unwrap());
        let read = |canary: &Canary| fs::read_to_string(canary.folder().join(FILE)).unwrap();
        assert_ne!(read(&one), read(&two));
        assert!(read(&one).starts_with("Icapstan.SelfTest:0:*:"));
        let rule = fs::read_to_string(one.rule_folder().join(RULE_FILE)).unwrap();
        assert!(rule.starts_with("rule Icapstan_SelfTest {"), "{rule}");
        assert!(!two.rule_folder().exists());
        for seed in 0..200_u8 {
            Samples::of(&hex(&[seed; 32])).unwrap();
            Samples::of(&hex(blake3::hash(&[seed]).as_bytes())).unwrap();
        }
    }
}
