//! Who may send requests on a connection.

use super::{After, Session};
use crate::access::{Checked, Credentials};
use crate::entrance::Refusal;
use crate::{Io, Service};
use icapstan_icap_proto::{DecodeError, Method, RequestHead, Status};

pub(super) use crate::access::Proven;

// === impl Session ===

impl<S: Service, I: Io> Session<'_, S, I> {
    /// Answers a client that may not be served, and ends the connection.
    pub(crate) async fn turn_away(mut self) {
        self.put_error(Status::FORBIDDEN, true);
        if self.connection.flush_with(&[]).await.is_ok() {
            self.shared.metrics.answered(Method::Other, Status::FORBIDDEN);
            self.connection.linger().await;
        }
        self.count_traffic();
    }

    /// Answers a request of a client that has not proven who it is, where it has to. `None`: it is served.
    pub(super) async fn refuse_stranger(&mut self, head: &RequestHead) -> Option<After> {
        let authentication = self.shared.config.access.authentication()?;
        let said = Credentials::of(head);
        if let (Some(said), Some(proven)) = (&said, &self.proven)
            && authentication.is_proven(said, proven)
        {
            return None;
        }
        self.connection.caller.user = None;
        self.proven = None;
        let address = self.connection.caller.address;
        let refusal = match said {
            None => Refusal::NoCredentials,
            Some(said) => {
                let gate = self.shared.config.access.gate();
                // Apart: most servers do without, and this is large.
                match Box::pin(authentication.check(&said, gate, address.ip())).await {
                    Checked::Proven(proven) => {
                        self.connection.caller.user = Some(proven.user());
                        self.proven = Some(proven);
                        return None;
                    }
                    Checked::Wrong => Refusal::WrongCredentials,
                    Checked::TooManyFailures => Refusal::TooManyFailures,
                    Checked::Busy => Refusal::Busy,
                }
            }
        };
        self.shared.metrics.entrance.refused(refusal, address);
        Some(match refusal {
            Refusal::Busy => self.refuse(head, Status::UNAVAILABLE, true).await,
            refusal => {
                let fields = [("Proxy-Authenticate", authentication.challenge())];
                let close = refusal != Refusal::NoCredentials;
                self.refuse_with(head, Status::AUTHENTICATION_REQUIRED, &fields, close).await
            }
        })
    }

    /// Tells a likely cause of what is no ICAP.
    pub(super) fn note_tls(&self, error: DecodeError) {
        if error == DecodeError::NotIcap && self.connection.input.filled().starts_with(&[0x16, 0x03]) {
            self.shared.metrics.entrance.tls_on_plain(self.connection.caller.address);
        }
    }
}
