//! Events with their metrics, and waiting.

use icapstan_events::{
    Event, EventKind, EventMetrics, EventSettings, Events, EventsGuard, SinkSettings, Source, SyslogSettings,
    Text,
};
use parking_lot::{RwLock, RwLockReadGuard};
use prometheus::Registry;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Longer than anything here takes.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Between its fork and its start a child holds all sockets of this process, also those that are closed
/// here meanwhile: a server that is gone would still be there.
static CHILDREN: RwLock<()> = RwLock::new(());

pub(crate) struct Setup {
    pub(crate) events: Events,
    pub(crate) guard: EventsGuard,
    pub(crate) registry: Registry,
}

impl Setup {
    pub(crate) fn of(settings: &[EventSettings]) -> Self {
        let registry = Registry::new();
        let metrics = EventMetrics::register(&registry).unwrap();
        let (events, guard) = Events::start(settings, &Source::this(), &metrics).unwrap();
        Self { events, guard, registry }
    }

    pub(crate) fn syslog(server: SyslogSettings, queue: u32) -> Self {
        Self::of(&[EventSettings { queue, ..EventSettings::new(SinkSettings::syslog(server)) }])
    }

    pub(crate) fn send(&self, numbers: std::ops::Range<u64>) {
        numbers.for_each(|number| self.events.send(event(number)));
    }

    /// The sum of all series of a family that have this label, or of all.
    pub(crate) fn metric(&self, name: &str, label: &str) -> u64 {
        sum(&self.registry, name, label)
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.metric("icapstan_events_sinks_connected", "") == 1
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.metric("icapstan_events_dropped_total", "")
    }

    pub(crate) fn sent(&self) -> u64 {
        self.metric("icapstan_events_sent_total", "")
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of events")]
pub(crate) fn sum(registry: &Registry, name: &str, label: &str) -> u64 {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == name).unwrap();
    let is_labelled = |metric: &&prometheus::proto::Metric| {
        label.is_empty() || metric.get_label().iter().any(|pair| pair.value() == label)
    };
    let values = family.get_metric().iter().filter(is_labelled);
    values.map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value()).sum::<f64>() as u64
}

/// As long as this is kept, what is closed is closed.
pub(crate) fn without_children() -> RwLockReadGuard<'static, ()> {
    CHILDREN.read()
}

/// Starts a process when nobody minds.
pub(crate) fn spawn(command: &mut Command) -> Child {
    let _alone = CHILDREN.write();
    command.spawn().unwrap()
}

/// An event with a number, and with what peers like to send.
pub(crate) fn event(number: u64) -> Event {
    let mut event =
        Event::new(EventKind::Detection, Text::message("Found \u{44f}.\r\n<13>1 - - - - - - forged"));
    event.transaction = Some(number);
    event.url = Some(Text::url("http://o.test/\"]\\|=\n\0\u{1b}[31m\u{202e}"));
    event
}

/// The number of an event that is told as JSON.
#[track_caller]
pub(crate) fn number(record: &str) -> u64 {
    let start = record.find('{').unwrap();
    let value: serde_json::Value = serde_json::from_str(&record[start..]).unwrap();
    u64::from_str_radix(value["transaction"].as_str().unwrap(), 16).unwrap()
}

#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let by = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < by, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
