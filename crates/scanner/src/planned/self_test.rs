//! What a revision has to find, and what not, before it is called ready.
//!
//! Workers prove that they scan by a signature of our own. This tells whether the revision itself is of any use, by
//! the way that objects in earnest take; hash lists are left out, since they would answer for it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use icapstan_hashes::Lists;
use icapstan_model::{
    Content, FailedReason, Findings, Mode, Object, ScanContext, ScanProfile, Verdict, VerdictKind,
};
use icapstan_telemetry::Span;
use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{LoadFailure, StagedFile, StagedRevision};
use crate::archive::zip;
use crate::builtin;
use crate::engine::{Engine, UnderWay};
use crate::scan::{self, Task};
use crate::shared::Shared;

/// Samples that are larger are none: they would not be scanned in earnest.
const MAX_SAMPLE: u64 = 512 << 20;

/// What is to be said of a sample.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Threat,
    Nothing,
}

/// Scans all samples with an engine that nobody else has yet.
pub(super) async fn run(
    shared: &Arc<Shared>,
    engine: &Arc<dyn Engine>,
    revision: &StagedRevision,
    timeout: Duration,
) -> Result<(), (LoadFailure, String)> {
    let test = Test { shared, engine, timeout };
    for (name, content) in eicar().map_err(|error| (LoadFailure::Disk, error.to_string()))? {
        let len = content.len() as u64;
        let object = Object { content: Content::Memory(content.into()), len };
        test.judge(name, object, Expected::Threat).await?;
    }
    let wanted = [(&revision.must_detect, Expected::Threat), (&revision.must_pass, Expected::Nothing)];
    for (samples, expected) in wanted {
        for sample in samples {
            let object = open(sample)
                .map_err(|error| (LoadFailure::Disk, format!("{} cannot be read: {error}", sample.digest)))?;
            test.judge(&sample.digest.to_string(), object, expected).await?;
        }
    }
    Ok(())
}

/// The EICAR test file as it comes: as it is, in an archive, and in a mail.
fn eicar() -> std::io::Result<[(&'static str, Vec<u8>); 3]> {
    let eicar = builtin::EICAR_HALVES.concat();
    let mail = format!(
        "From: a@example.org\r\nTo: b@example.org\r\nSubject: self-test\r\nMIME-Version: 1.0\r\n\
         Content-Type: application/octet-stream; name=\"eicar.com\"\r\n\
         Content-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=\"eicar.com\"\r\n\r\n{}\r\n",
        STANDARD.encode(&eicar)
    );
    Ok([
        ("the EICAR test file", eicar.clone().into_bytes()),
        ("the EICAR test file in an archive", zip("eicar.com", eicar.as_bytes())?),
        ("the EICAR test file in a mail", mail.into_bytes()),
    ])
}

fn open(sample: &StagedFile) -> std::io::Result<Object> {
    Ok(Object { content: Content::File(Arc::new(File::open(&sample.path)?)), len: sample.size })
}

/// How samples are scanned.
struct Test<'a> {
    shared: &'a Arc<Shared>,
    engine: &'a Arc<dyn Engine>,
    timeout: Duration,
}

// === impl Test ===

impl Test<'_> {
    async fn judge(
        &self,
        name: &str,
        object: Object,
        expected: Expected,
    ) -> Result<(), (LoadFailure, String)> {
        let Some(findings) = self.scan(object).await else {
            return Err((LoadFailure::Slow, format!("{name} was not scanned in time")));
        };
        let threat = findings.iter().find_map(Verdict::threat).map(ToString::to_string);
        let failed = findings.iter().find_map(|verdict| match verdict {
            Verdict::Failed(reason) => Some(*reason),
            _ => None,
        });
        match (expected, threat) {
            (Expected::Threat, Some(_)) => Ok(()),
            (Expected::Nothing, Some(threat)) => {
                Err((LoadFailure::FalsePositive, format!("{threat} is found in {name}")))
            }
            (_, None) => match failed {
                Some(FailedReason::Time) => {
                    Err((LoadFailure::Slow, format!("{name} takes longer than {:?}", self.timeout)))
                }
                Some(FailedReason::Crash) => Err((LoadFailure::Crash, format!("workers end over {name}"))),
                Some(reason) => {
                    Err((LoadFailure::Load, format!("{name} is not scanned: {}", reason.as_str())))
                }
                None if expected == Expected::Nothing => Ok(()),
                None => {
                    let said = findings.kind() == VerdictKind::Clean;
                    let rest = if said { "" } else { ", and not wholly scanned" };
                    Err((LoadFailure::Missed, format!("nothing is found in {name}{rest}")))
                }
            },
        }
    }

    /// Nothing if there was no place for it.
    async fn scan(&self, object: Object) -> Option<Findings> {
        let deadline = Instant::now() + self.timeout;
        let profile = ScanProfile {
            max_object_size: MAX_SAMPLE,
            max_total_size: 2 * MAX_SAMPLE,
            timeout: self.timeout,
            ..ScanProfile::default()
        };
        let context = ScanContext {
            mode: Mode::Respmod,
            content_encoding: String::new(),
            content_types: Vec::new(),
            partial: false,
            profile: Arc::new(profile),
            trace: None,
        };
        let generation = self.engine.signatures().id;
        let task = Task { object, context, generation, deadline, is_suspect: false, span: Span::none() };
        let _under_way = UnderWay::begin(&**self.engine);
        let scan = scan::scan(self.shared, self.engine, &Arc::new(Lists::NONE), &task).await;
        scan.ok().map(|(report, _)| report.findings)
    }
}
