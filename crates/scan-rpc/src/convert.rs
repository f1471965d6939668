//! Between the values of the model and the messages. Whatever a peer leaves out or gets wrong is an error, never
//! a value that happens to fit.

use icapstan_model::{
    FailedReason, Findings, GenerationId, HeuristicLevel, Load, Mode, NonScannedReason, Origin, ScanContext,
    ScanProfile, ScanReport, Sha256, SignatureSet, ThreatName, Unpack, Verdict,
};
use icapstan_proto::{fleet, scan};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use thiserror::Error;

/// More lines of Content-Type are not sent, nor taken.
const MAX_CONTENT_TYPES: usize = 1 << 12;

/// What a message lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0} is missing, or is none")]
pub(crate) struct Invalid(pub(crate) &'static str);

/// What a request asks for, besides the bytes of the object.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) len: u64,
    pub(crate) generation: GenerationId,
    /// Other signatures may decide too.
    pub(crate) any: bool,
    /// Only if nobody else wants a worker.
    pub(crate) is_background: bool,
    pub(crate) context: ScanContext,
}

/// The header of a request.
pub(crate) fn header(len: u64, context: &ScanContext, generation: GenerationId) -> scan::ScanHeader {
    // The trace goes into the head of the call, as everywhere.
    let ScanContext { mode, content_encoding, content_types, partial, profile, trace: _ } = context;
    scan::ScanHeader {
        length: len,
        generation: generation.0.to_vec(),
        any_generation: false,
        mode: match mode {
            Mode::Reqmod => scan::Mode::Reqmod,
            Mode::Respmod => scan::Mode::Respmod,
        }
        .into(),
        content_encoding: content_encoding.clone(),
        content_types: content_types.clone(),
        partial: *partial,
        profile: Some(profile_message(profile)),
        gateway: String::new(),
        priority: scan::Priority::Unspecified.into(),
    }
}

fn profile_message(profile: &ScanProfile) -> scan::ScanProfile {
    let ScanProfile {
        max_object_size,
        max_total_size,
        timeout,
        max_depth,
        max_files,
        unpack: Unpack { packed, archives, mail, mail_databases },
        heuristics,
        phishing,
        macros,
        cache,
    } = *profile;
    scan::ScanProfile {
        max_object_size,
        max_total_size,
        timeout_us: micros(timeout),
        max_depth,
        max_files,
        packed,
        archives,
        mail,
        mail_databases,
        heuristics: match heuristics {
            HeuristicLevel::Off => scan::Heuristics::Off,
            HeuristicLevel::Shallow => scan::Heuristics::Shallow,
            HeuristicLevel::Medium => scan::Heuristics::Medium,
            HeuristicLevel::Detail => scan::Heuristics::Detail,
        }
        .into(),
        phishing,
        macros,
        cache,
    }
}

/// What the header of a request asks for.
pub(crate) fn asked(header: scan::ScanHeader) -> Result<Asked, Invalid> {
    let mode = match header.mode() {
        scan::Mode::Reqmod => Mode::Reqmod,
        scan::Mode::Respmod => Mode::Respmod,
        scan::Mode::Unspecified => return Err(Invalid("mode")),
    };
    if header.content_types.len() > MAX_CONTENT_TYPES {
        return Err(Invalid("content_types"));
    }
    let is_background = header.priority() == scan::Priority::Background;
    let profile = header.profile.ok_or(Invalid("profile"))?;
    Ok(Asked {
        len: header.length,
        generation: generation(&header.generation)?,
        any: header.any_generation,
        is_background,
        context: ScanContext {
            mode,
            content_encoding: header.content_encoding,
            content_types: header.content_types,
            partial: header.partial,
            profile: Arc::new(profile_of(&profile)?),
            trace: None,
        },
    })
}

fn profile_of(message: &scan::ScanProfile) -> Result<ScanProfile, Invalid> {
    let heuristics = match message.heuristics() {
        scan::Heuristics::Off => HeuristicLevel::Off,
        scan::Heuristics::Shallow => HeuristicLevel::Shallow,
        scan::Heuristics::Medium => HeuristicLevel::Medium,
        scan::Heuristics::Detail => HeuristicLevel::Detail,
        scan::Heuristics::Unspecified => return Err(Invalid("heuristics")),
    };
    let scan::ScanProfile {
        max_object_size,
        max_total_size,
        timeout_us,
        max_depth,
        max_files,
        packed,
        archives,
        mail,
        mail_databases,
        heuristics: _,
        phishing,
        macros,
        cache,
    } = *message;
    Ok(ScanProfile {
        max_object_size,
        max_total_size,
        timeout: Duration::from_micros(timeout_us),
        max_depth,
        max_files,
        unpack: Unpack { packed, archives, mail, mail_databases },
        heuristics,
        phishing,
        macros,
        cache,
    })
}

