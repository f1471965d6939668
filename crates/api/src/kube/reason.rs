//! The reasons of conditions and events, in the words that programs may rely on.

/// New bytes have come and were verified.
pub const FETCHED: &str = "Fetched";
/// The server says that it has nothing new.
pub const NOT_MODIFIED: &str = "NotModified";
/// Bytes are on their way.
pub const FETCHING: &str = "Fetching";
/// Nothing came, or not all of it. It is tried again.
pub const FETCH_FAILED: &str = "FetchFailed";
/// The server wants other credentials. Look at the Secret, and at the hosts that it names.
pub const AUTHENTICATION_FAILED: &str = "AuthenticationFailed";
/// The bytes are not those of the digest or of the manifest.
pub const CHECKSUM_MISMATCH: &str = "ChecksumMismatch";
/// No key has signed the bytes.
pub const SIGNATURE_INVALID: &str = "SignatureInvalid";
/// There is no signature where one has to be.
pub const SIGNATURE_MISSING: &str = "SignatureMissing";
/// More bytes than `maxSize`.
pub const TOO_LARGE: &str = "TooLarge";
/// The bytes are nothing that the engine could read.
pub const UNSUPPORTED_FORMAT: &str = "UnsupportedFormat";
/// Older than what was accepted before. Pin it by its digest if it is meant.
pub const DOWNGRADE_REFUSED: &str = "DowngradeRefused";
/// An address that sources may not have: of this machine, of the API server, of cloud metadata.
pub const ADDRESS_REFUSED: &str = "AddressRefused";
/// Scanners fetch the candidate.
pub const STAGING: &str = "Staging";
/// Not all scanners have the candidate on disk in time.
pub const STAGE_TIMEOUT: &str = "StageTimeout";
/// The first scanners load the candidate.
pub const CANARY_LOADING: &str = "CanaryLoading";
/// The first scanners scan copies of what comes.
pub const CANARY_SOAK: &str = "CanarySoak";
/// The canary showed nothing that speaks against the candidate.
pub const CANARY_PASSED: &str = "CanaryPassed";
/// Something that has to be found was not found.
pub const SELF_TEST_MISSED: &str = "SelfTestMissed";
/// Something was found where nothing is.
pub const SELF_TEST_FALSE_POSITIVE: &str = "SelfTestFalsePositive";
/// More is found, or less, than the thresholds let pass.
pub const DRIFT_EXCEEDED: &str = "DriftExceeded";
/// Scans take longer than the thresholds let pass.
pub const LATENCY_EXCEEDED: &str = "LatencyExceeded";
/// There is not the memory to load the candidate. Give scanners more, or set `overlap: Drain`.
pub const MEMORY_EXCEEDED: &str = "MemoryExceeded";
/// The engine does not take the candidate, or ended over it.
pub const LOAD_FAILED: &str = "LoadFailed";
/// Second scans could not be made: nothing follows from them.
pub const PROBE_INCONCLUSIVE: &str = "ProbeInconclusive";
/// Somebody has to set `icapstan.dev/promote`.
pub const AWAITING_APPROVAL: &str = "AwaitingApproval";
/// Scanners load the candidate, wave by wave.
pub const WAVE_IN_PROGRESS: &str = "WaveInProgress";
/// Too few scanners are there.
pub const SCANNERS_UNAVAILABLE: &str = "ScannersUnavailable";
/// A gateway that is ready has not prepared for the epoch; nothing is activated over it.
pub const GATEWAYS_UNACKED: &str = "GatewaysUnacked";
/// The epoch is in use.
pub const ACTIVATED: &str = "Activated";
/// What came after activation spoke against it.
pub const BAKE_FAILED: &str = "BakeFailed";
/// The signatures before are in use again.
pub const ROLLED_BACK: &str = "RolledBack";
/// Newer signatures have come meanwhile.
pub const SUPERSEDED: &str = "Superseded";
/// Somebody suspended it.
pub const SUSPENDED: &str = "Suspended";
/// The candidate has failed before, and its time has not come. `icapstan.dev/retry` tries it at once.
pub const IN_FAILED_LIST: &str = "InFailedList";
/// A source that is required has nothing.
pub const SOURCE_NOT_READY: &str = "SourceNotReady";
/// There is no source: only the built-in test signatures are in use.
pub const NO_SOURCES: &str = "NoSources";
/// It can be compiled.
pub const COMPILED: &str = "Compiled";
/// It cannot be compiled; the last good one stays in use.
pub const INVALID: &str = "Invalid";
/// What it names is not there.
pub const REF_NOT_FOUND: &str = "RefNotFound";
/// Another object has the path already.
pub const PATH_TAKEN: &str = "PathTaken";
/// All gateways run it.
pub const PROGRAMMED: &str = "Programmed";
/// Not all gateways run it yet.
pub const PROGRAMMING: &str = "Programming";
/// All is as it should be.
pub const SUCCEEDED: &str = "Succeeded";
