//! What scans: a scanner in this process, or others.

use icapstan_model::{Epoch, Readiness, ScanPort};
use icapstan_scan_rpc::RemoteScanners;
use icapstan_scanner::Scanner;
use std::sync::Arc;
use tokio::sync::watch;

/// What scans.
#[derive(Clone)]
pub(crate) enum Scanning {
    /// In this process and its workers.
    Here(Arc<Scanner>),
    /// In other processes.
    Elsewhere(Arc<RemoteScanners>),
}

// === impl Scanning ===

impl Scanning {
    pub(crate) fn port(&self) -> Arc<dyn ScanPort> {
        match self {
            Self::Here(scanner) => Arc::clone(scanner) as _,
            Self::Elsewhere(scanners) => Arc::clone(scanners) as _,
        }
    }

    /// The signatures in use, now and whenever others come into use.
    pub(crate) fn epochs(&self) -> watch::Receiver<Option<Arc<Epoch>>> {
        match self {
            Self::Here(scanner) => scanner.epochs(),
            Self::Elsewhere(scanners) => scanners.epochs(),
        }
    }

    pub(crate) fn readiness(&self) -> Result<(), String> {
        match self.port().readiness() {
            Readiness::Ready => Ok(()),
            Readiness::NotReady(cause) => Err(cause),
        }
    }

    /// What is out of the ordinary though it scans: of workers, and of scanners elsewhere.
    pub(crate) fn notes(&self) -> [(&'static str, Option<String>); 2] {
        match self {
            Self::Here(scanner) => [("workers", scanner.note()), ("signatures", scanner.problem())],
            Self::Elsewhere(scanners) => [("scanners", scanners.note()), ("signatures", None)],
        }
    }

    /// Why no signatures are in use, or why others could not be loaded last.
    pub(crate) fn missing(&self) -> String {
        match self {
            Self::Here(scanner) => scanner.missing(),
            Self::Elsewhere(_) => String::new(),
        }
    }

    /// Loads the signatures again, if that is done here.
    pub(crate) fn reload(&self) {
        if let Self::Here(scanner) = self {
            scanner.reload();
        }
    }

    /// Ends all processes.
    pub(crate) async fn shutdown(&self) {
        if let Self::Here(scanner) = self {
            scanner.shutdown().await;
        }
    }
}
