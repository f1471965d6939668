//! What a reply of the engine means. Pure.
//!
//! libclamav 1.4 says "clean" in many cases in which it did not look, so that clean is what remains
//! when every sign of the opposite is absent, and never what is assumed.

use icapstan_clamav_wire::{Reply, ReplyFlags};
use icapstan_model::{FailedReason, Findings, NonScannedReason, ThreatName, Verdict};

/// An object that unpacks to more than this many times its size hit a limit by its ratio, not by its size.
pub(crate) const MAX_RATIO: u32 = 100;

/// `cl_error_t` of clamav.h: the codes that a scan returns.
mod code {
    pub(super) const CLEAN: u32 = 0;
    pub(super) const VIRUS: u32 = 1;
    pub(super) const EUNLINK: u32 = 10;
    pub(super) const EWRITE: u32 = 14;
    pub(super) const ETMPFILE: u32 = 17;
    pub(super) const ETMPDIR: u32 = 18;
    pub(super) const EMEM: u32 = 20;
    pub(super) const ETIMEOUT: u32 = 21;
}

const LIMIT: &str = "Heuristics.Limits.Exceeded";
const UNOFFICIAL: &str = ".UNOFFICIAL";

/// What is known of the call besides its reply.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// Bytes of what was scanned.
    pub(crate) len: u64,
    /// The limit on each layer.
    pub(crate) max_layer: u64,
    /// The limit on all layers together.
    pub(crate) max_total: u64,
    /// Only the built-in signatures are loaded.
    pub(crate) test_only: bool,
}

/// Judges one reply.
pub(crate) fn judge(reply: &Reply, call: &Call) -> Findings {
    let mut findings = Findings::clean();
    for name in &reply.names {
        findings.add(named(name, call));
    }
    // Beyond a limit libclamav does not begin, and says so by the limit's name.
    let is_explained = findings.iter().any(|verdict| !matches!(verdict, Verdict::Clean | Verdict::Macro(_)));
    let has = |flag| reply.flags.has(flag);
    for (flag, reason) in [
        (ReplyFlags::UNSUPPORTED, NonScannedReason::Unsupported),
        (ReplyFlags::IGNORED, NonScannedReason::Unsupported),
        (ReplyFlags::ENCRYPTED, NonScannedReason::Encrypted),
        (ReplyFlags::DEPTH, NonScannedReason::Depth),
        (ReplyFlags::FILES, NonScannedReason::Count),
        (ReplyFlags::SIZE, size_or_ratio(call.len, call.max_layer)),
        (ReplyFlags::MALFORMED, NonScannedReason::Malformed),
        (ReplyFlags::SKIPPED, NonScannedReason::Skipped),
    ] {
        if has(flag) {
            findings.add(Verdict::NonScanned(reason));
        }
    }
    if has(ReplyFlags::RULES_CUT) {
        findings.add(Verdict::Failed(FailedReason::Time));
    }
    if let Some(reason) = failure(reply) {
        findings.add(Verdict::Failed(reason));
    }
    if !has(ReplyFlags::INSPECTED) && !is_explained {
        findings.add(Verdict::Failed(FailedReason::EngineError));
    }
    // A flag that this code does not know says that something was odd.
    if reply.flags.0 & !KNOWN_FLAGS != 0 {
        findings.add(Verdict::Failed(FailedReason::EngineError));
    }
    findings
}

const KNOWN_FLAGS: u32 = ReplyFlags::INSPECTED
    .with(ReplyFlags::WARNED)
    .with(ReplyFlags::UNSUPPORTED)
    .with(ReplyFlags::IGNORED)
    .with(ReplyFlags::ENCRYPTED)
    .with(ReplyFlags::DEPTH)
    .with(ReplyFlags::FILES)
    .with(ReplyFlags::SIZE)
    .with(ReplyFlags::MALFORMED)
    .with(ReplyFlags::SKIPPED)
    .with(ReplyFlags::RULES_CUT)
    .0;

