//! A relay that counts, so that a sender can keep pace with what was taken.

use parking_lot::{Condvar, Mutex};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Passes bytes on to a server, and counts those that go there.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    meter: Arc<Meter>,
    stop: Arc<AtomicBool>,
    /// How long the server's bytes take, in milliseconds.
    delay: Arc<AtomicU64>,
}

/// How many bytes have passed.
#[derive(Debug, Default)]
pub struct Meter {
    passed: Mutex<u64>,
    more: Condvar,
}

// === impl Relay ===

impl Relay {
    /// Starts one in front of `server`.
    #[track_caller]
    pub fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let (meter, stop) = (Arc::new(Meter::default()), Arc::new(AtomicBool::new(false)));
        let delay = Arc::new(AtomicU64::new(0));
        let delayed = Arc::clone(&delay);
        let (for_all, stopped) = (Arc::clone(&meter), Arc::clone(&stop));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                // Without a server the client sees its connection closed, as it would without a relay.
                let Ok(server) = TcpStream::connect(server) else { continue };
                let (Ok(client_back), Ok(server_back)) = (client.try_clone(), server.try_clone()) else {
                    continue;
                };
                let (meter, delayed) = (Arc::clone(&for_all), Arc::clone(&delayed));
                thread::spawn(move || pass(client, server, || {}, |count| meter.add(count)));
                thread::spawn(move || {
                    let hold = || thread::sleep(Duration::from_millis(delayed.load(Ordering::Relaxed)));
                    pass(server_back, client_back, hold, |_| {});
                });
            }
        });
        Self { address, meter, stop, delay }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Holds back for so long what the server says from now on.
    pub fn slow_down(&self, by: Duration) {
        self.delay.store(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Its count.
    pub fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

// === impl Meter ===

impl Meter {
    /// The count now.
    pub fn passed(&self) -> u64 {
        *self.passed.lock()
    }

    /// Waits until the count is at least `wanted`, but not longer than `limit`.
    pub fn wait_for(&self, wanted: u64, limit: Duration) {
        let mut passed = self.passed.lock();
        self.more.wait_while_for(&mut passed, |passed| *passed < wanted, limit);
    }

    fn add(&self, count: usize) {
        *self.passed.lock() += count as u64;
        self.more.notify_all();
    }
}

/// Tells what was passed on, and waits before that for `hold`.
fn pass(mut from: TcpStream, mut to: TcpStream, hold: impl Fn(), passed: impl Fn(usize)) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        hold();
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
        passed(count);
    }
    // The peer may be gone already.
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Request;
    use crate::{Origin, Reply};

    #[test]
    fn bytes_pass_both_ways_and_are_counted_one_way() {
        let origin = Origin::start();
        origin.put("/x", Reply::bytes(vec![7; 100_000]));
        let relay = Relay::start(origin.address());
        let response = Request::get(&format!("http://{}/x", relay.address())).try_direct().unwrap();
        assert_eq!(response.body.len(), 100_000);
        relay.meter().wait_for(20, Duration::from_mins(1));
        assert!((20..1000).contains(&relay.meter().passed()));
    }
}
