//! The request decoder.

use crate::input::{Input, Pieces};
use crate::reference::{self, End, Request};
use icapstan_icap_proto::{DecodeError, Decoder, Event, Limits, Method, RequestHead, Rights};

/// What a decoding came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    requests: Vec<Request>,
    error: Option<DecodeError>,
    idle: bool,
}

/// Reads requests off a connection: small or usual limits, a seed for the cuts, one for what is
/// decided after previews, then the wire.
///
/// - Events do not depend on how the bytes were cut, nor does it whether there is an error.
/// - What a step consumed is input, and its data is the end of that.
/// - After an error there is the same error.
/// - What is taken for a request is one for a second reader too, which sees the same in it; what that
///   one calls wrong is an error.
/// - No more is held than limits allow.
pub fn decoder(data: &[u8]) {
    let mut input = Input::new(data);
    let (small, seed, decisions) = (input.bit(), input.byte(), input.byte());
    let limits = if small { SMALL } else { Limits::default() };
    let wire = input.rest();
    let whole = decode(wire, limits, 0, decisions);
    let cut = decode(wire, limits, seed, decisions);
    assert_eq!(
        whole.error.is_some(),
        cut.error.is_some(),
        "cut by {seed}: {:?}, {:?}",
        whole.error,
        cut.error
    );
    if whole.error.is_none() {
        assert_eq!(whole, cut, "cut by {seed}");
    } else {
        assert_alike(&whole.requests, &cut.requests);
    }
    if !small {
        compare(wire, &whole, decisions);
    }
}

const SMALL: Limits = Limits {
    leading_empty_lines: 2,
    request_line: 64,
    icap_head: 256,
    icap_fields: 6,
    http_head: 96,
    preview: 32,
    chunk_line: 24,
    trailer: 32,
};

fn decode(wire: &[u8], limits: Limits, seed: u8, mut decisions: u8) -> Seen {
    let mut decoder = Decoder::new(limits);
    let mut seen = Seen::default();
    let (mut at, mut end) = (0, 0);
    let mut pieces = Pieces::new(seed, wire.len());
    loop {
        let given = &wire[at..end];
        let step = match decoder.step(given) {
            Ok(step) => step,
            Err(error) => {
                assert!(!decoder.is_idle() && !decoder.is_undecided());
                assert_eq!(decoder.step(b"OPTIONS icap://h/x ICAP/1.0\r\n\r\n").err(), Some(error));
                seen.error = Some(error);
                return seen;
            }
        };
        assert!(step.consumed <= given.len());
        let consumed = &given[..step.consumed];
        at += step.consumed;
        match step.event {
            None => {
                let Some(piece) = pieces.next() else {
                    seen.idle = decoder.is_idle();
                    return seen;
                };
                end = piece.end;
            }
            Some(Event::Head(head)) => {
                seen.requests.push(summary(&head, &limits));
                decoder.recycle(head);
            }
            Some(Event::Data(data)) => {
                assert!(!data.is_empty() && data.len() <= consumed.len());
                assert!(std::ptr::eq(data, &raw const consumed[consumed.len() - data.len()..]));
                last(&mut seen).body.extend_from_slice(data);
            }
            Some(Event::PreviewEnd) => {
                assert!(decoder.is_undecided());
                let request = last(&mut seen);
                assert!(request.body.len() as u64 <= limits.preview);
                request.undecided = Some(request.body.len());
                if decisions & 1 == 0 {
                    decoder.proceed();
                } else {
                    decoder.settle();
                    request.ended = true;
                    assert!(decoder.is_idle());
                }
                decisions = decisions.rotate_right(1);
            }
            Some(Event::End) => {
                last(&mut seen).ended = true;
                assert!(decoder.is_idle());
            }
        }
    }
}

/// Those that are looked up, in the order of their names.
fn fields(values: impl Fn(&str) -> Vec<Vec<u8>>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let names = ["Host", "Preview", "Allow", "Encapsulated", "X-Client-IP"];
    let pairs =
        names.iter().flat_map(|name| values(name).into_iter().map(|value| (name.as_bytes().to_vec(), value)));
    pairs.collect()
}

fn last(seen: &mut Seen) -> &mut Request {
    let request = seen.requests.last_mut().expect("a head comes first");
    assert!(!request.ended, "nothing follows the end");
    request
}

/// The head as the second reader would tell it; and what holds for every head.
fn summary(head: &RequestHead, limits: &Limits) -> Request {
    let uri = head.uri();
    let http = |head: Option<icapstan_icap_proto::HttpHead<'_>>| -> Vec<u8> {
        head.map(|head| head.as_bytes().to_vec()).unwrap_or_default()
    };
    let request = Request {
        method: head.method().as_str().to_owned(),
        service: uri.service().to_owned(),
        query: uri.query().to_owned(),
        fields: fields(|name| head.fields(name).map(<[u8]>::to_vec).collect()),
        preview: head.preview(),
        req_hdr: http(head.http_request()),
        res_hdr: http(head.http_response()),
        has_body: head.has_body(),
        ..Request::default()
    };
    assert!(request.req_hdr.len() <= limits.http_head && request.res_hdr.len() <= limits.http_head);
    assert_eq!(request.req_hdr.len() + request.res_hdr.len(), head.encapsulated().heads_len());
    assert!(request.service.len() <= limits.request_line && !request.service.starts_with('/'));
    assert!(head.connection_has("close") <= head.field("connection").is_some());
    let (before, after) = (Rights::of(head, false), Rights::of(head, true));
    assert!(after.no_content <= before.no_content && after.partial_content <= before.partial_content);
    assert_eq!(after.no_content, head.allow().no_content);
    request
}

/// Up to an error, only the last body may be there to a different extent.
fn assert_alike(one: &[Request], other: &[Request]) {
    assert_eq!(one.len(), other.len());
    let Some(((one_last, one), (other_last, other))) = one.split_last().zip(other.split_last()) else {
        return;
    };
    assert_eq!(one, other);
    let len = one_last.body.len().min(other_last.body.len());
    assert_eq!(one_last.body[..len], other_last.body[..len]);
    let bare = |request: &Request| Request { body: Vec::new(), ..request.clone() };
    assert_eq!(bare(one_last), bare(other_last));
}

fn compare(wire: &[u8], seen: &Seen, mut decisions: u8) {
    let (mut expected, end) = reference::read(wire, || {
        let proceeds = decisions & 1 == 0;
        decisions = decisions.rotate_right(1);
        proceeds
    });
    for request in &mut expected {
        request.fields = fields(|name| request.values(name).cloned().collect());
        if !["REQMOD", "RESPMOD", "OPTIONS"].contains(&request.method.as_str()) {
            Method::Other.as_str().clone_into(&mut request.method);
        }
    }
    match seen.error {
        Some(error) if is_limit(error) => {}
        Some(error) => {
            assert_ne!(end, End::Idle, "{error}: the second reader takes it");
            assert_alike(&seen.requests, &expected);
        }
        None => {
            assert_eq!(seen.requests, expected);
            assert_eq!((end, seen.idle), if seen.idle { (End::Idle, true) } else { (End::Cut, false) });
        }
    }
}

fn is_limit(error: DecodeError) -> bool {
    matches!(
        error,
        DecodeError::EmptyLines
            | DecodeError::RequestLineTooLong
            | DecodeError::IcapHeadTooLarge
            | DecodeError::HttpHeadTooLarge
            | DecodeError::ChunkLineTooLong
            | DecodeError::PreviewTooLarge
            | DecodeError::TrailerTooLarge
    )
}
