//! A scanner that follows the plan of its fleet.
//!
//! ```text
//!  Follower ─ plan ─▶ Stager ─ bytes on the disk ─▶ Wanted ─▶ Scanner ─ Loads ─▶ ScannerStanding ─▶ who watches
//! ```

use crate::planned::{open_store, source};
use crate::settings::Settings;
use anyhow::bail;
use icapstan_api::fleet::{Artifact, ContentDigest, FileKind};
use icapstan_artifacts::{FetchOptions, Fetcher};
use icapstan_follow::{
    FollowFailure, FollowMetrics, FollowOptions, FollowStage, Follower, Progress, StageFailure, Staged,
    Stager, Staging, StateFolder,
};
use icapstan_model::GenerationId;
use icapstan_proto::fleet;
use icapstan_scan_rpc::{FollowedPlan, ScannerStanding};
use icapstan_scanner::{
    LoadFailure, LoadState, Loads, Mirrored, PlannedSignatures, Scanner, StagedFile, StagedFolder,
    StagedRevision, Wanted,
};
use prometheus::Registry;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What a plan is followed with, before there is a scanner.
pub(crate) struct Prepared {
    follower: Follower,
    stager: Stager,
    metrics: FollowMetrics,
    name: String,
}

/// A plan that is followed, until this is dropped.
pub(crate) struct ScannerPlan {
    follower: Arc<Follower>,
    _stager: Stager,
    standing: watch::Receiver<Arc<ScannerStanding>>,
    scanner: Arc<Scanner>,
    task: JoinHandle<()>,
}

/// What is told of a plan that is followed.
#[derive(Clone)]
pub(crate) struct PlanNotes(Option<Followed>);

/// What is asked about a plan that is followed.
type Followed = (Arc<Follower>, watch::Receiver<Arc<ScannerStanding>>, Arc<Scanner>);

/// The task's own.
struct Bridge {
    scanner: Arc<Scanner>,
    name: String,
    metrics: FollowMetrics,
    told: watch::Sender<Arc<ScannerStanding>>,
    wanted: Option<Wanted>,
    stages: Vec<(ContentDigest, FollowStage)>,
}

/// Begins to follow, if the settings name a plan.
pub(crate) async fn prepare(settings: &Settings, registry: &Registry) -> anyhow::Result<Option<Prepared>> {
    let fleet = &settings.config.fleet;
    let Some(folder) = fleet.state.as_deref().filter(|_| fleet.is_planned()) else { return Ok(None) };
    if settings.uses_clamd() {
        bail!("a clamd has its own signatures: no plan can be followed beside scanner.clamd");
    }
    let metrics = FollowMetrics::register(registry)?;
    let state = StateFolder::open(folder)?;
    let own = state.path().to_path_buf();
    let (fleet_settings, store_folder) = (fleet.clone(), own.clone());
    // All that is there is hashed again.
    let store = tokio::task::spawn_blocking(move || open_store(&store_folder, &fleet_settings)).await??;
    let options = FollowOptions { state: Some(state), ..FollowOptions::default() };
    let follower = Follower::start(source(fleet).await?, options, metrics.clone());
    let fetcher = Fetcher::new(store, FetchOptions::default());
    let stager = Stager::start(follower.plans(), fetcher, &own);
    Ok(Some(Prepared { follower, stager, metrics, name: settings.instance_name() }))
}

// === impl Prepared ===

impl Prepared {
    /// How the scanner that is to follow it has its signatures.
    pub(crate) fn signatures(settings: &Settings) -> PlannedSignatures {
        let rule_timeout = settings.config.scanner.yara_rules.timeout;
        PlannedSignatures {
            rule_timeout,
            memory_reserve: settings.config.fleet.memory_reserve.bytes(),
            ..PlannedSignatures::default()
        }
    }

    /// Has the scanner follow.
    pub(crate) fn start(self, scanner: &Arc<Scanner>) -> ScannerPlan {
        let Self { follower, stager, metrics, name } = self;
        let (told, standing) = watch::channel(Arc::default());
        let bridge =
            Bridge { scanner: Arc::clone(scanner), name, metrics, told, wanted: None, stages: Vec::new() };
        let task = tokio::spawn(bridge.run(stager.staging(), scanner.loads()));
        let scanner = Arc::clone(scanner);
        ScannerPlan { follower: Arc::new(follower), _stager: stager, standing, scanner, task }
    }
}

// === impl ScannerPlan ===

impl ScannerPlan {
    /// For who serves scans.
    pub(crate) fn followed(&self) -> FollowedPlan {
        let scanner = Arc::clone(&self.scanner);
        let mirrored = Arc::new(move || scanner.mirrored().as_ref().map(mirrored_message));
        FollowedPlan { standing: self.standing.clone(), mirrored }
    }

