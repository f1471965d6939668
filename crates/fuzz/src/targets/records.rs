//! The records between the program and its libclamav worker.

use crate::input::Input;
use icapstan_clamav_wire::{
    Command, Event, Files, Limits, MAX_RECORD, Options, Reply, ReplyFlags, Request, WireError,
};
use std::fmt::Debug;

/// Decodes a record of each kind, and encodes records of any content.
///
/// - A record is of one kind at most.
/// - What was decoded is written as it came, unless it held texts that are too long to be written.
/// - A byte more or less is an error.
/// - What was encoded comes back, and is no longer than a record may be.
pub fn records(data: &[u8]) {
    let kinds = [
        decoded(data, Request::decode, Request::encode),
        decoded(data, Reply::decode, |reply| {
            assert!(reply.names.len() <= Reply::MAX_NAMES);
            reply.encode()
        }),
        decoded(data, Command::decode, Command::encode),
        decoded(data, Event::decode, Event::encode),
        decoded(data, Files::decode, Files::encode),
    ];
    assert!(kinds.into_iter().filter(|is| *is).count() <= 1);
    encoded(&mut Input::new(data));
}

fn decoded<T: PartialEq + Debug>(
    record: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, WireError>,
    encode: impl Fn(&T) -> Vec<u8>,
) -> bool {
    let Ok(value) = decode(record) else { return false };
    let written = encode(&value);
    assert!(written.len() <= MAX_RECORD.min(record.len()));
    let again = decode(&written).expect("our own record");
    if written.len() == record.len() {
        assert_eq!(written, record);
        assert_eq!(again, value);
    }
    assert!(decode(&record[..record.len() - 1]).is_err());
    assert!(decode(&[record, &[0]].concat()).is_err());
    true
}

fn encoded(input: &mut Input<'_>) {
    let request = Request {
        id: input.long(),
        options: Options(input.byte().into()),
        limits: Limits {
            time_ms: input.word().into(),
            file_size: input.long(),
            scan_size: input.long(),
            files: input.word().into(),
            depth: input.byte().into(),
        },
    };
    assert_eq!(Request::decode(&request.encode()), Ok(request));
    let mut reply = Reply {
        id: input.long(),
        code: input.byte().into(),
        flags: ReplyFlags(input.word().into()),
        scanned: input.long(),
        layers: input.word().into(),
        names: (0..input.byte() % 12).map(|_| long(input)).collect(),
        message: long(input),
        noted: (0..input.byte() % 12).map(|_| long(input)).collect(),
    };
    let written = reply.encode();
    assert!(written.len() <= MAX_RECORD);
    reply.names.truncate(Reply::MAX_NAMES);
    reply.noted.truncate(Reply::MAX_NOTED);
    reply.names.iter_mut().chain(&mut reply.noted).for_each(|name| name.truncate(Reply::MAX_NAME));
    reply.message.truncate(Reply::MAX_MESSAGE);
    assert_eq!(Reply::decode(&written), Ok(reply));
    let temp_dir = input.text();
    let temp_dir = temp_dir[..temp_dir.len().min(4096)].to_vec();
    let command = Command::Fork { temp_dir, memory: input.long() };
    let written = command.encode();
    assert!(written.len() <= MAX_RECORD);
    assert_eq!(Command::decode(&written).as_ref(), Ok(&command));
    let event = Event::LoadFailed { message: long(input) };
    assert!(event.encode().len() <= MAX_RECORD);
}

/// A text of a few bytes, said over.
fn long(input: &mut Input<'_>) -> Vec<u8> {
    let times = usize::from(input.byte());
    input.text().repeat(times)
}
