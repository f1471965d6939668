//! What the tests share: child processes, Squid, Chromium, origins, HTTP and a raw ICAP client.
//!
//! ```text
//!  test ──▶ IcapClient ─────────────raw bytes────────────▶ Standalone (the built binary)
//!  test ──▶ http::fetch ──▶ Squid ──ICAP──▶ Standalone        ▲
//!  test ──▶ Chromium ─────▶ Squid ──HTTP──▶ Origin            └ log lines, /metrics, signals
//! ```
//!
//! Blocking sockets and plain threads only: what is tested is asynchronous, so what tests it is not,
//! and shares no parser with it.
//!
//! 1. Nothing here sleeps and hopes; it waits for a condition and says what it waited for.
//! 2. Whatever is started is ended by its own handle when the test ends, and by the kernel when the
//!    test is killed.
//! 3. A failed expectation panics with what was seen; there is nothing for a test to handle.
//!
//! ```no_run
//! use icapstan_testkit::{IcapClient, Message, Standalone};
//!
//! let server = Standalone::start();
//! let mut client = IcapClient::connect(server.icap());
//! client.send(&Message::options("/respmod").bytes());
//! assert_eq!(client.read_options().status, 200);
//! ```

mod children;
mod chromium;
mod clamd;
mod coding;
mod collector;
mod env;
mod haproxy;
pub mod http;
mod icap;
mod keda;
#[cfg(feature = "kube")]
pub mod kube;
mod net;
mod origin;
mod pem;
mod process;
mod redis;
mod relay;
mod reputation;
mod s3;
mod samples;
mod squid;
mod standalone;
mod tiers;
mod tls;
mod usage;
mod wait;

pub use chromium::Chromium;
pub use clamd::{CLAMD_ALERTS, Clamd};
pub use coding::{brotli, chunked, chunked_by, deflate, gzip, zstd};
pub use collector::{CollectedSpan, Collector};
pub use env::{need, skipped};
pub use haproxy::Haproxy;
pub use icap::{Field, Head, IcapBody, IcapClient, IcapResponse, Kind, Message, ReadError};
pub use keda::{Keda, Refused, Stream};
pub use net::{free_port, tempdir};
pub use origin::{Framing, Origin, PACE, Reply, Seen};
pub use pem::{Pem, SecuredClient, secured, secured_over};
pub use process::{Logs, Process, Signal};
pub use redis::{Redis, RedisCluster, Sentinels};
pub use relay::{Meter, Relay};
pub use reputation::{Manner, ReputationServer};
pub use s3::S3Server;
pub use samples::{
    EICAR_NAME, MARKER_NAME, clean_bytes, clean_text, eicar, hex, marker, sha256_hex, signatures,
};
pub use squid::{IcapLogLine, Squid};
pub use standalone::{Standalone, StandaloneBuilder, binary};
pub use tempfile::TempDir;
pub use tiers::{Member, Tiers};
pub use tls::{Authority, Identity, Secured};
pub use usage::Usage;
pub use wait::{PATIENCE, eventually};
