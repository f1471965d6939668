//! A scanner with a plan in a file, bytes from an artifact server, and who asks it.

use icapstan_api::fleet::{
    Artifact, ContentDigest, FileKind, FleetPlanSpec, Holdings, Mirror, PlanEpoch, PlannedFile,
    PlannedRevision, SelfTest,
};
use icapstan_artifacts::{ServeOptions, Server, Store};
use icapstan_model::{
    Content, Epoch, GenerationId, Mode, Object, ScanContext, ScanPort, ScanProfile, ScanReport, SignatureSet,
};
use icapstan_proto::fleet::{self, Failure, Scanner, Stage, State, state::Role};
use icapstan_scan_rpc::{
    ClientConfiguration, ClientMetrics, FleetWatch, RemoteScanners, WatchConfiguration, Watcher,
};
use icapstan_testkit::{Member, PATIENCE, Tiers, eventually, free_port};
use parking_lot::Mutex;
use prometheus::Registry;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// What all of it runs on.
pub(super) struct Rig {
    runtime: Runtime,
    tiers: Tiers,
    store: Store,
    server: Server,
    generation: Cell<u64>,
}

/// A scanner, watched and asked.
pub(super) struct Asked<'r> {
    rig: &'r Rig,
    pub(super) member: Member,
    remote: RemoteScanners,
    states: Arc<States>,
    _watch: FleetWatch,
}

#[derive(Default)]
struct States(Mutex<Option<State>>);

// === impl Rig ===

impl Rig {
    pub(super) fn new(yaml: &str) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let tiers = Tiers::new(&format!("verdictCache: {{enabled: false}}\nscanner: {{workers: 2}}\n{yaml}"));
        let store = Store::open(tiers.dir().join("operator"), 1 << 30).expect("a store");
        let own: SocketAddr = ([127, 0, 0, 1], 0).into();
        let server = runtime.block_on(Server::start(own, store.clone(), ServeOptions::default()));
        Self { runtime, tiers, store, server: server.expect("it listens"), generation: Cell::new(0) }
    }

    pub(super) fn artifact(&self, bytes: &[u8]) -> Artifact {
        self.store.insert_bytes(bytes).expect("it is taken")
    }

    /// One with this database.
    pub(super) fn revision(&self, database: &str) -> PlannedRevision {
        self.tested(database, SelfTest::default())
    }

    pub(super) fn tested(&self, database: &str, tests: SelfTest) -> PlannedRevision {
        let Artifact { digest, size } = self.artifact(database.as_bytes());
        let file = PlannedFile { name: "test.ndb".to_owned(), kind: FileKind::Clamav, digest, size };
        PlannedRevision::of(vec![file], tests)
    }

    fn plan_file(&self) -> PathBuf {
        self.tiers.dir().join("plan.json")
    }

    /// Has these held, the first one as what the fleet judges by.
    pub(super) fn plan(&self, revisions: &[&PlannedRevision], mirror: Option<Mirror>) -> u64 {
        let generation = self.generation.get() + 1;
        self.generation.set(generation);
        let settings = Artifact { digest: ContentDigest::of(b"{}"), size: 2 };
        let active = PlanEpoch {
            number: 1,
            revision: revisions[0].digest,
            settings: settings.digest,
            istags: BTreeMap::new(),
        };
        let plan = FleetPlanSpec {
            generation,
            active: Some(active),
            revisions: revisions.iter().map(|revision| (*revision).clone()).collect(),
            settings: vec![settings],
            hold: Holdings {
                everyone: revisions.iter().map(|revision| revision.digest).collect(),
                named: BTreeMap::new(),
            },
            mirror,
            artifacts: vec![format!("http://{}", self.server.local_addr())],
            ..FleetPlanSpec::default()
        };
        let new = self.tiers.dir().join("plan.new");
        fs::write(&new, serde_json::to_vec(&plan).expect("it is JSON")).expect("the folder is writable");
        fs::rename(new, self.plan_file()).expect("the folder is writable");
        generation
    }

    pub(super) fn remove_plan(&self) {
        fs::remove_file(self.plan_file()).expect("it is there");
        // Nothing is to be had any more, either.
        self.store.keep_only(&BTreeSet::new());
    }

    pub(super) fn scanner(&self) -> Asked<'_> {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut command = self.tiers.command("scanner", &address.to_string());
        command.arg("--plan").arg(self.plan_file()).arg("--state").arg(self.tiers.dir().join("state"));
        let member = Member::start("scanner", command, "scan");
        let _entered = self.runtime.enter();
        let addresses = vec![member.address().to_string()];
        let config = ClientConfiguration {
            addresses: addresses.clone(),
            tls: None,
            name: "test".to_owned(),
            zone: String::new(),
            silence: PATIENCE,
            lookup: Duration::from_mins(1),
        };
        let metrics = ClientMetrics::register(&Registry::new()).expect("new");
        let remote = RemoteScanners::start_planned(config, metrics);
        let states = Arc::new(States::default());
        let (lookup, beat) = (Duration::from_mins(1), Duration::from_millis(50));
        let watched = WatchConfiguration { addresses, tls: None, lookup, beat };
        let watch = FleetWatch::start(watched, Arc::clone(&states) as _);
        Asked { rig: self, member, remote, states, _watch: watch }
    }
}

