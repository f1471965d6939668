//! Which program this is, as a metric.

use prometheus::{IntGauge, Opts, Registry};

/// Registers `icapstan_build_info`, which is always 1 and tells by its label `version` what runs.
pub fn register_build_info(registry: &Registry, version: &str) -> Result<(), prometheus::Error> {
    let options = Opts::new("icapstan_build_info", "Always 1; the label tells the version of the program.")
        .const_label("version", version);
    let gauge = IntGauge::with_opts(options)?;
    gauge.set(1);
    registry.register(Box::new(gauge))
}
