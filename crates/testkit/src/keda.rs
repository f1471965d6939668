//! A client that asks an external scaler as KEDA does.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::header::CONTENT_TYPE;
use hyper::{Request, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use icapstan_proto::externalscaler::{
    GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse, MetricSpec,
    ScaledObjectRef,
};
use prost::Message;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

/// KEDA gives a call up after less.
const PATIENCE: Duration = Duration::from_secs(20);

/// One connection.
#[derive(Debug)]
pub struct Keda {
    runtime: Runtime,
    send: SendRequest<Full<Bytes>>,
    metadata: Vec<(String, String)>,
}

/// A call that has no answer: the status of gRPC, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// As in `tonic::Code`.
    pub code: i32,
    /// In words.
    pub message: String,
}

/// A call whose answers come one after the other.
#[derive(Debug)]
pub struct Stream<'k> {
    keda: &'k Keda,
    body: hyper::body::Incoming,
    bytes: Vec<u8>,
}

// === impl Keda ===

impl Keda {
    /// Connects; `metadata` are those of the trigger.
    #[track_caller]
    pub fn connect(scaler: SocketAddr, metadata: &[(&str, &str)]) -> Self {
        Self::try_connect(scaler, None, metadata).expect("the scaler can be connected to")
    }

    /// The same over TLS, where the scaler is believed if that is its name; why not, if it cannot be.
    pub fn secured(
        scaler: SocketAddr,
        tls: rustls::ClientConfig,
        name: &str,
        metadata: &[(&str, &str)],
    ) -> Result<Self, String> {
        Self::try_connect(scaler, Some((tls, name)), metadata)
    }

    fn try_connect(
        scaler: SocketAddr,
        tls: Option<(rustls::ClientConfig, &str)>,
        metadata: &[(&str, &str)],
    ) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("there is room for a runtime");
        let connected = async {
            let stream = TcpStream::connect(scaler).await.map_err(|error| error.to_string())?;
            let Some((mut config, name)) = tls else { return begin(stream).await };
            config.alpn_protocols = vec![b"h2".to_vec()];
            let name = name.to_owned().try_into().expect("it is a name");
            let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
            begin(connector.connect(name, stream).await.map_err(|error| error.to_string())?).await
        };
        let send = runtime
            .block_on(async { tokio::time::timeout(PATIENCE, connected).await })
            .map_err(|_| "not in time".to_owned())??;
        let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Ok(Self { runtime, send, metadata: metadata.collect() })
    }

    /// `IsActive`.
    pub fn is_active(&self) -> Result<bool, Refused> {
        let answer: IsActiveResponse = self.call("IsActive", &self.object())?;
        Ok(answer.result)
    }

    /// `GetMetricSpec`: the name of the metric, and its target for each replica.
    pub fn spec(&self) -> Result<(String, f64), Refused> {
        let answer: GetMetricSpecResponse = self.call("GetMetricSpec", &self.object())?;
        Ok(spec_of(answer))
    }

    /// `GetMetrics`, as KEDA does after `GetMetricSpec`: what the metric comes to.
    pub fn value(&self) -> Result<f64, Refused> {
        let (metric_name, _) = self.spec()?;
        self.value_of(&metric_name)
    }

    /// `GetMetrics` of this name.
    pub fn value_of(&self, metric_name: &str) -> Result<f64, Refused> {
        let scaled_object_ref = Some(self.object());
        let request = GetMetricsRequest { scaled_object_ref, metric_name: metric_name.to_owned() };
        let answer: GetMetricsResponse = self.call("GetMetrics", &request)?;
        let [value] = &answer.metric_values[..] else { panic!("not one value: {answer:?}") };
        assert_eq!(value.metric_name, metric_name);
        // What an older KEDA sees differs by less than one.
        let whole = u32::try_from(value.metric_value).expect("it is no less than nothing, and not so much");
        assert!((f64::from(whole) - value.metric_value_float.ceil()).abs() < 0.5, "{value:?}");
        Ok(value.metric_value_float)
    }

    /// `StreamMetricSpec`.
    #[track_caller]
    pub fn stream_specs(&self) -> Stream<'_> {
        self.stream("StreamMetricSpec")
    }

    /// `StreamIsActive`.
    #[track_caller]
    pub fn stream_is_active(&self) -> Stream<'_> {
        self.stream("StreamIsActive")
    }

    #[track_caller]
    fn stream(&self, method: &str) -> Stream<'_> {
        let response = self.runtime.block_on(self.send(method, &self.object())).expect("it answers");
        let status = response.headers().get("grpc-status");
        assert_eq!(status, None, "{:?}", response.headers());
        Stream { keda: self, body: response.into_body(), bytes: Vec::new() }
    }

    fn object(&self) -> ScaledObjectRef {
        ScaledObjectRef {
            name: "scanners".to_owned(),
            namespace: "icapstan".to_owned(),
            scaler_metadata: self.metadata.iter().cloned().collect(),
        }
    }

    fn call<T: Message + Default>(&self, method: &str, message: &impl Message) -> Result<T, Refused> {
        self.runtime.block_on(async {
            let broken = |message: String| Refused { code: -1, message };
            let response = self.send(method, message).await.map_err(broken)?;
            let (head, body) = response.into_parts();
            let body = tokio::time::timeout(PATIENCE, body.collect()).await;
            let body = body.map_err(|_| broken("not in time".to_owned()))?;
            let body = body.map_err(|error| broken(error.to_string()))?;
            let trailers = body.trailers().cloned().unwrap_or_default();
            let field = |name: &str| {
                let value = trailers.get(name).or_else(|| head.headers.get(name))?;
                Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
            };
            match field("grpc-status").and_then(|code| code.parse().ok()) {
                Some(0) => {}
                code => {
                    let message = field("grpc-message").unwrap_or_default();
                    return Err(Refused { code: code.unwrap_or(-1), message: decoded(&message) });
                }
            }
            let bytes = body.to_bytes();
            Ok(T::decode(bytes.get(5..).unwrap_or_default()).expect("it is that message"))
        })
    }

    async fn send(
        &self,
        method: &str,
        message: &impl Message,
    ) -> Result<hyper::Response<hyper::body::Incoming>, String> {
        let uri = format!("http://scaler.test/externalscaler.ExternalScaler/{method}");
        let uri: Uri = uri.parse().expect("it is one");
        let body = message.encode_to_vec();
        let mut framed = vec![0];
        framed.extend_from_slice(&u32::try_from(body.len()).expect("it is short").to_be_bytes());
        framed.extend_from_slice(&body);
        let request = Request::post(uri).header(CONTENT_TYPE, "application/grpc").header("te", "trailers");
        let request = request.body(Full::new(framed.into())).expect("it is one");
        let answer = tokio::time::timeout(PATIENCE, self.send.clone().send_request(request)).await;
        answer.map_err(|_| "not in time".to_owned())?.map_err(|error| error.to_string())
    }
}

