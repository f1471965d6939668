//! Basic authentication (RFC 7617), with the status and the fields of RFC 3507 section 7.1.

use super::gate::{Entry, Gate};
use super::users::Users;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use icapstan_icap_proto::RequestHead;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Mutex as AsyncMutex;

/// Who may send requests, and what the others are told.
#[derive(Debug)]
pub struct Authentication {
    challenge: String,
    users: Arc<Users>,
    turns: Turns,
}

/// Credentials that are being looked at: whoever says the same waits for what comes of it.
#[derive(Debug, Default)]
struct Turns(Mutex<HashMap<[u8; 32], Weak<AsyncMutex<()>>>>);

/// What a client says that proves who it is.
pub(crate) struct Credentials<'h>(&'h [u8]);

/// That a client is who it says, and what it said.
#[derive(Clone)]
pub(crate) struct Proven {
    said: blake3::Hash,
    user: Arc<str>,
}

/// What is to be thought of credentials.
pub(crate) enum Checked {
    Proven(Proven),
    Wrong,
    TooManyFailures,
    Busy,
}

/// Whoever was wrong waits so long for the answer.
const DELAY: Duration = Duration::from_secs(1);
/// No credentials are longer, in bytes of the field.
const MAX_FIELD: usize = 1024;

// === impl Authentication ===

impl Authentication {
    /// Clients are told the name of the realm.
    pub fn new(realm: &str, users: Users) -> Self {
        let realm: String =
            realm.chars().filter(|c| (*c == ' ' || c.is_ascii_graphic()) && !"\"\\".contains(*c)).collect();
        let challenge = format!("Basic realm=\"{realm}\", charset=\"UTF-8\"");
        Self { challenge, users: Arc::new(users), turns: Turns::default() }
    }

    /// The same with the users of `former`, if they are the same: what was proven to them need not be again.
    pub(super) fn after(self: &Arc<Self>, former: &Arc<Self>) -> Arc<Self> {
        if !self.users.are(&former.users) {
            return Arc::clone(self);
        }
        if self.challenge == former.challenge {
            return Arc::clone(former);
        }
        let (challenge, users) = (self.challenge.clone(), Arc::clone(&former.users));
        Arc::new(Self { challenge, users, turns: Turns::default() })
    }

    pub(crate) fn challenge(&self) -> &str {
        &self.challenge
    }

    /// Whether this is what was proven already. Costs a hash of the field and no more.
    pub(crate) fn is_proven(&self, said: &Credentials<'_>, proven: &Proven) -> bool {
        // The key is that of these users: what was proven to former ones is not proven to them.
        self.users.digest(said.0) == proven.said
    }

    /// Looks at what a client at `address` says.
    pub(crate) async fn check(&self, said: &Credentials<'_>, gate: &Gate, address: IpAddr) -> Checked {
        let digest = self.users.digest(said.0);
        if let Some(user) = self.users.known(&digest) {
            return Checked::Proven(Proven { said: digest, user });
        }
        let Some((name, password)) = said.parts() else {
            tokio::time::sleep(DELAY).await;
            return Checked::Wrong;
        };
        // Connections of one proxy begin together, with the same credentials: they are looked at once.
        let turn = self.turns.of(digest);
        let turn = turn.lock().await;
        if let Some(user) = self.users.known(&digest) {
            return Checked::Proven(Proven { said: digest, user });
        }
        let pass = match gate.enter(address).await {
            Entry::Open(pass) => pass,
            Entry::TooManyFailures => return Checked::TooManyFailures,
            Entry::Busy => return Checked::Busy,
        };
        let users = Arc::clone(&self.users);
        // Takes tens to hundreds of milliseconds of a processor, by design. The pass goes along, so that no
        // more of this runs than may, also when nobody waits for it any more.
        let verify = tokio::task::spawn_blocking(move || {
            let user = users.verify(&name, &password);
            if user.is_some() {
                pass.give_back();
            }
            user
        });
        if let Ok(Some(user)) = verify.await {
            self.users.remember(digest, &user);
            return Checked::Proven(Proven { said: digest, user });
        }
        drop(turn);
        tokio::time::sleep(DELAY).await;
        Checked::Wrong
    }
}

