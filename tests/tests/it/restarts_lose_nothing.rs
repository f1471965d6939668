//! Gateways and scanners that are restarted in order, one after the other, cost no client an answer.

use crate::common::{OK, respmod};
use icapstan_testkit::http::Request;
use icapstan_testkit::{
    EICAR_NAME, Haproxy, IcapClient, IcapResponse, Kind, Member, Origin, Reply, Squid, Tiers, clean_bytes,
    eicar, eventually, free_port, marker, sha256_hex, skipped,
};
use parking_lot::Mutex;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// What came before is to be scanned all the same. A busy machine is silent for a while too.
const UNCACHED: &str = "verdictCache: {enabled: false}\nscanner: {workers: 1}\nscanners: {silence: 8s}\n";

/// Squid takes a service for down after ten failures, connections that are refused among them, and leaves it alone for
/// three minutes: longer than it takes to restart the next one.
const NEVER_SUSPENDED: &str = "icap_service_failure_limit -1";

/// Clients that ask all the time.
const CLIENTS: usize = 8;

/// Two gateways and two scanners, which may be started again where they were.
struct Fleet {
    tiers: Tiers,
    scanners: Vec<Member>,
    gateways: Vec<Member>,
}

/// What clients saw.
#[derive(Default)]
struct Seen {
    is_over: AtomicBool,
    right: AtomicUsize,
    faults: Mutex<Vec<String>>,
}

// === impl Fleet ===

impl Fleet {
    fn start() -> Self {
        let tiers = Tiers::new(UNCACHED);
        let scanners: Vec<_> = (0..2).map(|_| tiers.scanner()).collect();
        let gateways = (0..2)
            .map(|_| {
                tiers.gateway_served_at(
                    &free(),
                    &free(),
                    &scanners.iter().map(Member::address).collect::<Vec<_>>(),
                )
            })
            .collect();
        Self { tiers, scanners, gateways }
    }

    fn gateways(&self) -> Vec<SocketAddr> {
        self.gateways.iter().map(Member::address).collect()
    }

    /// Ends each member in order and starts it again, scanners first, while `more` of what clients ask is answered.
    fn restart_all(&mut self, more: &dyn Fn(usize)) {
        let addresses: Vec<_> = self.scanners.iter().map(Member::address).collect();
        for (scanner, address) in self.scanners.iter_mut().zip(&addresses) {
            end(scanner);
            more(20);
            *scanner = self.tiers.scanner_at(&address.to_string());
            for gateway in &self.gateways {
                eventually("it is known again", || {
                    (!gateway.readyz().contains("1 of 2 scanners")).then_some(())
                });
            }
            more(20);
        }
        for gateway in &mut self.gateways {
            let (address, admin) = (gateway.address().to_string(), gateway.admin().to_string());
            end(gateway);
            more(40);
            *gateway = self.tiers.gateway_served_at(&address, &admin, &addresses);
            more(40);
        }
    }
}

/// An address that is free now.
fn free() -> String {
    SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())).to_string()
}

fn end(member: &mut Member) {
    member.terminate();
    let status = member.wait_exit();
    assert!(status.success(), "{status}");
}

/// Restarts all members while clients ask, each its own way, and says what came of it. A client tells what was wrong with
/// an answer.
fn restarted<C>(fleet: &mut Fleet, client: impl Fn(usize) -> C + Sync) -> Seen
where
    C: FnMut(usize) -> Result<(), String>,
{
    let seen = Seen::default();
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (seen, client) = (&seen, &client);
            scope.spawn(move || {
                let mut ask = client(number);
                for turn in 0.. {
                    if seen.is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    match ask(turn) {
                        Ok(()) => drop(seen.right.fetch_add(1, Ordering::Relaxed)),
                        Err(fault) => {
                            seen.faults.lock().push(format!("client {number}, turn {turn}: {fault}"));
                        }
                    }
                }
            });
        }
        let more = |count: usize| {
            let begun = seen.right.load(Ordering::Relaxed);
            eventually("clients are answered", || {
                (seen.right.load(Ordering::Relaxed) >= begun + count).then_some(())
            });
        };
        let finish = Finish(&seen.is_over);
        more(40);
        fleet.restart_all(&more);
        more(40);
        drop(finish);
    });
    println!("{} right answers", seen.right.load(Ordering::Relaxed));
    seen
}

/// Ends the clients also when a condition fails.
struct Finish<'a>(&'a AtomicBool);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[track_caller]
fn assert_nothing_lost(seen: &Seen) {
    let faults = seen.faults.lock();
    let first = &faults[..faults.len().min(10)];
    assert!(faults.is_empty(), "{} faults, such as {first:#?}", faults.len());
}

// === through Squid ===

/// What is fetched: clean bodies of these lengths, and infected ones.
struct Web {
    origin: Origin,
    clean: Vec<(String, Vec<u8>)>,
    infected: Vec<String>,
}

impl Web {
    fn start() -> Self {
        let origin = Origin::start();
        let clean = (0..16)
            .map(|number: usize| {
                let body = clean_bytes(10 + number * number * 250, number as u64);
                (origin.put(&format!("/clean/{number}"), Reply::bytes(body.clone())), body)
            })
            .collect();
        let infected = [eicar(), [clean_bytes(20_000, 7), marker()].concat()];
        let infected = (0..)
            .zip(infected)
            .map(|(number, body)| origin.put(&format!("/infected/{number}"), Reply::bytes(body)))
            .collect();
        Self { origin, clean, infected }
    }