// === impl Asked ===

impl Asked<'_> {
    fn with_state<T>(&self, look: impl FnOnce(&State, &Scanner) -> Option<T>) -> Option<T> {
        let state = self.states.0.lock();
        let state = state.as_ref()?;
        let Some(Role::Scanner(scanner)) = &state.role else { panic!("it is a scanner: {state:?}") };
        look(state, scanner)
    }

    pub(super) fn follows(&self, generation: u64) {
        eventually("it follows the plan", || {
            self.with_state(|state, _| (state.plan_generation == generation).then_some(()))
        });
    }

    /// Waits until that revision is there or failed; the failure and why.
    pub(super) fn ends(&self, revision: &PlannedRevision) -> Result<(), (Failure, String)> {
        eventually("it has come to an end with a revision", || {
            self.with_state(|_, scanner| {
                let known = scanner.revisions.iter().find(|known| known.digest == revision.digest.0)?;
                match known.stage() {
                    Stage::Serving => Some(Ok(())),
                    Stage::Failed => Some(Err((known.failure(), known.detail.clone()))),
                    _ => None,
                }
            })
        })
    }

    /// What it can be asked for.
    pub(super) fn held(&self) -> Vec<Vec<u8>> {
        let held = |scanner: &Scanner| scanner.held.iter().map(|set| set.generation.clone()).collect();
        self.with_state(|_, scanner| Some(held(scanner))).unwrap_or_default()
    }

    pub(super) fn mirrored(&self) -> Option<fleet::Mirrored> {
        self.with_state(|_, scanner| scanner.mirrored.clone())
    }

    /// What is found with that revision.
    pub(super) fn scan(&self, bytes: &[u8], revision: &PlannedRevision) -> ScanReport {
        let id = GenerationId(revision.digest.0);
        eventually("it is known to have the revision", || self.remote.signatures(id));
        let signatures =
            SignatureSet { id, count: 1, test_only: false, engine: String::new(), released: None };
        let epoch = Arc::new(Epoch::new(signatures, None));
        let object = Object { content: Content::Memory(bytes.to_vec().into()), len: bytes.len() as u64 };
        let context = ScanContext {
            mode: Mode::Respmod,
            content_encoding: String::new(),
            content_types: vec!["application/octet-stream".to_owned()],
            partial: false,
            profile: Arc::new(ScanProfile::default()),
            trace: None,
        };
        let scan = self.remote.scan(object, context, &epoch, Instant::now() + PATIENCE);
        self.rig.runtime.block_on(scan).expect("there is room")
    }

    /// The name of the threat that is found with that revision.
    pub(super) fn threat(&self, bytes: &[u8], revision: &PlannedRevision) -> Option<String> {
        let report = self.scan(bytes, revision);
        assert_eq!(report.decided_by, None, "it was judged by what was asked for");
        report.findings.iter().find_map(|verdict| verdict.threat().map(ToString::to_string))
    }
}

// === impl States ===

impl Watcher for States {
    fn known(&self, _scanners: &BTreeSet<SocketAddr>) {}

    fn heard(&self, _scanner: SocketAddr, state: State) {
        *self.0.lock() = Some(state);
    }

    fn lost(&self, _scanner: SocketAddr) {}
}
