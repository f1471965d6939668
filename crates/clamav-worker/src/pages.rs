//! Large pages for the loaded signatures: `pages.c`, which stands before libc's `mmap`.

#![allow(unsafe_code, reason = "foreign functions are declared here")]

use std::ffi::c_int;

unsafe extern "C" {
    safe fn icapstan_large_pages(wanted: c_int);
}

/// While this lives, what libclamav maps comes out of large pages.
///
/// For the time in which there is one thread. All workers share the pages, since they are made before
/// the first fork.
pub(crate) struct Large(());

impl Large {
    pub(crate) fn begin() -> Self {
        icapstan_large_pages(1);
        Self(())
    }
}

impl Drop for Large {
    fn drop(&mut self) {
        icapstan_large_pages(0);
    }
}
