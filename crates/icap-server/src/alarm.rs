//! One timer for all waits of a connection.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// Bounds waits in time.
///
/// Deadlines move with every request and are hardly ever reached. So the timer is left where it is
/// set, moved only for a wait that ends sooner, and set anew when it rings too early: a request
/// that comes in time costs no work on the timer wheel, which all threads share.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    /// Made for the first wait.
    sleep: Option<Pin<Box<Sleep>>>,
    /// When the last work that was bounded began to be waited for; `None` if it was done at once.
    began: Option<Instant>,
}

/// A wait took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Elapsed;

/// When a wait is to end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deadline {
    /// At this time.
    At(Instant),
    /// After the wait has lasted so long. The clock is read only if there is a wait at all.
    In(Duration),
}

// === impl Alarm ===

impl Alarm {
    /// Runs `work` until `deadline`.
    pub(crate) async fn by<F: Future>(&mut self, deadline: Deadline, work: F) -> Result<F::Output, Elapsed> {
        let mut work = pin!(work);
        self.began = None;
        std::future::poll_fn(|cx| {
            if let Poll::Ready(output) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            let began = *self.began.get_or_insert_with(Instant::now);
            ready!(self.poll_until(cx, deadline.from(began)));
            Poll::Ready(Err(Elapsed))
        })
        .await
    }

    /// How long the last work was waited for.
    pub(crate) fn waited(&self) -> Duration {
        self.began.map_or(Duration::ZERO, |began| began.elapsed())
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            // It rang for an earlier wait.
            sleep.as_mut().reset(deadline);
        }
    }
}

// === impl Deadline ===

impl Deadline {
    fn from(self, now: Instant) -> Instant {
        match self {
            Self::At(instant) => instant,
            Self::In(duration) => now + duration,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use tokio::time::sleep;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn each_wait_ends_at_its_own_deadline_whatever_came_before() {
        let mut alarm = Alarm::default();
        for seconds in [3, 20, 1, 1, 60, 5] {
            let before = Instant::now();
            let waited = alarm.by(Deadline::In(seconds * SECOND), pending::<()>()).await;
            assert_eq!((waited, before.elapsed().as_secs()), (Err(Elapsed), u64::from(seconds)));
        }
        let at = Instant::now() + 2 * SECOND;
        assert_eq!(alarm.by(Deadline::At(at), pending::<()>()).await, Err(Elapsed));
        assert_eq!(alarm.by(Deadline::At(at), pending::<()>()).await, Err(Elapsed), "it is past");
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_is_done_in_time_wins_also_behind_an_earlier_alarm() {
        let mut alarm = Alarm::default();
        assert_eq!(alarm.by(Deadline::In(SECOND), sleep(SECOND / 2)).await, Ok(()));
        // The first alarm rings in the midst of this.
        let before = Instant::now();
        assert_eq!(alarm.by(Deadline::In(9 * SECOND), sleep(5 * SECOND)).await, Ok(()));
        assert_eq!(before.elapsed().as_secs(), 5);
        assert_eq!(alarm.by(Deadline::In(Duration::ZERO), ready(7)).await, Ok(7));
    }
}
