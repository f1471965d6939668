//! What a lookup may not do.

#![expect(unsafe_code, reason = "an allocator that counts is an allocator")]

use icapstan_urls::{Action, CanonicalUrl, Compiler, Entry, Keep, Kind, ListFile, ListInfo, Lists};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::SystemTime;

/// The allocator of the system, counting.
struct Counting;

thread_local! {
    /// How often this thread has asked for memory.
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: all is left to the allocator of the system; the rest is counting, which does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.set(ASKED.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) }
    }
}

/// How often `work` asks for memory.
fn asked<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = ASKED.get();
    let result = work();
    (result, ASKED.get() - before)
}

#[test]
fn a_url_that_is_in_no_list_costs_no_allocation() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("lists");
    let info = ListInfo { name: "bad".into(), kind: Kind::Malware, category: None, source: "".into() };
    let mut compiler = Compiler::new(&path, vec![info]).unwrap();
    let mut add = |entry| compiler.add(0, Action::Block, &entry).unwrap();
    for number in 0..5000 {
        add(Entry::Expression(format!("{number}.example/bad/").into()));
        add(Entry::Expression(format!("{number}.evil.example/").into()));
    }
    add(Entry::Hash([7; 32]));
    add(Entry::Network("192.0.2.0".parse().unwrap(), 24));
    compiler.finish().unwrap();
    let lists = Lists::new(ListFile::open(&path, &Keep::Memory).unwrap(), SystemTime::UNIX_EPOCH);
    // So many that some get through the filter, and to the table.
    for number in 5000..10_000 {
        for url in [
            format!("http://a.b.c.d.e.{number}.evil.example/1/2/3/4/5/6?7"),
            format!("http://1.example/good/{number}"),
            format!("http://[2001:db8::{number}]/"),
        ] {
            let url = CanonicalUrl::parse(url.as_bytes()).unwrap();
            assert_eq!(asked(|| lists.lookup(&url)), (None, 0), "{url}");
        }
    }
    let listed = CanonicalUrl::parse(b"http://1.evil.example/").unwrap();
    let (found, asked) = asked(|| lists.lookup(&listed));
    assert!(found.is_some() && asked > 0, "what counts allocations does count");
}
