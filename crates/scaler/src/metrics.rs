//! What operators see of the fleet, and of who asks.

use crate::fleet::Figures;
use icapstan_metrics::{Counters, Families, Gauges, label};
use parking_lot::Mutex;
use prometheus::{Gauge, IntGauge, Registry};
use std::sync::Arc;

/// Of a [`Scaler`](crate::Scaler).
#[derive(Clone, Debug)]
pub struct ScalerMetrics {
    jobs: IntGauge,
    bytes: IntGauge,
    backlog: Gauge,
    workers: IntGauge,
    busy: IntGauge,
    wanted: Gauge,
    is_valid: IntGauge,
    scanners: Gauges<Standing>,
    shown: Arc<Mutex<[i64; 5]>>,
    pub(crate) requests: Counters<Asked>,
    pub(crate) connections: IntGauge,
    pub(crate) turned_away: Counters<TurnedAway>,
}

label! {
    /// How a scanner stands.
    pub(crate) enum Standing as "state" {
        /// It says how it is.
        Heard = "heard",
        /// It does not any more; what it said last still counts.
        Silent = "silent",
        /// Nothing was heard from it for long, or ever.
        Unheard = "unheard",
        /// It came a short while ago.
        New = "new",
        /// It is about to end.
        Draining = "draining",
    }
}

label! {
    /// How a request was answered.
    pub(crate) enum Asked as "outcome" {
        /// With figures.
        Answered = "answered",
        /// Too few scanners are heard.
        Unavailable = "unavailable",
        /// It could not be understood.
        Invalid = "invalid",
    }
}

label! {
    /// Why a connection was not taken.
    pub(crate) enum TurnedAway as "reason" {
        /// There are as many as may be.
        Connections = "connections",
        /// It did not come to be secured.
        Tls = "tls",
        /// Its certificate has none of the names that may connect.
        Name = "name",
    }
}

// === impl ScalerMetrics ===

impl ScalerMetrics {
    /// Makes them and adds them to `registry`.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = Families::of(registry);
        Ok(Self {
            jobs: make.gauge(
                "icapstan_fleet_backlog_jobs",
                "Scans that wait or are under way, of all scanners together.",
            )?,
            bytes: make.gauge("icapstan_fleet_backlog_bytes", "Bytes of the objects of these scans.")?,
            backlog: make.float_gauge(
                "icapstan_fleet_backlog_scan_seconds",
                "Seconds of one worker that these scans take, as scanners estimate it.",
            )?,
            workers: make.gauge("icapstan_fleet_workers", "Workers in service, of all scanners together.")?,
            busy: make.gauge("icapstan_fleet_workers_busy", "Those of them that have an object.")?,
            wanted: make.float_gauge(
                "icapstan_fleet_workers_wanted",
                "Workers that there should be: the busy ones, and those that would do what waits within 5 s.",
            )?,
            is_valid: make.gauge(
                "icapstan_fleet_figures_valid",
                "1 if enough scanners are heard for these figures to be gone by; else the true ones may be greater.",
            )?,
            scanners: make.gauges("icapstan_fleet_scanners", "Scanners that are known, by state.")?,
            shown: Arc::default(),
            requests: make.counters(
                "icapstan_scaler_requests_total",
                "Requests of autoscalers, by outcome.",
            )?,
            connections: make.gauge("icapstan_scaler_connections", "Connections of autoscalers.")?,
            turned_away: make.counters(
                "icapstan_scaler_connections_refused_total",
                "Connections of autoscalers that were not taken, by why.",
            )?,
        })
    }

    /// Brings those of the fleet up to date.
    pub(crate) fn show(&self, figures: &Figures) {
        let sums = &figures.sums;
        for (gauge, number) in [
            (&self.jobs, sums.jobs),
            (&self.bytes, sums.bytes),
            (&self.workers, sums.workers),
            (&self.busy, sums.busy),
            (&self.is_valid, u64::from(figures.trouble.is_none())),
        ] {
            gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
        }
        self.backlog.set(sums.backlog);
        self.wanted.set(sums.wanted());
        let standings =
            [Standing::Heard, Standing::Silent, Standing::Unheard, Standing::New, Standing::Draining];
        let mut shown = self.shown.lock();
        for ((standing, count), shown) in standings.into_iter().zip(figures.scanners).zip(&mut *shown) {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.scanners.add(standing, count - *shown);
            *shown = count;
        }
    }
}
