//! What operators see of settings that were changed while the program runs.

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};
use std::time::{SystemTime, UNIX_EPOCH};

/// Metrics of the settings in use.
#[derive(Clone, Debug)]
pub struct ReloadMetrics {
    reloads: IntCounterVec,
    successful: IntGauge,
    since: IntGauge,
    restart_needed: IntGauge,
}

// === impl ReloadMetrics ===

impl ReloadMetrics {
    /// Makes them and adds them to `registry`. Settings are in use from now on.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let options = Opts::new(
            "icapstan_config_reloads_total",
            "Times that settings were read again, after a change or a signal, by whether they are in use now (ok) or those before are (error).",
        );
        let reloads = IntCounterVec::new(options, &["result"])?;
        registry.register(Box::new(reloads.clone()))?;
        for result in ["ok", "error"] {
            reloads.with_label_values(&[result]);
        }
        let metrics = Self {
            reloads,
            successful: gauge(
                "icapstan_config_last_reload_successful",
                "1 if the settings in use are those of the file; 0 if the file was changed and cannot be used.",
            )?,
            since: gauge(
                "icapstan_config_last_reload_success_timestamp_seconds",
                "Since when the settings are in use.",
            )?,
            restart_needed: gauge(
                "icapstan_config_restart_needed",
                "1 if settings were changed that are used only from the next start on.",
            )?,
        };
        metrics.in_use(false);
        Ok(metrics)
    }

    /// Changed settings are in use, but for those that need a restart.
    pub fn succeeded(&self, restart_needed: bool) {
        self.reloads.with_label_values(&["ok"]).inc();
        self.in_use(restart_needed);
    }

    /// Changed settings cannot be used.
    pub fn failed(&self) {
        self.reloads.with_label_values(&["error"]).inc();
        self.successful.set(0);
    }

    fn in_use(&self, restart_needed: bool) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.since.set(i64::try_from(now).unwrap_or(i64::MAX));
        self.successful.set(1);
        self.restart_needed.set(restart_needed.into());
    }
}
