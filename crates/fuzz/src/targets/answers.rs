//! The writers of answers.

use crate::input::Input;
use crate::strict;
use icapstan_icap_proto::{
    Answer, ChunkHead, LAST_CHUNK, Method, OptionsAnswer, Parts, ResponseDecoder, ResponseEvent, Status,
    last_chunk_with_original,
};

/// Writes an answer whose values are any text.
///
/// - A reader that forgives nothing reads just one answer, with the parts and the body that were put in.
/// - No value adds a field or a line.
/// - The client's reader reads the same.
pub fn answers(data: &[u8]) {
    let mut input = Input::new(data);
    let choice = input.byte();
    if choice & 1 == 0 { options(&mut input) } else { modification(choice, &mut input) }
}

fn modification(choice: u8, input: &mut Input<'_>) {
    let texts: Vec<_> = (0..3).map(|_| String::from_utf8_lossy(input.text()).into_owned()).collect();
    let status = input.pick(&[
        Status::OK,
        Status::NO_CONTENT,
        Status::PARTIAL_CONTENT,
        Status::SERVER_ERROR,
        Status(599),
    ]);
    let head = b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n";
    let body = choice & 2 != 0;
    let parts = match choice >> 2 & 3 {
        0 => Parts::Nothing,
        1 => Parts::Request { head, body },
        2 => Parts::Response { head, body },
        _ => Parts::Body { response: choice & 16 != 0 },
    };
    let names = ["X-Infection-Found", "X-Virus-ID", "X-Icapstan-Reason"];
    let fields: Vec<_> = names.into_iter().zip(texts.iter().map(String::as_str)).collect();
    let close = choice & 32 != 0;
    let mut wire = Vec::new();
    Answer { status, istag: "T-1", fields: &fields, parts, close }.write(&mut wire);
    let original = choice & 64 != 0;
    let chunked = match parts {
        Parts::Nothing => false,
        Parts::Request { body, .. } | Parts::Response { body, .. } => body,
        Parts::Body { .. } => true,
    };
    let content = if chunked { input.take(usize::MAX) } else { &[] };
    if chunked {
        for piece in content.chunks(usize::from(choice) + 1) {
            wire.extend_from_slice(ChunkHead::new(piece.len()).as_bytes());
            wire.extend_from_slice(piece);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend(if original { last_chunk_with_original(u64::from(choice)) } else { LAST_CHUNK.to_vec() });
    }
    let read = strict::read(&wire);
    let [answer] = &read.whole[..] else { panic!("one answer, not {}", read.whole.len()) };
    assert_eq!((answer.status, read.cut.is_none(), answer.closes()), (status.0, true, close));
    assert_eq!(answer.fields.len(), 5 + usize::from(close));
    for (name, text) in fields {
        let value = answer.get(name).expect("was put in");
        assert!(value.len() >= text.len());
        assert!(!text.bytes().all(|b| matches!(b, b' '..=b'~')) || value == text);
    }
    assert_eq!(answer.body.as_deref(), chunked.then_some(content));
    assert_eq!(answer.original, (chunked && original).then_some(u64::from(choice)));
    let (status, seen) = as_client(&wire);
    assert_eq!((status, seen.as_slice()), (answer.status, content));
}

fn options(input: &mut Input<'_>) {
    let texts: Vec<_> = (0..4).map(|_| String::from_utf8_lossy(input.text()).into_owned()).collect();
    let flags = input.byte();
    let answer = OptionsAnswer {
        methods: [&[Method::Reqmod][..], &[Method::Reqmod, Method::Respmod]][usize::from(flags & 1)],
        service: &texts[0],
        service_id: &texts[1],
        istag: "T-1",
        max_connections: (flags & 2 != 0).then(|| u32::from(input.word())),
        ttl: u32::from(input.word()),
        date: "Mon, 10 Jan 2000 09:55:21 GMT",
        allow_no_content: flags & 4 != 0,
        allow_partial_content: flags & 8 != 0,
        preview: (flags & 16 != 0).then(|| u32::from(input.word())),
        include: &texts[2],
        allow_out: &texts[3],
        close: flags & 32 != 0,
    };
    let mut wire = Vec::new();
    answer.write(&mut wire);
    let read = strict::read(&wire);
    let [seen] = &read.whole[..] else { panic!("one answer, not {}", read.whole.len()) };
    assert_eq!((seen.status, seen.closes()), (200, answer.close));
    assert_eq!(seen.get("Preview").is_some(), answer.preview.is_some());
    assert_eq!(seen.get("Allow").unwrap_or_default().contains("206"), answer.allow_partial_content);
    assert_ne!(seen.get("Max-Connections"), Some("0"), "clients take that for never");
    assert_eq!(as_client(&wire).0, 200);
}

fn as_client(wire: &[u8]) -> (u16, Vec<u8>) {
    let mut decoder = ResponseDecoder::default();
    let (mut at, mut status, mut body) = (0, 0, Vec::new());
    while at < wire.len() {
        let (used, event) = decoder.step(&wire[at..]).expect("our own answer");
        at += used;
        match event.expect("all is here") {
            ResponseEvent::Head(head) => status = head.status(),
            ResponseEvent::Data(data) => body.extend_from_slice(data),
            ResponseEvent::End(_) => {}
        }
    }
    assert!(!decoder.in_body());
    (status, body)
}
