//! Panics that the product catches.
//!
//! A fuzzer ends at the first panic, caught or not. Decoders of others that panic are an expected evil
//! which the product survives; panics in its own code are faults wherever they are caught.

use std::cell::Cell;
use std::panic::{self, PanicHookInfo};
use std::sync::Once;

thread_local! {
    static TOLERANT: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`, in which code from outside this workspace may panic if the panic is caught.
pub(crate) fn tolerate<T>(work: impl FnOnce() -> T) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !(TOLERANT.get() && is_foreign(info)) {
                before(info);
            }
        }));
    });
    TOLERANT.set(true);
    let result = work();
    TOLERANT.set(false);
    result
}

/// Whether it is in a crate that came from a registry.
fn is_foreign(info: &PanicHookInfo<'_>) -> bool {
    info.location().is_some_and(|place| place.file().contains("/registry/src/"))
}
