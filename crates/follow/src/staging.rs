//! The bytes of a plan's revisions, on the disk of this machine.
//!
//! ```text
//!  PlanWatch ─▶ for each revision: Fetcher ─▶ Store ─▶ revisions/HEX/{clamav,yara}/NAME, samples/HEX
//!                        │ what fails is tried again                    │
//!                        └──────────────▶ Staging ◀─────────────────────┘
//! ```
//!
//! What no plan names any more is removed.

use icapstan_api::fleet::{ContentDigest, FileKind, PlannedFile, PlannedRevision};
use icapstan_artifacts::{AttemptError, FetchError, Fetcher, Store, StoreError, blocking};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::plan::{Plan, PlanWatch};

/// Between tries, doubled each time up to the largest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LARGEST_PAUSE: Duration = Duration::from_secs(30);

/// A plan, and how far its bytes have come.
#[derive(Clone, Debug, Default)]
pub struct Staging {
    /// Nothing before there is one.
    pub plan: Option<Arc<Plan>>,
    /// Of each of its revisions.
    pub revisions: BTreeMap<ContentDigest, Progress>,
}

/// How far the bytes of a revision have come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// They are being fetched.
    Fetching,
    /// They could not be had, and are tried again.
    Failed(StageFailure, String),
    /// They are there.
    Staged(Arc<Staged>),
}

/// Why the bytes of a revision are not there. Each is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageFailure {
    /// Nobody gives them.
    Fetch,
    /// What is given is something else.
    Digest,
    /// There is no room for them.
    Disk,
}

/// Where the bytes of a revision are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staged {
    /// What it is.
    pub revision: PlannedRevision,
    /// With a folder for each kind of file that it has, named by [`FileKind::as_str`].
    pub folder: PathBuf,
    /// Where samples of self-tests are, by their digests.
    pub samples: PathBuf,
}

/// Stages until it is dropped.
#[derive(Debug)]
pub struct Stager {
    staging: watch::Receiver<Arc<Staging>>,
    task: JoinHandle<()>,
}

/// The task's own.
struct Work {
    fetcher: Fetcher,
    folder: PathBuf,
    told: watch::Sender<Arc<Staging>>,
}

// === impl Stager ===

impl Stager {
    /// Stages what the plan names below `state`. Needs a runtime of tokio.
    pub fn start(plans: PlanWatch, fetcher: Fetcher, state: &Path) -> Self {
        let (told, staging) = watch::channel(Arc::default());
        let work = Work { fetcher, folder: state.join("revisions"), told };
        let task = tokio::spawn(work.run(plans));
        Self { staging, task }
    }

    /// How far it has come, now and whenever that changes.
    pub fn staging(&self) -> watch::Receiver<Arc<Staging>> {
        self.staging.clone()
    }
}

impl Drop for Stager {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl Work ===

impl Work {
    async fn run(self, mut plans: PlanWatch) {
        let mut tries: JoinSet<(ContentDigest, Progress)> = JoinSet::new();
        let mut under_way = BTreeSet::new();
        let mut pauses: BTreeMap<ContentDigest, Duration> = BTreeMap::new();
        loop {
            let plan = plans.borrow_and_update().clone();
            if let Some(plan) = plan {
                pauses.retain(|digest, _| plan.revision(digest).is_some());
                self.begin(&plan).await;
                let staging = self.told.borrow().clone();
                for revision in &plan.revisions {
                    let digest = revision.digest;
                    let is_there = match staging.revisions.get(&digest) {
                        // Its self-test may be another one by now.
                        Some(Progress::Staged(staged)) => staged.revision == *revision,
                        _ => false,
                    };
                    if !is_there && under_way.insert(digest) {
                        let pause = pauses.get(&digest).copied();
                        tries.spawn(attempt(
                            self.fetcher.clone(),
                            self.folder.clone(),
                            revision.clone(),
                            plan.artifacts.clone(),
                            pause,
                        ));
                    }
                }
            }
            tokio::select! {
                changed = plans.changed() => if changed.is_err() { return },
                Some(ended) = tries.join_next(), if !tries.is_empty() => {
                    let Ok((digest, progress)) = ended else { continue };
                    under_way.remove(&digest);
                    if let Progress::Staged(_) = &progress {
                        pauses.remove(&digest);
                    } else {
                        let pause = pauses.get(&digest).map_or(FIRST_PAUSE, |pause| (2 * *pause).min(LARGEST_PAUSE));
                        pauses.insert(digest, pause);
                    }
                    self.told.send_if_modified(|staging| {
                        let is_planned = staging.revisions.get(&digest).is_some_and(|known| *known != progress);
                        if is_planned {
                            Arc::make_mut(staging).revisions.insert(digest, progress);
                        }
                        is_planned
                    });
                }
            }
        }
    }

