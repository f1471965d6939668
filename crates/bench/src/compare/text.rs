//! What was measured, for people.

use super::report::{CPU, CaseReport, P50, P99, PSS, RATE, Ratio, Report, ServerReport};
use super::start::StartReport;
use super::target::Judged;
use super::urls::{Lookup, UrlsReport};
use crate::stats::Spread;
use std::fmt::Write;

/// The machine and how it is measured.
pub(super) fn heading(report: &Report) -> String {
    let (machine, settings) = (&report.machine, &report.settings);
    let mut text = format!(
        "{} cores ({}), {:.1} GB, Linux {}, load average {:.2}\n{}{}{}\n\
         {} rounds of {} s after {} s, {}\n",
        machine.cores,
        machine.cpu,
        giga(machine.memory_bytes),
        machine.kernel,
        machine.load_average[0],
        machine.icapstan,
        machine.c_icap.as_ref().map(|version| format!(", c-icap {version}")).unwrap_or_default(),
        machine.clamav.as_ref().map(|version| format!(", {version}")).unwrap_or_default(),
        settings.rounds,
        settings.duration_seconds,
        settings.warm_up_seconds,
        if settings.pinned { "servers on core 0, load on core 1" } else { "server and load on all cores" },
    );
    for doubt in machine.doubts() {
        let _ = writeln!(text, "!!! {doubt}");
    }
    if !report.left_out.is_empty() {
        let _ = writeln!(
            text,
            "!!! left out, since {} names no folder: {}",
            crate::cli::REAL_SIGNATURES,
            report.left_out.join(", ")
        );
    }
    text
}

/// One case as a table.
pub(super) fn case(case: &CaseReport) -> String {
    let mut text = format!(
        "\n== {}: {}, {} connections\n  {:<10}{:>27} {:>24}{:>10}{:>10}{:>9}\n",
        case.name, case.about, case.connections, "", "answers/s", "CPU us each", "p50 ms", "p99 ms", "PSS MB"
    );
    for server in &case.servers {
        text.push_str(&row(server));
    }
    for ratio in &case.ratios {
        text.push_str(&times(ratio));
    }
    for target in &case.targets {
        let _ = writeln!(text, "  target: {}", judged(target));
    }
    text
}

fn row(server: &ServerReport) -> String {
    let spread = |name: &str| server.figures.get(name);
    let median = |name: &str, unit: f64, decimals: usize| {
        spread(name).map_or_else(|| "-".to_owned(), |spread| format!("{:.decimals$}", spread.median / unit))
    };
    let mut text = format!(
        "  {:<10}{:>27} {:>24}{:>10}{:>10}{:>9}\n",
        server.name,
        ranged(spread(RATE), whole),
        ranged(spread(CPU), |value| if value < 1e3 { format!("{value:.1}") } else { whole(value) }),
        median(P50, 1e3, 2),
        median(P99, 1e3, 2),
        median(PSS, 1e6, 1),
    );
    for fault in &server.faults {
        let _ = writeln!(text, "  !!! INVALID, {}: {fault}", server.name);
    }
    text
}

fn times(ratio: &Ratio) -> String {
    let times = |spread: &Option<Spread>| ranged(spread.as_ref(), |value| format!("{value:.2}"));
    format!("  {} / {}: rate {}, CPU {}\n", ratio.of, ratio.to, times(&ratio.rate), times(&ratio.cpu))
}

/// How starts went.
pub(super) fn start(report: &StartReport) -> String {
    let mut text = String::new();
    let ms = |spread: &Spread| ranged(Some(spread), |value| format!("{value:.0}"));
    let mb = |spread: &Spread| ranged(Some(spread), |value| format!("{:.1}", value / 1e6));
    if let Some(verdict) = &report.verdict {
        let _ = write!(
            text,
            "\n== start/verdict: from the start of the process, 602,000 signatures, milliseconds\n  \
             load as clamscan does it       {}\n  \
             load as icapstan tells it      {}\n  \
             first right verdict            {}\n  \
             of which is not clamscan's load {}\n  \
             target: {}\n",
            ms(&verdict.clamscan_ms),
            ms(&verdict.own_load_ms),
            ms(&verdict.first_verdict_ms),
            ms(&verdict.beyond_load_ms),
            judged(&verdict.target),
        );
    }
    if let Some(memory) = &report.memory {
        let _ = write!(
            text,
            "\n== start/memory: PSS of all processes, 602,000 signatures, MB\n  \
             1 worker   {}\n  4 workers  {}\n  target: {}\n",
            mb(&memory.one_worker),
            mb(&memory.four_workers),
            judged(&memory.target),
        );
    }
    text
}

