//! epoll, with a kernel timer for deadlines: epoll's own timeout is a whole number of milliseconds,
//! which at a fixed rate would be most of the latency.

use crate::Moment;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

const EVENTS: usize = 1024;
const TIMER: u64 = u64::MAX;
const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// What connections wait for.
pub(crate) struct Poll {
    epoll: OwnedFd,
    timer: OwnedFd,
    /// When the timer goes off.
    armed: Moment,
    events: Vec<Event>,
}

/// Which kind of connection an event belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Measured,
    Idle,
    Slow,
}

/// A connection that can go on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) group: Group,
    pub(crate) index: usize,
    pub(crate) flags: EventFlags,
}

// === impl Poll ===

impl Poll {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN)?;
        Ok(Self { epoll, timer, armed: Moment::NEVER, events: Vec::with_capacity(EVENTS) })
    }

    pub(crate) fn add(
        &self,
        socket: impl AsFd,
        group: Group,
        index: usize,
        flags: EventFlags,
    ) -> io::Result<()> {
        epoll::add(&self.epoll, socket, token(group, index), flags)
    }

    pub(crate) fn modify(
        &self,
        socket: impl AsFd,
        group: Group,
        index: usize,
        flags: EventFlags,
    ) -> io::Result<()> {
        epoll::modify(&self.epoll, socket, token(group, index), flags)
    }

    /// Waits until a connection can go on or `deadline` has come.
    pub(crate) fn wait(&mut self, deadline: Moment, now: Moment) -> io::Result<()> {
        self.events.clear();
        let due = deadline <= now;
        if !due && deadline != self.armed {
            // This also takes back a signal that has not been fetched.
            let new = Itimerspec { it_interval: NOW, it_value: deadline.timespec() };
            timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &new)?;
            self.armed = deadline;
        }
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), due.then_some(&NOW)) {
            Ok(_) | Err(io::Errno::INTR) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// How many events the last wait brought.
    pub(crate) fn count(&self) -> usize {
        self.events.len()
    }

    /// One of them, unless it is the timer's.
    pub(crate) fn ready(&self, number: usize) -> Option<Ready> {
        let Event { flags, data } = self.events[number];
        let token = data.u64();
        let index = usize::try_from(token & u64::from(u32::MAX)).expect("32 bits");
        let group = match token >> 32 {
            0 => Group::Measured,
            1 => Group::Idle,
            2 => Group::Slow,
            _ => return None,
        };
        Some(Ready { group, index, flags })
    }
}

fn token(group: Group, index: usize) -> EventData {
    EventData::new_u64((group as u64) << 32 | index as u64)
}