// === impl Turns ===

impl Turns {
    fn of(&self, digest: blake3::Hash) -> Arc<AsyncMutex<()>> {
        let mut turns = self.0.lock();
        if let Some(turn) = turns.get(digest.as_bytes()).and_then(Weak::upgrade) {
            return turn;
        }
        // There are no more than connections that wait.
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(*digest.as_bytes(), Arc::downgrade(&turn));
        turn
    }
}

// === impl Credentials ===

impl<'h> Credentials<'h> {
    /// What stands in `Authorization`, as g3proxy sends it, else in `Proxy-Authorization`, which is the
    /// answer to 407. Proxies may pass that on from their own users.
    pub(crate) fn of(head: &'h RequestHead) -> Option<Self> {
        head.field("authorization").or_else(|| head.field("proxy-authorization")).map(Self)
    }

    /// The name and the password.
    fn parts(&self) -> Option<(String, String)> {
        if self.0.len() > MAX_FIELD {
            return None;
        }
        let (scheme, token) = self.0.split_at_checked("Basic ".len())?;
        if !scheme.eq_ignore_ascii_case(b"Basic ") {
            return None;
        }
        let plain = String::from_utf8(STANDARD.decode(token.trim_ascii()).ok()?).ok()?;
        let (name, password) = plain.split_once(':')?;
        let is_usable = |text: &str| !text.chars().any(char::is_control);
        (!name.is_empty() && is_usable(name) && is_usable(password))
            .then(|| (name.to_owned(), password.to_owned()))
    }
}

// === impl Proven ===

impl Proven {
    pub(crate) fn user(&self) -> Arc<str> {
        Arc::clone(&self.user)
    }
}

impl fmt::Debug for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proven").field("user", &self.user).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    /// As `htpasswd -nbB -C 4` writes it; the password is `secret`.
    const USERS: &str = include_str!("../../tests/users.htpasswd");

    fn said(field: &str) -> Vec<u8> {
        field.as_bytes().to_vec()
    }

    fn basic(text: &str) -> Vec<u8> {
        said(&format!("Basic {}", STANDARD.encode(text)))
    }

    fn authentication() -> Authentication {
        Authentication::new("a \"b\"", Users::parse(USERS).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_right_password_of_a_user_is_proof_and_what_is_wrong_takes_time() {
        let (authentication, gate) = (authentication(), Gate::default());
        let local = IpAddr::from([127, 0, 0, 1]);
        let field = basic("squid:secret");
        let Checked::Proven(proven) = authentication.check(&Credentials(&field), &gate, local).await else {
            panic!("it is right")
        };
        assert_eq!(&*proven.user(), "squid");
        assert!(authentication.is_proven(&Credentials(&field), &proven));
        for wrong in [
            basic("squid:Secret"),
            basic("squid:"),
            basic("squid"),
            basic(":secret"),
            basic("nobody:secret"),
            basic("squid:secret\0"),
            said("Basic ???"),
            said("Bearer c3F1aWQ6c2VjcmV0"),
            said("Basic"),
            said(""),
            basic(&format!("squid:{}", "x".repeat(2000))),
        ] {
            let gate = Gate::default();
            let start = Instant::now();
            let checked = authentication.check(&Credentials(&wrong), &gate, local).await;
            assert!(matches!(checked, Checked::Wrong), "{}", String::from_utf8_lossy(&wrong));
            assert!(start.elapsed() >= DELAY);
            assert!(!authentication.is_proven(&Credentials(&wrong), &proven));
        }
    }

    #[tokio::test]
    async fn what_was_proven_to_former_users_is_not_proven_to_others() {
        let (first, gate) = (authentication(), Gate::default());
        let field = basic("squid:secret");
        let local = IpAddr::from([127, 0, 0, 1]);
        let Checked::Proven(proven) = first.check(&Credentials(&field), &gate, local).await else {
            panic!("it is right")
        };
        assert!(!authentication().is_proven(&Credentials(&field), &proven));
    }

    #[test]
    fn the_realm_cannot_break_out_of_its_quotes() {
        assert_eq!(authentication().challenge(), "Basic realm=\"a b\", charset=\"UTF-8\"");
    }
}
