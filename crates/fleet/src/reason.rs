//! Why something is as it is: words that conditions, events and metrics share.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Why something is as it is; a closed set, so that alerts and metrics can name it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The word.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }
        }
    };
}

reasons! {
    /// It is what the fleet judges by.
    Activated,
    /// There is nothing to do.
    Succeeded,
    /// There is no revision yet: a source that is required has given nothing.
    SourceNotReady,
    /// What is pinned is not there.
    PinUnknown,
    /// Scanners fetch its bytes.
    Staging,
    /// Not all scanners have its bytes in time.
    StageTimeout,
    /// All scanners have its bytes.
    Staged,
    /// The first scanners load it.
    CanaryLoading,
    /// The first scanners have not loaded it in time.
    CanaryTimeout,
    /// The first scanners scan with it beside what is in use.
    CanarySoak,
    /// The first scanners did well with it.
    CanaryPassed,
    /// Something was not found that has to be.
    SelfTestMissed,
    /// Something was found where nothing is.
    SelfTestFalsePositive,
    /// It judges too many objects otherwise than what is in use.
    DriftExceeded,
    /// It takes too long.
    LatencyExceeded,
    /// There is not the memory to load it beside what is in use.
    MemoryExceeded,
    /// The engine does not take it, or ends over it.
    LoadFailed,
    /// Its bytes are not what they should be.
    ChecksumMismatch,
    /// Too little was compared for anything to follow.
    ProbeInconclusive,
    /// Somebody has to say that it may go on.
    AwaitingApproval,
    /// More and more scanners load it.
    WaveInProgress,
    /// Not all scanners of a wave have loaded it in time.
    WaveTimeout,
    /// Scanners end, or there is none.
    ScannersUnavailable,
    /// Gateways prepare for it.
    Activating,
    /// Gateways that are ready have not said that they are prepared.
    GatewaysUnacked,
    /// All gateways have what they should.
    GatewaysSynced,
    /// It is active, and watched.
    Baking,
    /// It is active, and something became worse since.
    BakeFailed,
    /// Scanners go back to what was in use before.
    RollingBack,
    /// What was in use before is in use again.
    RolledBack,
    /// Something newer came before it was active.
    Superseded,
    /// Somebody had it stopped.
    Aborted,
    /// Somebody had it taken back.
    Undone,
    /// It waits for somebody to say how to go on.
    Paused,
    /// Nothing is to change.
    Suspended,
    /// It came to nothing before, and is not tried again yet.
    InFailedList,
    /// What somebody asked for does not fit to how things are.
    Ignored,
    /// What is to be named after settings is not known.
    SettingsUnknown,
    /// The epoch has its instant.
    Scheduled,
    /// The epoch will not come.
    Cancelled,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
