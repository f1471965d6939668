//! The client's reader of answers.

use crate::input::{Input, Pieces};
use icapstan_icap_proto::{ClientError, ResponseDecoder, ResponseEvent};

/// One answer, as far as it was read.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    head: String,
    body: Vec<u8>,
    original: Option<u64>,
    ended: bool,
}

/// Reads answers off a connection: a seed for the cuts, then the wire.
///
/// - What is read does not depend on how the bytes were cut.
/// - What a step used is input, and body bytes are the end of that.
/// - A head's bytes are those of the wire: the parts never hold more than was sent.
pub fn response(data: &[u8]) {
    let mut input = Input::new(data);
    let seed = input.byte();
    let wire = input.rest();
    let (whole, error) = read(wire, 0);
    let (cut, cut_error) = read(wire, seed);
    assert_eq!(error.is_some(), cut_error.is_some(), "{error:?}, {cut_error:?}");
    if error.is_none() {
        assert_eq!(whole, cut, "cut by {seed}");
    }
}

fn read(wire: &[u8], seed: u8) -> (Vec<Answer>, Option<ClientError>) {
    let mut decoder = ResponseDecoder::default();
    let mut seen = Vec::new();
    let (mut at, mut end) = (0, 0);
    let mut pieces = Pieces::new(seed, wire.len());
    loop {
        let given = &wire[at..end];
        let (used, event) = match decoder.step(given) {
            Ok(step) => step,
            Err(error) => return (seen, Some(error)),
        };
        assert!(used <= given.len());
        at += used;
        match event {
            None => {
                let Some(piece) = pieces.next() else { return (seen, None) };
                end = piece.end;
            }
            Some(ResponseEvent::Head(head)) => {
                let fields: usize = head.fields().map(|(name, value)| name.len() + value.len()).sum();
                let http = head.http().map_or(0, |http| http.as_bytes().len());
                assert!(fields + http <= used && head.status() <= 999);
                let head_text = format!(
                    "{} {:?} {:?}",
                    head.status(),
                    head.fields().collect::<Vec<_>>(),
                    head.http().map(|http| http.as_bytes())
                );
                let ended = !decoder.in_body();
                seen.push(Answer { head: head_text, body: Vec::new(), original: None, ended });
            }
            Some(ResponseEvent::Data(data)) => {
                let consumed = &given[..used];
                assert!(!data.is_empty() && std::ptr::eq(data, &raw const consumed[used - data.len()..]));
                last(&mut seen).body.extend_from_slice(data);
            }
            Some(ResponseEvent::End(original)) => {
                assert!(!decoder.in_body());
                let answer = last(&mut seen);
                (answer.original, answer.ended) = (original, true);
            }
        }
    }
}

fn last(seen: &mut [Answer]) -> &mut Answer {
    let last = seen.last_mut().expect("a head comes first");
    assert!(!last.ended, "nothing follows the end");
    last
}
