//! No limit is hit in silence.

use crate::objects::{nested, stored_zip};
use crate::support::{MARKER, Worker, Zygote, names, request};
use icapstan_clamav_wire::{Limits, Reply, ReplyFlags};

fn scan(worker: &Worker, object: &[u8], change: impl FnOnce(&mut Limits)) -> Reply {
    let mut request = request();
    change(&mut request.limits);
    worker.scan_with(object, &request)
}

fn filler(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b'a' + u8::try_from(state >> 24).unwrap() % 26
        })
        .collect()
}

#[test]
fn containers_are_counted_to_the_very_limit() {
    let (zygote, _database) = Zygote::ready();
    let worker = zygote.fork();
    for (depth, limit) in [(1, 1), (5, 5), (16, 16), (40, 40)] {
        let reply = scan(&worker, &nested(MARKER, depth), |limits| limits.depth = limit);
        assert_eq!(names(&reply), ["Marker.UNOFFICIAL"], "{depth} in {limit}: {reply:?}");
        assert!(!reply.flags.has(ReplyFlags::DEPTH));
    }
    for (depth, limit) in [(1, 0), (2, 1), (6, 5), (30, 5), (60, 5)] {
        let reply = scan(&worker, &nested(&filler(100, 1), depth), |limits| limits.depth = limit);
        assert!(reply.flags.has(ReplyFlags::DEPTH), "{depth} in {limit}: {reply:?}");
        assert!(reply.names.is_empty(), "{reply:?}");
    }
}

#[test]
fn too_many_files_show() {
    let (zygote, _database) = Zygote::ready();
    let worker = zygote.fork();
    let text = filler(100, 2);
    let members: Vec<(&str, &[u8])> = (0..50).map(|_| ("member", &text[..])).collect();
    let object = stored_zip(&members);
    let reply = scan(&worker, &object, |limits| limits.files = 10);
    let told = names(&reply).iter().any(|name| name == "Heuristics.Limits.Exceeded.MaxFiles");
    assert!(told || reply.flags.has(ReplyFlags::FILES), "{reply:?}");
    let reply = scan(&worker, &object, |limits| limits.files = 1000);
    assert_eq!((reply.code, reply.flags), (0, ReplyFlags::INSPECTED), "{reply:?}");
}

#[test]
fn too_many_bytes_show() {
    let (zygote, _database) = Zygote::ready();
    let worker = zygote.fork();
    let large = filler(1 << 20, 3);
    let reply = scan(&worker, &large, |limits| limits.file_size = 100_000);
    assert_eq!(names(&reply), ["Heuristics.Limits.Exceeded.MaxFileSize"], "{reply:?}");
    // Within the margin libclamav scans it, and the worker says that it is over the limit.
    let reply = scan(&worker, &large, |limits| limits.file_size = (1 << 20) - 1);
    assert_eq!(reply.flags, ReplyFlags::INSPECTED.with(ReplyFlags::SIZE), "{reply:?}");
    let reply = scan(&worker, &large, |limits| limits.file_size = 1 << 20);
    assert_eq!(reply.flags, ReplyFlags::INSPECTED, "{reply:?}");

    let parts: Vec<Vec<u8>> = (0..8).map(|seed| filler(100_000, seed)).collect();
    let members: Vec<(&str, &[u8])> = parts.iter().map(|part| ("part", &part[..])).collect();
    let reply = scan(&worker, &stored_zip(&members), |limits| limits.scan_size = 1_000_000);
    assert_eq!(names(&reply), ["Heuristics.Limits.Exceeded.MaxScanSize"], "{reply:?}");
}

#[test]
fn time_that_is_up_shows() {
    let (zygote, _database) = Zygote::ready();
    let worker = zygote.fork();
    let parts: Vec<Vec<u8>> = (0..200).map(|seed| filler(50_000, seed)).collect();
    let members: Vec<(&str, &[u8])> = parts.iter().map(|part| ("part", &part[..])).collect();
    let reply = scan(&worker, &stored_zip(&members), |limits| limits.time_ms = 20);
    assert_eq!(names(&reply), ["Heuristics.Limits.Exceeded.MaxScanTime"], "{reply:?}");
}

#[test]
fn zero_is_the_smallest_limit_and_not_none() {
    let (zygote, _database) = Zygote::ready();
    let worker = zygote.fork();
    let object = stored_zip(&[("a", &filler(1 << 20, 4)), ("b", &filler(1 << 20, 5))]);
    for change in [
        (|limits| limits.file_size = 0) as fn(&mut Limits),
        |limits| limits.scan_size = 0,
        |limits| limits.files = 0,
        |limits| limits.depth = 0,
        |limits| limits.time_ms = 0,
    ] {
        let reply = scan(&worker, &object, change);
        assert!(!(reply.code == 0 && reply.flags == ReplyFlags::INSPECTED), "{reply:?}");
    }
}

#[test]
fn the_limits_of_one_object_do_not_stay_for_the_next() {
    let (zygote, _database) = Zygote::ready();
    let worker = zygote.fork();
    let object = nested(MARKER, 8);
    let small = scan(&worker, &object, |limits| {
        *limits = Limits { time_ms: 1000, file_size: 10, scan_size: 10, files: 1, depth: 1 };
    });
    assert!(!names(&small).iter().any(|name| name.starts_with("Marker")), "{small:?}");
    assert_eq!(names(&worker.scan(&object)), ["Marker.UNOFFICIAL"]);
}
