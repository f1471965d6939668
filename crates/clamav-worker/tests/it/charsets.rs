//! Text in any charset is understood, though a worker can load no converter from disk.

use crate::support::{Folder, Worker, Zygote, database, hex, names};
use icapstan_clamav_wire::Event;
use std::fs;

/// A worker with a signature for text in HTML as libclamav normalises it.
fn worker() -> (Zygote, Worker, Folder) {
    let database = database();
    database.file("html.ndb", format!("Page:3:*:{}\n", hex(b"<b>in a page</b>")));
    let zygote = Zygote::start(&[database.path()]);
    assert!(matches!(zygote.event().0, Event::Ready { .. }));
    let worker = zygote.fork();
    (zygote, worker, database)
}

/// libclamav takes it for HTML, and normalises it, only if it can convert its beginning.
const PAGE: &str = "\u{feff}<HTML><BODY><B>In   a  PAGE</B></BODY></HTML>";

fn in_utf16be() -> Vec<u8> {
    PAGE.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

#[test]
fn a_page_in_another_charset_is_read_as_a_page() {
    let (_zygote, worker, _database) = worker();
    let forms: [(&str, Vec<u8>); 4] = [
        ("UTF-16LE", PAGE.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("UTF-16BE", in_utf16be()),
        ("UTF-32LE", PAGE.chars().flat_map(|letter| u32::from(letter).to_le_bytes()).collect()),
        ("UTF-32BE", PAGE.chars().flat_map(|letter| u32::from(letter).to_be_bytes()).collect()),
    ];
    for (charset, page) in forms {
        let reply = worker.scan(&page);
        assert_eq!(names(&reply), ["Page.UNOFFICIAL"], "{charset}: {reply:?}");
    }
}

#[test]
fn converters_are_in_memory_before_the_first_object() {
    let (_zygote, worker, _database) = worker();
    let converters = || {
        let maps = fs::read_to_string(format!("/proc/{}/maps", worker.pid)).unwrap();
        let names = maps.lines().filter_map(|line| Some(line.split_once("/gconv/")?.1.to_owned()));
        names.filter(|name| name.contains(".so")).collect::<Vec<_>>()
    };
    let before = converters();
    worker.scan(&in_utf16be());
    assert_eq!(before, converters());
    // In the C library's own folder they are files; where there is none, they are a part of it.
    let folder = format!("/usr/lib/{}-linux-gnu/gconv", std::env::consts::ARCH);
    assert!(before.iter().any(|name| name == "UTF-16.so") || !fs::exists(folder).unwrap(), "{before:?}");
}
