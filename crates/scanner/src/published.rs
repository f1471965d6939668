//! What is in use, for everybody to read.

use arc_swap::ArcSwapOption;
use icapstan_model::Epoch;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::watch;

use crate::planned::Loads;

/// The epoch in use.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) current: ArcSwapOption<Epoch>,
    pub(crate) epochs: watch::Sender<Option<Arc<Epoch>>>,
    /// With a plan: all epochs that can be asked for, and how far it came with others.
    pub(crate) loads: watch::Sender<Arc<Loads>>,
    /// Why there are no signatures in use.
    pub(crate) missing: Mutex<String>,
    /// Why others could not be loaded last.
    pub(crate) problem: Mutex<Option<String>>,
}

// === impl Published ===

impl Published {
    pub(crate) fn new() -> Self {
        Self {
            current: ArcSwapOption::empty(),
            epochs: watch::Sender::new(None),
            loads: watch::Sender::default(),
            missing: Mutex::new("signatures are being loaded".to_owned()),
            problem: Mutex::default(),
        }
    }

    pub(crate) fn publish(&self, epoch: &Arc<Epoch>) {
        self.current.store(Some(epoch.clone()));
        self.epochs.send_replace(Some(epoch.clone()));
    }

    /// Lets go of the generation in use.
    pub(crate) fn clear(&self) {
        "the scanner is shutting down".clone_into(&mut self.missing.lock());
        self.current.store(None);
        self.epochs.send_replace(None);
        self.loads.send_replace(Arc::default());
    }

    /// Changes what is told of revisions, if it does.
    pub(crate) fn tell(&self, change: impl FnOnce(&mut Loads)) {
        self.loads.send_modify(|loads| change(Arc::make_mut(loads)));
    }
}
