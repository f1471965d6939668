//! What an importer makes of a list: `cargo run -p icapstan-urls --example import FILE [FORMAT]`.

use icapstan_urls::import::{Format, MAX_LINE, Reason, detect, import};
use std::env;
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let file = args.next().ok_or("which file?")?;
    let mut input = BufReader::with_capacity(MAX_LINE, File::open(file)?);
    let format = match args.next() {
        Some(word) => word.parse()?,
        None => detect(input.fill_buf()?)
            .ok_or_else(|| format!("which format? one of {}", Format::ALL.map(Format::word).join(", ")))?,
    };
    let mut output = std::io::stdout().lock();
    let mut failed = None;
    let report = import(format, input, |imported| {
        let line = writeln!(output, "{} {:?} {:?}", imported.line, imported.action, imported.entry);
        failed = line.err();
        if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    eprintln!("{format}: {} lines, {} entries, {} left out", report.lines, report.entries, report.left_out);
    for (reason, count) in report.counts() {
        let first =
            report.problems.iter().find(|problem| problem.reason == reason).map_or(0, |problem| problem.line);
        let sort = if Reason::is_remark(reason) { "remark" } else { "left out" };
        eprintln!("{count:8} {sort}: {reason}, first in line {first}");
    }
    failed.map_or(Ok(()), |error| Err(error.into()))
}
