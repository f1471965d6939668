//! Memory that is at hand.

#![allow(unsafe_code, reason = "advice about memory is only to be given by libc")]

use rustix::mm::{Advice, madvise};
use std::hint;

/// More than a program that is measured allocates, in bytes.
const TAKEN: usize = 1 << 30;

/// A large page of x86-64, and of arm64 with pages of 4 KiB.
const LARGE: usize = 2 << 20;

/// Takes memory and gives it back, so that the host of a virtual machine has it at hand.
///
/// A host may take back large pages that were free for seconds, and hands them out again twenty times
/// more slowly than a kernel does its own: that would be measured, of whoever asks first.
pub(super) fn memory() {
    let mut taken: Vec<u8> = Vec::with_capacity(TAKEN);
    // SAFETY: a mapping of its own, from the start of a page on, of which this asks for large pages.
    let _ = unsafe { madvise(aligned(taken.as_mut_ptr()).cast(), TAKEN - LARGE, Advice::LinuxHugepage) };
    taken.resize(TAKEN, 1);
    drop(hint::black_box(taken));
}

/// The first large page that begins in memory of which so much is free.
fn aligned(start: *mut u8) -> *mut u8 {
    start.map_addr(|address| address.next_multiple_of(LARGE))
}
