//! What operators see of a gateway that follows a plan.

use icapstan_metrics::{Counter, Counters, Families, Gauge, label};
use prometheus::Registry;

/// Of the epochs of a plan.
#[derive(Clone, Debug)]
pub struct EpochMetrics {
    active: Gauge,
    prepared: Gauge,
    fenced: Gauge,
    begun: Counters<Changed>,
    refused: Counter,
}

label! {
    /// What an epoch has that the one before had not.
    pub(crate) enum Changed as "changed" {
        /// Signatures.
        Signatures = "signatures",
        /// Settings.
        Settings = "settings",
        /// Both; also the first epoch of a process.
        Both = "both",
        /// Tags only.
        Tags = "tags",
    }
}

// === impl EpochMetrics ===

impl EpochMetrics {
    /// Makes them and adds them to `registry`.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = Families::of(registry);
        Ok(Self {
            active: make.gauge(
                "icapstan_plan_active_epoch",
                "The epoch that transactions begin with; 0 before there is one.",
            )?,
            prepared: make.gauge(
                "icapstan_plan_prepared_epoch",
                "The pending epoch, if it could be put in use at any moment; else 0.",
            )?,
            fenced: make.gauge(
                "icapstan_plan_fenced",
                "1 while nobody is served, since this gateway is behind its fleet.",
            )?,
            begun: make.counters(
                "icapstan_plan_epochs_total",
                "Epochs that were put in use, by what is other than before.",
            )?,
            refused: make.counter(
                "icapstan_plan_settings_refused_total",
                "How often settings of a plan could not be made ready.",
            )?,
        })
    }

    /// How far a gateway has come: the epoch in use, the one that it is prepared for, and whether it serves nobody.
    pub fn stands(&self, active: u64, prepared: u64, is_fenced: bool) {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.active.set(number(active));
        self.prepared.set(number(prepared));
        self.fenced.set(is_fenced.into());
    }

    /// An epoch is in use, with other signatures or other settings than the one before.
    pub fn begun(&self, has_other_signatures: bool, has_other_settings: bool) {
        self.begun.inc(match (has_other_signatures, has_other_settings) {
            (true, true) => Changed::Both,
            (true, false) => Changed::Signatures,
            (false, true) => Changed::Settings,
            (false, false) => Changed::Tags,
        });
    }

    /// Settings could not be made ready.
    pub fn refused(&self) {
        self.refused.inc();
    }
}
