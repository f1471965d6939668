//! What this process shares with others through Redis, blocked URLs aside.

use anyhow::Context;
use icapstan_api::Config;
use icapstan_cache::{CacheMetrics, FleetMetrics, FleetPoison, FleetVerdicts, PoisonMetrics, Standing};
use prometheus::Registry;
use std::sync::Arc;

/// What is shared, as far as the settings want it.
#[derive(Default)]
pub(crate) struct Fleet {
    pub(crate) verdicts: Option<FleetVerdicts>,
    pub(crate) poison: Option<Arc<FleetPoison>>,
}

/// How it stands, for `/readyz`.
#[derive(Clone, Debug)]
pub(crate) struct FleetNotes {
    verdicts: Option<Standing>,
    poison: Option<Standing>,
}

// === impl Fleet ===

impl Fleet {
    /// Begins to share verdicts.
    pub(crate) fn share_verdicts(
        &mut self,
        config: &Config,
        registry: &Registry,
        connections: &CacheMetrics,
    ) -> anyhow::Result<()> {
        let metrics = FleetMetrics::register(registry)?;
        self.verdicts = FleetVerdicts::start(&config.verdict_cache, &config.redis, metrics, connections)
            .context("verdicts cannot be shared")?;
        Ok(())
    }

    /// Begins to share what is known of objects that take workers.
    pub(crate) fn share_poison(
        &mut self,
        config: &Config,
        registry: &Registry,
        connections: &CacheMetrics,
    ) -> anyhow::Result<()> {
        let metrics = PoisonMetrics::register(registry)?;
        let poison = FleetPoison::start(&config.scanner.poison, &config.redis, metrics, connections)
            .context("objects that take workers cannot be shared")?;
        self.poison = poison.map(Arc::new);
        Ok(())
    }

    /// What can be asked how it stands.
    pub(crate) fn notes(&self) -> FleetNotes {
        FleetNotes {
            verdicts: self.verdicts.as_ref().map(FleetVerdicts::standing),
            poison: self.poison.as_ref().map(|poison| poison.standing()),
        }
    }
}

// === impl FleetNotes ===

impl FleetNotes {
    pub(crate) fn verdicts(&self) -> Option<String> {
        self.verdicts.as_ref().and_then(Standing::note)
    }

    pub(crate) fn poison(&self) -> Option<String> {
        self.poison.as_ref().and_then(Standing::note)
    }
}