/// What lists and rules take.
pub(super) fn urls(report: &UrlsReport) -> String {
    let mut text = String::new();
    if let Some(decision) = &report.decision {
        let micros = |spread: &Spread| ranged(Some(spread), |value| format!("{value:.1}"));
        let _ = write!(
            text,
            "\n== urls/decision: a policy of {} rules by host, URL, client, size and user, microseconds\n  \
             no rule is about the message, clean  {}\n  \
             the last one is, infected            {}\n  \
             to compile the policy                {}\n  \
             target: {}\n",
            decision.rules,
            micros(&decision.none),
            micros(&decision.last),
            micros(&decision.compile),
            judged(&decision.target),
        );
    }
    if let Some(lookups) = &report.lookups {
        let nanos = |spread: &Spread| ranged(Some(spread), |value| format!("{value:.0}"));
        let lookup = |name: &str, part: &Lookup| {
            let a_second = whole(1e9 / part.lookup.median.max(1.0));
            let (form, lookup) = (nanos(&part.canonical), nanos(&part.lookup));
            format!("  {name:<20} {lookup} ns, {a_second} a second; canonical form before that {form} ns\n")
        };
        let _ = write!(
            text,
            "\n== urls/lookups: {} entries, three fifths domains, the others URLs\n  \
             compiled in          {:.1} s, with {:.0} MB at most; the file has {:.0} MB\n  \
             opened and verified  in {:.2} s; {:.0} MB more memory with all lookups done\n{}{}",
            whole(lookups.entries.into()),
            lookups.compile_seconds,
            giga(lookups.compile_peak) * 1e3,
            giga(lookups.file) * 1e3,
            lookups.open_seconds,
            giga(lookups.resident) * 1e3,
            lookup("listed", &lookups.hit),
            lookup("not listed", &lookups.miss),
        );
    }
    text
}

/// All targets, and whether the whole means anything.
pub(super) fn conclusion(report: &Report) -> String {
    let mut text = String::from("\n== targets\n");
    for (name, target) in report.targets() {
        let _ = writeln!(text, "  {name:<20} {}", judged(target));
    }
    if report.targets().next().is_none() {
        text.push_str("  none\n");
    }
    for case in report.cases.iter().filter(|case| !case.is_valid()) {
        let _ = writeln!(text, "!!! {} IS INVALID: answers were wrong or missing, see above", case.name);
    }
    for doubt in report.machine.doubts() {
        let _ = writeln!(text, "!!! {doubt}");
    }
    if !report.complete {
        text.push_str("!!! INCOMPLETE: not all that was asked for was measured\n");
    }
    text
}

pub(super) fn judged(target: &Judged) -> String {
    let verdict = if target.met { "met" } else { "MISSED" };
    match target.value {
        Some(value) => format!("{}: {value:.2}, {verdict}", target.what),
        None => format!("{}: NOT MEASURED", target.what),
    }
}

/// Median and range; the median alone where there is no range.
pub(super) fn ranged(spread: Option<&Spread>, shown: impl Fn(f64) -> String) -> String {
    let Some(spread) = spread else { return "-".to_owned() };
    let [median, min, max] = [spread.median, spread.min, spread.max].map(shown);
    if min == max { median } else { format!("{median} ({min}..{max})") }
}

/// With commas.
fn whole(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
fn giga(bytes: u64) -> f64 {
    bytes as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_as_people_read_them() {
        assert_eq!(whole(1_234_567.4), "1,234,567");
        assert_eq!(whole(999.6), "1,000");
        assert_eq!(whole(12.0), "12");
        let spread = Spread { median: 2.0, min: 1.0, max: 3.0 };
        assert_eq!(ranged(Some(&spread), |value| format!("{value:.1}")), "2.0 (1.0..3.0)");
        let one = Spread { median: 2.0, min: 2.0, max: 2.0 };
        assert_eq!(ranged(Some(&one), |value| format!("{value:.1}")), "2.0");
        assert_eq!(ranged(None, |value| value.to_string()), "-");
    }

    #[test]
    fn a_target_that_was_not_measured_says_so() {
        let target = Judged { what: "rate".to_owned(), value: None, met: false };
        assert_eq!(judged(&target), "rate: NOT MEASURED");
        assert_eq!(judged(&Judged { value: Some(1.0), ..target }), "rate: 1.00, MISSED");
    }
}
