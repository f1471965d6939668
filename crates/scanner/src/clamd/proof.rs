//! What a clamd has to find before it is believed.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;
use thiserror::Error;

use super::client::{Client, ClientError};
use crate::archive::{encrypted_zip, zip};
use crate::sealed;

/// For all samples together.
const TIMEOUT: Duration = Duration::from_secs(15);

/// More than any `MaxRecursion` that clamd takes (100).
const TOO_DEEP: usize = 110;

/// The objects that it is asked about.
#[derive(Debug)]
pub(super) struct Proof {
    samples: Vec<(OwnedFd, Expected)>,
}

/// What is to be said of a sample.
#[derive(Clone, Copy, Debug)]
enum Expected {
    Clean,
    /// Anything but a limit.
    Threat(&'static str),
    /// Anything: it must not go without a word.
    Word(&'static str),
}

/// Why it is not believed.
#[derive(Debug, Error)]
pub(super) enum ProofError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("it took too long to scan the samples")]
    Late,
    #[error("a sample cannot be read: {0}")]
    Sample(#[from] io::Error),
    #[error("it {0}")]
    Missed(&'static str),
    #[error("it found {0} in clean text")]
    Invented(String),
    #[error("it reported a fault: {0}")]
    Fault(String),
}

// === impl Proof ===

impl Proof {
    pub(super) fn new() -> io::Result<Self> {
        // In two pieces, so that no scanner finds it in this program.
        let eicar = [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STAND", r"ARD-ANTIVIRUS-TEST-FILE!$H+H*"].concat();
        let eicar = eicar.as_bytes();
        let mut deep = zip("eicar.com", eicar)?;
        for _ in 0..TOO_DEEP {
            deep = zip("inner.zip", &deep)?;
        }
        let samples = [
            (
                b"This text tells icapstan that its scanner leaves clean text alone.\n".to_vec(),
                Expected::Clean,
            ),
            (
                eicar.to_vec(),
                Expected::Threat("does not find the EICAR test file; its database lacks a signature"),
            ),
            (
                zip("inner.zip", &zip("eicar.com", eicar)?)?,
                Expected::Threat(
                    "does not find the EICAR test file in archives; see its TemporaryDirectory and ScanArchive",
                ),
            ),
            (
                deep,
                Expected::Word(
                    "says nothing of what exceeds its limits; set `AlertExceedsMax yes` in clamd.conf",
                ),
            ),
            (
                encrypted_zip("secret.txt", b"not for everybody")?,
                Expected::Word("says nothing of encrypted archives; set `AlertEncrypted yes` in clamd.conf"),
            ),
        ];
        let sealed =
            samples.into_iter().map(|(sample, expected)| Ok((sealed::memory(b"", &sample)?, expected)));
        Ok(Self { samples: sealed.collect::<io::Result<_>>()? })
    }

    /// Asks about all samples.
    pub(super) async fn ask(&self, client: &Client) -> Result<(), ProofError> {
        tokio::time::timeout(TIMEOUT, self.ask_all(client)).await.unwrap_or(Err(ProofError::Late))
    }

    async fn ask_all(&self, client: &Client) -> Result<(), ProofError> {
        for (sample, expected) in &self.samples {
            let own = sealed::reopen(sample)?;
            let reply = client.scan(own.as_fd()).await?;
            if !reply.message.is_empty() {
                return Err(ProofError::Fault(String::from_utf8_lossy(&reply.message).into_owned()));
            }
            let name = reply.names.first().map(|name| String::from_utf8_lossy(name).into_owned());
            match (expected, name) {
                (Expected::Clean, None) | (Expected::Word(_), Some(_)) => {}
                (Expected::Clean, Some(name)) => return Err(ProofError::Invented(name)),
                (Expected::Threat(_), Some(name)) if !name.starts_with("Heuristics.") => {}
                (Expected::Threat(what) | Expected::Word(what), _) => return Err(ProofError::Missed(what)),
            }
        }
        Ok(())
    }
}
