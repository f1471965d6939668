//! What clients send: clean objects, each another one, and infected ones in several wrappings.

use super::super::bombs::zip;
use super::super::server::{REQMOD, RESPMOD};
use crate::sigdb::Rng;
use icapstan_testkit::{Kind, Message, chunked, eicar, gzip};

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// What is sent at first.
    pub(super) message: Vec<u8>,
    /// What follows after 100; empty if nothing does.
    pub(super) rest: Vec<u8>,
    /// What has to come back. `None`: it is infected.
    pub(super) body: Option<Vec<u8>>,
}

/// What is made once.
pub(super) struct Objects {
    zip: Vec<u8>,
    gzip: Vec<u8>,
    form: Vec<u8>,
    /// What is still to be drawn before all is put back: dear objects come as often in each second.
    deck: Vec<Sort>,
}

/// Sorts of objects.
#[derive(Clone, Copy, Debug)]
enum Sort {
    Text,
    Binary,
    Large,
    Eicar,
    Zip,
    Gzip,
    Form,
}

/// How often each is among fifty requests.
const DECK: [(Sort, usize); 7] = [
    (Sort::Text, 30),
    (Sort::Binary, 7),
    (Sort::Large, 1),
    (Sort::Eicar, 3),
    (Sort::Zip, 3),
    (Sort::Gzip, 3),
    (Sort::Form, 3),
];

/// Bytes of a preview.
const PREVIEW: usize = 1024;

// === impl Objects ===

impl Objects {
    pub(super) fn new() -> Self {
        let form = [
            b"--bench\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\na few words\r\n--bench\r\n",
            &b"Content-Disposition: form-data; name=\"file\"; filename=\"sample.com\"\r\n"[..],
            b"Content-Type: application/octet-stream\r\n\r\n",
            &eicar(),
            b"\r\n--bench--\r\n",
        ];
        Self {
            zip: zip(&[("read.txt".to_owned(), &b"words\n"[..]), ("sample.com".to_owned(), &eicar())]),
            gzip: gzip(&eicar()),
            form: form.concat(),
            deck: Vec::new(),
        }
    }

    /// The next request.
    pub(super) fn draw(&mut self, rng: &mut Rng) -> Sample {
        if self.deck.is_empty() {
            self.deck.extend(DECK.iter().flat_map(|(sort, count)| std::iter::repeat_n(*sort, *count)));
        }
        let sort = self.deck.swap_remove(rng.index(self.deck.len()));
        let (name, fields, body, is_clean) = match sort {
            Sort::Text => ("text", "Content-Type: text/plain\r\n", text(rng), true),
            Sort::Binary => ("100 KiB", BINARY, bytes(rng, 100 << 10), true),
            Sort::Large => {
                let size = rng.between(1 << 20, 2 << 20) as usize;
                ("1 to 2 MiB", BINARY, bytes(rng, size), true)
            }
            Sort::Eicar => ("eicar", BINARY, eicar(), false),
            Sort::Zip => ("eicar in zip", "Content-Type: application/zip\r\n", self.zip.clone(), false),
            Sort::Gzip => ("eicar as gzip", "Content-Encoding: gzip\r\n", self.gzip.clone(), false),
            Sort::Form => (
                "eicar in a form",
                "Content-Type: multipart/form-data; boundary=bench\r\n",
                self.form.clone(),
                false,
            ),
        };
        let is_upload = matches!(sort, Sort::Form) || rng.percent(40);
        let (message, kind) = if is_upload {
            let head = format!(
                "POST http://bench.test/upload HTTP/1.1\r\nHost: bench.test\r\n{fields}Content-Length: {}\r\n\r\n",
                body.len()
            );
            (Message::reqmod(REQMOD).request_head(head), Kind::Reqmod)
        } else {
            let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
            let asked = "GET http://bench.test/object HTTP/1.1\r\nHost: bench.test\r\n\r\n";
            (Message::respmod(RESPMOD).request_head(asked).response_head(head), Kind::Respmod)
        };
        let message = if rng.percent(50) { message.allow_204() } else { message };
        let (message, rest) = if !rng.percent(50) {
            (message.body(&body), Vec::new())
        } else if body.len() <= PREVIEW {
            (message.whole_in_preview(&body), Vec::new())
        } else {
            (message.preview(&body[..PREVIEW]), chunked(&body[PREVIEW..]))
        };
        Sample { name, kind, message: message.bytes(), rest, body: is_clean.then_some(body) }
    }
}

const BINARY: &str = "Content-Type: application/octet-stream\r\n";

/// Random, behind a beginning that no type has: random ones are now and then taken for something else.
fn bytes(rng: &mut Rng, size: usize) -> Vec<u8> {
    const HEAD: &[u8] = b"bench\0\0\0";
    let mut bytes = vec![0; size];
    rng.fill(&mut bytes);
    bytes[..HEAD.len()].copy_from_slice(HEAD);
    bytes
}

/// Hex digits in lines, never the same.
fn text(rng: &mut Rng) -> Vec<u8> {
    let lines = rng.between(4, 80);
    let line = |_| format!("{:016x} {:016x}\n", rng.next(), rng.next());
    (0..lines).map(line).collect::<String>().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn all_kinds_come_by_each_way_and_clean_ones_are_never_the_same() {
        let (mut objects, mut rng) = (Objects::new(), Rng::new(1, "test"));
        let mut ways = BTreeSet::new();
        let mut bodies = BTreeSet::new();
        for _ in 0..600 {
            let sample = objects.draw(&mut rng);
            ways.insert((sample.name, sample.kind == Kind::Reqmod, sample.rest.is_empty()));
            if let Some(body) = sample.body {
                assert!(bodies.insert(body), "{}", sample.name);
            }
        }
        assert_eq!(ways.iter().map(|(name, ..)| name).collect::<BTreeSet<_>>().len(), DECK.len());
        assert!(ways.contains(&("eicar", true, true)) && ways.contains(&("eicar", false, true)));
        assert!(ways.contains(&("100 KiB", true, false)) && ways.contains(&("100 KiB", false, false)));
        assert_eq!(DECK.iter().map(|(_, count)| count).sum::<usize>(), 50);
    }
}
