//! Whoever makes a scan that others may wait for.

use super::flights::{Flight, Outcome};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::runtime::Handle;

/// A scan that borrows nothing, so that it can change hands.
pub(super) type Scan = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Makes a scan in the task of who began it, which costs nothing beside the scan. When that task gives it up and others
/// wait, the scan goes on in a task of its own; else it ends.
pub(super) struct Pilot {
    /// `None` once it is over.
    under_way: Option<(Flight, Scan)>,
    /// A scan that was left in the midst of this has panicked.
    is_polled: bool,
}

// === impl Pilot ===

impl Pilot {
    pub(super) fn new(flight: Flight, scan: Scan) -> Self {
        Self { under_way: Some((flight, scan)), is_polled: false }
    }
}

impl Future for Pilot {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        self.is_polled = true;
        let (_, scan) = self.under_way.as_mut().expect("a future that is ready is not polled again");
        let polled = scan.as_mut().poll(cx);
        self.is_polled = false;
        let outcome = ready!(polled);
        if let Some((flight, _)) = self.under_way.take() {
            flight.land(&outcome);
        }
        Poll::Ready(outcome)
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        let Some((flight, scan)) = self.under_way.take() else { return };
        // Without a runtime nobody waits for long.
        if let (false, Ok(runtime)) = (self.is_polled || flight.is_deserted(), Handle::try_current()) {
            runtime.spawn(go_on(flight, scan));
        }
    }
}

/// Makes the scan as long as somebody waits for it.
async fn go_on(flight: Flight, mut scan: Scan) {
    loop {
        tokio::select! {
            biased;
            outcome = &mut scan => return flight.land(&outcome),
            () = flight.desertion() => if flight.is_deserted() {
                return;
            },
        }
    }
}
