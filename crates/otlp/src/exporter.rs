//! The thread that sends spans away.

use crate::OtlpError;
use crate::connect::Connector;
use crate::encode::Teller;
use crate::headers;
use icapstan_api::TracingSettings;
use icapstan_telemetry::{FinishedSpan, Sampling, SpanSource, Tracer};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use std::fmt;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Code, Request};
use tracing::{info, warn};

/// So many spans go with one call.
const MAX_BATCH: usize = 512;
/// How long more spans are waited for once there is one.
const LINGER: Duration = Duration::from_secs(1);
/// A batch is sent so often before it is given up.
const MAX_TRIES: u32 = 3;
/// Between two tries, at first; twice as long each time, while nothing is taken.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long the end of the process waits for a collector.
const LAST_FLUSH: Duration = Duration::from_secs(2);
/// Somewhat less: what is left then is counted as lost.
const LAST_EXPORT: Duration = Duration::from_millis(1800);

/// To be kept until the process ends. When it is dropped it waits until spans that ended before are sent, but no
/// longer than two seconds.
#[must_use = "the last spans are lost unless this is dropped at the very end"]
pub struct ExportGuard {
    stop: Option<oneshot::Sender<()>>,
    done: Receiver<()>,
}

/// The thread's own.
struct Exporter {
    source: SpanSource,
    client: TraceServiceClient<Channel>,
    headers: MetadataMap,
    teller: Teller,
    timeout: Duration,
    /// What is being sent.
    batch: Vec<FinishedSpan>,
    /// `None` while spans are taken.
    pause: Option<Duration>,
}

/// Why spans were not taken.
struct Refused {
    cause: String,
    /// It may be over soon.
    is_passing: bool,
}

/// Starts the thread `icapstan-traces`, if there is a collector. `version` is that of the program.
///
/// That a collector does not answer is no error.
pub fn start(settings: &TracingSettings, version: &str) -> Result<(Tracer, Option<ExportGuard>), OtlpError> {
    let Some(endpoint) = &settings.endpoint else { return Ok((Tracer::off(), None)) };
    let collector = settings.collector().ok_or_else(|| OtlpError::Endpoint(endpoint.clone()))?;
    let connector = Connector::new(settings, &collector)?;
    let headers = settings.headers_file.as_deref().map(headers::read).transpose()?.unwrap_or_default();
    let runtime =
        Builder::new_current_thread().enable_io().enable_time().build().map_err(OtlpError::Thread)?;
    let channel = {
        let _here = runtime.enter();
        connector.channel(&collector.authority, settings)?
    };
    let (tracer, source) = Tracer::new(Sampling {
        ratio: settings.sample_ratio.get(),
        follow_parent: settings.respect_parent,
        followed_per_second: settings.parents_per_second,
    });
    let exporter = Exporter {
        source,
        client: TraceServiceClient::new(channel),
        headers,
        teller: Teller::new(settings, version),
        timeout: settings.timeout,
        batch: Vec::new(),
        pause: None,
    };
    let (stop, stopped) = oneshot::channel();
    let (is_done, done) = mpsc::channel();
    let work = move || {
        runtime.block_on(exporter.run(stopped));
        // What resolves names may still block.
        runtime.shutdown_background();
        let _ = is_done.send(());
    };
    std::thread::Builder::new().name("icapstan-traces".to_owned()).spawn(work).map_err(OtlpError::Thread)?;
    Ok((tracer, Some(ExportGuard { stop: Some(stop), done })))
}

// === impl ExportGuard ===

impl Drop for ExportGuard {
    fn drop(&mut self) {
        // Without the thread there is nothing to wait for.
        drop(self.stop.take());
        let _ = self.done.recv_timeout(LAST_FLUSH);
    }
}

impl fmt::Debug for ExportGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportGuard").finish_non_exhaustive()
    }
}

// === impl Exporter ===

impl Exporter {
    async fn run(mut self, stopped: oneshot::Receiver<()>) {
        tokio::select! {
            _ = stopped => {}
            () = self.export() => {}
        }
        self.finish().await;
    }

    /// Sends what comes, until there is nobody who could bring more.
    async fn export(&mut self) {
        while self.source.take(&mut self.batch, MAX_BATCH).await {
            if self.batch.len() < MAX_BATCH {
                sleep(LINGER).await;
                let room = MAX_BATCH - self.batch.len();
                self.source.take_waiting(&mut self.batch, room);
            }
            self.send().await;
        }
    }

    /// Sends what is left, as far as that is possible in time.
    async fn finish(&mut self) {
        let end = Instant::now() + LAST_EXPORT;
        loop {
            let room = MAX_BATCH.saturating_sub(self.batch.len());
            self.source.take_waiting(&mut self.batch, room);
            if self.batch.is_empty() {
                return;
            }
            match timeout_at(end, self.call()).await {
                Ok(Ok(())) => self.batch.clear(),
                _ => return self.lose(),
            }
        }
    }

    /// Sends the batch, more than once if need be.
    async fn send(&mut self) {
        for tried in 1.. {
            match self.call().await {
                Ok(()) => {
                    if self.pause.take().is_some() {
                        info!("Traces are exported again.");
                    }
                    return self.batch.clear();
                }
                Err(Refused { cause, is_passing }) => {
                    if self.pause.is_none() {
                        warn!(
                            error = cause,
                            "Traces cannot be exported; they are dropped until that is mended."
                        );
                    }
                    let pause = self.pause.map_or(PAUSE, |pause| (2 * pause).min(LONGEST_PAUSE));
                    self.pause = Some(pause);
                    if !is_passing || tried >= MAX_TRIES {
                        return self.lose();
                    }
                    sleep(pause).await;
                }
            }
        }
    }

    fn lose(&mut self) {
        self.source.lost(self.batch.len());
        self.batch.clear();
    }

    /// One call with the batch.
    async fn call(&mut self) -> Result<(), Refused> {
        let mut request = Request::new(self.teller.request(&self.batch));
        request.metadata_mut().clone_from(&self.headers);
        let answered = timeout(self.timeout, self.client.export(request)).await;
        let answer = match answered {
            Ok(Ok(answer)) => answer.into_inner(),
            Ok(Err(status)) => return Err(Refused::from(&status)),
            Err(_) => {
                return Err(Refused { cause: "there is no answer in time".to_owned(), is_passing: true });
            }
        };
        // What is refused for good; the rest is taken.
        let refused = answer.partial_success.map_or(0, |partial| partial.rejected_spans);
        let refused = usize::try_from(refused).unwrap_or(0).min(self.batch.len());
        self.source.exported(self.batch.len() - refused);
        self.source.lost(refused);
        Ok(())
    }
}

// === impl Refused ===

impl From<&tonic::Status> for Refused {
    fn from(status: &tonic::Status) -> Self {
        let is_passing = matches!(
            status.code(),
            Code::Cancelled
                | Code::DeadlineExceeded
                | Code::ResourceExhausted
                | Code::Aborted
                | Code::OutOfRange
                | Code::Unavailable
                | Code::DataLoss
        );
        // What a collector says may be anything; how it is called is one of few words.
        let mut cause: String =
            format!("{}: {}", status.code(), status.message()).chars().take(200).collect();
        if let Some(source) = std::error::Error::source(status) {
            cause = icapstan_telemetry::chain(source).chars().take(200).collect();
        }
        Self { cause, is_passing }
    }
}
