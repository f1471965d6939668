//! The section `SDKSettings`, of which some versions keep a part in `KAVScanningSettings`.

use crate::document::Section;
use crate::draft::Draft;
use crate::values::Value;
use icapstan_api::{Config, Heuristics, UnpackKind};
use std::path::PathBuf;
use std::time::Duration;

/// The reference's own length of the queue.
const QUEUE_LENGTH: u32 = 1024;

const HOUR: u64 = 3_600_000;

const DROPPED: [(&str, &str); 4] = [
    ("LicensePath", "icapstan needs no licence file"),
    ("LicensingMode", "icapstan needs no licence"),
    (
        "BasesPath",
        "icapstan scans with ClamAV's databases: freshclam brings them, `signatures` names their folder",
    ),
    ("KSNSettings", "there is no cloud reputation"),
];

pub(crate) fn import(mut section: Section<'_>, draft: &mut Draft) {
    workers(&mut section, draft);
    scan(&mut section, draft);
    for name in ["ScanningMode", "Flags"] {
        if let Some(value) = section.value(name, draft) {
            flags(&value, draft);
        }
    }
    temp_path(&mut section, draft);
    for (name, message) in DROPPED {
        if let Some(element) = section.take(name, draft) {
            draft.dropped(&element.path, &element.text(), message);
        }
    }
    let recognizer = |name: &str| name.to_ascii_lowercase().contains("formatrecognizer");
    for element in section.take_those(|element| recognizer(element.name())) {
        let message = "formats are told by their content, always; nothing is left out by format";
        draft.dropped(&element.path, &element.text(), message);
    }
    section.finish(draft);
}

/// Brings settings together that icapstan wants to fit each other.
pub(crate) fn fit(draft: &mut Draft) {
    let limits = &mut draft.config.limits;
    // Only a queue shorter than this ever refuses anybody who holds a session.
    let enough = limits.sessions.saturating_mul(2);
    if limits.queue_length.is_none() && draft.written.contains("limits.sessions") && enough > QUEUE_LENGTH {
        limits.queue_length = Some(QUEUE_LENGTH);
        draft.write("limits.queueLength");
        let message = format!(
            "{QUEUE_LENGTH} is the reference's default, and written; its advice is twice MaxIcapSessionsCount, \
             which is icapstan's default"
        );
        draft.remark("SDKSettings/QueueLen", "", message);
    }
}

fn workers(section: &mut Section<'_>, draft: &mut Draft) {
    let workers = count(section, "ScannersCount", Config::MAX_WORKERS, draft);
    if let Some((_, workers)) = workers {
        draft.config.scanner.workers = Some(workers);
    }
    match (workers, count(section, "ThreadsCount", 16 * Config::MAX_WORKERS, draft)) {
        (Some((_, workers)), Some((value, threads))) => {
            draft.config.scanner.in_flight = Some(threads.max(workers));
            if threads < workers {
                let message = format!("is less than ScannersCount; {workers} is taken");
                draft.approximated(&value.path, &value.text, message);
            }
        }
        (None, Some((value, _))) => {
            let message =
                "says nothing without ScannersCount; icapstan has twice as many as there are workers";
            draft.dropped(&value.path, &value.text, message);
        }
        _ => {}
    }
    if let Some((_, length)) = count(section, "QueueLen", 10_000_000, draft) {
        draft.config.limits.queue_length = Some(length);
    }
}

/// A number of things, at least one of them.
fn count(section: &mut Section<'_>, name: &str, most: u32, draft: &mut Draft) -> Option<(Value, u32)> {
    let value = section.value(name, draft)?;
    match value.number(draft)? {
        0 => {
            draft.dropped(&value.path, &value.text, "is none at all; icapstan's default holds");
            None
        }
        number => {
            let count = value.within(draft, number, 1, most);
            Some((value, count))
        }
    }
}

