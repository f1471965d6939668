//! A plan in a file, what it names on a server, and gateways that follow it.

use icapstan_api::Config;
use icapstan_api::fleet::{
    Artifact, ContentDigest, FileKind, FleetPlanSpec, PendingEpoch, PlanEpoch, PlannedFile, PlannedRevision,
    SelfTest, SettingsBundle,
};
use icapstan_artifacts::{ServeOptions, Server, Store};
use icapstan_testkit::{Member, Process, TempDir, Tiers, eicar, free_port, hex, tempdir};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;

/// A fleet that the test plans for. URLs are looked up without a scanner.
pub(super) struct Fleet {
    tiers: Tiers,
    dir: TempDir,
    store: Store,
    server: Option<Server>,
    plan: FleetPlanSpec,
    /// What epochs that are made now are judged by.
    revision: ContentDigest,
    /// Gateways do not come to know what is written now.
    are_cut_off: bool,
    scanners: Vec<SocketAddr>,
    gateways: AtomicUsize,
    // The last one: the server ends within it.
    runtime: Runtime,
}

const SERVICES: &str = "
services:
- {path: /urls, modes: [REQMOD], scan: url}
- {path: /full, modes: [RESPMOD], scan: all}
";

impl Fleet {
    pub(super) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime can be had");
        let dir = tempdir();
        let store = Store::open(dir.path().join("store"), 1 << 30).expect("the folder is writable");
        let address = "127.0.0.1:0".parse().expect("it is an address");
        let server = Server::start(address, store.clone(), ServeOptions::default());
        let server = runtime.block_on(server).expect("a port can be had");
        let revision = PlannedRevision::built_in();
        let digest = revision.digest;
        let plan = FleetPlanSpec {
            verdict_version: 1,
            artifacts: vec![format!("http://{}", server.local_addr())],
            revisions: vec![revision],
            ..FleetPlanSpec::default()
        };
        let tiers = Tiers::new("fleet: {planStaleAfter: 1s}\n");
        Self {
            tiers,
            dir,
            store,
            server: Some(server),
            plan,
            revision: digest,
            are_cut_off: false,
            scanners: Vec::new(),
            gateways: AtomicUsize::new(0),
            runtime,
        }
    }

    /// Signatures that find `bytes`, and EICAR, held by all scanners from now on, and in epochs that are made now.
    pub(super) fn signatures(&mut self, name: &str, bytes: &[u8]) {
        let database = format!("Test.Eicar:0:*:{}\n{name}:0:*:{}\n", hex(&eicar()), hex(bytes));
        let Artifact { digest, size } = self.store.insert_bytes(database.as_bytes()).expect("there is room");
        let file = PlannedFile { name: "test.ndb".to_owned(), kind: FileKind::Clamav, digest, size };
        let revision = PlannedRevision::of(vec![file], SelfTest::default());
        self.revision = revision.digest;
        self.plan.hold.everyone.push(revision.digest);
        self.plan.revisions.push(revision);
    }

    /// Starts a scanner that follows the plan; gateways that are started later ask it.
    pub(super) fn scanner(&mut self) -> Member {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut command = self.tiers.command("scanner", &address.to_string());
        command.arg("--plan").arg(self.plan_file("scanner"));
        command.arg("--state").arg(self.dir.path().join("scanner"));
        let scanner = Member::start("scanner", command, "scan");
        self.scanners.push(scanner.address());
        scanner
    }

    /// From now on gateways do not come to know what is written, or do again and at once.
    pub(super) fn cut_off(&mut self, are_cut_off: bool) {
        self.are_cut_off = are_cut_off;
        if !are_cut_off {
            self.write();
        }
    }

    /// Settings that block evil.test, or not.
    pub(super) fn settings(&mut self, blocks: bool) -> ContentDigest {
        let list = if blocks { "evil.test\n" } else { "other.test\n" };
        let list = self.keep(list.as_bytes());
        let yaml = format!("{SERVICES}urlLists: {{sources: [{{name: bad, kind: malware, path: /x}}]}}\n");
        let config = Config::parse(&yaml, "settings").expect("they are right");
        let mut bundle = SettingsBundle::from(&config);
        bundle.url_lists.sources[0].path = PathBuf::from(list.to_string());
        self.keep(&bundle.to_bytes().expect("they can be written"))
    }

    /// Settings of which a service has a policy that is not there.
    pub(super) fn broken_settings(&mut self) -> ContentDigest {
        let config = Config::parse(SERVICES, "settings").expect("they are right");
        let mut bundle = SettingsBundle::from(&config);
        bundle.services[0].policy = "nowhere".into();
        self.keep(&bundle.to_bytes().expect("they can be written"))
    }

    fn keep(&mut self, bytes: &[u8]) -> ContentDigest {
        let artifact: Artifact = self.store.insert_bytes(bytes).expect("there is room");
        if !self.plan.settings.contains(&artifact) {
            self.plan.settings.push(artifact);
        }
        artifact.digest
    }

    fn epoch(&self, number: u64, settings: ContentDigest) -> PlanEpoch {
        let tag = |service: &str| (service.to_owned(), format!("{service}-{number}"));
        let istags = BTreeMap::from(["urls", "full"].map(tag));
        PlanEpoch { number, revision: self.revision, settings, istags }
    }

    /// An epoch that counts from now on, without an announcement.
    pub(super) fn begin(&mut self, number: u64, settings: ContentDigest) {
        self.plan.active = Some(self.epoch(number, settings));
        self.plan.pending = None;
        self.write();
    }

    /// An epoch that is to be prepared for.
    pub(super) fn announce(&mut self, number: u64, settings: ContentDigest) {
        self.plan.pending = Some(PendingEpoch { epoch: self.epoch(number, settings), activate_at: None });
        self.write();
    }

    /// It begins so much later.
    pub(super) fn schedule(&mut self, later: Duration) {
        let pending = self.plan.pending.as_mut().expect("one was announced");
        pending.activate_at = Some(Timestamp::now() + later);
        self.write();
    }

    /// It has begun.
    pub(super) fn settle(&mut self) {
        let pending = self.plan.pending.take().expect("one was announced");
        self.plan.active = Some(pending.epoch);
        self.write();
    }

    fn plan_file(&self, tier: &str) -> PathBuf {
        self.dir.path().join(format!("{tier}.json"))
    }

    /// The same plan, written once more.
    pub(super) fn touch(&mut self) {
        self.write();
    }

    fn write(&mut self) {
        self.plan.generation += 1;
        self.plan.check().expect("it does not contradict itself");
        let text = serde_json::to_vec(&self.plan).expect("it can be written");
        for tier in if self.are_cut_off { &["scanner"][..] } else { &["scanner", "gateway"] } {
            let new = self.dir.path().join("plan.new");
            fs::write(&new, &text).expect("there is room");
            fs::rename(new, self.plan_file(tier)).expect("there is room");
        }
    }

    /// Plan and server go away.
    pub(super) fn lose_everything(&mut self) {
        fs::remove_file(self.plan_file("gateway")).expect("it was there");
        let server = self.server.take();
        self.runtime.block_on(async move { drop(server) });
    }

    /// Starts a gateway, and waits until it is served from the plan.
    pub(super) fn gateway(&self) -> Member {
        let number = self.gateways.fetch_add(1, Ordering::Relaxed);
        self.start(number)
    }

    /// Starts the one again that was started last.
    pub(super) fn same_gateway(&self) -> Member {
        self.start(self.gateways.load(Ordering::Relaxed) - 1)
    }

    fn start(&self, number: usize) -> Member {
        Member::start("gateway", self.command(number, "127.0.0.1:0"), "icap")
    }

    /// One that gets no plan, and where it tells so.
    pub(super) fn unplanned_gateway(&self) -> (Process, SocketAddr) {
        let process = Process::start("gateway", self.command(0, "127.0.0.1:0"));
        let admin = process.wait_for("where it tells how it is", |line| {
            let (_, rest) = line.split_once("\"admin\":\"")?;
            rest.split_once('"')?.0.parse().ok()
        });
        (process, admin)
    }

    fn command(&self, number: usize, listen: &str) -> Command {
        let mut command = self.tiers.command("gateway", listen);
        let nobody = format!("127.0.0.1:{}", free_port());
        let scanners: Vec<_> = self.scanners.iter().map(ToString::to_string).collect();
        command.arg("--scanner").arg(if scanners.is_empty() { nobody } else { scanners.join(",") });
        command.args(["--fleet-listen", "127.0.0.1:0"]).arg("--plan").arg(self.plan_file("gateway"));
        command.arg("--state").arg(self.dir.path().join(format!("state-{number}")));
        command
    }
}