    /// For `/readyz`.
    pub(crate) fn notes(plan: Option<&Self>) -> PlanNotes {
        PlanNotes(
            plan.map(|plan| (Arc::clone(&plan.follower), plan.standing.clone(), Arc::clone(&plan.scanner))),
        )
    }
}

impl Drop for ScannerPlan {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl PlanNotes ===

impl PlanNotes {
    /// Whether there is a plan, and the signatures that it has this scanner judge by.
    pub(crate) fn readiness(&self) -> Result<(), String> {
        let Some((_, standing, _)) = &self.0 else { return Ok(()) };
        let not_ready = standing.borrow().not_ready.clone();
        if not_ready.is_empty() { Ok(()) } else { Err(not_ready) }
    }

    /// What is out of the ordinary though it scans.
    pub(crate) fn plan(&self) -> Option<String> {
        self.0.as_ref().and_then(|(follower, ..)| follower.problem())
    }

    /// That nothing but a test file is found.
    pub(crate) fn test_only(&self) -> Option<String> {
        let (_, standing, _) = self.0.as_ref()?;
        let is_test = standing.borrow().held.first().is_some_and(|(_, epoch)| epoch.signatures.test_only);
        is_test.then(|| "only the built-in test signatures are in use".to_owned())
    }
}

// === impl Bridge ===

impl Bridge {
    async fn run(
        mut self,
        mut staging: watch::Receiver<Arc<Staging>>,
        mut loads: watch::Receiver<Arc<Loads>>,
    ) {
        loop {
            let staged = staging.borrow_and_update().clone();
            let loaded = loads.borrow_and_update().clone();
            let wanted = self.wanted(&staged);
            if self.wanted.as_ref() != Some(&wanted) {
                self.scanner.follow(wanted.clone());
                self.wanted = Some(wanted);
            }
            self.tell(&staged, &loaded);
            tokio::select! {
                changed = staging.changed() => if changed.is_err() { return },
                changed = loads.changed() => if changed.is_err() { return },
            }
        }
    }

    fn wanted(&self, staging: &Staging) -> Wanted {
        let Some(plan) = &staging.plan else { return Wanted::default() };
        let hold = plan.hold.of(&self.name);
        let is_held = |staged: &&Arc<Staged>| hold.contains(&staged.revision.digest);
        let staged = staging.revisions.values().filter_map(|progress| match progress {
            Progress::Staged(staged) => Some(staged),
            _ => None,
        });
        Wanted {
            active: plan.active.as_ref().map(|epoch| GenerationId(epoch.revision.0)),
            hold: hold.iter().map(|digest| GenerationId(digest.0)).collect(),
            staged: staged.filter(is_held).map(|staged| Arc::new(staged_revision(staged))).collect(),
            mirror: plan.mirror.as_ref().map(|mirror| (GenerationId(mirror.revision.0), mirror.percent)),
        }
    }

    fn tell(&mut self, staging: &Staging, loads: &Loads) {
        let revisions: Vec<_> = staging
            .revisions
            .iter()
            .map(|(digest, progress)| {
                let state = loads.states.get(&GenerationId(digest.0));
                (*digest, stage(progress, state))
            })
            .collect();
        let stages: Vec<_> = revisions.iter().map(|(digest, (stage, ..))| (*digest, *stage)).collect();
        if self.stages != stages {
            self.metrics.stages(&stages.iter().map(|(_, stage)| *stage).collect::<Vec<_>>());
            for (digest, (stage, failure, _)) in &revisions {
                let is_new = !self.stages.contains(&(*digest, *stage));
                if let Some(failure) = failure.filter(|_| is_new) {
                    self.metrics.failed(failure);
                }
                if is_new && *stage == FollowStage::Serving {
                    self.metrics.served();
                }
            }
            self.stages = stages;
        }
        let standing = ScannerStanding {
            plan_generation: staging.plan.as_ref().map_or(0, |plan| plan.generation),
            held: loads.epochs.clone(),
            not_ready: self.not_ready(staging, loads, &revisions),
            revisions: revisions.into_iter().map(message).collect(),
        };
        self.told.send_replace(Arc::new(standing));
    }

