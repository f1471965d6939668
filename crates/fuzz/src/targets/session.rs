//! Whole sessions with small services.

use crate::expect::{self, Piece, Stop, Talk, Told, any, bare};
use crate::input::Input;
use crate::strict::{self, Answer};
use crate::wire::{Line, MOST_BYTES};
use icapstan_icap_server::proto::{IcapUri, Method, OptionsAnswer, Parts, RequestHead, Status};
use icapstan_icap_server::{Body, Exchange, ExchangeError, Io, Reply, Service};
use icapstan_model::IsTag;

/// Talks to a server over a socket: a seed for the cuts, then all that the client sends.
///
/// - Each request has one answer, in their order, and it is the one that is told in advance, without
///   sockets; so is where 100 comes, and which answer is the last.
/// - What a service gives back, collected or passed on as it comes, is what was sent, byte by byte.
/// - An answer that cannot be completed is cut, never ended.
/// - The session ends by itself, and gives back all memory that it took.
pub fn session(data: &[u8]) {
    thread_local!(static LINE: &'static Line = Line::start(|_| Small));
    let mut input = Input::new(data);
    let seed = input.byte();
    let wire = input.take(MOST_BYTES);
    let received = LINE.with(|line| line.talk(wire, seed));
    expect::compare(expect::expected(wire, &Small), &strict::read(&received));
}

/// `echo` gives everything back at its end, `relay` as it comes; `none` says 204, `early` does so before
/// it reads a body; `cut` gives up in the midst of its answer, `mute` before it; `req` is for REQMOD.
struct Small;

const SERVICES: [&str; 7] = ["echo", "relay", "none", "early", "cut", "mute", "req"];
const TAG: &str = "T-1";
const BOTH: &[Method] = &[Method::Reqmod, Method::Respmod];

fn parts(head: &RequestHead, body: bool) -> Parts<'_> {
    match head.method() {
        Method::Respmod => head
            .http_response()
            .map_or(Parts::Body { response: true }, |head| Parts::Response { head: head.as_bytes(), body }),
        _ => head
            .http_request()
            .map_or(Parts::Body { response: false }, |head| Parts::Request { head: head.as_bytes(), body }),
    }
}

impl Service for Small {
    type Route = &'static str;

    fn route(&self, uri: IcapUri<'_>) -> Option<&'static str> {
        SERVICES.into_iter().find(|name| *name == uri.service())
    }

    fn methods<'a>(&'a self, route: &'a &'static str) -> &'a [Method] {
        if *route == "req" { &BOTH[..1] } else { BOTH }
    }

    fn istag(&self, _: Option<&&'static str>) -> IsTag {
        IsTag::new(TAG).expect("three characters")
    }

    fn options(&self, route: &&'static str, close: bool, out: &mut Vec<u8>) {
        OptionsAnswer {
            methods: Service::methods(self, route),
            service: route,
            service_id: "small",
            istag: TAG,
            max_connections: None,
            ttl: 60,
            date: "Mon, 10 Jan 2000 09:55:21 GMT",
            allow_no_content: true,
            allow_partial_content: false,
            preview: Some(16),
            include: "",
            allow_out: "",
            close,
        }
        .write(out);
    }

    async fn serve<I: Io>(
        &self,
        route: &&'static str,
        head: &RequestHead,
        exchange: &mut Exchange<'_, I>,
    ) -> Result<(), ExchangeError> {
        let istag = self.istag(None);
        let reply = |status, parts| Reply { status, istag: &istag, fields: &[], parts };
        let none = reply(Status::NO_CONTENT, Parts::Nothing);
        let same = reply(Status::OK, parts(head, true));
        match *route {
            "early" => return exchange.answer(none, &[]).await,
            "mute" => return Ok(()),
            "cut" => {
                exchange.begin(same);
                exchange.chunk(b"half").await?;
                exchange.flush().await?;
                return Err(ExchangeError::Aborted);
            }
            _ => {}
        }
        let mut body = Vec::new();
        // Without a preview there is nothing to wait for.
        if *route != "relay" || head.preview().is_some() {
            loop {
                match exchange.next().await? {
                    Body::Data(data) => body.extend_from_slice(data),
                    Body::PreviewEnd if *route == "none" => break,
                    Body::PreviewEnd => {
                        exchange.proceed().await?;
                        if *route == "relay" {
                            break;
                        }
                    }
                    Body::End => break,
                }
            }
        }
        match *route {
            "relay" => {
                exchange.begin(same);
                exchange.chunk(&body).await?;
                exchange.relay(Status::OK).await
            }
            "none" => exchange.answer(none, &[]).await,
            _ => exchange.answer(same, &body).await,
        }
    }
}

impl Told for Small {
    fn methods(&self, service: &str) -> Option<&[Method]> {
        let known = SERVICES.contains(&service);
        known.then_some(if service == "req" { &BOTH[..1] } else { BOTH })
    }

    fn tag(&self, _: Option<&str>) -> String {
        TAG.to_owned()
    }

    fn serve(&self, head: &RequestHead, talk: &mut Talk<'_>) -> Result<(), Stop> {
        let service = head.uri().service().to_owned();
        match service.as_str() {
            "early" => {
                talk.answer(204, TAG.to_owned(), Box::new(bare));
                return Ok(());
            }
            "mute" => return Ok(()),
            "cut" => {
                talk.begin();
                return Err(Stop::Aborted);
            }
            _ => {}
        }
        if service == "relay" && head.preview().is_none() {
            talk.begin();
        }
        let mut body = Vec::new();
        loop {
            match talk.next()? {
                Piece::Data(data) => body.extend_from_slice(data),
                Piece::PreviewEnd if service == "none" => break,
                Piece::PreviewEnd => {
                    talk.proceed();
                    if service == "relay" {
                        talk.begin();
                    }
                }
                Piece::End => break,
            }
        }
        if service == "none" {
            talk.answer(204, TAG.to_owned(), Box::new(any));
            return Ok(());
        }
        let (req_hdr, res_hdr) = match parts(head, true) {
            Parts::Request { head, .. } => (Some(head.to_vec()), None),
            Parts::Response { head, .. } => (None, Some(head.to_vec())),
            _ => (None, None),
        };
        let check = move |answer: &Answer| {
            assert_eq!((&answer.req_hdr, &answer.res_hdr), (&req_hdr, &res_hdr));
            assert!(answer.body.as_ref() == Some(&body), "{:?} is not {body:?}", answer.body);
        };
        talk.finish(200, TAG.to_owned(), Box::new(check));
        Ok(())
    }
}