/// What went wrong, by the code and by the messages.
fn failure(reply: &Reply) -> Option<FailedReason> {
    match reply.code {
        code::CLEAN => {}
        // A detection without a name is no statement that anybody could check.
        code::VIRUS if reply.names.iter().any(|name| is_name(name)) => {}
        code::EMEM => return Some(FailedReason::Memory),
        code::EUNLINK | code::EWRITE | code::ETMPFILE | code::ETMPDIR => {
            return Some(FailedReason::TempSpace);
        }
        code::ETIMEOUT => return Some(FailedReason::Time),
        _ => return Some(FailedReason::EngineError),
    }
    if !reply.flags.has(ReplyFlags::WARNED) {
        return None;
    }
    let message = String::from_utf8_lossy(&reply.message).to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    Some(if says(&["no space left", "write error", "temporary", "tempor", "gentemp", "quota"]) {
        FailedReason::TempSpace
    } else if says(&["allocate memory", "out of memory", "malloc", "calloc", "realloc"]) {
        FailedReason::Memory
    } else {
        FailedReason::EngineError
    })
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name != b"(null)"
}

/// What a detection of this name says.
fn named(raw: &[u8], call: &Call) -> Verdict {
    if !is_name(raw) {
        return Verdict::Failed(FailedReason::EngineError);
    }
    let text = String::from_utf8_lossy(raw);
    if let Some(limit) = text.strip_prefix(LIMIT) {
        return exceeded(limit.trim_start_matches('.'), call);
    }
    let threat = || ThreatName::new(raw);
    if text.starts_with("Heuristics.Encrypted.") {
        Verdict::NonScanned(NonScannedReason::Encrypted)
    } else if text.starts_with("Heuristics.XZ.DicSizeLimit") {
        // Not unpacked, since unpacking takes more memory than is given.
        Verdict::NonScanned(NonScannedReason::Ratio)
    } else if text.starts_with("Heuristics.OLE2.ContainsMacros") {
        Verdict::Macro(threat())
    } else if text.starts_with("Heuristics.Phishing.") || text.starts_with("Heuristics.Safebrowsing.") {
        Verdict::Phishing(threat())
    } else if call.test_only {
        // These signatures are the program's own; they are official where they stand.
        Verdict::Infected(ThreatName::from(text.strip_suffix(UNOFFICIAL).unwrap_or(&text)))
    } else {
        Verdict::Infected(threat())
    }
}

/// Which limit it was. The names are those of libclamav 1.4 and 1.5, with or without more behind them.
fn exceeded(limit: &str, call: &Call) -> Verdict {
    let limit = limit.strip_suffix(UNOFFICIAL).unwrap_or(limit);
    Verdict::NonScanned(match limit {
        "MaxScanTime" => return Verdict::Failed(FailedReason::Time),
        "MaxFileSize" => size_or_ratio(call.len, call.max_layer),
        "MaxScanSize" => size_or_ratio(call.len, call.max_total),
        "MaxRecursion" => NonScannedReason::Depth,
        "MaxFiles" | "EmailMIMEPartsPerMessage" | "EmailHeaders" => NonScannedReason::Count,
        _ if limit.starts_with("Email") => NonScannedReason::Malformed,
        _ => return Verdict::Failed(FailedReason::EngineError),
    })
}

