//! Servers of syslog that read what RFC 6587 says, on loopback.

use crate::setup::LONG;
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Makes of a connection what is read from it.
pub(crate) type Secure = Arc<dyn Fn(Patient) -> Box<dyn Read> + Send + Sync>;

/// Where one record ends and the next begins.
#[derive(Clone, Copy)]
pub(crate) enum Framing {
    Counted,
    Lines,
}

/// Serves until it is dropped, and closes all connections then.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) records: Receiver<String>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(address: SocketAddr, framing: Framing, secure: Option<Secure>) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, records) = channel();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || serve(&listener, framing, secure.as_ref(), &sender, &over));
        Self { address, records, is_over, thread: Some(thread) }
    }

    pub(crate) fn plain(framing: Framing) -> Self {
        Self::start(any(), framing, None)
    }

    #[track_caller]
    pub(crate) fn record(&self) -> String {
        self.records.recv_timeout(LONG).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // Wakes it.
        drop(TcpStream::connect(self.address));
        self.thread.take().unwrap().join().unwrap();
    }
}

/// An address of loopback that no other test uses, and any port. What was bound there can be bound there
/// again: ports that the kernel gives to clients are those of other addresses.
pub(crate) fn any() -> SocketAddr {
    static GIVEN: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    SocketAddr::from(([127, high | 0x80, low, GIVEN.fetch_add(1, Ordering::Relaxed)], 0))
}

fn serve(
    listener: &TcpListener,
    framing: Framing,
    secure: Option<&Secure>,
    sender: &Sender<String>,
    is_over: &Arc<AtomicBool>,
) {
    let mut threads = Vec::new();
    loop {
        let (stream, _) = listener.accept().unwrap();
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        // So that the thread looks up now and then whether it is over.
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let (secure, sender, is_over) = (secure.cloned(), sender.clone(), Arc::clone(is_over));
        threads.push(std::thread::spawn(move || {
            let patient = Patient { stream, is_over };
            // How a connection ends is seen by its client.
            let _ = match secure {
                Some(secure) => read(secure(patient), framing, &sender),
                None => read(patient, framing, &sender),
            };
        }));
    }
    for thread in threads {
        thread.join().unwrap();
    }
}

/// A stream that is read until it is over.
pub(crate) struct Patient {
    stream: TcpStream,
    is_over: Arc<AtomicBool>,
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.is_over.load(Ordering::Relaxed) {
                        return Ok(0);
                    }
                }
                other => return other,
            }
        }
    }
}

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn read(from: impl Read, framing: Framing, sender: &Sender<String>) -> io::Result<()> {
    let mut bytes = BufReader::new(from).bytes();
    loop {
        let mut record = Vec::new();
        match framing {
            Framing::Counted => {
                let mut length = 0;
                loop {
                    match bytes.next().transpose()? {
                        Some(b' ') => break,
                        Some(digit @ b'0'..=b'9') => length = 10 * length + usize::from(digit - b'0'),
                        Some(other) => panic!("no digit: {other}"),
                        None => return Ok(()),
                    }
                }
                for _ in 0..length {
                    let Some(byte) = bytes.next().transpose()? else { return Ok(()) };
                    record.push(byte);
                }
            }
            Framing::Lines => loop {
                match bytes.next().transpose()? {
                    Some(b'\n') => break,
                    Some(byte) => record.push(byte),
                    None => return Ok(()),
                }
            },
        }
        // The test may have seen enough.
        let _ = sender.send(String::from_utf8(record).unwrap());
    }
}
