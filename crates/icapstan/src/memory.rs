//! Memory that bodies took goes back to the system.

#![allow(unsafe_code, reason = "malloc_trim and mallopt are only to be called through libc")]

use std::time::Duration;

/// How often it is looked for.
const INTERVAL: Duration = Duration::from_secs(1);
/// Less is not worth the time, in bytes.
const WORTH: u64 = 4 << 20;
/// How many looks later it is done again, for what was still in use before. Threads that do what blocks end ten
/// seconds after their last work, and only then give back what the C library let them keep for themselves.
const AGAIN: [u32; 2] = [10, 25];

/// Gives free memory back whenever what is `taken`, in bytes, falls to less than half of what was before.
///
/// The C library keeps what was freed for the next who asks, in as many heaps as threads have asked:
/// right while bodies keep coming, and after a rush nobody needs it.
pub(crate) async fn give_back(taken: impl Fn() -> u64) -> ! {
    let mut interval = tokio::time::interval(INTERVAL);
    let (mut most, mut looks) = (0, u32::MAX);
    loop {
        interval.tick().await;
        let taken = taken();
        most = most.max(taken);
        looks = looks.saturating_add(1);
        if most >= WORTH && taken < most / 2 {
            (most, looks) = (taken, 0);
            trim();
        } else if AGAIN.contains(&looks) {
            trim();
        }
    }
}

/// Has the C library keep no more heaps than the threads that serve need, and a few for all others. It would begin one
/// for nearly each thread that waits for a disk or a decoder, and of what these once used a part stays in each.
#[cfg(target_env = "gnu")]
pub(crate) fn bound_heaps(threads: usize) {
    /// For all other threads together.
    const OTHERS: usize = 2;
    let heaps = libc::c_int::try_from(threads.saturating_add(OTHERS)).unwrap_or(libc::c_int::MAX);
    // SAFETY: takes integers only. It fails if the number cannot be used, and then nothing is changed.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, heaps) };
}

/// Other C libraries have one for all.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn bound_heaps(_: usize) {}

#[cfg(target_env = "gnu")]
fn trim() {
    // SAFETY: takes an integer only, and locks each heap for itself.
    unsafe { libc::malloc_trim(0) };
}

/// Other C libraries give it back by themselves.
#[cfg(not(target_env = "gnu"))]
fn trim() {}
