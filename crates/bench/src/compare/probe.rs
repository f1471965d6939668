//! Known answers, before anything is measured: a server that finds nothing is fast.

use super::case::Shape;
use super::server::Server;
use super::urls::{Entries, unlisted};
use crate::context::Context;
use crate::sigdb::{clean, known};
use anyhow::{Context as _, bail};
use icapstan_testkit::{IcapClient, Message};
use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

/// What a server says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// 204.
    Clean,
    /// 200, with what was found.
    Infected(String),
    /// Anything else.
    Other(String),
}

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer to a few small objects is not longer.
const MAX_ANSWER: u64 = 1 << 20;

/// How many URLs of a list are asked for, and how many others.
const KNOWN_URLS: u32 = 5;

/// Words of the clean object.
const CLEAN_WORDS: usize = 10_000;

/// Fails unless every known object is found and the clean one passes.
pub(super) fn known_answers(context: &Context, server: &Server) -> anyhow::Result<()> {
    let service = server.service_for(Shape::Respmod);
    for known in known() {
        context.check()?;
        match ask(server.address, service, &known.object)? {
            Answer::Infected(threat) if threat.contains(known.signature) => {}
            other => bail!(
                "{} does not find {} in the object {:?}; it answers {other:?}",
                server.subject,
                known.signature,
                known.name
            ),
        }
    }
    match ask(server.address, service, &clean(CLEAN_WORDS))? {
        Answer::Clean => Ok(()),
        other => bail!("{} does not pass clean text; it answers {other:?}", server.subject),
    }
}

/// Fails unless URLs of the list are blocked, and others pass.
pub(super) fn known_urls(context: &Context, server: &Server, entries: Entries) -> anyhow::Result<()> {
    for number in 0..KNOWN_URLS {
        context.check()?;
        for (url, listed) in [(entries.listed(number * 999), true), (unlisted(number), false)] {
            let answer = ask_url(server.address, server.service_for(Shape::Reqmod), &url)?;
            if is_blocked(&answer) != Some(listed) {
                let word = if listed { "block" } else { "pass" };
                bail!("{} does not {word} {url}; it answers {answer:?}", server.subject);
            }
        }
    }
    Ok(())
}

/// What is answered to a GET of this URL, on a connection of its own.
fn ask_url(server: SocketAddr, service: &str, url: &str) -> anyhow::Result<String> {
    let host = url.split('/').nth(2).context("the URL has a host")?;
    let message = Message::reqmod(service)
        .allow_204()
        .field("Connection", "close")
        .request_head(format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    exchange(server, &message)
}

/// Whether the answer is a page instead of the message; nothing if it is neither.
fn is_blocked(answer: &str) -> Option<bool> {
    let (head, rest) = answer.split_once("\r\n\r\n")?;
    match head.split(' ').nth(1)? {
        "204" => Some(false),
        "200" => (rest.starts_with("HTTP/1.") && rest.split(' ').nth(1)? == "403").then_some(true),
        _ => None,
    }
}

/// Has one object scanned, on a connection of its own.
pub(super) fn ask(server: SocketAddr, service: &str, object: &[u8]) -> anyhow::Result<Answer> {
    let message = Message::respmod(service)
        .allow_204()
        .field("Connection", "close")
        .request_head("GET http://bench.test/object HTTP/1.1\r\nHost: bench.test\r\n\r\n")
        .response_head("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        .body(object);
    exchange(server, &message).map(|answer| Answer::of(&answer))
}

fn exchange(server: SocketAddr, message: &Message) -> anyhow::Result<String> {
    let mut client = IcapClient::try_connect(server).context("it takes no connection")?;
    client.patience(PATIENCE);
    client.try_send(message.bytes())?;
    let mut answer = Vec::new();
    client.stream().take(MAX_ANSWER).read_to_end(&mut answer).context("it does not end its answer")?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

// === impl Answer ===

impl Answer {
    /// Lenient: peers fold fields and say more than they must.
    fn of(text: &str) -> Self {
        let head = text.split("\r\n\r\n").next().unwrap_or_default();
        let field = |name: &str| {
            head.lines().find_map(|line| {
                let (found, value) = line.split_once(':')?;
                found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let status = head.split(' ').nth(1).unwrap_or_default();
        match (status, field("X-Infection-Found").or_else(|| field("X-Virus-ID"))) {
            ("204", None) => Self::Clean,
            ("200", Some(threat)) => Self::Infected(threat),
            _ => Self::Other(head.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_in_place_of_a_message_is_a_block() {
        assert_eq!(is_blocked("ICAP/1.0 204 Unmodified\r\nISTag: \"x\"\r\n\r\n"), Some(false));
        let page = "ICAP/1.0 200 OK\r\nX: y\r\n\r\nHTTP/1.0 403 Forbidden\r\n\r\n";
        assert_eq!(is_blocked(page), Some(true));
        let back = "ICAP/1.0 200 OK\r\nX: y\r\n\r\nGET http://h/403 HTTP/1.1\r\n\r\n";
        for other in ["", "ICAP/1.0 404 No\r\n\r\n", back] {
            assert_eq!(is_blocked(other), None, "{other}");
        }
    }

    #[test]
    fn answers_are_told_apart() {
        assert_eq!(Answer::of("ICAP/1.0 204 Unmodified\r\nISTag: \"x\"\r\n\r\n"), Answer::Clean);
        let found = "ICAP/1.0 200 OK\r\nX-Violations-Found: 1\r\n\tfolded\r\n\
                     X-Infection-Found: Type=0; Threat=Eicar;\r\n\r\nHTTP/1.0 403 Forbidden\r\n\r\n";
        assert_eq!(Answer::of(found), Answer::Infected("Type=0; Threat=Eicar;".to_owned()));
        for other in ["", "ICAP/1.0 200 OK\r\n\r\n", "ICAP/1.0 500 Error\r\nX-Infection-Found: x\r\n\r\n"] {
            assert!(matches!(Answer::of(other), Answer::Other(_)), "{other}");
        }
    }
}
