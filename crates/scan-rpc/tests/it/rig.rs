//! Scanners whose engine is a function, and a gateway's side to ask them.

use bytes::Bytes;
use icapstan_model::{
    Content, Epoch, Findings, GenerationId, Load, Mode, Object, Readiness, Refusal, ScanContext, ScanFuture,
    ScanPort, ScanReport, SignatureSet, ThreatName, Verdict,
};
use icapstan_scan_rpc::{
    ClientConfiguration, ClientMetrics, RemoteScanners, ScanServer, ServerConfig, ServerMetrics,
};
use prometheus::Registry;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// Nothing here takes longer on a machine that does other things too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Finds what begins with `bad`; waits for a word where it begins with `wait`; has no room where with `full`.
pub(crate) struct Engine {
    pub(crate) epochs: watch::Sender<Option<Arc<Epoch>>>,
    pub(crate) begun: AtomicUsize,
    pub(crate) under_way: AtomicUsize,
    pub(crate) go_on: Notify,
    pub(crate) lens: parking_lot::Mutex<Vec<u64>>,
}

/// One scanner.
pub(crate) struct Scanner {
    pub(crate) engine: Arc<Engine>,
    pub(crate) server: ScanServer,
    pub(crate) registry: Registry,
}

/// A scan that is counted while it goes on.
struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(crate) fn epoch(id: u8) -> Arc<Epoch> {
    let set = SignatureSet {
        id: GenerationId([id; 32]),
        count: id.into(),
        test_only: false,
        engine: "of a test".to_owned(),
        released: None,
    };
    Arc::new(Epoch::new(set, None))
}

impl ScanPort for Engine {
    fn epoch(&self) -> Option<Arc<Epoch>> {
        self.epochs.borrow().clone()
    }

    fn scan<'a>(
        &'a self,
        object: Object,
        context: ScanContext,
        epoch: &'a Arc<Epoch>,
        deadline: Instant,
    ) -> ScanFuture<'a> {
        Box::pin(async move {
            self.begun.fetch_add(1, Ordering::SeqCst);
            self.under_way.fetch_add(1, Ordering::SeqCst);
            let _under_way = UnderWay(&self.under_way);
            self.lens.lock().push(object.len);
            let bytes = match &object.content {
                Content::Memory(bytes) => bytes.clone(),
                Content::File(file) => {
                    let mut bytes = vec![0; usize::try_from(object.len).unwrap()];
                    file.read_exact_at(&mut bytes, 0).unwrap();
                    bytes.into()
                }
            };
            assert_eq!(bytes.len() as u64, object.len);
            if bytes.starts_with(b"full") {
                return Err(Refusal::QueueFull);
            }
            if bytes.starts_with(b"wait") {
                let deadline = tokio::time::sleep_until(deadline.into());
                tokio::select! {
                    () = self.go_on.notified() => {}
                    () = deadline => {}
                }
            }
            let mut findings = Findings::clean();
            if bytes.starts_with(b"bad") {
                // What decided is told by the name.
                let digest: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
                let name =
                    format!("{}.{}.{digest}", context.content_types.join("+"), epoch.signatures.id.0[0]);
                findings.add(Verdict::Infected(ThreatName::from(name.as_str())));
            }
            Ok(ScanReport::unscanned(findings))
        })
    }

    fn readiness(&self) -> Readiness {
        if self.epochs.borrow().is_some() {
            Readiness::Ready
        } else {
            Readiness::NotReady("none loaded".to_owned())
        }
    }

    fn load(&self) -> Load {
        Load { workers: 2, ..Load::default() }
    }
}

pub(crate) fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

impl Scanner {
    pub(crate) fn start(generation: Option<u8>) -> Self {
        Self::start_at(listener(), generation, |_| {})
    }

    pub(crate) fn start_at(
        listener: TcpListener,
        generation: Option<u8>,
        change: impl FnOnce(&mut ServerConfig),
    ) -> Self {
        let (epochs, watched) = watch::channel(generation.map(epoch));
        let engine = Arc::new(Engine {
            epochs,
            begun: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            go_on: Notify::new(),
            lens: parking_lot::Mutex::default(),
        });
        let mut config = ServerConfig {
            name: "test".to_owned(),
            zone: String::new(),
            version: "0",
            tls: None,
            memory: 64 << 20,
            jobs: 100,
            connections: 100,
            temp_dir: "/tmp".into(),
        };
        change(&mut config);
        let registry = Registry::new();
        let metrics = ServerMetrics::register(&registry).unwrap();
        let port = Arc::clone(&engine) as Arc<dyn ScanPort>;
        let server = ScanServer::start(listener, &config, port, watched, &metrics).unwrap();
        Self { engine, server, registry }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.local_addr()
    }

    pub(crate) fn begun(&self) -> usize {
        self.engine.begun.load(Ordering::SeqCst)
    }
}

pub(crate) fn configuration(addresses: &[SocketAddr]) -> ClientConfiguration {
    ClientConfiguration {
        addresses: addresses.iter().map(ToString::to_string).collect(),
        tls: None,
        name: "gateway".to_owned(),
        zone: String::new(),
        silence: Duration::from_secs(1),
        lookup: Duration::from_secs(5),
    }
}

pub(crate) fn remote(addresses: &[SocketAddr]) -> (RemoteScanners, Registry) {
    let registry = Registry::new();
    let metrics = ClientMetrics::register(&registry).unwrap();
    (RemoteScanners::start(configuration(addresses), metrics), registry)
}

/// Asks these scanners, all of which are connected.
pub(crate) async fn connected(scanners: &[&Scanner]) -> (RemoteScanners, Registry) {
    let addresses: Vec<_> = scanners.iter().map(|scanner| scanner.address()).collect();
    let (remote, registry) = remote(&addresses);
    until(|| remote.readiness() == Readiness::Ready && remote.note().is_none()).await;
    (remote, registry)
}

pub(crate) async fn until(mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "it never became so");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub(crate) fn context() -> ScanContext {
    ScanContext {
        mode: Mode::Reqmod,
        content_encoding: "gzip".to_owned(),
        content_types: vec!["a/b".to_owned(), "c/d".to_owned()],
        partial: false,
        profile: Arc::default(),
        trace: None,
    }
}

pub(crate) fn object(bytes: impl Into<Bytes>) -> Object {
    let bytes = bytes.into();
    Object { len: bytes.len() as u64, content: Content::Memory(bytes) }
}

/// Has it scanned.
pub(crate) async fn scan(remote: &RemoteScanners, object: Object) -> Result<ScanReport, Refusal> {
    let epoch = remote.epoch().expect("signatures are known");
    remote.scan(object, context(), &epoch, Instant::now() + PATIENCE).await
}

pub(crate) fn strongest(report: Result<ScanReport, Refusal>) -> Verdict {
    report.unwrap().findings.strongest().clone()
}

/// The value of a metric, all its series together or that with such a label.
pub(crate) fn metric(registry: &Registry, name: &str, label: Option<&str>) -> u64 {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == name).expect(name);
    let series = family.get_metric().iter().filter(|metric| {
        label.is_none_or(|label| metric.get_label().iter().any(|pair| pair.value() == label))
    });
    let value =
        series.map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value()).sum::<f64>();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it counts")]
    {
        value as u64
    }
}
