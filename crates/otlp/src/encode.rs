//! Spans as OTLP has them.

use icapstan_api::TracingSettings;
use icapstan_telemetry::{FinishedSpan, SpanKind, SpanValue};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind as Kind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use std::time::{SystemTime, UNIX_EPOCH};

/// Who tells.
#[derive(Clone, Debug)]
pub(crate) struct Teller {
    resource: Resource,
    scope: InstrumentationScope,
}

// === impl Teller ===

impl Teller {
    pub(crate) fn new(settings: &TracingSettings, version: &str) -> Self {
        let attributes = vec![
            text("service.name", &settings.service_name),
            text("service.version", version),
            pair("process.pid", Value::IntValue(std::process::id().into())),
        ];
        Self {
            resource: Resource { attributes, ..Resource::default() },
            scope: InstrumentationScope {
                name: "icapstan".to_owned(),
                version: version.to_owned(),
                ..InstrumentationScope::default()
            },
        }
    }

    /// One call with all of `batch`.
    pub(crate) fn request(&self, batch: &[FinishedSpan]) -> ExportTraceServiceRequest {
        let spans = batch.iter().map(span).collect();
        let scope_spans =
            vec![ScopeSpans { scope: Some(self.scope.clone()), spans, ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans {
            resource: Some(self.resource.clone()),
            scope_spans,
            ..ResourceSpans::default()
        }];
        ExportTraceServiceRequest { resource_spans }
    }
}

fn span(told: &FinishedSpan) -> Span {
    let value = |value: &SpanValue| match value {
        SpanValue::Word(word) => Value::StringValue((*word).to_owned()),
        SpanValue::Name(name) => Value::StringValue(name.to_string()),
        SpanValue::Number(number) => Value::IntValue(i64::try_from(*number).unwrap_or(i64::MAX)),
    };
    let mut attributes: Vec<_> = told.attributes.iter().map(|(key, said)| pair(key, value(said))).collect();
    attributes.extend(told.error.map(|cause| text("error.type", cause)));
    let code = if told.error.is_some() { StatusCode::Error } else { StatusCode::Unset };
    Span {
        trace_id: told.trace_id.to_vec(),
        span_id: told.span_id.to_vec(),
        parent_span_id: told.parent.map(Vec::from).unwrap_or_default(),
        // Sampled (W3C Trace Context).
        flags: 1,
        name: told.name.to_owned(),
        kind: match told.kind {
            SpanKind::Server => Kind::Server,
            SpanKind::Internal => Kind::Internal,
        } as i32,
        start_time_unix_nano: nanos(told.begin),
        end_time_unix_nano: nanos(told.end),
        attributes,
        status: Some(Status { code: code as i32, ..Status::default() }),
        ..Span::default()
    }
}

fn text(key: &str, text: &str) -> KeyValue {
    pair(key, Value::StringValue(text.to_owned()))
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
