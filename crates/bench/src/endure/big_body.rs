//! A body beyond the size limit passes through without being held.

use super::report::{CaseReport, mib};
use super::server::{RESPMOD, Server};
use super::stream::{self, BLOCK, Checker};
use super::tree::Sampler;
use crate::bound::Bound;
use crate::context::Context;
use anyhow::{Context as _, anyhow, bail};
use icapstan_testkit::{Message, PATIENCE};
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// The body.
const SIZE: u64 = 2 << 30;

/// It may take so much more memory than before, in MiB.
const GROWTH: Bound = Bound::AtMost(64.0);

/// How often memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What came back.
#[derive(Debug)]
struct Echo {
    reason: Option<String>,
    bytes: u64,
}

/// Sends the body, and watches the memory meanwhile.
pub(super) fn measure(context: &Context, report: &mut CaseReport) -> anyhow::Result<()> {
    let server = Server::start(context, "")?;
    let process = &server.running.process;
    let before = server.tree().pss_bytes();
    process.forget_peak();
    let resident = process.usage().resident;
    let sampler = Sampler::start(server.tree(), LOOK_EVERY);
    let begun = Instant::now();
    let echo = echo(context, server.running.icap);
    let (took, peak) = (begun.elapsed(), sampler.stop());
    server.check(context)?;
    let echo = echo?;
    let peak_resident = process.usage().peak_resident;
    report.note(format!(
        "{:.0} MiB in {took:.1?}, {:.0} MiB/s each way; reason {:?}",
        mib(echo.bytes),
        mib(echo.bytes) / took.as_secs_f64(),
        echo.reason
    ));
    report.holds("reason is non-scanned/size", echo.reason.as_deref() == Some("non-scanned/size"));
    report.promise("MiB that came back as they were sent", mib(echo.bytes), Bound::AtLeast(mib(SIZE)));
    report.promise("PSS of all processes above the start, MiB", mib(peak.saturating_sub(before)), GROWTH);
    let growth = mib(peak_resident.saturating_sub(resident));
    report.promise("peak RSS of the front above the start, MiB", growth, GROWTH);
    server.known_answers(context)
}

fn echo(context: &Context, address: SocketAddr) -> anyhow::Result<Echo> {
    let stream = TcpStream::connect(address).context("it takes no connection")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut sender = stream.try_clone()?;
    let head = Message::respmod(RESPMOD)
        .request_head("GET http://bench.test/large HTTP/1.1\r\nHost: bench.test\r\n\r\n")
        .response_head("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n")
        .framed_body("")
        .bytes();
    thread::scope(|scope| {
        let sending = scope.spawn(move || {
            sender.write_all(&head)?;
            stream::send(&mut sender, SIZE / BLOCK as u64, || context.check())
        });
        let received = receive(context, &stream);
        if received.is_err() {
            // Nobody reads any more; the sender must not wait for that.
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        let sent = sending.join().map_err(|_| anyhow!("the sender broke"))?;
        let echo = received?;
        sent.context("the body was not taken whole")?;
        Ok(echo)
    })
}

fn receive(context: &Context, stream: &TcpStream) -> anyhow::Result<Echo> {
    let mut input = BufReader::with_capacity(4 * BLOCK, stream);
    let icap = stream::head(&mut input)?;
    if !icap.first().is_some_and(|line| line.starts_with("ICAP/1.0 200 ")) {
        bail!("it answers {icap:?}");
    }
    let http = stream::head(&mut input)?;
    if !http.first().is_some_and(|line| line.starts_with("HTTP/1.1 200 ")) {
        bail!("the response became {http:?}");
    }
    let mut checker = Checker::new();
    stream::receive(&mut input, |piece| {
        context.check()?;
        checker.take(piece)
    })?;
    let reason = stream::field(&icap, "X-Icapstan-Reason").map(str::to_owned);
    Ok(Echo { reason, bytes: checker.seen() })
}
