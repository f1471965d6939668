//! What the scanner writes into its log.

use parking_lot::Mutex;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

/// A text, and how many warnings had it in them.
struct Wish {
    text: String,
    seen: Arc<AtomicUsize>,
}

/// Counts warnings of all tests of this program.
struct Counter;

struct Line(String);

static WISHES: Mutex<Vec<Wish>> = Mutex::new(Vec::new());

/// Counts from now on the warnings that have this text in them.
pub(crate) fn warnings_with(text: &str) -> Arc<AtomicUsize> {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| tracing::subscriber::set_global_default(Counter).unwrap());
    let seen = Arc::new(AtomicUsize::new(0));
    WISHES.lock().push(Wish { text: text.to_owned(), seen: seen.clone() });
    seen
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

impl Subscriber for Counter {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN && metadata.is_event()
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        for wish in WISHES.lock().iter().filter(|wish| line.0.contains(&wish.text)) {
            wish.seen.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
