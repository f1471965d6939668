//! How a worker lives and dies.

use super::support::{LIMITS, Worker, text};
use icapstan_unpack::{Gap, Handed, Order};
use std::time::{Duration, Instant};

fn gzip(data: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn it_takes_one_container_after_the_other() {
    let mut worker = Worker::start();
    for seed in 0..20 {
        let content = text(10_000, seed);
        let taken = worker.take(&gzip(&content), LIMITS);
        assert_eq!(taken.members, [("gzip".to_owned(), content)]);
        assert_eq!(taken.gaps, []);
    }
}

#[test]
fn it_ends_when_the_scanner_closes_the_socket() {
    let mut worker = Worker::start();
    worker.take(&gzip(b"some text"), LIMITS);
    worker.hang_up();
    let status = worker.child().wait().unwrap();
    assert!(status.success(), "{status}");
}

#[test]
fn a_record_that_is_none_ends_it() {
    let mut worker = Worker::start();
    worker.send_bytes(b"nonsense", None);
    assert!(worker.receive().is_none());
    assert!(!worker.child().wait().unwrap().success());
}

#[test]
fn no_more_than_two_members_are_in_memory_at_once() {
    let mut worker = Worker::start();
    let mut archive = b"!<arch>\n".to_vec();
    for number in 0..9 {
        archive.extend_from_slice(format!("{:<16}{:<32}{:<10}`\n", number, "", 100).as_bytes());
        archive.extend_from_slice(&text(100, number));
    }
    worker.begin(&archive, LIMITS);
    let Some((Handed::Member { id, .. }, Some(_))) = worker.receive() else { panic!("a member comes") };
    // The second one comes only once the first is acknowledged.
    assert!(!worker.has_answer_within(Duration::from_millis(300)));
    worker.send(&Order::More { id }, None);
    assert!(worker.has_answer_within(Duration::from_secs(20)));
}

#[test]
fn it_gives_up_when_its_time_is_over() {
    let mut worker = Worker::start();
    // Gigabytes of zeros, of which none comes out: the limit on the time is reached first.
    let mut bomb = gzip(&vec![0; 32 << 20]);
    for _ in 0..6 {
        bomb.extend_from_within(..);
    }
    let begin = Instant::now();
    let limits =
        icapstan_unpack::MemberLimits { max_member: 1 << 40, max_total: 1 << 40, time_ms: 50, ..LIMITS };
    let taken = worker.take(&bomb, limits);
    assert_eq!(taken.gaps, [Gap::Time]);
    assert!(begin.elapsed() < Duration::from_secs(15));
    // And goes on with the next one.
    assert_eq!(worker.take(&gzip(b"some text"), LIMITS).gaps, []);
}
