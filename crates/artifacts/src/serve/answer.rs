//! What is answered.

use super::file::FileBody;
use super::range::{Part, part};
use crate::{Store, blocking};
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue,
    IF_RANGE, RANGE,
};
use hyper::{Method, Request, Response, StatusCode};
use icapstan_api::fleet::ContentDigest;
use std::fs::File;
use std::io;

type Body = BoxBody<Bytes, io::Error>;

pub(super) async fn answer(store: &Store, request: &Request<Incoming>) -> Response<Body> {
    let is_head = request.method() == Method::HEAD;
    if !is_head && request.method() != Method::GET {
        let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let hex = request.uri().path().strip_prefix("/sha256/");
    let Some(digest) = hex.and_then(|hex| format!("sha256:{hex}").parse::<ContentDigest>().ok()) else {
        return empty(StatusCode::NOT_FOUND);
    };
    let of_store = store.clone();
    let opened = blocking(move || {
        let file = File::open(of_store.path(&digest)?).ok()?;
        let len = file.metadata().ok()?.len();
        Some((file, len))
    });
    let Some((file, len)) = opened.await.flatten() else { return empty(StatusCode::NOT_FOUND) };
    let tag = format!("\"{digest}\"");
    let field = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let is_same = field(IF_RANGE).is_none_or(|known| known == tag);
    // Of HEAD a range is not asked (RFC 9110 section 14.2).
    let range = field(RANGE).filter(|_| is_same && !is_head);
    let mut response = match range.map_or(Part::Whole, |range| part(range, len)) {
        Part::None => {
            let mut response = empty(StatusCode::RANGE_NOT_SATISFIABLE);
            put(&mut response, CONTENT_RANGE, format!("bytes */{len}"));
            return response;
        }
        Part::Whole if is_head => {
            let mut response = empty(StatusCode::OK);
            put(&mut response, CONTENT_LENGTH, len.to_string());
            response
        }
        Part::Whole => Response::new(FileBody::new(file, 0, len).boxed()),
        Part::Bytes(first, end) => {
            let mut response = Response::new(FileBody::new(file, first, end).boxed());
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            put(&mut response, CONTENT_RANGE, format!("bytes {first}-{}/{len}", end - 1));
            response
        }
    };
    put(&mut response, ETAG, tag);
    let headers = response.headers_mut();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response
}

/// What is put there has only digits and signs.
fn put(response: &mut Response<Body>, name: hyper::header::HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(name, value);
    }
}