/// Beyond a size limit by something that is itself far below it: then it is the packing that hides it,
/// which whoever packs can bring about at will.
pub(crate) fn size_or_ratio(len: u64, limit: u64) -> NonScannedReason {
    if len.saturating_mul(u64::from(MAX_RATIO)) < limit {
        NonScannedReason::Ratio
    } else {
        NonScannedReason::Size
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use FailedReason::{EngineError, Memory, TempSpace, Time};
    use NonScannedReason::{Count, Depth, Encrypted, Malformed, Ratio, Size, Skipped, Unsupported};
    use proptest::prelude::*;

    const CALL: Call = Call { len: 8 << 20, max_layer: 10 << 20, max_total: 400 << 20, test_only: false };
    const LOOKED: ReplyFlags = ReplyFlags::INSPECTED;

    fn reply(code: u32, flags: ReplyFlags, names: &[&str], message: &str) -> Reply {
        Reply {
            id: 1,
            code,
            flags,
            scanned: 0,
            layers: 1,
            names: names.iter().map(|name| name.as_bytes().to_vec()).collect(),
            noted: Vec::new(),
            message: message.as_bytes().to_vec(),
        }
    }

    fn judged(code: u32, flags: ReplyFlags, names: &[&str], message: &str) -> Vec<Verdict> {
        judge(&reply(code, flags, names, message), &CALL).iter().cloned().collect()
    }

    fn not(reason: NonScannedReason) -> Verdict {
        Verdict::NonScanned(reason)
    }

    fn failed(reason: FailedReason) -> Verdict {
        Verdict::Failed(reason)
    }

    fn infected(name: &str) -> Verdict {
        Verdict::Infected(ThreatName::from(name))
    }

    #[test]
    fn clean_is_only_a_clean_code_with_proof_of_a_look_and_no_other_sign() {
        assert_eq!(judged(0, LOOKED, &[], ""), [Verdict::Clean]);
        assert_eq!(judged(0, ReplyFlags::default(), &[], ""), [failed(EngineError)]);
        for bit in 1..32 {
            let flags = LOOKED.with(ReplyFlags(1 << bit));
            assert_ne!(judged(0, flags, &[], ""), [Verdict::Clean], "flag {bit}");
        }
    }

    #[test]
    fn every_limit_has_its_reason_and_none_is_an_infection() {
        for (name, expected) in [
            ("MaxFileSize", not(Size)),
            ("MaxScanSize", not(Size)),
            ("MaxFiles", not(Count)),
            ("MaxRecursion", not(Depth)),
            ("MaxScanTime", failed(Time)),
            ("EmailMIMEPartsPerMessage", not(Count)),
            ("EmailHeaders", not(Count)),
            ("EmailHeaderBytes", not(Malformed)),
            ("EmailLineFoldCnt", not(Malformed)),
            ("EmailMIMEArguments", not(Malformed)),
            ("SomethingNew", failed(EngineError)),
        ] {
            let name = format!("{LIMIT}.{name}");
            assert_eq!(judged(1, LOOKED, &[&name], ""), [expected], "{name}");
        }
        assert_eq!(judged(1, LOOKED, &[LIMIT], ""), [failed(EngineError)]);
    }

    #[test]
    fn a_small_object_that_fills_a_large_limit_is_a_matter_of_ratio() {
        let bomb = Call { len: 1000, ..CALL };
        for (name, reason) in [("MaxFileSize", Ratio), ("MaxScanSize", Ratio), ("MaxFiles", Count)] {
            let reply = reply(1, LOOKED, &[&format!("{LIMIT}.{name}")], "");
            assert_eq!(judge(&reply, &bomb), Findings::from(not(reason)));
        }
    }

    #[test]
    fn a_real_name_beside_a_limit_is_an_infection_and_the_limit_is_still_told() {
        let names = [&format!("{LIMIT}.MaxFileSize"), "Win.Test.UNOFFICIAL"];
        assert_eq!(judged(1, LOOKED, &names, ""), [infected("Win.Test.UNOFFICIAL"), not(Size)]);
    }

    #[test]
    fn heuristic_names_become_what_they_mean() {
        for (name, expected) in [
            ("Heuristics.Encrypted.Zip", not(Encrypted)),
            ("Heuristics.Encrypted.7Zip", not(Encrypted)),
            ("Heuristics.XZ.DicSizeLimit", not(Ratio)),
            (
                "Heuristics.OLE2.ContainsMacros.VBA",
                Verdict::Macro(ThreatName::from("Heuristics.OLE2.ContainsMacros.VBA")),
            ),
            (
                "Heuristics.Phishing.Email.SSL-Spoof",
                Verdict::Phishing(ThreatName::from("Heuristics.Phishing.Email.SSL-Spoof")),
            ),
            (
                "Heuristics.Safebrowsing.Suspected-malware_safebrowsing.clamav.net",
                Verdict::Phishing(ThreatName::from(
                    "Heuristics.Safebrowsing.Suspected-malware_safebrowsing.clamav.net",
                )),
            ),
            ("Heuristics.W32.Kriz", infected("Heuristics.W32.Kriz")),
            ("Eicar-Test-Signature", infected("Eicar-Test-Signature")),
        ] {
            assert_eq!(judged(1, LOOKED, &[name], ""), [expected], "{name}");
        }
    }

    #[test]
    fn the_suffix_of_unsigned_files_stays_but_for_the_built_in_set() {
        let reply = reply(1, LOOKED, &["Eicar-Test-Signature.UNOFFICIAL"], "");
        assert_eq!(judge(&reply, &CALL), Findings::from(infected("Eicar-Test-Signature.UNOFFICIAL")));
        let built_in = Call { test_only: true, ..CALL };
        assert_eq!(judge(&reply, &built_in), Findings::from(infected("Eicar-Test-Signature")));
    }

    #[test]
    fn every_error_code_is_a_failure_with_a_reason() {
        for (code, reason) in [
            (10, TempSpace),
            (14, TempSpace),
            (17, TempSpace),
            (18, TempSpace),
            (20, Memory),
            (21, Time),
            (2, EngineError),
            (11, EngineError),
            (19, EngineError),
            (999, EngineError),
        ] {
            assert_eq!(judged(code, LOOKED, &[], ""), [failed(reason)], "code {code}");
        }
        assert_eq!(judged(1, LOOKED, &[], ""), [failed(EngineError)], "a detection of nothing");
        assert_eq!(judged(1, LOOKED, &["(null)"], ""), [failed(EngineError)]);
        assert_eq!(judged(14, LOOKED, &["Worm"], ""), [infected("Worm"), failed(TempSpace)]);
    }

    #[test]
    fn a_warning_is_a_failure_named_after_what_it_says() {
        let warned = LOOKED.with(ReplyFlags::WARNED);
        for (message, reason) in [
            ("LibClamAV Error: write error: No space left on device", TempSpace),
            ("Can't create temporary directory /x", TempSpace),
            ("cli_max_malloc(): Can't allocate memory (100 bytes).", Memory),
            ("something else", EngineError),
            ("", EngineError),
        ] {
            assert_eq!(judged(0, warned, &[], message), [failed(reason)], "{message}");
        }
        assert_eq!(judged(1, warned, &["Worm"], "x"), [infected("Worm"), failed(EngineError)]);
    }

    #[test]
    fn every_flag_has_its_reason() {
        for (flag, reason) in [
            (ReplyFlags::UNSUPPORTED, Unsupported),
            (ReplyFlags::IGNORED, Unsupported),
            (ReplyFlags::ENCRYPTED, Encrypted),
            (ReplyFlags::DEPTH, Depth),
            (ReplyFlags::FILES, Count),
            (ReplyFlags::SIZE, Size),
            (ReplyFlags::MALFORMED, Malformed),
            (ReplyFlags::SKIPPED, Skipped),
        ] {
            assert_eq!(judged(0, LOOKED.with(flag), &[], ""), [not(reason)]);
        }
    }

    #[test]
    fn rules_that_were_not_done_are_a_failure_and_a_match_counts_whatever_the_engine_says() {
        assert_eq!(judged(0, LOOKED.with(ReplyFlags::RULES_CUT), &[], ""), [failed(Time)]);
        assert_eq!(judged(0, LOOKED, &["YARA.x"], ""), [infected("YARA.x")]);
    }

    proptest! {
        #[test]
        fn no_reply_but_the_one_clean_one_is_clean(code in 0u32..40, flags in any::<u32>(), name in ".{0,40}", named: bool) {
            let names = if named { vec![name.as_str()] } else { vec![] };
            let clean = code == 0 && flags == LOOKED.0 && !named;
            let findings = judge(&reply(code, ReplyFlags(flags), &names, ""), &CALL);
            prop_assert_eq!(findings.is_clean(), clean);
        }
    }
}
