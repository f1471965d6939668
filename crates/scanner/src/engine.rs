//! What scans: one engine with one set of signatures, and what brings others.
//!
//! Views, hash lists, retries and judgement are the same for all engines. One that is added implements
//! [`Engine`] and [`Lease`] for its scans, and [`Supply`] for what it takes to have one in use.

use icapstan_clamav_wire::{FileDigests, Reply, Request};
use icapstan_model::SignatureSet;
use std::fmt;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::breaker::Turn;
use crate::obituary::Obituary;
use crate::poison::Poison;
use crate::queue::{Lane, Queue};
use crate::scan::Left;

/// An engine with one generation of signatures.
pub(crate) trait Engine: fmt::Debug + Send + Sync {
    /// What it finds by.
    fn signatures(&self) -> &SignatureSet;

    /// Whether it says so if it does not open a container. What it never opens is `unsupported` otherwise.
    fn tells_what_it_leaves_closed(&self) -> bool {
        true
    }

    /// Who may be under way.
    fn queue(&self) -> &Queue;

    /// How many objects it can scan at once as things are, those under scan included.
    fn in_service(&self) -> usize;

    /// Whether it has ended, so that it begins no scan any more.
    fn is_closed(&self) -> bool;

    /// How many scans are under way; see [`UnderWay`].
    fn scans(&self) -> &AtomicUsize;

    /// What is not scanned again with these signatures.
    fn poison(&self) -> &Poison;

    /// Waits until it has room for an object. Dropping what this gives makes room for the next.
    fn lease<'a>(self: Arc<Self>, lane: Lane, wanted: Wanted, deadline: Instant) -> Leasing<'a>;

    /// Nobody holds it any more. Must not wait.
    fn retire(self: Arc<Self>);
}

/// The use of an engine for the views of one object, one after the other.
pub(crate) trait Lease: Send {
    /// Scans one sealed file, until the deadline at the latest. Cancelled by dropping the future.
    fn call<'a>(&'a mut self, file: BorrowedFd<'a>, request: Request, deadline: Instant) -> Calling<'a>;

    /// Whether it can be called again.
    fn is_usable(&self) -> bool;

    /// Whether a scan is under way, which goes on for a while when this is dropped.
    fn is_busy(&self) -> bool;

    /// Whether nobody else's object can be to blame for what happens to who scans.
    fn is_isolated(&self) -> bool;

    /// The turn of an object that is a suspect lasts as long as the scan.
    fn keep(&mut self, turn: Option<Turn>);

    /// Nobody waits for the scan that is under way any more. What its worker dies of is to be told all the same.
    fn leave(&mut self, left: Left);

    /// What it answered raises doubts: whoever scanned has to prove itself before the next object.
    fn doubt(&mut self);
}

/// What has an engine in use, and lets others take its place.
pub(crate) trait Supply: Send + Sync {
    /// Looks for other signatures now.
    fn reload(&self);

    /// Why nothing can be scanned, beyond what the engine in use tells.
    fn trouble(&self) -> Option<String>;

    /// From now on everything ends. Must not wait.
    fn begin_stop(&self);

    /// Waits until everything has ended, so it is not for async code.
    fn join(&self);
}

/// See [`Engine::lease`].
pub(crate) type Leasing<'a> = Pin<Box<dyn Future<Output = Result<Box<dyn Lease>, NoWorker>> + Send + 'a>>;

/// See [`Lease::call`].
pub(crate) type Calling<'a> = Pin<Box<dyn Future<Output = Called> + Send + 'a>>;

/// How a call ended.
#[derive(Debug)]
pub(crate) enum Called {
    /// The engine answered, after it told what lies inside as far as that was asked for.
    Replied(Reply, Vec<FileDigests>),
    /// The worker was dead before it was given the object, or died of what is not to be blamed on that.
    NotBegun,
    /// There is not enough room for temporary files.
    NoRoom,
    /// The worker died of the object.
    Died(Option<Obituary>),
    /// Who scanned is gone, of whatever object. It is not tried again.
    Lost,
    /// The worker sent something that is no reply. It was killed.
    Protocol,
    /// Its temporary files took more than their share. It was killed.
    TempShare,
    /// The deadline came. It was killed.
    Deadline,
}

/// Which worker is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The one that was used last, which is the warmest.
    Any,
    /// The one that has seen the least, for one object alone.
    Isolated,
}

/// Why there is no worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoWorker {
    /// None became free before the deadline.
    Late,
    /// There is none at all.
    None,
}

/// A scan under way.
#[derive(Debug)]
pub(crate) struct UnderWay<'a>(&'a AtomicUsize);

/// What an epoch holds: as long as this lives, the generation stays in memory, unless newer ones need
/// its place.
#[derive(Debug)]
pub(crate) struct Held(pub(crate) Arc<dyn Engine>);

// === impl UnderWay ===

impl<'a> UnderWay<'a> {
    /// Counts a scan until it is dropped.
    pub(crate) fn begin(engine: &'a dyn Engine) -> Self {
        let scans = engine.scans();
        scans.fetch_add(1, Ordering::SeqCst);
        Self(scans)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

// === impl Held ===

impl Drop for Held {
    fn drop(&mut self) {
        Arc::clone(&self.0).retire();
    }
}