/// The answer to a request.
pub(crate) fn response(
    report: &ScanReport,
    generation: GenerationId,
    load: scan::Load,
) -> scan::ScanResponse {
    scan::ScanResponse {
        verdicts: report.findings.iter().map(verdict_message).collect(),
        sha256: report.sha256.as_ref().map(|digest| digest.0.to_vec()).unwrap_or_default(),
        waited_us: micros(report.waited),
        engine_us: micros(report.engine),
        origin: match report.origin {
            Origin::Poison => scan::Origin::Poison,
            _ => scan::Origin::Unspecified,
        }
        .into(),
        generation: generation.0.to_vec(),
        load: Some(load),
        plan_generation: 0,
    }
}

fn verdict_message(verdict: &Verdict) -> scan::Verdict {
    let kind = match verdict {
        Verdict::Clean => scan::VerdictKind::Clean,
        Verdict::NonScanned(_) => scan::VerdictKind::NonScanned,
        Verdict::Failed(_) => scan::VerdictKind::Failed,
        Verdict::Macro(_) => scan::VerdictKind::Macro,
        Verdict::Phishing(_) => scan::VerdictKind::Phishing,
        Verdict::Infected(_) => scan::VerdictKind::Detect,
    };
    scan::Verdict {
        kind: kind.into(),
        threat: verdict.threat().map(|threat| threat.as_str().to_owned()).unwrap_or_default(),
        reason: verdict.reason().map(|reason| reason.as_str().to_owned()).unwrap_or_default(),
    }
}

/// What an answer says, of a request for signatures of `asked`.
pub(crate) fn report(response: &scan::ScanResponse, asked: GenerationId) -> Result<ScanReport, Invalid> {
    let decided = generation(&response.generation)?;
    let origin = match response.origin() {
        scan::Origin::Poison => Origin::Poison,
        scan::Origin::Unspecified => Origin::Scan,
    };
    let mut verdicts = response.verdicts.iter().map(verdict_of);
    let mut findings = Findings::from(verdicts.next().ok_or(Invalid("verdicts"))?);
    verdicts.for_each(|verdict| findings.add(verdict));
    let sha256 = match response.sha256.as_slice() {
        [] => None,
        digest => Some(Sha256(digest.try_into().map_err(|_| Invalid("sha256"))?)),
    };
    Ok(ScanReport {
        findings,
        sha256,
        waited: Duration::from_micros(response.waited_us),
        engine: Duration::from_micros(response.engine_us),
        origin,
        decided_by: (decided != asked).then_some(decided),
    })
}

/// What nobody here knows, since it is of a later version, is no statement that the object was looked at.
fn verdict_of(message: &scan::Verdict) -> Verdict {
    let threat = || ThreatName::new(message.threat.as_bytes());
    let unknown = Verdict::Failed(FailedReason::EngineError);
    match message.kind() {
        scan::VerdictKind::Unspecified => unknown,
        scan::VerdictKind::Clean => Verdict::Clean,
        scan::VerdictKind::NonScanned => {
            NonScannedReason::of(&message.reason).map_or(unknown, Verdict::NonScanned)
        }
        scan::VerdictKind::Failed => FailedReason::of(&message.reason).map_or(unknown, Verdict::Failed),
        scan::VerdictKind::Macro => Verdict::Macro(threat()),
        scan::VerdictKind::Phishing => Verdict::Phishing(threat()),
        scan::VerdictKind::Detect => Verdict::Infected(threat()),
    }
}

/// What is told of loaded signatures.
pub(crate) fn signatures_message(set: &SignatureSet) -> fleet::Signatures {
    let SignatureSet { id, count, test_only, engine, released } = set;
    let seconds = |time: SystemTime| match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).ok(),
        Err(before) => i64::try_from(before.duration().as_secs()).ok().map(|seconds| -seconds),
    };
    fleet::Signatures {
        generation: id.0.to_vec(),
        count: *count,
        test_only: *test_only,
        engine: engine.clone(),
        released: released.and_then(seconds),
    }
}

/// What a scanner tells of loaded signatures.
pub(crate) fn signatures_of(message: &fleet::Signatures) -> Result<SignatureSet, Invalid> {
    let time = |seconds: i64| {
        let distance = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) }
    };
    Ok(SignatureSet {
        id: generation(&message.generation)?,
        count: message.count,
        test_only: message.test_only,
        engine: inert(&message.engine),
        released: message.released.and_then(time),
    })
}

/// What stands in logs and answers of another process's words: printable and short.
pub(crate) fn inert(text: &str) -> String {
    const MAX: usize = 256;
    text.chars().filter(|char| !char.is_control()).take(MAX).collect()
}

/// How busy a scanner is.
pub(crate) fn load_message(load: Load, jobs: u64, bytes: u64) -> scan::Load {
    scan::Load {
        jobs: u32::try_from(jobs).unwrap_or(u32::MAX),
        bytes,
        wait_us: micros(load.wait),
        workers: u32::try_from(load.workers).unwrap_or(u32::MAX),
        busy: u32::try_from(load.busy).unwrap_or(u32::MAX),
    }
}

pub(crate) fn generation(bytes: &[u8]) -> Result<GenerationId, Invalid> {
    bytes.try_into().map(GenerationId).map_err(|_| Invalid("generation"))
}

pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod versions;
