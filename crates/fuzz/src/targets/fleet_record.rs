//! Records of objects that processes share, as they come from Redis.

use crate::input::Input;
use icapstan_cache::{
    MAX_POISON_RECORD, MAX_VERDICT_RECORD, PoisonRecord, SealKey, Unbelieved, VerdictRecord, decode_poison,
    decode_verdict, encode_poison, encode_verdict, sealed_under,
};
use icapstan_model::{FailedReason, Findings, NonScannedReason, PoisonMark, Sha256, ThreatName, Verdict};
use std::time::Duration;

/// Some time.
const NOW: u64 = 1_700_000_000_000;
const KEY: [u8; 32] = [5; 32];
const OTHER: [u8; 32] = [6; 32];

/// Reads a record that somebody made who does not have the secret, the same sealed by who has it, and one that was
/// made as they are made.
///
/// - Without the secret nothing is believed.
/// - What is believed is written the same, is not over, and says only what such a record may say: of a verdict nothing
///   uncertain, of an object that takes workers never that it is clean.
/// - What was made is read as it was under its own key only, and every change of a byte shows.
pub fn fleet_record(data: &[u8]) {
    let seal = SealKey::new(&[7; 32], "icapstan:").expect("it is long enough");
    assert!(decode_verdict(data, &KEY, &seal, NOW).is_err());
    assert!(decode_poison(data, &KEY, &seal, NOW).is_err());
    if let Some(record) = sealed_under(data, &KEY, &seal) {
        if let Ok((found, left)) = decode_verdict(&record, &KEY, &seal, NOW) {
            assert_eq!(encode_verdict(&found, &KEY, &seal), Some(record.clone()));
            assert!(found.findings.iter().all(|verdict| verdict.reason().is_none()));
            believed(&found.findings, found.ttl, left);
        }
        if let Ok((found, left)) = decode_poison(&record, &KEY, &seal, NOW) {
            assert_eq!(encode_poison(&found, &KEY, &seal), Some(record));
            if let PoisonMark::Poison { findings, .. } = &found.mark {
                assert!(!findings.is_clean());
                believed(findings, found.ttl, left);
            }
        }
    }
    made(&mut Input::new(data), &seal);
}

fn believed(findings: &Findings, ttl: Duration, left: Duration) {
    assert!(
        !left.is_zero() && left <= ttl + Duration::from_mins(1) && findings.iter().len() <= Findings::MAX
    );
    let is_plain = |name: &ThreatName| name.as_str().bytes().all(|byte| byte.is_ascii_graphic());
    assert!(findings.iter().filter_map(Verdict::threat).all(is_plain));
}

fn made(input: &mut Input<'_>, seal: &SealKey) {
    let (flags, byte, ttl) = (input.byte(), input.byte(), Duration::from_secs(u64::from(input.byte()) + 1));
    let mut findings = Findings::clean();
    for _ in 0..flags % 32 {
        let kind = input.byte();
        let name = ThreatName::new(input.text());
        findings.add(match kind % 5 {
            0 => Verdict::Infected(name),
            1 => Verdict::Phishing(name),
            2 => Verdict::Macro(name),
            3 => Verdict::Failed(FailedReason::ALL[usize::from(kind) % FailedReason::ALL.len()]),
            _ => Verdict::NonScanned(NonScannedReason::ALL[usize::from(kind) % NonScannedReason::ALL.len()]),
        });
    }
    let sha256 = (flags & 32 != 0).then_some(Sha256([byte; 32]));
    let over = NOW + u64::try_from(ttl.as_millis()).expect("it is short");
    let verdict = VerdictRecord { at: NOW, ttl, findings: findings.clone(), sha256 };
    if let Some(mut bytes) = encode_verdict(&verdict, &KEY, seal) {
        assert!(bytes.len() <= MAX_VERDICT_RECORD);
        assert_eq!(decode_verdict(&bytes, &KEY, seal, NOW), Ok((verdict, ttl)));
        assert_eq!(decode_verdict(&bytes, &OTHER, seal, NOW), Err(Unbelieved::Forged));
        assert_eq!(decode_verdict(&bytes, &KEY, seal, over), Err(Unbelieved::Expired));
        change(&mut bytes, byte, flags);
        assert!(decode_verdict(&bytes, &KEY, seal, NOW).is_err());
    }
    let mark = match flags >> 6 {
        0 => PoisonMark::Suspect,
        1 => PoisonMark::Innocent,
        _ => PoisonMark::Poison { findings, sha256 },
    };
    let poison = PoisonRecord { at: NOW, ttl, len: u64::from(byte) << 32, mark };
    if let Some(mut bytes) = encode_poison(&poison, &KEY, seal) {
        assert!(bytes.len() <= MAX_POISON_RECORD);
        assert_eq!(decode_poison(&bytes, &KEY, seal, NOW), Ok((poison, ttl)));
        assert_eq!(decode_poison(&bytes, &OTHER, seal, NOW), Err(Unbelieved::Forged));
        change(&mut bytes, byte, flags);
        assert!(decode_poison(&bytes, &KEY, seal, NOW).is_err());
    }
}

fn change(bytes: &mut [u8], byte: u8, flags: u8) {
    let at = usize::from(byte) % bytes.len();
    bytes[at] ^= 1 << (flags & 7);
}
