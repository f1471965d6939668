//! What is sent back.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use icapstan_model::Refusal;
use icapstan_proto::scan::ScanResponse;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tonic::{Code, Status};

use crate::framing;
use crate::wire::{REFUSAL, refusal_word};

/// One message, and that all is well.
struct One(Option<Bytes>, Option<HeaderMap>);

/// An answer with a report.
pub(super) fn report(message: &ScanResponse) -> Response<tonic::body::Body> {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = One(Some(framing::framed(message)), Some(trailers));
    let mut response = Response::new(tonic::body::Body::new(body));
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// An answer without one.
pub(super) fn status(code: Code, message: &str) -> Response<tonic::body::Body> {
    Status::new(code, message).into_http()
}

/// The scan was not begun.
pub(super) fn refused(refusal: Refusal) -> Response<tonic::body::Body> {
    let mut response = status(Code::ResourceExhausted, &refusal.to_string());
    response.headers_mut().insert(REFUSAL, HeaderValue::from_static(refusal_word(refusal)));
    response
}

/// Whether who asks speaks gRPC.
pub(super) fn is_grpc<B>(request: &Request<B>) -> bool {
    let value = request.headers().get(http::header::CONTENT_TYPE);
    value.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// Whoever speaks HTTP here and no gRPC.
pub(super) fn no_grpc() -> Response<tonic::body::Body> {
    let mut response = Response::new(tonic::body::Body::empty());
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response
}

// === impl One ===

impl Body for One {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = self.0.take().map(Frame::data);
        Poll::Ready(data.or_else(|| self.1.take().map(Frame::trailers)).map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none() && self.1.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |data| data.len() as u64))
    }
}