    /// Why it is not to be asked anything: it has to have what the fleet judges by, or what it was given instead.
    fn not_ready(&self, staging: &Staging, loads: &Loads, revisions: &[(ContentDigest, Told)]) -> String {
        let Some(plan) = &staging.plan else { return "there is no plan".to_owned() };
        let hold = plan.hold.of(&self.name);
        let active = plan.active.as_ref().map(|epoch| epoch.revision).filter(|active| hold.contains(active));
        let Some(first) = active.or_else(|| hold.first().copied()) else {
            return "the plan has nothing for this scanner to hold".to_owned();
        };
        if loads.epochs.iter().any(|(id, _)| id.0 == first.0) {
            return String::new();
        }
        let found = revisions.iter().find(|(digest, _)| *digest == first);
        let (stage, detail) = found.map_or(("not known", ""), |(_, (stage, _, text))| (stage.as_str(), text));
        let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
        format!("the revision {} is {stage}{detail}", first.short())
    }
}

/// How far it came with a revision, why no farther, and that for people.
type Told = (FollowStage, Option<FollowFailure>, String);

fn stage(progress: &Progress, state: Option<&LoadState>) -> Told {
    match (state, progress) {
        (Some(LoadState::Serving), _) => (FollowStage::Serving, None, String::new()),
        (_, Progress::Fetching) => (FollowStage::Fetching, None, String::new()),
        (_, Progress::Failed(failure, text)) => {
            let failure = match failure {
                StageFailure::Fetch => FollowFailure::Fetch,
                StageFailure::Digest => FollowFailure::Digest,
                StageFailure::Disk => FollowFailure::Disk,
            };
            (FollowStage::Failed, Some(failure), text.clone())
        }
        (None, Progress::Staged(_)) => (FollowStage::Staged, None, String::new()),
        (Some(LoadState::Loading), Progress::Staged(_)) => (FollowStage::Loading, None, String::new()),
        (Some(LoadState::Failed(failure, text)), Progress::Staged(_)) => {
            let failure = match failure {
                LoadFailure::Disk => FollowFailure::Disk,
                LoadFailure::Digest => FollowFailure::Digest,
                LoadFailure::Memory => FollowFailure::Memory,
                LoadFailure::Load => FollowFailure::Load,
                LoadFailure::Crash => FollowFailure::Crash,
                LoadFailure::Missed => FollowFailure::Missed,
                LoadFailure::FalsePositive => FollowFailure::FalsePositive,
                LoadFailure::Slow => FollowFailure::Slow,
            };
            (FollowStage::Failed, Some(failure), text.clone())
        }
    }
}

fn message((digest, (stage, failure, text)): (ContentDigest, Told)) -> fleet::Revision {
    let stage = match stage {
        FollowStage::Fetching => fleet::Stage::Fetching,
        FollowStage::Staged => fleet::Stage::Staged,
        FollowStage::Loading => fleet::Stage::Loading,
        FollowStage::Serving => fleet::Stage::Serving,
        FollowStage::Failed => fleet::Stage::Failed,
    };
    let failure = failure.map_or(fleet::Failure::Unspecified, |failure| match failure {
        FollowFailure::Fetch => fleet::Failure::Fetch,
        FollowFailure::Digest => fleet::Failure::Digest,
        FollowFailure::Disk => fleet::Failure::Disk,
        FollowFailure::Memory => fleet::Failure::Memory,
        FollowFailure::Load => fleet::Failure::Load,
        FollowFailure::Crash => fleet::Failure::Crash,
        FollowFailure::Missed => fleet::Failure::Missed,
        FollowFailure::FalsePositive => fleet::Failure::FalsePositive,
        FollowFailure::Slow => fleet::Failure::Slow,
    });
    fleet::Revision {
        digest: digest.0.to_vec(),
        stage: stage.into(),
        failure: failure.into(),
        // Texts of engines may be long.
        detail: text.chars().take(MAX_DETAIL).collect(),
    }
}

const MAX_DETAIL: usize = 500;

fn mirrored_message(mirrored: &Mirrored) -> fleet::Mirrored {
    let micros = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let differences = mirrored.differences.iter().map(|difference| fleet::Difference {
        sha256: difference.sha256.0.to_vec(),
        verdict: difference.verdict.clone(),
        candidate_verdict: difference.candidate_verdict.clone(),
    });
    fleet::Mirrored {
        digest: mirrored.candidate.0.to_vec(),
        compared: mirrored.compared,
        newly_detected: mirrored.newly_detected,
        newly_clean: mirrored.newly_clean,
        newly_failed: mirrored.newly_failed,
        inconclusive: mirrored.inconclusive,
        engine_us: micros(mirrored.engine),
        candidate_engine_us: micros(mirrored.candidate_engine),
        differences: differences.collect(),
    }
}

fn staged_revision(staged: &Staged) -> StagedRevision {
    let folder = |kind| {
        let path = staged.folder_of(kind)?;
        let files = staged.revision.files.iter().filter(|file| file.kind == kind).map(|file| StagedFile {
            path: path.join(&file.name),
            digest: file.digest,
            size: file.size,
        });
        Some(StagedFolder { files: files.collect(), path })
    };
    let samples = |samples: &[Artifact]| {
        let sample = |artifact: &Artifact| StagedFile {
            path: staged.samples.join(artifact.digest.hex()),
            digest: artifact.digest,
            size: artifact.size,
        };
        samples.iter().map(sample).collect()
    };
    StagedRevision {
        id: GenerationId(staged.revision.digest.0),
        test_only: staged.revision.test_only,
        databases: folder(FileKind::Clamav),
        rules: folder(FileKind::Yara),
        must_detect: samples(&staged.revision.self_test.must_detect),
        must_pass: samples(&staged.revision.self_test.must_pass),
    }
}
