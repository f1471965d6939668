//! Lines that wait to be written.

use crate::inert;
use crate::queue::{Buffer, Queue};
use std::borrow::Cow;
use std::io;

/// How many lines wait at most.
const MAX_LINES: usize = 8192;

/// How many bytes wait at most.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// How much memory is kept for the next lines once a rush is over.
const KEPT_BYTES: usize = 64 * 1024;

/// Whole lines, each with its line feed.
#[derive(Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    count: usize,
}

// === impl Lines ===

impl Lines {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Buffer for Lines {
    /// Without line feed.
    type Item<'a> = &'a [u8];

    fn push(&mut self, line: &[u8]) -> bool {
        let fits = self.count < MAX_LINES && self.bytes.len() + line.len() < MAX_BYTES;
        if fits {
            self.bytes.extend_from_slice(line);
            self.bytes.push(b'\n');
            self.count += 1;
        }
        fits
    }

    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn is_urgent(&self) -> bool {
        true
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
        self.count = 0;
    }
}

/// The formatter hands over each event by one call.
impl io::Write for &Queue<Lines> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.push(&one_line(event));
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An event as one line that looks like what it is. Formats pass on what is in values, the text format
/// even line feeds: one event would look like several.
fn one_line(event: &[u8]) -> Cow<'_, [u8]> {
    let event = event.strip_suffix(b"\n").unwrap_or(event);
    if event.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(event);
    }
    let mut line = Vec::with_capacity(event.len() + 16);
    for c in String::from_utf8_lossy(event).chars() {
        inert::push(c, &mut line);
    }
    Cow::Owned(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_model::is_deceptive;
    use prometheus::IntCounter;
    use proptest::prelude::*;
    use std::time::Duration;

    fn queue() -> (Queue<Lines>, IntCounter) {
        let dropped = IntCounter::new("dropped", "For the test.").unwrap();
        (Queue::new(Duration::ZERO, dropped.clone()), dropped)
    }

    #[test]
    fn what_is_taken_is_what_was_pushed_in_order() {
        let (queue, _) = queue();
        queue.push(b"one");
        queue.push(b"two");
        let mut batch = Lines::default();
        batch.push(b"old");
        assert_eq!(queue.take(&mut batch), 0);
        assert_eq!(batch.as_bytes(), b"one\ntwo\n");
        queue.push(b"three");
        assert_eq!(queue.take(&mut batch), 0);
        assert_eq!(batch.as_bytes(), b"three\n");
    }

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        assert_eq!(*one_line(b"a\r\nb\n\n"), *b"a\\r\\nb\\n");
        assert_eq!(*one_line(b"plain\n"), *b"plain");
    }

    proptest! {
        #[test]
        fn a_line_is_printable_and_json_stays_what_it_was(
            raw in prop_oneof!["[\r\n\"\\\\ \u{1b}\u{9b}\u{202e}\u{2028}\u{e0041}ä{}\\[m]{0,60}", ".{0,60}"]
        ) {
            let json = serde_json::to_vec(&raw).unwrap();
            let line = String::from_utf8(one_line(&json).into_owned()).unwrap();
            prop_assert!(!line.chars().any(is_deceptive), "{line:?}");
            prop_assert_eq!(serde_json::from_str::<String>(&line).unwrap(), raw.clone());
            let text = String::from_utf8(one_line(raw.as_bytes()).into_owned()).unwrap();
            prop_assert!(!text.chars().any(is_deceptive), "{text:?}");
        }

        #[test]
        fn bytes_of_no_text_are_a_line_too(raw in proptest::collection::vec(any::<u8>(), 0..60)) {
            let line = String::from_utf8(one_line(&raw).into_owned()).unwrap();
            prop_assert!(!line.chars().any(is_deceptive), "{line:?}");
        }
    }

    #[test]
    fn lines_beyond_the_limit_are_dropped_counted_and_told_once() {
        let (queue, dropped) = queue();
        for _ in 0..MAX_LINES + 3 {
            queue.push(b"line");
        }
        assert_eq!(dropped.get(), 3);
        let mut batch = Lines::default();
        assert_eq!(queue.take(&mut batch), 3);
        assert_eq!(batch.as_bytes().len(), MAX_LINES * 5);
        queue.push(b"line");
        assert_eq!(queue.take(&mut batch), 0);
        assert_eq!(batch.as_bytes(), b"line\n");
    }

    #[test]
    fn bytes_beyond_the_limit_are_dropped_and_what_fits_exactly_is_not() {
        let (queue, dropped) = queue();
        queue.push(&vec![b'a'; MAX_BYTES]);
        assert_eq!(dropped.get(), 1);
        let mut batch = Lines::default();
        assert_eq!(queue.take(&mut batch), 1, "a loss is told even if there is nothing else to tell");
        assert!(batch.is_empty());

        queue.push(&vec![b'a'; MAX_BYTES - 3]);
        queue.push(b"bc");
        assert_eq!(dropped.get(), 2, "there is room for two bytes, and the line feed is the third");
        queue.push(b"b");
        assert_eq!(dropped.get(), 2);
        queue.push(b"");
        assert_eq!(dropped.get(), 3);
        assert_eq!(queue.take(&mut batch), 2);
        assert_eq!(batch.as_bytes().len(), MAX_BYTES);
    }

    #[test]
    fn a_flush_waits_for_what_is_queued_and_for_what_is_being_written() {
        let (queue, _) = queue();
        let short = Duration::from_millis(1);
        assert!(queue.flush(short), "nothing is to be done");
        queue.push(b"line");
        assert!(!queue.flush(short), "it is queued");
        let mut batch = Lines::default();
        queue.take(&mut batch);
        assert!(!queue.flush(short), "it is being written");
        std::thread::scope(|scope| {
            let flushed = scope.spawn(|| queue.flush(Duration::MAX));
            while !flushed.is_finished() {
                queue.push(b"line");
                queue.take(&mut batch);
                std::thread::yield_now();
            }
            assert!(flushed.join().unwrap());
        });
    }
}
