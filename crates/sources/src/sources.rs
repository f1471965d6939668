//! From a spec to verified files.

use crate::place::{Place, Wish};
use crate::spec::check_url;
use crate::verify::{Signed, cvd_of, signed_by};
use crate::web::Web;
use crate::{
    Checksums, Evidence, Fetched, FetchedFile, Format, Limits, Location, Network, Outcome, Signature,
    SourceError, SourceSpec, Verification,
};
use icapstan_api::fleet::ContentDigest;
use icapstan_artifacts::Store;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::path::PathBuf;
use tokio::time::timeout;
use url::Position;

/// Fetches sources into a store.
#[derive(Debug)]
pub struct Sources {
    store: Store,
    web: Web,
    roots: Vec<PathBuf>,
}

/// A list of digests, and who signed it.
struct Listed {
    name: String,
    list: Checksums,
    signed: Option<Signed>,
}

// === impl Listed ===

impl Listed {
    /// When it was made, as it says itself, else as its signature does.
    fn time(&self) -> Option<Timestamp> {
        self.list.released.or_else(|| self.signed.as_ref()?.at)
    }
}

// === impl Sources ===

impl Sources {
    /// Fetches into `store`, from what `network` lets it reach.
    pub fn new(store: Store, network: Network) -> Self {
        Self { store, web: Web::new(network.addresses, network.proxy), roots: network.roots }
    }

    /// Where it fetches to.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Fetches what is not there yet, and verifies all of it. `previous` is what was accepted the last time.
    ///
    /// What was fetched and did not prove to be right stays in the store until [`Store::keep_only`], under a digest
    /// that nothing names.
    pub async fn fetch(
        &self,
        spec: &SourceSpec,
        previous: Option<&Fetched>,
        limits: &Limits,
    ) -> Result<Fetched, SourceError> {
        let after = limits.total;
        let fetched = timeout(after, self.fetch_now(spec, previous, limits)).await;
        fetched.unwrap_or(Err(SourceError::Timeout { what: "end", after }))
    }

    async fn fetch_now(
        &self,
        spec: &SourceSpec,
        previous: Option<&Fetched>,
        limits: &Limits,
    ) -> Result<Fetched, SourceError> {
        let verification = &spec.verification;
        verification.check()?;
        check_location(&spec.location)?;
        let url = shown(&spec.location);
        let place = Place::open(&spec.location, &self.web, &self.roots, limits).await?;
        let names = place.names(verification, limits)?;
        if verification.sha256.is_some() && names.len() != 1 {
            let count = names.len();
            return Err(SourceError::Invalid(format!("one digest is given, and there are {count} files")));
        }
        let is_pinned = verification.sha256.is_some() || place.is_pinned();
        let floor = previous.filter(|_| !is_pinned);
        let listed = self.listed(&place, verification, limits).await?;
        if let (Some(listed), Some(floor)) = (&listed, floor) {
            not_older_list(listed, floor)?;
        }
        let released = listed.as_ref().and_then(Listed::time).or_else(|| place.released());
        let mut files = Vec::new();
        let mut left = limits.max_bytes;
        for name in &names {
            let wish = Wish {
                expected: expected(verification, listed.as_ref(), name)?,
                // What a server called a file at another URL says nothing.
                previous: previous.filter(|previous| previous.url == url),
                limit: left,
                limits,
            };
            let file = place.put(&self.store, name, &wish).await?;
            if let Some(expected) = wish.expected.filter(|expected| *expected != file.digest) {
                return Err(SourceError::Digest { name: name.clone(), expected, found: file.digest });
            }
            left = left.saturating_sub(file.size);
            files.push(file);
        }
        let mut keys = BTreeSet::new();
        for file in &mut files {
            keys.extend(self.verify(&place, verification, listed.as_ref(), file, limits).await?);
            if let Some(before) = floor.and_then(|floor| floor.file(&file.name)) {
                not_older(file, before)?;
            }
        }
        if let Some((new, old)) =
            released.zip(floor.and_then(|floor| floor.released)).filter(|(new, old)| new < old)
        {
            return Err(SourceError::older_time("what the source has", new, old));
        }
        let is_same = previous.is_some_and(|previous| {
            previous
                .files
                .iter()
                .map(|file| (&file.name, file.digest))
                .eq(files.iter().map(|file| (&file.name, file.digest)))
        });
        Ok(Fetched {
            outcome: if is_same { Outcome::NotModified } else { Outcome::Fetched },
            evidence: evidence(verification, is_pinned, listed.as_ref(), keys),
            revision: revision(&place, &files),
            url,
            serial: listed.as_ref().and_then(|listed| listed.list.serial),
            released,
            files,
        })
    }

    /// The list of digests, if the spec names one; signed, if it has to be.
    async fn listed(
        &self,
        place: &Place<'_>,
        verification: &Verification,
        limits: &Limits,
    ) -> Result<Option<Listed>, SourceError> {
        let Some(name) = &verification.manifest else { return Ok(None) };
        let bytes = place.companion(&self.store, name, None, Checksums::MAX_BYTES, limits).await?;
        let bytes = bytes.ok_or_else(|| SourceError::Missing(name.clone()))?;
        let signed = if verification.is_detached() {
            let signature = self.signature(place, verification, name, None, limits).await?;
            let signer = signature.signer(&verification.keys, || Ok(&bytes[..]));
            let signer = signer.ok().flatten();
            Some(signer.ok_or_else(|| SourceError::Signature(name.clone()))?)
        } else {
            None
        };
        let odd = SourceError::Format {
            name: name.clone(),
            what: "it is no list of digests as sha256sum writes it",
        };
        let text = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
        Ok(Some(Listed { name: name.clone(), list: text.ok_or(odd)?, signed }))
    }

