//! What a source is.

use crate::{Credential, PublicKey, SourceError, is_file_name};
use bytes::Bytes;
use icapstan_api::fleet::ContentDigest;
use std::path::PathBuf;
use url::Url;

/// Where bytes come from, and how they prove that they are the right ones.
#[derive(Clone, Debug)]
pub struct SourceSpec {
    /// Where they are.
    pub location: Location,
    /// How they prove it.
    pub verification: Verification,
}

/// Where bytes are.
#[derive(Clone, Debug)]
pub enum Location {
    /// On a server.
    Http(HttpPlace),
    /// In a registry.
    Oci(OciPlace),
    /// A file, or a folder with databases, on a volume. Only below a root of [`crate::Network::roots`].
    Volume(PathBuf),
    /// In memory: what somebody read from a ConfigMap. Names and bytes.
    Inline(Vec<(String, Bytes)>),
}

/// Files on a server.
#[derive(Clone, Debug, Default)]
pub struct HttpPlace {
    /// Which.
    pub files: Vec<HttpFile>,
    /// What is said to whom.
    pub credentials: Vec<Credential>,
    /// Authorities to believe instead of those of the system, in PEM.
    pub ca: Option<Vec<u8>>,
}

/// A file on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpFile {
    /// What it is called here.
    pub name: String,
    /// Where it is.
    pub url: Url,
}

/// An artifact in a registry: each of its layers is a file, named by its title, as `oras push` makes them.
#[derive(Clone, Debug, Default)]
pub struct OciPlace {
    /// Registry, repository, and a tag or a digest or both.
    pub reference: String,
    /// Who asks. To who gives tokens it is said only if that one's host is named too.
    pub credentials: Vec<Credential>,
    /// Whether the registry is asked without TLS.
    pub insecure: bool,
    /// Authorities to believe instead of those of the system, in PEM.
    pub ca: Option<Vec<u8>>,
}

/// How bytes prove that they are the right ones.
#[derive(Clone, Debug)]
pub struct Verification {
    /// How they are signed.
    pub format: Format,
    /// One of these has to have signed.
    pub keys: Vec<PublicKey>,
    /// What is added to the name of a file for that of its signature, if not `.minisig` or `.sig`.
    pub signature_suffix: Option<String>,
    /// The digest of the only file. It is pinned: it may be older than what was accepted before.
    pub sha256: Option<ContentDigest>,
    /// A file beside the others with their digests, such as `SHA256SUMS`: then it is that one that is signed.
    pub manifest: Option<String>,
}

/// How bytes are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Not at all; as a digest says, if there is one.
    None,
    /// By ClamAV, within each file. What is checked here is the MD5 that the head names, and that there is a signature
    /// at all; the signature itself libclamav checks, when it loads the file.
    Cvd,
    /// By minisign, in a file beside it.
    Minisign,
    /// By an Ed25519 key, in a file beside it: 64 bytes, or these in base64 or hexadecimal.
    Ed25519,
}

// === impl HttpPlace ===

impl HttpPlace {
    /// One file, named by the end of its URL.
    pub fn file(url: &str) -> Result<Self, SourceError> {
        let url = web_url(url)?;
        let name = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or("").to_owned();
        Ok(Self { files: vec![HttpFile { name, url }], ..Self::default() })
    }

    /// Files of these names below a URL.
    pub fn files(url: &str, names: &[String]) -> Result<Self, SourceError> {
        let mut base = web_url(url)?;
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let file = |name: &String| {
            checked_name(name)?;
            let mut url = base.clone();
            url.set_path(&format!("{}{name}", base.path()));
            Ok(HttpFile { name: name.clone(), url })
        };
        Ok(Self { files: names.iter().map(file).collect::<Result<_, SourceError>>()?, ..Self::default() })
    }
}

// === impl Verification ===

impl Verification {
    /// Of what nobody signed, said on purpose.
    pub fn none() -> Self {
        Self { format: Format::None, keys: Vec::new(), signature_suffix: None, sha256: None, manifest: None }
    }

    /// Whether it can be satisfied at all.
    pub(crate) fn check(&self) -> Result<(), SourceError> {
        if self.is_detached() && self.keys.is_empty() {
            return Err(SourceError::NoKey);
        }
        if self.is_detached() && !self.keys.iter().any(|key| key.is_of(self.format)) {
            return Err(SourceError::NoKey);
        }
        if self.format == Format::Cvd && self.manifest.is_some() {
            return Err(SourceError::Invalid("a CVD is signed by itself, and not by a manifest".to_owned()));
        }
        if let Some(suffix) = &self.signature_suffix {
            checked_name(&format!("x{suffix}"))?;
            if suffix.is_empty() {
                return Err(SourceError::Invalid("a signature cannot have the name of its file".to_owned()));
            }
        }
        self.manifest.as_deref().map_or(Ok(()), checked_name)
    }

    /// Whether signatures are in files of their own.
    pub(crate) fn is_detached(&self) -> bool {
        matches!(self.format, Format::Minisign | Format::Ed25519)
    }

    pub(crate) fn suffix(&self) -> &str {
        let usual = if self.format == Format::Ed25519 { ".sig" } else { ".minisig" };
        self.signature_suffix.as_deref().unwrap_or(usual)
    }

    /// Whether a file of that name is about others.
    pub(crate) fn is_companion(&self, name: &str) -> bool {
        self.manifest.as_deref() == Some(name) || (self.is_detached() && name.ends_with(self.suffix()))
    }
}

/// A URL that can be asked.
pub(crate) fn web_url(text: &str) -> Result<Url, SourceError> {
    let fault = |what: &str| SourceError::Invalid(format!("the URL of the source {what}"));
    let url: Url = text.parse().map_err(|_| fault("is none"))?;
    check_url(&url).map_err(fault)?;
    Ok(url)
}

/// Why a URL cannot be asked, if so.
pub(crate) fn check_url(url: &Url) -> Result<(), &'static str> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err("is neither http nor https");
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("has no host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a name or a password in it; these belong into a Secret");
    }
    Ok(())
}

pub(crate) fn checked_name(name: &str) -> Result<(), SourceError> {
    if is_file_name(name) {
        Ok(())
    } else {
        let shown: String = name.chars().take(130).collect();
        Err(SourceError::Invalid(format!("{shown:?} is no name for a file")))
    }
}
