//! How a process is, told again and again to whoever watches.

use icapstan_proto::fleet::fleet_status_server::FleetStatus;
use icapstan_proto::fleet::{State, WatchRequest};
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// Nobody is told more often.
const SHORTEST: Duration = Duration::from_millis(50);
/// Nobody is told more seldom.
const LONGEST: Duration = Duration::from_secs(10);
/// Unless it is wished otherwise.
const USUAL: Duration = Duration::from_millis(250);

/// What is told of. Clones share all.
pub(super) trait Subject: Clone + Send + Sync + 'static {
    /// What tells that it is to be told at once.
    type Changes: Send;

    fn changes(&self) -> Self::Changes;

    /// Waits for the next one; false when there will be none.
    fn changed(changes: &mut Self::Changes) -> impl Future<Output = bool> + Send;

    /// Whether what is told now is the last that is.
    fn is_last(&self) -> bool;

    fn state(&self) -> State;
}

/// Serves `FleetStatus`.
#[derive(Clone)]
pub(super) struct Teller<S>(pub(super) S);

#[tonic::async_trait]
impl<S: Subject> FleetStatus for Teller<S> {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<State, Status>> + Send>>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let wished = Duration::from_millis(request.get_ref().interval_ms.into());
        let interval = if wished.is_zero() { USUAL } else { wished.clamp(SHORTEST, LONGEST) };
        // One that nobody has read yet: who does not read is told less often.
        let (told, states) = mpsc::channel(1);
        let subject = self.0.clone();
        tokio::spawn(async move {
            let mut changes = subject.changes();
            let mut beat = tokio::time::interval(interval);
            beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = beat.tick() => {}
                    is_changed = S::changed(&mut changes) => if !is_changed { return },
                    () = told.closed() => return,
                }
                let is_last = subject.is_last();
                if told.send(Ok(subject.state())).await.is_err() || is_last {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(states))))
    }
}
