//! The records between the scanner and the processes that take containers apart.

use icapstan_unpack::{Container, Gap, Handed, MAX_NAME, MAX_RECORD, NoRecord, Order};
use std::fmt::Debug;

/// Decodes a record of each kind, and tells containers by any first bytes.
///
/// - A record is an order or an answer, and never both.
/// - What was decoded is written as it came; a byte less is another record at most.
/// - No name is longer than it may be, and no gap is one that nobody knows.
/// - More bytes change what a container is told to be only if there were too few for its mark.
pub fn handover(data: &[u8]) {
    let order = decoded(data, Order::decode, Order::encode);
    let handed = decoded(data, Handed::decode, Handed::encode);
    assert!(order.is_none() || handed.is_none());
    match handed {
        Some(Handed::Member { name, .. }) => assert!(name.len() <= MAX_NAME),
        Some(Handed::Done { gaps, .. }) => {
            assert_eq!(gaps.is_empty(), !Gap::ALL.iter().any(|gap| gaps.has(*gap)));
        }
        None => {}
    }
    let mark = &data[..data.len().min(14)];
    if let Some(container) = Container::of(mark).filter(|_| !matches!(mark, [0x50..=0x5f, ..])) {
        // A tar archive may begin as a stream of LZMA does, which has no mark, or of zlib, whose mark is short.
        let has_weak_mark = matches!(container, Container::Lzma | Container::Zlib);
        assert!(Container::of(data) == Some(container) || has_weak_mark);
    }
}

fn decoded<T: PartialEq + Debug>(
    record: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, NoRecord>,
    encode: impl Fn(&T) -> Vec<u8>,
) -> Option<T> {
    let value = decode(record).ok()?;
    assert!(record.len() <= MAX_RECORD);
    assert_eq!(encode(&value), record);
    Some(value)
}
