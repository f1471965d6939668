//! Files of the store, read to be verified.

use super::{CvdHeader, PublicKey, Signature, Signed};
use crate::SourceError;
use icapstan_artifacts::blocking;
use md5::{Digest as _, Md5};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Who signed a file.
pub(crate) async fn signed_by(
    name: &str,
    path: PathBuf,
    keys: &[PublicKey],
    signature: Signature,
) -> Result<Signed, SourceError> {
    let (keys, of_file) = (keys.to_vec(), path.clone());
    let signer = blocking(move || signature.signer(&keys, || File::open(&of_file))).await;
    match signer.ok_or(SourceError::Stopped)? {
        Ok(Some(signed)) => Ok(signed),
        Ok(None) => Err(SourceError::Signature(name.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(SourceError::SignatureFormat {
            name: name.to_owned(),
            what: "it is over more than 64 MiB, and not over their hash: minisign signs that, or sign a manifest",
        }),
        Err(source) => Err(SourceError::Read { path, source }),
    }
}

/// The head of a CVD, whose body is as it says. Nothing if it is no CVD, neither by its name nor by its beginning.
pub(crate) async fn cvd_of(name: &str, path: PathBuf) -> Result<Option<CvdHeader>, SourceError> {
    let file_name = name.to_owned();
    blocking(move || read_cvd(&file_name, &path)).await.ok_or(SourceError::Stopped)?
}

fn read_cvd(name: &str, path: &Path) -> Result<Option<CvdHeader>, SourceError> {
    let fault = |source| SourceError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(fault)?;
    let mut head = Vec::with_capacity(CvdHeader::LEN);
    Read::by_ref(&mut file).take(CvdHeader::LEN as u64).read_to_end(&mut head).map_err(fault)?;
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let is_named = matches!(ending.as_deref(), Some("cvd" | "cld" | "cud"));
    if !is_named && !CvdHeader::is_likely(&head) {
        return Ok(None);
    }
    let header =
        CvdHeader::parse(&head).map_err(|source| SourceError::Cvd { name: name.to_owned(), source })?;
    // A .cld is a .cvd that was changed on the way, whose head stays as it was.
    if ending.as_deref() != Some("cld") && header.md5 != md5_of(&mut file).map_err(fault)? {
        return Err(SourceError::Md5(name.to_owned()));
    }
    Ok(Some(header))
}

fn md5_of(file: &mut File) -> io::Result<String> {
    let (mut hasher, mut buffer) = (Md5::new(), vec![0; 256 << 10]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let mut hex = String::with_capacity(32);
    for byte in hasher.finalize() {
        // A string takes all that is written.
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(hex)
}
