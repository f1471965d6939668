//! What KEDA asks.

use crate::fleet::{BEAT, Figures};
use crate::metrics::{Asked, ScalerMetrics};
use crate::server::Shared;
use crate::wish::{InvalidWish, Metric, Wish};
use icapstan_proto::externalscaler::external_scaler_server::{ExternalScaler, ExternalScalerServer};
use icapstan_proto::externalscaler::{
    GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse, MetricSpec, MetricValue,
    ScaledObjectRef,
};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// No request is longer, in bytes.
const MAX_REQUEST: usize = 256 << 10;
/// Targets that differ by less, as a part of them, are the same.
const SAME: f64 = 0.01;

/// Answers requests.
pub(crate) struct Service {
    shared: Arc<Shared>,
    draining: watch::Receiver<bool>,
    metrics: ScalerMetrics,
}

type Streamed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

// === impl Service ===

impl Service {
    pub(crate) fn new(
        shared: Arc<Shared>,
        draining: watch::Receiver<bool>,
        metrics: ScalerMetrics,
    ) -> ExternalScalerServer<Self> {
        ExternalScalerServer::new(Self { shared, draining, metrics }).max_decoding_message_size(MAX_REQUEST)
    }

    fn wish(&self, metadata: &HashMap<String, String>) -> Result<Wish, Status> {
        Wish::read(metadata).map_err(|error| self.invalid(&error))
    }

    /// The figures, if they are to be gone by.
    fn figures(&self) -> Result<Figures, Status> {
        let figures = self.shared.figures();
        match figures.trouble {
            None => Ok(figures),
            Some(trouble) => Err(self.unavailable(trouble.to_string())),
        }
    }

    fn invalid(&self, error: &InvalidWish) -> Status {
        self.metrics.requests.inc(Asked::Invalid);
        Status::invalid_argument(error.to_string())
    }

    fn unavailable(&self, text: impl Into<String>) -> Status {
        self.metrics.requests.inc(Asked::Unavailable);
        Status::unavailable(text)
    }

    fn answer<T>(&self, message: T) -> Response<T> {
        self.metrics.requests.inc(Asked::Answered);
        Response::new(message)
    }

    /// Tells what `look` finds, at once and whenever `is_other`. Ends with the process, and with who listens.
    fn stream<T: Clone + Send + Sync + 'static>(
        &self,
        look: impl Fn(&Figures) -> Option<T> + Send + 'static,
        is_other: impl Fn(&T, &T) -> bool + Send + 'static,
    ) -> Response<Streamed<T>> {
        let (told, found) = mpsc::channel(1);
        let (shared, mut draining) = (Arc::clone(&self.shared), self.draining.clone());
        tokio::spawn(async move {
            let mut last = None;
            let mut beat = tokio::time::interval(BEAT);
            beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = beat.tick() => {}
                    _ = draining.wait_for(|draining| *draining) => return,
                    () = told.closed() => return,
                }
                let Some(now) = look(&shared.figures()) else { continue };
                if last.as_ref().is_none_or(|last| is_other(last, &now)) {
                    let sent = tokio::select! {
                        sent = told.send(Ok(now.clone())) => sent.is_ok(),
                        _ = draining.wait_for(|draining| *draining) => false,
                    };
                    if !sent {
                        return;
                    }
                    last = Some(now);
                }
            }
        });
        self.answer(Box::pin(ReceiverStream::new(found)))
    }
}

fn spec(metric: Metric, target: f64) -> GetMetricSpecResponse {
    GetMetricSpecResponse {
        metric_specs: vec![MetricSpec {
            metric_name: metric.name().to_owned(),
            // A target of nothing would be divided by.
            target_size: whole(target).max(1),
            target_size_float: target,
        }],
    }
}

/// The next greater whole number.
#[expect(clippy::cast_possible_truncation, reason = "what is too great becomes the greatest number")]
fn whole(number: f64) -> i64 {
    number.ceil() as i64
}

#[tonic::async_trait]
impl ExternalScaler for Service {
    type StreamIsActiveStream = Streamed<IsActiveResponse>;
    type StreamMetricSpecStream = Streamed<GetMetricSpecResponse>;

    async fn is_active(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<IsActiveResponse>, Status> {
        let wish = self.wish(&request.get_ref().scaler_metadata)?;
        let result = wish.is_always_active() || wish.is_active(&self.figures()?);
        Ok(self.answer(IsActiveResponse { result }))
    }

    async fn stream_is_active(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamIsActiveStream>, Status> {
        let wish = self.wish(&request.get_ref().scaler_metadata)?;
        let look = move |figures: &Figures| {
            let is_known = wish.is_always_active() || figures.trouble.is_none();
            is_known.then(|| IsActiveResponse { result: wish.is_active(figures) })
        };
        Ok(self.stream(look, PartialEq::ne))
    }

    async fn get_metric_spec(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<GetMetricSpecResponse>, Status> {
        let wish = self.wish(&request.get_ref().scaler_metadata)?;
        // Also when too few scanners are heard: KEDA wants a target even to fall back.
        let target = wish.target(&self.shared.figures()).ok_or_else(|| {
            self.unavailable(
                "no scanner said how many workers it has, so that there is no target; metadata.target gives one",
            )
        })?;
        Ok(self.answer(spec(wish.metric, target)))
    }

    async fn get_metrics(
        &self,
        request: Request<GetMetricsRequest>,
    ) -> Result<Response<GetMetricsResponse>, Status> {
        let request = request.into_inner();
        let wish = self.wish(&request.scaled_object_ref.unwrap_or_default().scaler_metadata)?;
        let metric =
            Metric::of_name(&request.metric_name, wish.metric).map_err(|error| self.invalid(&error))?;
        let value = metric.value(&self.figures()?);
        Ok(self.answer(GetMetricsResponse {
            metric_values: vec![MetricValue {
                metric_name: metric.name().to_owned(),
                metric_value: whole(value),
                metric_value_float: value,
            }],
        }))
    }

    async fn stream_metric_spec(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamMetricSpecStream>, Status> {
        let wish = self.wish(&request.get_ref().scaler_metadata)?;
        let look = move |figures: &Figures| Some(spec(wish.metric, wish.target(figures)?));
        let is_other = |last: &GetMetricSpecResponse, now: &GetMetricSpecResponse| {
            let target = |specs: &GetMetricSpecResponse| {
                specs.metric_specs.first().map_or(0.0, |spec| spec.target_size_float)
            };
            (target(now) - target(last)).abs() > SAME * target(last)
        };
        Ok(self.stream(look, is_other))
    }
}