    async fn signature(
        &self,
        place: &Place<'_>,
        verification: &Verification,
        name: &str,
        about: Option<&str>,
        limits: &Limits,
    ) -> Result<Signature, SourceError> {
        let beside = format!("{name}{}", verification.suffix());
        let bytes = place.companion(&self.store, &beside, about, Signature::MAX_BYTES, limits).await?;
        let bytes = bytes.ok_or_else(|| SourceError::Unsigned(name.to_owned()))?;
        Signature::parse(verification.format, &bytes)
            .map_err(|what| SourceError::SignatureFormat { name: name.to_owned(), what })
    }

    /// Checks one file, and writes down what it says of itself. Who signed it, if it is signed by itself.
    async fn verify(
        &self,
        place: &Place<'_>,
        verification: &Verification,
        listed: Option<&Listed>,
        file: &mut FetchedFile,
        limits: &Limits,
    ) -> Result<Option<String>, SourceError> {
        let path = || self.store.path(&file.digest).ok_or_else(|| SourceError::Missing(file.name.clone()));
        let mut by = None;
        if verification.is_detached() && listed.is_none() {
            let signature = self.signature(place, verification, &file.name, Some(&file.name), limits).await?;
            let signed = signed_by(&file.name, path()?, &verification.keys, signature).await?;
            (by, file.signed_at) = (Some(signed.by), signed.at);
        }
        let cvd = cvd_of(&file.name, path()?).await?;
        if verification.format == Format::Cvd && !cvd.as_ref().is_some_and(|cvd| cvd.is_signed) {
            return Err(SourceError::Unsigned(file.name.clone()));
        }
        file.cvd = cvd;
        Ok(by)
    }
}

fn check_location(location: &Location) -> Result<(), SourceError> {
    let Location::Http(place) = location else { return Ok(()) };
    let checked = place.files.iter().try_for_each(|file| check_url(&file.url));
    checked.map_err(|what| SourceError::Invalid(format!("the URL of the source {what}")))
}

/// What a file should be, as far as that is written down.
fn expected(
    verification: &Verification,
    listed: Option<&Listed>,
    name: &str,
) -> Result<Option<ContentDigest>, SourceError> {
    let Some(listed) = listed else { return Ok(verification.sha256) };
    let unlisted = || SourceError::Unlisted { name: name.to_owned(), manifest: listed.name.clone() };
    let digest = *listed.list.files.get(name).ok_or_else(unlisted)?;
    match verification.sha256 {
        Some(expected) if expected != digest => {
            Err(SourceError::Digest { name: name.to_owned(), expected, found: digest })
        }
        _ => Ok(Some(digest)),
    }
}

fn not_older_list(listed: &Listed, floor: &Fetched) -> Result<(), SourceError> {
    let (name, list) = (listed.name.as_str(), &listed.list);
    match (list.serial, floor.serial) {
        (Some(new), Some(old)) if new < old => Err(SourceError::older(name, &new, &old)),
        // Who leaves the number out is not to get past it.
        (None, Some(old)) => Err(SourceError::older(name, &"no serial", &old)),
        _ => Ok(()),
    }
}

fn not_older(file: &FetchedFile, before: &FetchedFile) -> Result<(), SourceError> {
    if file.digest == before.digest {
        return Ok(());
    }
    if let (Some(new), Some(old)) = (&file.cvd, &before.cvd)
        && (new.version, new.built_at) < (old.version, old.built_at)
    {
        let text = |version: u32, built: &str| format!("version {version} of {built}");
        let (new, old) = (text(new.version, &new.built), text(old.version, &old.built));
        return Err(SourceError::older(&file.name, &new, &old));
    }
    match (file.signed_at, before.signed_at) {
        (Some(new), Some(old)) if new < old => Err(SourceError::older_time(&file.name, new, old)),
        _ => Ok(()),
    }
}

fn evidence(
    verification: &Verification,
    is_pinned: bool,
    listed: Option<&Listed>,
    mut keys: BTreeSet<String>,
) -> Evidence {
    keys.extend(listed.and_then(|listed| listed.signed.as_ref()).map(|signed| signed.by.clone()));
    if !keys.is_empty() {
        Evidence::Signed(keys.into_iter().collect())
    } else if verification.format == Format::Cvd {
        Evidence::Cvd
    } else if is_pinned {
        Evidence::Pinned
    } else if listed.is_some() {
        Evidence::Listed
    } else {
        Evidence::None
    }
}

fn revision(place: &Place<'_>, files: &[FetchedFile]) -> String {
    let tag = match files {
        [file] => file.etag.clone(),
        _ => None,
    };
    place.revision().or(tag).unwrap_or_else(|| Fetched::digest_of(files).to_string())
}

/// What may be shown of where it is: queries may be secret.
fn shown(location: &Location) -> Option<String> {
    match location {
        Location::Http(place) => {
            let mut urls: Vec<_> =
                place.files.iter().map(|file| file.url[..Position::AfterPath].to_owned()).collect();
            urls.truncate(64);
            Some(urls.join(" "))
        }
        Location::Oci(place) => Some(place.reference.clone()),
        Location::Volume(path) => Some(path.display().to_string()),
        Location::Inline(_) => None,
    }
}