    /// One fetch or upload.
    fn ask(&self, squid: SocketAddr, number: usize) -> Result<(), String> {
        let (request, wanted) = match number % 4 {
            0 | 1 => {
                let (url, body) = &self.clean[number / 4 % self.clean.len()];
                (Request::get(url), Some(body.clone()))
            }
            2 => (Request::get(&self.infected[number / 4 % self.infected.len()]), None),
            _ => {
                let infected = number / 4 % 2 == 1;
                let body = clean_bytes(100 + number * 7919 % 50_000, number as u64);
                let body = if infected { [body, marker()].concat() } else { body };
                let wanted = format!("{} {}", sha256_hex(&body), body.len()).into_bytes();
                (Request::new("POST", &self.origin.url("/echo")).body(&body), (!infected).then_some(wanted))
            }
        };
        let answer = request.try_through(squid).map_err(|error| format!("no answer: {error}"))?;
        let is_page = || String::from_utf8_lossy(&answer.body).to_lowercase().contains("blocked");
        match wanted {
            Some(body) if answer.status == 200 && answer.body == body => Ok(()),
            None if answer.status == 403 && is_page() => Ok(()),
            wanted => Err(format!(
                "{} ({:?}) instead of {}",
                answer.status,
                answer.head.get("X-Squid-Error").or_else(|| answer.head.get("X-Icapstan-Reason")),
                if wanted.is_some() { "what is served" } else { "a page" }
            )),
        }
    }
}

fn through_squid(fleet: &mut Fleet, squid: &Squid) {
    let web = Web::start();
    let seen = restarted(fleet, |client| {
        let (web, proxy) = (&web, squid.proxy());
        move |turn| web.ask(proxy, client + turn)
    });
    assert_nothing_lost(&seen);
}

#[test]
fn squid_with_both_gateways_loses_nothing_while_all_are_restarted() {
    if skipped("squid") {
        return;
    }
    let mut fleet = Fleet::start();
    let squid = Squid::start_over(&fleet.gateways(), NEVER_SUSPENDED);
    through_squid(&mut fleet, &squid);
}

#[test]
fn squid_behind_a_load_balancer_loses_nothing_while_all_are_restarted() {
    if skipped("squid") || skipped("haproxy") {
        return;
    }
    let mut fleet = Fleet::start();
    let balancer = Haproxy::start_over(
        &fleet.gateways.iter().map(|one| (one.address(), one.admin())).collect::<Vec<_>>(),
    );
    let squid = Squid::start(balancer.address());
    through_squid(&mut fleet, &squid);
}

// === clients of their own ===

/// A client that knows all gateways, and goes to the next one when its connection was closed in order or is refused.
struct Roaming<'a> {
    gateways: &'a [SocketAddr],
    at: usize,
    client: Option<IcapClient>,
}

impl Roaming<'_> {
    fn ask(&mut self, message: &[u8]) -> Result<IcapResponse, String> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => self.connect()?,
        };
        let sent = client.try_send(message);
        let response = client.try_read(Kind::Respmod).map_err(|error| format!("{error} ({sent:?})"))?;
        if response.closes() {
            self.at += 1;
        } else {
            self.client = Some(client);
        }
        Ok(response)
    }

    fn connect(&mut self) -> Result<IcapClient, String> {
        for _ in self.gateways {
            match IcapClient::try_connect(self.gateways[self.at % self.gateways.len()]) {
                Ok(client) => return Ok(client),
                Err(_) => self.at += 1,
            }
        }
        Err("no gateway takes connections".to_owned())
    }
}

fn request(number: usize) -> (Vec<u8>, Option<Vec<u8>>) {
    if number % 4 == 3 {
        return (respmod().body(eicar()).bytes(), None);
    }
    let body = clean_bytes(1000 + number * 104_729 % 60_000, number as u64);
    (respmod().body(&body).bytes(), Some(body))
}

fn judge(response: &IcapResponse, wanted: Option<&Vec<u8>>) -> Result<(), String> {
    let is_right = match wanted {
        Some(body) => {
            let head = response.response_head.as_ref().map(|head| head.first_line.as_str());
            head == OK.lines().next() && response.body_data() == *body
        }
        None => response.get("X-Infection-Found").is_some_and(|found| found.contains(EICAR_NAME)),
    };
    if is_right { Ok(()) } else { Err(response.shown()) }
}

#[test]
fn clients_that_stay_busy_lose_nothing_while_all_are_restarted() {
    let mut fleet = Fleet::start();
    let gateways = fleet.gateways();
    let seen = restarted(&mut fleet, |number| {
        let mut client = Roaming { gateways: &gateways, at: number, client: None };
        move |turn| {
            let (message, wanted) = request(number * 31 + turn);
            judge(&client.ask(&message)?, wanted.as_ref())
        }
    });
    assert_nothing_lost(&seen);
}

/// Each request on a connection of its own: some are on their way when the gateway stops listening.
#[test]
fn connections_that_were_made_before_a_gateway_ends_are_answered() {
    let mut fleet = Fleet::start();
    let gateways = fleet.gateways();
    let seen = restarted(&mut fleet, |number| {
        let gateways = &gateways;
        move |turn| {
            let mut client = Roaming { gateways, at: number + turn, client: None };
            let (message, wanted) = request(number * 31 + turn);
            judge(&client.ask(&message)?, wanted.as_ref())
        }
    });
    // Between the last look at the queue and the end of the listener the system may make one more; it is reset.
    let faults = seen.faults.lock();
    let is_reset = |fault: &String| fault.contains("the connection was reset");
    assert!(faults.len() <= 1 && faults.iter().all(is_reset), "{} faults: {faults:#?}", faults.len());
}
