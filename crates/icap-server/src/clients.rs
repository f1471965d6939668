//! What each client takes of the whole.
//!
//! ```text
//!  connect ──▶ Clients::enter ──▶ Guest ──▶ take(now): one atomic exchange ──▶ drop
//!                │ lock                                                          │ lock
//!                └─ table: by address (IPv6 by /64, which one subscriber has) ◀──┘
//! ```
//!
//! A lock is taken when a connection begins and when it ends, none for a request. The table has no
//! more entries than there are connections, besides some thousand clients without one whose
//! budget of requests is not full again: who reconnects finds it as it was. If there are more of
//! those, the one that is nearest to a full budget is forgotten.

use crate::network::{is_in, subscriber};
use ipnet::IpNet;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::Instant;

/// What one client may take.
#[derive(Clone, Debug, Default)]
pub struct ClientLimits {
    /// Connections that are served at once; 0 for no limit.
    pub sessions: u32,
    /// REQMOD and RESPMOD a second in the long run; 0 for no limit.
    pub requests_per_second: u32,
    /// How many of them may come at once, at least 1.
    pub burst: u32,
    /// Who has no limits.
    pub exempt: Vec<IpNet>,
}

/// All clients that are known.
#[derive(Debug)]
pub(crate) struct Clients {
    limits: ClientLimits,
    /// Nanoseconds from one request to the next at the full rate; 0 for no limit.
    period: u64,
    start: Instant,
    table: Mutex<Table>,
}

/// A connection of a client.
#[derive(Debug)]
pub(crate) struct Guest {
    clients: Arc<Clients>,
    address: IpAddr,
    bucket: Arc<Bucket>,
    served: bool,
}

/// A client has more connections than are even listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

#[derive(Debug, Default)]
struct Table {
    known: HashMap<IpAddr, Client>,
    /// Those without a connection, by when their budget is full again.
    resting: BTreeSet<(u64, IpAddr)>,
}

#[derive(Debug, Default)]
struct Client {
    open: u32,
    served: u32,
    bucket: Arc<Bucket>,
}

/// When the budget of requests is full again, in nanoseconds from the start of the table ("GCRA": a
/// leaky bucket in one number).
#[derive(Debug, Default)]
struct Bucket(AtomicU64);

/// Clients without a connection that are remembered.
const RESTING: usize = 16_384;

/// Connections of one client beyond its limit that are still listened to, for their OPTIONS.
const fn reserve(sessions: u32) -> u32 {
    sessions / 8 + 8
}

// === impl Clients ===

impl Clients {
    /// `None` if there are no limits.
    pub(crate) fn new(limits: &ClientLimits) -> Option<Arc<Self>> {
        let is_on = limits.sessions > 0 || limits.requests_per_second > 0;
        is_on.then(|| {
            Arc::new(Self {
                limits: limits.clone(),
                period: 1_000_000_000_u64.checked_div(limits.requests_per_second.into()).unwrap_or(0),
                start: Instant::now(),
                table: Mutex::default(),
            })
        })
    }

    /// A new connection from `address`; nothing if that has no limits.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Option<Guest>, TooMany> {
        if is_in(&self.limits.exempt, address) {
            return Ok(None);
        }
        let address = subscriber(address);
        let now = self.nanos(Instant::now());
        let mut table = self.table.lock();
        table.forget_rested(now);
        let Table { known, resting } = &mut *table;
        let client = known.entry(address).or_default();
        let most = self.limits.sessions;
        if most > 0 && client.open >= most.saturating_add(reserve(most)) {
            return Err(TooMany);
        }
        if client.open == 0 {
            resting.remove(&(client.bucket.0.load(Ordering::Relaxed), address));
        }
        client.open += 1;
        let served = client.serve(most);
        let bucket = Arc::clone(&client.bucket);
        Ok(Some(Guest { clients: Arc::clone(self), address, bucket, served }))
    }

    fn leave(&self, guest: &Guest) {
        let now = self.nanos(Instant::now());
        let mut table = self.table.lock();
        let Table { known, resting } = &mut *table;
        let Some(client) = known.get_mut(&guest.address) else { return };
        client.open -= 1;
        client.served -= u32::from(guest.served);
        if client.open > 0 {
            return;
        }
        let full = client.bucket.0.load(Ordering::Relaxed);
        if full <= now {
            known.remove(&guest.address);
            return;
        }
        resting.insert((full, guest.address));
        if resting.len() > RESTING
            && let Some((_, first)) = resting.pop_first()
        {
            known.remove(&first);
        }
    }

    fn nanos(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX)
    }
}

// === impl Table ===

impl Table {
    /// A few at a time, more than come in at the same time.
    fn forget_rested(&mut self, now: u64) {
        for _ in 0..2 {
            let Some(&(full, address)) = self.resting.first().filter(|(full, _)| *full <= now) else {
                return;
            };
            self.resting.remove(&(full, address));
            self.known.remove(&address);
        }
    }
}

