//! What operators see of the certificate that ICAP clients are shown.

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

/// Metrics of the certificate, its key and the authorities for clients. All of them are 0 without TLS.
#[derive(Clone, Debug)]
pub struct CertificateMetrics {
    reloads: IntCounterVec,
    successful: IntGauge,
    not_after: IntGauge,
}

// === impl CertificateMetrics ===

impl CertificateMetrics {
    /// Makes those of the certificate that ICAP clients are shown, and adds them to `registry`.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        Self::make(registry, "icapstan_tls", "the certificate, its key and the authorities for clients")
    }

    /// Makes those of the certificate that gateways and scanners show each other, and adds them to `registry`.
    pub fn register_tier(registry: &Registry) -> Result<Self, prometheus::Error> {
        let what =
            "the certificate that gateways and scanners show each other, its key and the authorities for it";
        Self::make(registry, "icapstan_scan_tls", what)
    }

    /// Makes those of the certificate that autoscalers are shown, and adds them to `registry`.
    pub fn register_scaler(registry: &Registry) -> Result<Self, prometheus::Error> {
        let what = "the certificate that autoscalers are shown, its key and the authorities for theirs";
        Self::make(registry, "icapstan_scaler_tls", what)
    }

    /// Makes those of the certificate that is shown to who watches a gateway, and adds them to `registry`.
    pub fn register_fleet(registry: &Registry) -> Result<Self, prometheus::Error> {
        let what = "the certificate that is shown to who watches this gateway, its key and the authorities for theirs";
        Self::make(registry, "icapstan_plan_tls", what)
    }

    fn make(registry: &Registry, prefix: &str, what: &str) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let options = Opts::new(
            format!("{prefix}_certificate_reloads_total"),
            format!(
                "Times that {what} were read again, by whether they are in use now (ok) or those before are (error)."
            ),
        );
        let reloads = IntCounterVec::new(options, &["result"])?;
        registry.register(Box::new(reloads.clone()))?;
        for result in ["ok", "error"] {
            reloads.with_label_values(&[result]);
        }
        Ok(Self {
            reloads,
            successful: gauge(
                &format!("{prefix}_certificate_last_reload_successful"),
                "1 if the certificate in use is that of the files; 0 if they were changed and cannot be used, and without TLS.",
            )?,
            not_after: gauge(
                &format!("{prefix}_certificate_not_after_timestamp_seconds"),
                "When the certificate in use ends; 0 without TLS.",
            )?,
        })
    }

    /// A certificate that ends then is in use from the start.
    pub fn begin(&self, not_after: i64) {
        self.successful.set(1);
        self.not_after.set(not_after);
    }

    /// One that ends then came into use.
    pub fn succeeded(&self, not_after: i64) {
        self.reloads.with_label_values(&["ok"]).inc();
        self.begin(not_after);
    }

    /// The files cannot be used.
    pub fn failed(&self) {
        self.reloads.with_label_values(&["error"]).inc();
        self.successful.set(0);
    }
}
