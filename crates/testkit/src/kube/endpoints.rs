//! Endpoints of Services whose pods are processes of a test.

use super::namespace::Namespace;
use crate::wait::PATIENCE;
use bytes::Bytes;
use http::Uri;
use http_body_util::Empty;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use kube::api::{Api, DeleteParams, ObjectMeta, Patch, PatchParams};
use kube::config::Config;
use kube::{Client, Error};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// What a kubelet and the controller of endpoints would do, for pods that are processes of a test: asks them whether
/// they are ready, ten times a second, and says so in an `EndpointSlice`.
///
/// Each pod has a slice of its own, since all addresses of one have the same ports, and pods on loopback have not. An
/// address on loopback is refused in slices of type `IPv4`, so these are of type `FQDN`, which take it.
#[derive(Debug)]
pub struct EndpointKeeper {
    namespace: String,
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

/// A process that stands for a pod of a Service.
#[derive(Clone, Debug)]
pub struct Pod {
    /// The name of its Service. It need not exist.
    pub service: String,
    /// Its own.
    pub name: String,
    /// Where it serves.
    pub ip: IpAddr,
    /// On which ports, with their names in the Service.
    pub ports: Vec<(String, u16)>,
    /// What answers 200 when it is ready, such as `http://127.0.0.1:9344/readyz`.
    pub readyz: String,
}

#[derive(Debug)]
enum Order {
    Keep(Pod),
    Terminate(String),
    Remove(String, std::sync::mpsc::SyncSender<()>),
}

/// What is known of one pod.
#[derive(Debug)]
struct Kept {
    pod: Pod,
    is_terminating: bool,
    /// What was written last: whether it answers, and whether it is terminating.
    written: Option<(bool, bool)>,
}

type Http = legacy::Client<HttpConnector, Empty<Bytes>>;

/// How often pods are asked.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// A pod that takes longer is not ready.
const ANSWER: Duration = Duration::from_secs(1);
/// Who says so, as controllers do.
const MANAGER: &str = "endpoint-keeper.icapstan-testkit";
/// Orders are few; who gives more waits.
const ORDERS: usize = 16;

// === impl Pod ===

impl Pod {
    /// A pod of `service` with one port, called `port_name`, at `address`.
    pub fn new(service: &str, name: &str, port_name: &str, address: SocketAddr, readyz: &str) -> Self {
        Self {
            service: service.to_owned(),
            name: name.to_owned(),
            ip: address.ip(),
            ports: vec![(port_name.to_owned(), address.port())],
            readyz: readyz.to_owned(),
        }
    }
}

// === impl EndpointKeeper ===

impl EndpointKeeper {
    /// One for `namespace`, without pods. It works on a thread of its own.
    pub fn start(namespace: &Namespace) -> Self {
        let (orders, mut received) = channel(ORDERS);
        let config = namespace.config().clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("there is memory").block_on(async { keep(config, &mut received).await });
        });
        Self { namespace: namespace.name().to_owned(), orders: Some(orders), thread: Some(thread) }
    }

    /// Keeps this pod's endpoint from now on; one of the same name takes its place.
    pub fn keep(&self, pod: Pod) {
        self.order(Order::Keep(pod));
    }

    /// The pod is being deleted: it is not ready any more, and serves as long as it says so.
    pub fn terminate(&self, pod: &str) {
        self.order(Order::Terminate(pod.to_owned()));
    }

    /// The pod is gone, and when this returns so is its endpoint.
    #[track_caller]
    pub fn remove(&self, pod: &str) {
        let (done, removed) = sync_channel(1);
        self.order(Order::Remove(pod.to_owned(), done));
        let removed = removed.recv_timeout(PATIENCE);
        assert!(removed.is_ok(), "the endpoint of {pod} in {} cannot be removed", self.namespace);
    }

    fn order(&self, order: Order) {
        let orders = self.orders.as_ref().expect("only dropping takes it");
        // Not to block in a runtime: it is the other thread that has to go on.
        let mut order = Some(order);
        crate::eventually("the keeper takes an order", || {
            match orders.try_send(order.take().expect("it is put back when it is not taken")) {
                Ok(()) => Some(()),
                Err(error) => {
                    order = Some(error.into_inner());
                    None
                }
            }
        });
    }
}

