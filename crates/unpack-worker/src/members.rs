//! What is taken out, on its way to the scanner.

use crate::socket;
use icapstan_unpack::{Gap, Gaps, Handed, MAX_NAME, MemberLimits, Order};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Nothing of this size or less is looked at by an engine.
const HARMLESS_LEN: u64 = 5;

const CHUNK: usize = 64 << 10;

/// The members of one container. Clones are the same.
#[derive(Clone)]
pub(crate) struct Members(Rc<RefCell<State>>);

struct State {
    socket: BorrowedFd<'static>,
    id: u64,
    limits: MemberLimits,
    deadline: Instant,
    begun: u32,
    written: u64,
    gaps: Gaps,
    /// The scanner has a member that it has not acknowledged.
    is_waiting: bool,
    /// Nothing more is taken out: a limit of the whole is reached, or the scanner is gone.
    is_over: bool,
    /// Why the scanner cannot be reached.
    lost: Option<io::Error>,
    /// On the way from a reader; kept, since most members are small.
    chunk: Vec<u8>,
}

/// Takes the bytes of one member, and hands it over when it is dropped.
pub(crate) struct Sink {
    members: Members,
    name: Vec<u8>,
    file: Option<File>,
    len: u64,
}

// === impl Members ===

impl Members {
    pub(crate) fn new(socket: BorrowedFd<'static>, id: u64, limits: MemberLimits) -> Self {
        let deadline = Instant::now() + Duration::from_millis(limits.time_ms.into());
        Self(Rc::new(RefCell::new(State {
            socket,
            id,
            limits,
            deadline,
            begun: 0,
            written: 0,
            gaps: Gaps::default(),
            is_waiting: false,
            is_over: false,
            lost: None,
            chunk: Vec::new(),
        })))
    }

    /// Takes note of what is left out.
    pub(crate) fn gap(&self, gap: Gap) {
        self.0.borrow_mut().gaps.add(gap);
    }

    /// Whether nothing more is wanted.
    pub(crate) fn is_over(&self) -> bool {
        self.0.borrow_mut().is_over()
    }

    pub(crate) fn limits(&self) -> MemberLimits {
        self.0.borrow().limits
    }

    /// The place for a member's bytes; `None` if no more members are taken.
    pub(crate) fn begin(&self, name: &[u8]) -> Option<Sink> {
        let mut state = self.0.borrow_mut();
        if state.is_over() {
            return None;
        }
        if state.begun >= state.limits.max_members {
            state.gaps.add(Gap::Count);
            state.is_over = true;
            return None;
        }
        state.begun += 1;
        drop(state);
        let name = name[..name.len().min(MAX_NAME)].to_vec();
        Some(Sink { members: self.clone(), name, file: None, len: 0 })
    }

    /// Takes a member out of a reader. What the reader cannot give is a gap.
    pub(crate) fn take(&self, name: &[u8], content: &mut dyn Read) {
        let Some(mut sink) = self.begin(name) else { return };
        let mut chunk = std::mem::take(&mut self.0.borrow_mut().chunk);
        chunk.resize(CHUNK, 0);
        self.copy(content, &mut sink, &mut chunk);
        self.0.borrow_mut().chunk = chunk;
    }

    fn copy(&self, content: &mut dyn Read, sink: &mut Sink, chunk: &mut [u8]) {
        loop {
            match content.read(chunk) {
                Ok(0) => return,
                // A limit, which has its gap.
                Ok(len) if sink.write_all(&chunk[..len]).is_err() => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.gap(of_error(&error)),
            }
        }
    }

    /// What was left out; an error if the scanner is gone.
    pub(crate) fn finish(self) -> io::Result<Gaps> {
        let mut state = self.0.borrow_mut();
        match state.lost.take() {
            Some(error) => Err(error),
            None => Ok(state.gaps),
        }
    }
}

// === impl State ===

impl State {
    fn is_over(&mut self) -> bool {
        if !self.is_over && Instant::now() >= self.deadline {
            self.gaps.add(Gap::Time);
            self.is_over = true;
        }
        self.is_over
    }

    fn hand_over(&mut self, name: &[u8], file: &File, len: u64) -> io::Result<()> {
        let all = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
        fcntl_add_seals(file, all)?;
        if self.is_waiting {
            self.wait_for_more()?;
        }
        let member = Handed::Member { id: self.id, len, name: name.to_vec() };
        socket::send(self.socket, &member.encode(), Some(file.as_fd()))?;
        self.is_waiting = true;
        Ok(())
    }

    fn wait_for_more(&mut self) -> io::Result<()> {
        match socket::receive(self.socket)? {
            Some((record, None)) if Order::decode(&record) == Ok(Order::More { id: self.id }) => {
                self.is_waiting = false;
                Ok(())
            }
            Some(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "a record that is none")),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

// === impl Sink ===

impl Write for Sink {
    /// Fails at a limit, which has its gap then.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.members.0.borrow_mut();
        if state.is_over() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let left = state.limits.max_member.saturating_sub(self.len);
        let left_of_all = state.limits.max_total.saturating_sub(state.written);
        let most = usize::try_from(left.min(left_of_all)).unwrap_or(usize::MAX);
        if most == 0 && !bytes.is_empty() {
            state.gaps.add(Gap::Size);
            state.is_over |= left_of_all == 0;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let written = put(&mut self.file, &bytes[..bytes.len().min(most)]).inspect_err(|_| {
            state.gaps.add(Gap::Memory);
            state.is_over = true;
        })?;
        state.written += written as u64;
        self.len += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let Some(file) = self.file.take().filter(|_| self.len > HARMLESS_LEN) else { return };
        let mut state = self.members.0.borrow_mut();
        if state.lost.is_some() {
            return;
        }
        if let Err(error) = state.hand_over(&self.name, &file, self.len) {
            state.lost = Some(error);
            state.is_over = true;
        }
    }
}

fn put(file: &mut Option<File>, bytes: &[u8]) -> io::Result<usize> {
    if let Some(file) = file {
        return file.write(bytes);
    }
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    file.insert(File::from(memfd_create("icapstan-member", flags)?)).write(bytes)
}

/// What it means that a decoder cannot go on.
pub(crate) fn of_error(error: &io::Error) -> Gap {
    match error.kind() {
        io::ErrorKind::OutOfMemory => Gap::Memory,
        io::ErrorKind::Unsupported => Gap::Unsupported,
        _ => Gap::Malformed,
    }
}