    /// Takes note of another plan, and removes what it does not name.
    async fn begin(&self, plan: &Arc<Plan>) {
        let is_known = self.told.borrow().plan.as_ref().is_some_and(|known| Arc::ptr_eq(known, plan));
        if is_known {
            return;
        }
        let before = self.told.borrow().clone();
        let revisions = plan
            .revisions
            .iter()
            .map(|revision| {
                let known = before.revisions.get(&revision.digest).filter(|known| match known {
                    Progress::Staged(staged) => staged.revision == *revision,
                    _ => true,
                });
                (revision.digest, known.cloned().unwrap_or(Progress::Fetching))
            })
            .collect();
        self.told.send_replace(Arc::new(Staging { plan: Some(Arc::clone(plan)), revisions }));
        let named: BTreeSet<_> = plan.revisions.iter().map(|revision| revision.digest.hex()).collect();
        let artifacts = plan.revisions.iter().flat_map(PlannedRevision::artifacts);
        let kept: BTreeSet<_> = artifacts
            .map(|artifact| artifact.digest)
            .chain(plan.settings.iter().map(|it| it.digest))
            .collect();
        let (folder, store) = (self.folder.clone(), self.fetcher.store().clone());
        let removed = blocking(move || {
            let removed = remove_others(&folder, &named);
            store.keep_only(&kept);
            removed
        });
        if let Some(Err(error)) = removed.await {
            tracing::warn!(%error, "What the plan does not name any more cannot be removed.");
        }
    }
}

fn remove_others(folder: &Path, named: &BTreeSet<String>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(|name| named.contains(name)) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// One try to have all bytes of a revision.
async fn attempt(
    fetcher: Fetcher,
    folder: PathBuf,
    revision: PlannedRevision,
    bases: Vec<String>,
    pause: Option<Duration>,
) -> (ContentDigest, Progress) {
    let digest = revision.digest;
    if let Some(pause) = pause {
        tokio::time::sleep(pause).await;
    }
    for artifact in revision.artifacts() {
        if let Err(error) = fetcher.fetch(&artifact, &bases).await {
            let text = format!("{}: {}", artifact.digest, chain(&error));
            tracing::warn!(revision = %digest, error = text, "A part of a revision is not to be had.");
            return (digest, Progress::Failed(sort(&error), text));
        }
    }
    let store = fetcher.store().clone();
    let placed = blocking(move || place(&store, &folder, revision)).await;
    let progress = match placed {
        Some(Ok(staged)) => {
            tracing::info!(revision = %digest, "A revision is on the disk.");
            Progress::Staged(Arc::new(staged))
        }
        Some(Err(text)) => Progress::Failed(StageFailure::Disk, text),
        None => Progress::Failed(StageFailure::Disk, "the program ends".to_owned()),
    };
    (digest, progress)
}

/// Puts all files where they are loaded from. What is there already is made anew, since nobody knows what it is.
fn place(store: &Store, folder: &Path, revision: PlannedRevision) -> Result<Staged, String> {
    let own = folder.join(revision.digest.hex());
    let samples = own.join("samples");
    let failed = |error: io::Error| format!("{} cannot be made: {error}", own.display());
    match fs::remove_dir_all(&own) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    fs::create_dir_all(&samples).map_err(failed)?;
    let put = |digest: &ContentDigest, path: &Path| match store.place(digest, path) {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("{digest} went away")),
        Err(error) => Err(chain(&error)),
    };
    for PlannedFile { name, kind, digest, .. } in &revision.files {
        let kind = own.join(kind.as_str());
        fs::create_dir_all(&kind).map_err(failed)?;
        put(digest, &kind.join(name))?;
    }
    let tests = revision.self_test.must_detect.iter().chain(&revision.self_test.must_pass);
    let digests: BTreeSet<_> = tests.map(|artifact| artifact.digest).collect();
    for digest in digests {
        put(&digest, &samples.join(digest.hex()))?;
    }
    Ok(Staged { revision, folder: own, samples })
}

fn sort(error: &FetchError) -> StageFailure {
    if error.is_full() {
        return StageFailure::Disk;
    }
    let FetchError::Failed { source, .. } = error else { return StageFailure::Fetch };
    match &**source {
        AttemptError::WrongBytes(_) | AttemptError::Size { .. } => StageFailure::Digest,
        AttemptError::Store(StoreError::File { .. } | StoreError::DiskFull { .. }) => StageFailure::Disk,
        _ => StageFailure::Fetch,
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

// === impl Staged ===

impl Staged {
    /// The folder with its files of this kind, if it has any.
    pub fn folder_of(&self, kind: FileKind) -> Option<PathBuf> {
        let has_some = self.revision.files.iter().any(|file| file.kind == kind);
        has_some.then(|| self.folder.join(kind.as_str()))
    }
}
