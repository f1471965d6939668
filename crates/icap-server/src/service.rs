//! What a server serves.

use crate::{Exchange, ExchangeError, Io};
use icapstan_icap_proto::{IcapUri, Method, RequestHead};
use icapstan_model::IsTag;
use std::future::Future;
use std::sync::Arc;

/// A set of ICAP services behind one listener.
pub trait Service: Send + Sync + 'static {
    /// One service, as [`Service::route`] found it.
    type Route: Clone + Send + Sync;

    /// The service that a URI names.
    fn route(&self, uri: IcapUri<'_>) -> Option<Self::Route>;

    /// REQMOD, RESPMOD or both.
    fn methods<'a>(&'a self, route: &'a Self::Route) -> &'a [Method];

    /// The tag for answers that the server makes itself.
    fn istag(&self, route: Option<&Self::Route>) -> IsTag;

    /// Appends the answer to OPTIONS to `out` (see [`OptionsAnswer`](icapstan_icap_proto::OptionsAnswer)).
    fn options(&self, route: &Self::Route, close: bool, out: &mut Vec<u8>);

    /// Answers one REQMOD or RESPMOD. An error means that no answer was completed; the server then
    /// tells the client what it still can, and ends the connection. Dropping the future is the end
    /// of the transaction: nothing may outlive it.
    fn serve<I: Io>(
        &self,
        route: &Self::Route,
        head: &RequestHead,
        exchange: &mut Exchange<'_, I>,
    ) -> impl Future<Output = Result<(), ExchangeError>> + Send;
}

// === impl Service for Arc ===

/// So that whoever starts a server can go on to change what it serves.
impl<S: Service> Service for Arc<S> {
    type Route = S::Route;

    fn route(&self, uri: IcapUri<'_>) -> Option<Self::Route> {
        S::route(self, uri)
    }

    fn methods<'a>(&'a self, route: &'a Self::Route) -> &'a [Method] {
        S::methods(self, route)
    }

    fn istag(&self, route: Option<&Self::Route>) -> IsTag {
        S::istag(self, route)
    }

    fn options(&self, route: &Self::Route, close: bool, out: &mut Vec<u8>) {
        S::options(self, route, close, out);
    }

    fn serve<I: Io>(
        &self,
        route: &Self::Route,
        head: &RequestHead,
        exchange: &mut Exchange<'_, I>,
    ) -> impl Future<Output = Result<(), ExchangeError>> + Send {
        S::serve(self, route, head, exchange)
    }
}
