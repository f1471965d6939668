//! Records of blocked URLs, as they come from Redis, and URLs that are remembered.

use crate::input::Input;
use icapstan_cache::{
    Entry, Id, MAX_RECORD, MAX_URL, Record, SealKey, Unbelieved, decode, encode, exact_url,
};
use icapstan_model::{GenerationId, ThreatName, Verdict};
use std::sync::Arc;
use std::time::Duration;

/// Some time.
const NOW: u64 = 1_700_000_000_000;

/// Reads a record that somebody made who does not have the key, the same sealed by who has it, and one that was
/// made as they are made.
///
/// - Without the key nothing is believed.
/// - What is believed is written the same, stands under its own id, has texts that are inert, and is not over.
/// - What was made is read as it was, is no longer than a record may be, and every change of a byte shows.
/// - A URL that is remembered is remembered as itself.
pub fn blocked_url(data: &[u8]) {
    let key = SealKey::new(&[7; 32], "icapstan:").expect("it is long enough");
    if let Some((id, record)) = data.split_first_chunk::<32>() {
        assert!(decode(id, record, &key, NOW).is_err());
    }
    if let Some(record) = icapstan_cache::sealed(data, &key)
        && let Some(id) = data.get(14..46)
        && let Ok(found) = decode(id, &record, &key, NOW)
    {
        assert_eq!(encode(&found, &key), record);
        believed(&found, id);
    }
    made(&mut Input::new(data), &key);
}

fn believed(record: &Record, id: &[u8]) {
    assert_eq!(record.id.0, id);
    assert!(record.at.saturating_add(u64::try_from(record.ttl.as_millis()).expect("it is short")) > NOW);
    let Some(entry) = &record.entry else { return };
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let threat = entry.verdict().threat().expect("only detections are remembered");
    assert!(is_plain(entry.url()) && is_plain(entry.tenant()) && is_plain(threat.as_str()));
    assert!(entry.url().len() <= MAX_URL && entry.id() == record.id);
    assert_eq!(exact_url(entry.url().to_owned()).as_deref(), Some(entry.url()));
}

fn made(input: &mut Input<'_>, key: &SealKey) {
    let (flags, byte, ttl) = (input.byte(), input.byte(), u64::from(input.byte()) + 1);
    let name = ThreatName::new(input.text());
    let url = String::from_utf8_lossy(input.text()).into_owned();
    let Some(url) = exact_url(url) else { return };
    assert_eq!(exact_url(url.clone()).as_deref(), Some(url.as_str()));
    let verdict = match flags % 3 {
        0 => Verdict::Infected(name),
        1 => Verdict::Phishing(name),
        _ => Verdict::Macro(name),
    };
    let generation = (flags & 8 != 0).then_some(GenerationId([byte; 32]));
    let entry = Entry::new("acme", &url, &verdict, generation).expect("it is a detection at a URL");
    let entry = (flags & 16 == 0).then(|| Arc::new(entry));
    let record = Record { id: Id::of("acme", &url), at: NOW, ttl: Duration::from_secs(ttl), entry };
    let mut bytes = encode(&record, key);
    assert!(bytes.len() <= MAX_RECORD);
    assert_eq!(decode(&record.id.0, &bytes, key, NOW).as_ref(), Ok(&record));
    assert_eq!(decode(&Id::of("other", &url).0, &bytes, key, NOW), Err(Unbelieved::Misplaced));
    assert_eq!(decode(&record.id.0, &bytes, key, NOW + ttl * 1000), Err(Unbelieved::Expired));
    let at = usize::from(byte) % bytes.len();
    bytes[at] ^= 1 << (flags >> 5);
    assert!(decode(&record.id.0, &bytes, key, NOW).is_err());
}
