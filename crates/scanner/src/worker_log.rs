//! What zygotes and workers say on standard error, as lines of this process's log.
//!
//! Through a pipe: with a descriptor of the log itself, a worker that an object has taken over could
//! read it, cut it or write it anew where it is a file.

use std::io::{self, BufRead, BufReader, Read};
use std::process::ChildStderr;
use std::thread;
use std::time::{Duration, Instant};
use tracing::warn;

/// The rest of a longer line is left out, in bytes.
const LONGEST: u64 = 1024;
/// So many lines are passed on in each span.
const MOST: u32 = 50;
const SPAN: Duration = Duration::from_secs(10);

/// Passes lines on in a thread of its own, until the zygote and all of its workers have ended.
pub(crate) fn follow(stderr: ChildStderr) -> io::Result<()> {
    thread::Builder::new()
        .name("icapstan-words".to_owned())
        .spawn(move || pass_on(stderr, Instant::now, |line| warn!("{line}")))
        .map(drop)
}

/// Passes lines of `from` on to `say`, as long as they are not too many.
fn pass_on(from: impl Read, now: impl Fn() -> Instant, mut say: impl FnMut(&str)) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    let mut span = Span { began: now(), lines: 0 };
    while let Ok(1..) = read_line(&mut from, &mut line) {
        if let Some(lost) = span.end(now()) {
            say(&format!("{lost} more lines of workers were left out"));
        }
        if span.take() {
            say(&printable(&line));
        }
    }
    if let Some(lost) = span.lost() {
        say(&format!("{lost} more lines of workers were left out"));
    }
}

/// Reads a line without its end, and how long it was with that; 0 at the end of all.
fn read_line(from: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    line.clear();
    let mut len = from.by_ref().take(LONGEST).read_until(b'\n', line)?;
    if line.pop_if(|last| *last == b'\n').is_none() {
        len += from.skip_until(b'\n')?;
    }
    Ok(len)
}

/// Without characters that could make a terminal or another line of it.
fn printable(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    line.chars().map(|char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { char }).collect()
}

/// The lines of a span of time.
struct Span {
    began: Instant,
    lines: u32,
}

// === impl Span ===

impl Span {
    /// Whether one more may be passed on.
    fn take(&mut self) -> bool {
        self.lines = self.lines.saturating_add(1);
        self.lines <= MOST
    }

    /// Begins anew when the time is over, and how many were left out.
    fn end(&mut self, now: Instant) -> Option<u32> {
        if now.duration_since(self.began) < SPAN {
            return None;
        }
        let lost = self.lost();
        *self = Self { began: now, lines: 0 };
        lost
    }

    fn lost(&self) -> Option<u32> {
        self.lines.checked_sub(MOST).filter(|lost| *lost > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn passed_on(bytes: &[u8]) -> Vec<String> {
        let mut said = Vec::new();
        let now = Instant::now();
        pass_on(bytes, || now, |line| said.push(line.to_owned()));
        said
    }

    #[test]
    fn lines_come_through_without_what_could_forge_others() {
        assert_eq!(
            passed_on(b"one\ntwo\x1b[2J\rthree\xff\n\nlast"),
            ["one", "two\u{fffd}[2J\u{fffd}three\u{fffd}", "", "last"]
        );
        assert!(passed_on(b"").is_empty());
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_one_is_whole() {
        for len in [1023, 1024, 1025, 100_000] {
            let mut bytes = vec![b'x'; len];
            bytes.extend(b"\nnext\n");
            let said = passed_on(&bytes);
            assert_eq!(said.len(), 2, "{len}");
            assert_eq!((said[0].len(), &*said[1]), (len.min(1024), "next"));
        }
    }

    #[test]
    fn a_flood_is_cut_off_and_counted_and_ends_with_its_span() {
        let (began, asked) = (Instant::now(), Cell::new(0));
        let now = || {
            asked.set(asked.get() + 1);
            // The span ends before the 201st line; the first look is before any line.
            if asked.get() > 201 { began + SPAN } else { began }
        };
        let mut said = Vec::new();
        pass_on("line\n".repeat(210).as_bytes(), now, |line| said.push(line.to_owned()));
        assert_eq!(said.len(), 50 + 1 + 10);
        assert_eq!(said[50], "150 more lines of workers were left out");
        assert_eq!(
            passed_on("line\n".repeat(60).as_bytes()).last().unwrap(),
            "10 more lines of workers were left out"
        );
    }
}
