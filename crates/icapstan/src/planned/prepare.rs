//! From the digest of settings to what can be put in use.

use crate::settings::{Settings, SettingsError};
use icapstan_api::fleet::{Artifact, BundleError, ContentDigest, SettingsBundle};
use icapstan_artifacts::{FetchError, Fetcher};
use icapstan_events::Events;
use icapstan_follow::Plan;
use icapstan_gateway::{
    Compiled, FixedUrlLists, Gateway, GatewayError, UrlListError, UrlListMetrics, UrlLists,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// What settings are made ready with. Clones share all.
#[derive(Clone)]
pub(super) struct Workshop {
    pub(super) fetcher: Fetcher,
    pub(super) gateway: Arc<Gateway>,
    pub(super) lists: UrlListMetrics,
    pub(super) events: Events,
}

/// Settings of a plan that can be put in use.
pub(super) struct Ready {
    pub(super) compiled: Compiled,
    pub(super) lists: FixedUrlLists,
    /// The files that they have.
    pub(super) files: BTreeSet<ContentDigest>,
}

/// Why they cannot.
#[derive(Debug, Error)]
pub(super) enum PrepareError {
    /// The plan names what it does not list.
    #[error("the plan does not list {0} among its settings")]
    Unlisted(ContentDigest),
    /// Nobody gives the bytes.
    #[error("{0} cannot be fetched")]
    Fetch(ContentDigest, #[source] FetchError),
    /// They were there, and cannot be read.
    #[error("{} cannot be read", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    /// The bytes are no settings.
    #[error("the settings cannot be read")]
    Bundle(#[from] BundleError),
    /// The settings contradict themselves, or what this process has.
    #[error("the settings cannot be used")]
    Settings(#[from] SettingsError),
    /// So do their lists.
    #[error("the URL lists of the settings cannot be used")]
    Lists(#[from] UrlListError),
    /// So do their policies.
    #[error("the settings cannot be used")]
    Gateway(#[from] GatewayError),
    /// A fault of the program.
    #[error("the settings could not be compiled to an end")]
    Cut,
}

// === impl PrepareError ===

impl PrepareError {
    /// Whether the same may succeed a moment later.
    pub(super) const fn is_passing(&self) -> bool {
        matches!(self, Self::Fetch(..) | Self::Read(..) | Self::Cut)
    }
}

// === impl Workshop ===

impl Workshop {
    /// Makes the settings of that digest ready, as far as they fit `base`, which is what the process has for itself.
    pub(super) async fn prepare(
        self,
        digest: ContentDigest,
        plan: Arc<Plan>,
        base: Arc<Settings>,
    ) -> Result<Ready, PrepareError> {
        let path = self.fetch(&plan, digest).await?;
        let bundle = blocking(move || read(&path)).await??;
        let mut files = BTreeMap::new();
        for list in bundle.lists()? {
            files.insert(list, self.fetch(&plan, list).await?);
        }
        blocking(move || self.compile(digest, bundle, &files, &base)).await?
    }

    async fn fetch(&self, plan: &Plan, digest: ContentDigest) -> Result<PathBuf, PrepareError> {
        let listed = plan.settings.iter().find(|artifact| artifact.digest == digest);
        let artifact: &Artifact = listed.ok_or(PrepareError::Unlisted(digest))?;
        let fetched = self.fetcher.fetch(artifact, &plan.artifacts).await;
        fetched.map_err(|error| PrepareError::Fetch(digest, error))
    }

    fn compile(
        &self,
        digest: ContentDigest,
        bundle: SettingsBundle,
        files: &BTreeMap<ContentDigest, PathBuf>,
        base: &Settings,
    ) -> Result<Ready, PrepareError> {
        let mut config = base.config.clone();
        bundle.lay_over(&mut config, files)?;
        let settings = Settings::new(config, None)?;
        base.fit(&settings).map_err(|problems| SettingsError::Together { file: None, problems })?;
        // Of this epoch alone: the one in use keeps its own.
        let lists = settings.url_lists(&UrlLists::default(), &self.lists, &self.events)?.fix();
        let compiled = self.gateway.compile(&settings.served(), lists.lists())?;
        let files = files.keys().copied().chain([digest]).collect();
        Ok(Ready { compiled, lists, files })
    }
}

fn read(path: &Path) -> Result<SettingsBundle, PrepareError> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let most = SettingsBundle::MAX_BYTES as u64 + 1;
    std::fs::File::open(path)
        .and_then(|file| file.take(most).read_to_end(&mut bytes))
        .map_err(|error| PrepareError::Read(path.to_path_buf(), error))?;
    Ok(SettingsBundle::read(&bytes)?)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, PrepareError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| PrepareError::Cut)
}