fn scan(section: &mut Section<'_>, draft: &mut Draft) {
    if let Some(value) = section.value("ScanTimeout", draft)
        && let Some(millis) = value.number(draft)
    {
        let millis = if millis == 0 {
            draft.approximated(&value.path, &value.text, "no limit there; icapstan's longest, 1h, is taken");
            HOUR
        } else {
            value.within(draft, millis, 100, HOUR)
        };
        draft.policy().scan.timeout = Duration::from_millis(millis);
        draft.write("policies[].scan.timeout");
    }
    if let Some(value) = section.value("MaxArchivesScanningDepth", draft)
        && let Some(depth) = value.number(draft)
    {
        let most = 64;
        draft.policy().scan.max_depth = if depth == 0 {
            draft.approximated(
                &value.path,
                &value.text,
                "read as no limit; icapstan's deepest, 64, is taken",
            );
            most
        } else {
            value.within(draft, depth, 1, most)
        };
        draft.write("policies[].scan.maxDepth");
    }
    if let Some(value) = section.value("UseKSN", draft)
        && value.switch(draft) == Some(true)
    {
        let message = "there is no cloud reputation; files and URLs are judged by local signatures and lists";
        draft.dropped(&value.path, &value.text, message);
    }
}

/// `ScanningMode`: words with bars between them. Without any, nothing is opened.
fn flags(value: &Value, draft: &mut Draft) {
    let mut unpack = Vec::new();
    let mut heuristics = Heuristics::Off;
    let mut phishing = false;
    for word in
        value.text.split(|c: char| c == '|' || c == ',' || c.is_whitespace()).filter(|word| !word.is_empty())
    {
        let plain = word.to_ascii_uppercase();
        let kind = match plain.strip_prefix("KAV_O_M_").unwrap_or(&plain) {
            "PACKED" => UnpackKind::Packed,
            "ARCHIVED" => UnpackKind::Archives,
            "MAILPLAIN" => UnpackKind::Mail,
            "MAILBASES" => UnpackKind::MailDatabases,
            other => {
                match other {
                    "HEURISTIC_LEVEL_SHALLOW" => heuristics = Heuristics::Shallow,
                    "HEURISTIC_LEVEL_MEDIUM" => heuristics = Heuristics::Medium,
                    "HEURISTIC_LEVEL_DETAIL" => heuristics = Heuristics::Detail,
                    "PHISHING" => phishing = true,
                    "0" => {}
                    _ => draft.dropped(&value.path, word, "not known, and without effect"),
                }
                continue;
            }
        };
        if !unpack.contains(&kind) {
            unpack.push(kind);
        }
    }
    let missing: Vec<_> =
        UnpackKind::ALL.into_iter().filter(|kind| !unpack.contains(kind)).map(UnpackKind::as_str).collect();
    if !missing.is_empty() {
        let message = format!(
            "{} are not opened, as there; such objects are NON_SCANNED, reason skipped",
            missing.join(", ")
        );
        draft.remark(&value.path, &value.text, message);
    }
    if phishing {
        let message = "KAV_O_M_PHISHING asks a cloud service about URLs; scan.phishing looks for deceptive links in mail";
        draft.approximated(&value.path, &value.text, message);
    } else {
        let message =
            "no KAV_O_M_PHISHING, so scan.phishing is false; icapstan's default is true, and needs no cloud";
        draft.remark(&value.path, &value.text, message);
    }
    let scan = &mut draft.policy().scan;
    scan.unpack = unpack;
    scan.heuristics = heuristics;
    scan.phishing = phishing;
    for field in ["policies[].scan.unpack", "policies[].scan.heuristics", "policies[].scan.phishing"] {
        draft.write(field);
    }
}

fn temp_path(section: &mut Section<'_>, draft: &mut Draft) {
    let Some(value) = section.value("TempPath", draft) else { return };
    let path = PathBuf::from(&value.text);
    if !path.is_absolute() || value.text.chars().any(char::is_control) || value.text.len() > 4095 {
        draft.dropped(&value.path, &value.text, "is no absolute path; icapstan's default holds");
        return;
    }
    draft.config.scanner.temp_dir = Some(path);
    let message = "has to be there and writable, with 64 MiB free for each worker and 64 MiB more";
    draft.remark(&value.path, &value.text, message);
}
