use super::*;
use crate::Secret;
use icapstan_model::{NonScannedReason, ThreatName};

const NOW: u64 = 1_700_000_000_000;
const KEY: [u8; 32] = [5; 32];

fn seal(prefix: &str, byte: u8) -> SealKey {
    SealKey::of_verdicts(&Secret::new(&[byte; 32], prefix).unwrap())
}

fn record(verdicts: &[Verdict]) -> VerdictRecord {
    let mut findings = Findings::clean();
    for verdict in verdicts {
        findings.add(verdict.clone());
    }
    let sha256 = (!verdicts.is_empty()).then_some(Sha256([9; 32]));
    VerdictRecord { at: NOW, ttl: Duration::from_mins(1), findings, sha256 }
}

fn threats() -> Vec<Verdict> {
    let name = |number: usize| ThreatName::from(format!("{number:x>128}").as_str());
    let of = |make: fn(ThreatName) -> Verdict| (0..8).map(move |number| make(name(number)));
    of(Verdict::Infected).chain(of(Verdict::Phishing)).chain(of(Verdict::Macro)).collect()
}

#[test]
fn records_are_read_as_they_were_written_and_no_byte_can_be_changed() {
    let seal = seal("icapstan:", 7);
    for verdicts in [&[][..], &threats()[..1], &threats()] {
        let record = record(verdicts);
        let bytes = encode_verdict(&record, &KEY, &seal).unwrap();
        assert!(bytes.len() <= MAX_VERDICT_RECORD, "{}", bytes.len());
        let (read, left) = decode_verdict(&bytes, &KEY, &seal, NOW + 20_000).unwrap();
        assert_eq!((read, left), (record, Duration::from_secs(40)));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 4;
            assert!(decode_verdict(&changed, &KEY, &seal, NOW).is_err(), "byte {at}");
            assert!(decode_verdict(&bytes[..at], &KEY, &seal, NOW).is_err(), "cut at {at}");
        }
    }
    assert_eq!(encode_verdict(&record(&threats()), &KEY, &seal).unwrap().len(), MAX_VERDICT_RECORD);
}

#[test]
fn a_record_counts_under_its_own_key_with_its_own_secret_and_in_its_own_time() {
    let own = seal("icapstan:", 7);
    let bytes = encode_verdict(&record(&[]), &KEY, &own).unwrap();
    let as_read = |key, seal: &SealKey, now| decode_verdict(&bytes, &key, seal, now).map(|_| ());
    assert_eq!(as_read(KEY, &own, NOW), Ok(()));
    assert_eq!(as_read([6; 32], &own, NOW), Err(Unbelieved::Forged), "copied to another object");
    assert_eq!(as_read(KEY, &seal("other:", 7), NOW), Err(Unbelieved::Forged));
    assert_eq!(as_read(KEY, &seal("icapstan:", 8), NOW), Err(Unbelieved::Forged));
    let of_urls = SealKey::new(&[7; 32], "icapstan:").unwrap();
    assert_eq!(as_read(KEY, &of_urls, NOW), Err(Unbelieved::Forged), "that of another kind");
    assert_eq!(as_read(KEY, &own, NOW + 59_999), Ok(()));
    assert_eq!(as_read(KEY, &own, NOW + 60_000), Err(Unbelieved::Expired), "replayed");
    assert_eq!(as_read(KEY, &own, NOW - SKEW), Ok(()));
    assert_eq!(as_read(KEY, &own, NOW - SKEW - 1), Err(Unbelieved::Future));
    let long = vec![0; MAX_VERDICT_RECORD + 1];
    assert_eq!(decode_verdict(&long, &KEY, &own, NOW), Err(Unbelieved::Oversized));
}

