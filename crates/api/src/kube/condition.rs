//! The types of conditions. Those that end in a star are there only while they are true.

/// The object does what it is for. On all kinds.
pub const READY: &str = "Ready";
/// Something is on its way, and nobody has to do anything (kstatus).
pub const RECONCILING: &str = "Reconciling";
/// Nothing happens until somebody changes the object (kstatus). *
pub const STALLED: &str = "Stalled";
/// SignatureSource: the artifact is what its keys, digests or own signature say.
pub const SOURCE_VERIFIED: &str = "SourceVerified";
/// SignatureSource, UrlList: the last attempt to fetch failed; the artifact before it is in use. *
pub const FETCH_FAILED: &str = "FetchFailed";
/// SignatureSource, UrlList: nothing new has come for longer than three intervals. *
pub const ARTIFACT_OUTDATED: &str = "ArtifactOutdated";
/// SignatureSet: a rollout is under way.
pub const PROGRESSING: &str = "Progressing";
/// SignatureSet: the newest signatures are not in use, as they failed. *
pub const DEGRADED: &str = "Degraded";
/// SignatureSet: what the canary showed.
pub const CANARY_HEALTHY: &str = "CanaryHealthy";
/// SignatureSet: all scanners have the candidate on disk.
pub const STAGED: &str = "Staged";
/// SignatureSet: all gateways and scanners are in the active epoch.
pub const ACTIVE_EVERYWHERE: &str = "ActiveEverywhere";
/// SignatureSet: only the built-in test signatures are in use: no malware is found. *
pub const TEST_SIGNATURES_ONLY: &str = "TestSignaturesOnly";
/// ScanPolicy, IcapService, UrlList: it can be compiled, and is part of the settings of its fleet.
pub const ACCEPTED: &str = "Accepted";
/// ScanPolicy, IcapService, UrlList: all gateways run it.
pub const PROGRAMMED: &str = "Programmed";
/// IcapService: what it names is there.
pub const RESOLVED_REFS: &str = "ResolvedRefs";
/// IcapService: all gateways answer with the same tag.
pub const ISTAG_SYNCED: &str = "ISTagSynced";
/// IcapService: all scanners hold what its answers are judged by.
pub const SCANNERS_SYNCED: &str = "ScannersSynced";
