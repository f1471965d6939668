//! Whether rules are fast enough, and if not, which is to blame.
//!
//! Counted is the processor's time, so that a machine that is busy otherwise rejects nothing.

use super::files::{self, Place, RuleFile};
use super::{compile, is_whole};
use crate::sys;
use boreal::scanner::{ScanCallbackResult, ScanParams, Scanner};
use std::fmt;
use std::time::{Duration, Instant};

/// Of each sample.
const SAMPLE: usize = 1 << 20;
/// The search for the rule to blame ends after this time, whatever it has found.
const SEARCH: Duration = Duration::from_mins(1);
/// So much longer than the processor's time may a look take on a busy machine.
const PATIENCE: [u32; 4] = [1, 3, 9, 27];

/// Rules that take too long.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Slow {
    /// What they may take.
    bound: Duration,
    /// In which file the bound is passed.
    file: Option<String>,
    /// In which rule.
    place: Option<Place>,
    /// That rule takes most of it.
    is_alone: bool,
}

/// What rules took.
#[derive(Clone, Copy, Debug)]
enum Cost {
    Fine(Duration),
    TooMuch,
}

/// The search for the rule to blame.
struct Search<'a> {
    files: &'a [RuleFile],
    samples: Vec<Vec<u8>>,
    bound: Duration,
    end: Instant,
}

/// Whether `scanner` does with its time on the samples. `files` are what it was compiled from.
pub(super) fn check(scanner: &Scanner, files: &[RuleFile], bound: Duration) -> Result<(), Slow> {
    let samples = samples();
    if let Cost::Fine(_) = cost(scanner, &samples, bound) {
        return Ok(());
    }
    let end = Instant::now() + SEARCH;
    Err(Search { files, samples, bound, end }.blame())
}

// === impl Search ===

impl Search<'_> {
    fn blame(&self) -> Slow {
        let mut slow = Slow { bound: self.bound, file: None, place: None, is_alone: false };
        let Some((index, _)) =
            self.first(self.files.len(), |count| self.cost_of(&self.files[..count], "", ""))
        else {
            return slow;
        };
        let file = &self.files[index];
        slow.file = Some(file.name.clone());
        let places = files::places(&file.text);
        let cut = |count: usize| places.get(count).map_or(&*file.text, |next| &file.text[..next.begin]);
        let first =
            self.first(places.len(), |count| self.cost_of(&self.files[..index], &file.name, cut(count)));
        if let Some((rule, before)) = first {
            slow.is_alone = before < self.bound / 2;
            slow.place = places.get(rule).cloned();
        }
        slow
    }

    /// Which one of `count` makes it too much, and what those before it take. Costs only grow with numbers.
    fn first(&self, count: usize, cost: impl Fn(usize) -> Option<Cost>) -> Option<(usize, Duration)> {
        let (mut fine, mut slow, mut before) = (0, count, None);
        while fine + 1 < slow {
            let middle = fine + (slow - fine) / 2;
            match cost(middle)? {
                Cost::Fine(took) => (fine, before) = (middle, Some(took)),
                Cost::TooMuch => slow = middle,
            }
        }
        let before = match before {
            Some(took) => took,
            None => match cost(fine)? {
                Cost::Fine(took) => took,
                // Those before are too much without any of these.
                Cost::TooMuch => self.bound,
            },
        };
        (count > 0).then_some((fine, before))
    }

    /// What some files and a part of another take. Nothing if there is no time left to find out.
    fn cost_of(&self, files: &[RuleFile], name: &str, part: &str) -> Option<Cost> {
        if Instant::now() >= self.end {
            return None;
        }
        let files = files.iter().map(|file| (&*file.name, &*file.text));
        let part = std::iter::once((name, part)).filter(|(_, text)| !text.is_empty());
        let scanner = compile(files.chain(part)).ok()?;
        Some(cost(&scanner, &self.samples, self.bound))
    }
}

// === impl Slow ===

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_deref().unwrap_or_default();
        let bound = self.bound.as_millis();
        match &self.place {
            Some(Place { rule, line, .. }) if self.is_alone => {
                write!(f, "{file}:{line}: the rule {rule} is too slow: with it the rules take")?;
            }
            Some(Place { rule, line, .. }) => {
                write!(f, "the rules are too slow: up to {file}:{line}, rule {rule}, they take")?;
            }
            None if self.file.is_some() => write!(f, "{file}: too slow: with it the rules take")?,
            None => f.write_str("the rules are too slow: they take")?,
        }
        write!(f, " more than {bound} ms for {} MiB of samples", samples_len() >> 20)
    }
}

/// What a look at all samples takes.
fn cost(scanner: &Scanner, samples: &[Vec<u8>], bound: Duration) -> Cost {
    let mut scanner = scanner.clone();
    let begin = sys::processor_time();
    let spent = || sys::processor_time().saturating_sub(begin);
    for sample in samples {
        let mut is_done = false;
        for patience in PATIENCE {
            let before = spent();
            if before >= bound {
                return Cost::TooMuch;
            }
            let time = bound.saturating_sub(before).saturating_mul(patience);
            scanner.set_scan_params(ScanParams::default().timeout_duration(Some(time)));
            let result = scanner.scan_mem_with_callback(sample, |_| ScanCallbackResult::Continue);
            is_done = is_whole(&result);
            if is_done {
                break;
            }
        }
        if !is_done {
            return Cost::TooMuch;
        }
    }
    let took = spent();
    if took > bound { Cost::TooMuch } else { Cost::Fine(took) }
}

const fn samples_len() -> usize {
    4 * SAMPLE
}

/// Text, base64, noise and what programs look like: sorts of data that objects have.
fn samples() -> Vec<Vec<u8>> {
    const WORDS: [&str; 16] = [
        "the ",
        "function(",
        "var ",
        "return ",
        "<div class=\"",
        "http://www.",
        ".com/",
        "password",
        "\r\n",
        "0x41",
        "eval(",
        "String.fromCharCode(",
        "MZ",
        "This program cannot be run in DOS mode",
        "</script>",
        "cmd.exe /c ",
    ];
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    // Constants of Knuth's MMIX generator.
    let mut state: u64 = 7;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 40).unwrap_or(0)
    };
    let mut text = Vec::with_capacity(SAMPLE + 64);
    while text.len() < SAMPLE {
        text.extend_from_slice(WORDS[next() % WORDS.len()].as_bytes());
    }
    let base64 = (0..SAMPLE).map(|_| DIGITS[next() % DIGITS.len()]).collect();
    let noise: Vec<u8> = (0..SAMPLE).map(|_| next().to_le_bytes()[0]).collect();
    // Noise with runs of zeros, behind the head of a program.
    let mut program = b"\x7fELF\x02\x01\x01\0".to_vec();
    for (at, chunk) in noise.chunks(512).enumerate() {
        if at % 3 == 0 {
            program.resize(program.len() + chunk.len(), 0);
        } else {
            program.extend_from_slice(chunk);
        }
    }
    vec![text, base64, noise, program]
}
