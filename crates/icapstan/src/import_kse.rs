//! `icapstan import-kse`: from the settings of Kaspersky Scan Engine's ICAP mode to `icapstan.yaml`.

use crate::exit::{Exit, chain};
use icapstan_kse::MAX_INPUT_LEN;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use thiserror::Error;

/// Why a file is not read.
#[derive(Debug, Error)]
enum ReadError {
    #[error("cannot be read")]
    Io(#[from] io::Error),
    #[error("larger than {MAX_INPUT_LEN} bytes")]
    TooLarge,
    #[error("not UTF-8 text; convert it first")]
    NotText,
}

/// Prints the configuration on standard output and what to know about it on standard error.
pub(crate) fn run(xml: &Path, rules: Option<&Path>) -> Exit {
    let fault = |file: &Path, error: &(dyn std::error::Error + 'static)| {
        eprintln!("{}: {}", file.display(), chain(error));
        Exit::Usage
    };
    let settings = match read(xml) {
        Ok(bytes) => bytes,
        Err(error) => return fault(xml, &error),
    };
    let rules = match rules.map(|file| read_text(file).map_err(|error| fault(file, &error))).transpose() {
        Ok(rules) => rules,
        Err(exit) => return exit,
    };
    let imported = match icapstan_kse::import(&settings, rules.as_deref()) {
        Ok(imported) => imported,
        Err(error) => return fault(xml, &error),
    };
    for note in &imported.notes {
        eprintln!("{note}");
    }
    let mut out = io::stdout().lock();
    match out.write_all(imported.to_yaml().as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Exit::Success,
        Err(error) => {
            eprintln!("icapstan: standard output: {error}");
            Exit::Failure
        }
    }
}

/// Reads no more than can be used.
fn read(file: &Path) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    File::open(file)?.take(MAX_INPUT_LEN + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_INPUT_LEN { Err(ReadError::TooLarge) } else { Ok(bytes) }
}

fn read_text(file: &Path) -> Result<String, ReadError> {
    String::from_utf8(read(file)?).map_err(|_| ReadError::NotText)
}