impl Drop for EndpointKeeper {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Until nobody can give orders any more.
async fn keep(config: Config, orders: &mut tokio::sync::mpsc::Receiver<Order>) {
    let namespace = config.default_namespace.clone();
    let api: Api<EndpointSlice> =
        Api::default_namespaced(Client::try_from(config).expect("the settings fit"));
    let http: Http = legacy::Client::builder(TokioExecutor::new()).build_http();
    let mut pods: BTreeMap<String, Kept> = BTreeMap::new();
    loop {
        let next = Instant::now() + ASK_EVERY;
        loop {
            let order = match tokio::time::timeout_at(next, orders.recv()).await {
                Ok(Some(order)) => order,
                Ok(None) => return,
                Err(_) => break,
            };
            match order {
                Order::Keep(pod) => {
                    pods.insert(pod.name.clone(), Kept { pod, is_terminating: false, written: None });
                    break;
                }
                Order::Terminate(name) => {
                    if let Some(kept) = pods.get_mut(&name) {
                        kept.is_terminating = true;
                    }
                    break;
                }
                Order::Remove(name, done) => {
                    if let Some(kept) = pods.remove(&name) {
                        remove(&api, &kept.pod).await;
                    }
                    // Nobody waits any more when the test panicked meanwhile.
                    let _ = done.send(());
                }
            }
        }
        look(&namespace, &api, &http, &mut pods).await;
    }
}

/// Asks all pods at a time, and writes what has changed.
async fn look(namespace: &str, api: &Api<EndpointSlice>, http: &Http, pods: &mut BTreeMap<String, Kept>) {
    let mut asked = JoinSet::new();
    for (name, kept) in pods.iter() {
        let (name, asking) = (name.clone(), is_ready(http.clone(), kept.pod.readyz.clone()));
        asked.spawn(async move { (name, asking.await) });
    }
    while let Some(answer) = asked.join_next().await {
        let Ok((name, is_ready)) = answer else { continue };
        let Some(kept) = pods.get_mut(&name) else { continue };
        let state = (is_ready, kept.is_terminating);
        if kept.written == Some(state) {
            continue;
        }
        let slice = slice(namespace, kept, is_ready);
        let params = PatchParams::apply(MANAGER).force();
        let written = api.patch(&slice_name(&kept.pod), &params, &Patch::Apply(&slice)).await;
        // What could not be written is written the next time.
        if written.is_ok() {
            kept.written = Some(state);
        }
    }
}

async fn is_ready(http: Http, url: String) -> bool {
    let Ok(url) = url.parse::<Uri>() else { return false };
    matches!(timeout(ANSWER, http.get(url)).await, Ok(Ok(answer)) if answer.status().is_success())
}

async fn remove(api: &Api<EndpointSlice>, pod: &Pod) {
    loop {
        match api.delete(&slice_name(pod), &DeleteParams::default()).await {
            Ok(_) => return,
            Err(Error::Api(status)) if status.code == 404 => return,
            // Who waits gives up in the end.
            Err(_) => sleep(ASK_EVERY).await,
        }
    }
}

fn slice_name(pod: &Pod) -> String {
    format!("{}-{}", pod.service, pod.name)
}

fn address_type(address: IpAddr) -> &'static str {
    match address {
        address if address.is_loopback() => "FQDN",
        IpAddr::V4(_) => "IPv4",
        IpAddr::V6(_) => "IPv6",
    }
}

fn slice(namespace: &str, kept: &Kept, answers: bool) -> EndpointSlice {
    let pod = &kept.pod;
    let target = ObjectReference {
        kind: Some("Pod".to_owned()),
        name: Some(pod.name.clone()),
        namespace: Some(namespace.to_owned()),
        ..ObjectReference::default()
    };
    let conditions = EndpointConditions {
        ready: Some(answers && !kept.is_terminating),
        serving: Some(answers),
        terminating: Some(kept.is_terminating),
    };
    let labels =
        [("kubernetes.io/service-name", &*pod.service), ("endpointslice.kubernetes.io/managed-by", MANAGER)];
    EndpointSlice {
        metadata: ObjectMeta {
            name: Some(slice_name(pod)),
            labels: Some(labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into()),
            ..ObjectMeta::default()
        },
        address_type: address_type(pod.ip).to_owned(),
        endpoints: vec![Endpoint {
            addresses: vec![pod.ip.to_string()],
            conditions: Some(conditions),
            target_ref: Some(target),
            ..Endpoint::default()
        }],
        ports: Some(pod.ports.iter().map(port).collect()),
    }
}

fn port((name, number): &(String, u16)) -> EndpointPort {
    EndpointPort {
        name: Some(name.clone()),
        port: Some((*number).into()),
        protocol: Some("TCP".to_owned()),
        ..EndpointPort::default()
    }
}
