//! What most of these tests begin with.

use icapstan_api::{ExecHook, HookSettings, RuleHook, RuleText};
use icapstan_events::{Event, EventKind, Source, Text};
use icapstan_hooks::{Call, HookMetrics, Hooks, HooksGuard};
use icapstan_model::Verdict;
use prometheus::Registry;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Nothing takes so long unless it hangs.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Hooks, and what is told of them.
pub(crate) struct Setup {
    pub(crate) hooks: Hooks,
    pub(crate) guard: HooksGuard,
    pub(crate) dir: TempDir,
    registry: Registry,
}

impl Setup {
    /// Those that `make` writes, which gets a folder.
    pub(crate) fn new(make: impl FnOnce(&Path) -> HookSettings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let settings = make(dir.path());
        let registry = Registry::new();
        let metrics = HookMetrics::register(&registry).unwrap();
        let (hooks, guard) = Hooks::start(&settings, &Source::this(), &metrics).unwrap();
        Self { hooks, guard, dir, registry }
    }

    /// One program, `sh`, with a script and its arguments.
    pub(crate) fn script(script: &str, args: &[&str], change: impl FnOnce(&mut HookSettings)) -> Self {
        Self::new(|dir| {
            let mut settings = HookSettings { exec: vec![sh(dir, script, args)], ..HookSettings::default() };
            change(&mut settings);
            settings
        })
    }

    pub(crate) fn call(&self, hook: RuleHook) {
        self.hooks.send(call(hook, event()));
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What is in a file, once that is complete: its last line ends.
    pub(crate) fn text(&self, name: &str) -> String {
        wait_for(|| fs::read_to_string(self.file(name)).ok().filter(|text| text.ends_with('\n')))
    }

    /// The sum of all series of a counter or a gauge that have all these words.
    pub(crate) fn metric(&self, name: &str, words: &[&str]) -> u64 {
        let families = self.registry.gather();
        let metrics = families.iter().filter(|family| family.name() == name);
        let series = metrics.flat_map(prometheus::proto::MetricFamily::get_metric);
        let has = |words: &[&str], metric: &&prometheus::proto::Metric| {
            words.iter().all(|word| metric.get_label().iter().any(|label| label.value() == *word))
        };
        let value = |metric: &prometheus::proto::Metric| {
            metric.get_counter().get_value() + metric.get_gauge().get_value()
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small counts")]
        let sum = series.filter(|metric| has(words, metric)).map(value).sum::<f64>() as u64;
        sum
    }

    pub(crate) fn wait_for_metric(&self, name: &str, words: &[&str], least: u64) {
        wait_for(|| (self.metric(name, words) >= least).then_some(()));
    }
}

/// `sh` with a script, called `script`. In it `$DIR` is the folder.
pub(crate) fn sh(dir: &Path, script: &str, args: &[&str]) -> ExecHook {
    let path = dir.join("script.sh");
    fs::write(&path, format!("DIR='{}'\n{script}\n", dir.display())).unwrap();
    let text = |text: &str| RuleText::try_from(text.to_owned()).unwrap();
    let args = [&[path.to_str().unwrap()][..], args].concat();
    ExecHook { args: args.into_iter().map(text).collect(), ..ExecHook::new("script", "/bin/sh") }
}

pub(crate) fn event() -> Event {
    Event {
        transaction: Some(0xabc),
        service: Some(Text::name("respmod")),
        url: Some(Text::url("http://o.test/x")),
        client: Some([192, 0, 2, 9].into()),
        user: Some(Text::name("ann")),
        ..Event::new(EventKind::Detection, Text::message("found"))
    }
}

pub(crate) fn call(hook: RuleHook, event: Event) -> Call {
    let verdict = Verdict::Infected("Worm".into());
    Call { hook, event: Arc::new(event), verdict, rule: Text::name("threats") }
}

/// What comes, sooner or later.
pub(crate) fn wait_for<T>(mut come: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + LONG;
    loop {
        if let Some(value) = come() {
            return value;
        }
        assert!(Instant::now() < until, "it never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}