#[test]
fn what_is_not_certain_is_not_written_and_nothing_but_what_is_written_is_read() {
    let seal = seal("icapstan:", 7);
    for verdict in [Verdict::Failed(FailedReason::Crash), Verdict::NonScanned(NonScannedReason::Size)] {
        assert!(encode_verdict(&record(std::slice::from_ref(&verdict)), &KEY, &seal).is_none());
        assert!(encode_verdict(&record(&[threats()[0].clone(), verdict]), &KEY, &seal).is_none());
    }
    let head = [&[VERSION][..], &NOW.to_be_bytes(), &60_u32.to_be_bytes()].concat();
    let read = |rest: &[u8]| {
        let bytes = sealed_under(&[&head, rest].concat(), &KEY, &seal).unwrap();
        decode_verdict(&bytes, &KEY, &seal, NOW).map(|(record, _)| record.findings)
    };
    assert!(read(&[0, 0]).unwrap().is_clean());
    assert!(!read(&[0, 1, 1, 1, b'A']).unwrap().is_clean());
    for wrong in [
        &[][..],
        &[0],
        &[2, 0],
        &[0, 0, 0],
        &[0, 1],
        &[0, 1, 0, 1, b'A'],
        &[0, 1, 6, 1, b'A'],
        &[0, 1, 5, 5, b'c', b'r', b'a', b's', b'h'],
        &[0, 1, 1, 0],
        &[0, 1, 1, 1, b'\n'],
        &[0, 1, 1, 2, b'A'],
        &[0, 2, 1, 1, b'A', 1, 1, b'A'],
        &[0, 2, 3, 1, b'A', 1, 1, b'A'],
    ] {
        assert_eq!(read(wrong), Err(Unbelieved::Malformed), "{wrong:?}");
    }
}

#[test]
fn what_takes_workers_is_told_with_its_reason_and_is_never_clean() {
    let own = SealKey::of_poison(&Secret::new(&[7; 32], "icapstan:").unwrap());
    let poison = |verdicts: &[Verdict]| PoisonMark::Poison {
        findings: record(verdicts).findings,
        sha256: Some(Sha256([1; 32])),
    };
    let crash = Verdict::Failed(FailedReason::Crash);
    let mut all = threats();
    all.extend(FailedReason::ALL.map(Verdict::Failed));
    all.extend(NonScannedReason::ALL.map(Verdict::NonScanned));
    for mark in [PoisonMark::Suspect, PoisonMark::Innocent, poison(&[crash]), poison(&all)] {
        let told = PoisonRecord { at: NOW, ttl: Duration::from_mins(1), len: 1 << 40, mark };
        let bytes = encode_poison(&told, &KEY, &own).unwrap();
        assert!(bytes.len() <= MAX_POISON_RECORD);
        assert_eq!(decode_poison(&bytes, &KEY, &own, NOW), Ok((told, Duration::from_mins(1))));
        assert_eq!(decode_poison(&bytes, &[6; 32], &own, NOW), Err(Unbelieved::Forged));
        assert_eq!(decode_poison(&bytes, &KEY, &seal("icapstan:", 7), NOW), Err(Unbelieved::Forged));
        assert_eq!(decode_poison(&bytes, &KEY, &own, NOW + 60_000), Err(Unbelieved::Expired));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 4;
            assert!(decode_poison(&changed, &KEY, &own, NOW).is_err(), "byte {at}");
        }
    }
    for verdicts in [&[][..], &threats()[..1], &[Verdict::Failed(FailedReason::Memory)]] {
        let told = PoisonRecord { at: NOW, ttl: Duration::from_mins(1), len: 1, mark: poison(verdicts) };
        assert!(encode_poison(&told, &KEY, &own).is_none());
    }
    let head = [&[VERSION][..], &NOW.to_be_bytes(), &60_u32.to_be_bytes(), &1_u64.to_be_bytes()].concat();
    for wrong in [&[][..], &[0], &[4], &[SUSPECT, 0], &[POISON], &[POISON, 0, 0], &[POISON, 0, 1, 1, 1, b'A']]
    {
        let bytes = sealed_under(&[&head, wrong].concat(), &KEY, &own).unwrap();
        assert_eq!(decode_poison(&bytes, &KEY, &own, NOW), Err(Unbelieved::Malformed), "{wrong:?}");
    }
}