async fn begin(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<SendRequest<Full<Bytes>>, String> {
    let (send, connection) =
        handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // Its end is seen by who calls.
    tokio::spawn(connection);
    Ok(send)
}

fn spec_of(answer: GetMetricSpecResponse) -> (String, f64) {
    let [spec] = <[MetricSpec; 1]>::try_from(answer.metric_specs).expect("there is one metric");
    assert!(spec.target_size >= 1, "{spec:?}");
    (spec.metric_name, spec.target_size_float)
}

/// What `grpc-message` says, in which some bytes stand as `%20`.
fn decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (code, rest) = piece.split_at(2.min(piece.len()));
        bytes.push(u8::from_str_radix(code, 16).unwrap_or(b'?'));
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

// === impl Stream ===

impl Stream<'_> {
    /// The next metric and its target; `None` at the end.
    #[track_caller]
    pub fn next_spec(&mut self) -> Option<(String, f64)> {
        self.next().map(spec_of)
    }

    /// The next word on whether there is something to do; `None` at the end.
    #[track_caller]
    pub fn next_is_active(&mut self) -> Option<bool> {
        self.next().map(|answer: IsActiveResponse| answer.result)
    }

    #[track_caller]
    fn next<T: Message + Default>(&mut self) -> Option<T> {
        self.keda.runtime.block_on(async {
            loop {
                if let Some(prefix) = self.bytes.first_chunk::<5>() {
                    let len = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
                    if self.bytes.len() >= 5 + len {
                        let message = T::decode(&self.bytes[5..5 + len]).expect("it is that message");
                        self.bytes.drain(..5 + len);
                        return Some(message);
                    }
                }
                let frame = tokio::time::timeout(crate::PATIENCE, self.body.frame()).await;
                let frame = frame.expect("it says something")?.expect("the connection lives");
                if let Ok(data) = frame.into_data() {
                    self.bytes.extend_from_slice(&data);
                }
            }
        })
    }
}