// === impl Client ===

impl Client {
    fn serve(&mut self, most: u32) -> bool {
        let room = most == 0 || self.served < most;
        self.served += u32::from(room);
        room
    }
}

// === impl Guest ===

impl Guest {
    /// Whether the connection is one of those that the client may have.
    pub(crate) fn is_served(&mut self) -> bool {
        if !self.served
            && let Some(client) = self.clients.table.lock().known.get_mut(&self.address)
        {
            self.served = client.serve(self.clients.limits.sessions);
        }
        self.served
    }

    /// Takes one request from the budget; false if there is none.
    pub(crate) fn take(&self) -> bool {
        let period = self.clients.period;
        if period == 0 {
            return true;
        }
        let now = self.clients.nanos(Instant::now());
        let debt = period.saturating_mul(u64::from(self.clients.limits.burst.max(1)) - 1);
        let next = |full: u64| {
            let full = full.max(now);
            (full - now <= debt).then(|| full.saturating_add(period))
        };
        self.bucket.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.clients.leave(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::advance;

    fn clients(sessions: u32, requests_per_second: u32, burst: u32) -> Arc<Clients> {
        let exempt = vec!["10.9.0.0/16".parse().unwrap()];
        Clients::new(&ClientLimits { sessions, requests_per_second, burst, exempt }).unwrap()
    }

    fn enter(clients: &Arc<Clients>, address: &str) -> Guest {
        clients.enter(address.parse().unwrap()).unwrap().expect("it has limits")
    }

    fn sizes(clients: &Clients) -> (usize, usize) {
        let table = clients.table.lock();
        (table.known.len(), table.resting.len())
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_has_its_sessions_a_small_reserve_and_nothing_of_others() {
        let clients = clients(2, 0, 1);
        let mut guests: Vec<_> = (0..10).map(|_| enter(&clients, "10.0.0.1")).collect();
        assert_eq!(guests.iter_mut().filter_map(|guest| guest.is_served().then_some(())).count(), 2);
        assert_eq!(clients.enter("10.0.0.1".parse().unwrap()).unwrap_err(), TooMany);
        assert!(enter(&clients, "10.0.0.2").is_served(), "another client");
        assert!(clients.enter("10.9.1.1".parse().unwrap()).unwrap().is_none(), "an exempt one");
        assert!(!guests[9].is_served());
        guests.remove(0);
        assert!(guests[8].is_served(), "there is room for one more");
        assert!(!guests[7].is_served());
        drop(guests);
        assert_eq!(sizes(&clients), (0, 0), "nobody is remembered for nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn a_budget_allows_its_burst_then_its_rate_on_all_connections_together() {
        let clients = clients(0, 10, 5);
        let one = enter(&clients, "10.0.0.1");
        let two = enter(&clients, "10.0.0.1");
        let took =
            |count| (0..count).filter(|turn| if turn % 2 == 0 { one.take() } else { two.take() }).count();
        assert_eq!(took(20), 5);
        advance(Duration::from_millis(300)).await;
        assert_eq!(took(20), 3);
        advance(Duration::from_mins(1)).await;
        assert_eq!(took(20), 5, "no more than the burst is saved up");
        assert!(enter(&clients, "10.0.0.2").take());
    }

    #[tokio::test(start_paused = true)]
    async fn who_reconnects_finds_the_budget_as_it_was_until_it_is_full() {
        let clients = clients(0, 1, 3);
        let spent = |address| {
            let guest = enter(&clients, address);
            std::iter::repeat_with(|| guest.take()).take_while(|took| *took).count()
        };
        assert_eq!((spent("10.0.0.1"), spent("10.0.0.1")), (3, 0));
        assert_eq!(sizes(&clients), (1, 1));
        advance(Duration::from_secs(4)).await;
        drop(enter(&clients, "10.0.0.2"));
        assert_eq!(sizes(&clients), (0, 0));
        assert_eq!(spent("10.0.0.1"), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn the_table_is_bounded_and_forgets_those_who_owe_least() {
        let clients = clients(0, 1, 100);
        let visit = |number: usize, requests| {
            let address = IpAddr::from([10, 1, (number >> 8).to_le_bytes()[0], number.to_le_bytes()[0]]);
            let guest = clients.enter(address).unwrap().unwrap();
            (0..requests).filter(|_| guest.take()).count()
        };
        assert_eq!(visit(0, 100), 100);
        for number in 1..RESTING + 500 {
            visit(number, 10);
        }
        assert_eq!(sizes(&clients), (RESTING, RESTING));
        assert_eq!(visit(0, 1), 0, "the one that owes most is not forgotten");
    }

    #[test]
    fn a_client_is_an_ipv4_address_or_an_ipv6_network_of_64_bits() {
        let of = |text: &str| subscriber(text.parse().unwrap()).to_string();
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }

    #[test]
    fn without_limits_there_is_no_table() {
        assert!(Clients::new(&ClientLimits::default()).is_none());
    }
}
