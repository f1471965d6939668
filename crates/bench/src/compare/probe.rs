//! Known answers, before anything is measured: a server that finds nothing is fast.

use super::case::Shape;
use super::server::Server;
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

/// Has one object scanned, on a connection of its own.
pub(super) fn ask(server: SocketAddr, service: &str, object: &[u8]) -> anyhow::Result<Answer> {
    let message = Message::respmod(service)
        .allow_204()
        .field("Connection", "close")
        .request_head("GET http://bench.test/object HTTP/1.1\r\nHost: bench.test\r\n\r\n")
        .response_head("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        .body(object);
    let mut client = IcapClient::try_connect(server).context("it takes no connection")?;
    client.patience(PATIENCE);
    client.try_send(message.bytes())?;
    let mut answer = Vec::new();
    client.stream().take(MAX_ANSWER).read_to_end(&mut answer).context("it does not end its answer")?;
    Ok(Answer::of(&String::from_utf8_lossy(&answer)))
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
