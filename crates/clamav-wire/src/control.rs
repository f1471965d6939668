//! Between the supervisor and the zygote.

use crate::codec::{Reader, WireError, Writer};

/// From the supervisor to the zygote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Fork a worker. One descriptor goes with the record: the worker's end of its object socket.
    Fork {
        /// The worker's own folder for temporary files; exists and is empty.
        temp_dir: Vec<u8>,
        /// Bytes of address space that the worker may use beyond what the zygote uses (`RLIMIT_AS`);
        /// 0 for no limit.
        memory: u64,
    },
    /// Tell how a worker ended that has ended. The answer is [`Event::Fate`].
    Fate {
        /// Its process id.
        pid: u32,
    },
}

/// From the zygote to the supervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The database is loaded and compiled, wholly and without a fault.
    Ready {
        /// How many signatures were loaded, the canary's not counted.
        signatures: u64,
        /// What `cl_retver` says, such as `1.4.6`.
        engine: Vec<u8>,
        /// What the kernel will keep its workers from. A worker that is not kept from it does not serve.
        confinement: Confinement,
        /// How many YARA rules are tried.
        rules: u64,
    },
    /// The database cannot be used. The zygote ends after this.
    LoadFailed {
        /// For the operator: which file, and what libclamav said.
        message: Vec<u8>,
    },
    /// A worker was forked. One descriptor goes with the record: its pidfd.
    Forked {
        /// Its process id, for logs.
        pid: u32,
    },
    /// A worker could not be forked.
    ForkFailed {
        /// The `errno`.
        errno: u32,
    },
    /// How a worker ended.
    Fate {
        /// Its process id.
        pid: u32,
        /// The number of the signal that ended it; 0 if none did, or if nothing is known of it.
        signal: u32,
    },
}

/// A set of the constants below: what a worker cannot do, whatever took it over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confinement(pub u32);

const MAX_TEXT: usize = 4096;

// === impl Command ===

impl Command {
    /// As one packet.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Fork { temp_dir, memory } => {
                let mut writer = Writer::new(1);
                writer.u64(*memory);
                writer.bytes(temp_dir, MAX_TEXT);
                writer.finish()
            }
            Self::Fate { pid } => {
                let mut writer = Writer::new(2);
                writer.u32(*pid);
                writer.finish()
            }
        }
    }

    /// From one packet.
    pub fn decode(record: &[u8]) -> Result<Self, WireError> {
        let (kind, mut reader) = Reader::new(record)?;
        let command = match kind {
            1 => {
                let memory = reader.u64()?;
                Self::Fork { memory, temp_dir: reader.bytes()?.to_vec() }
            }
            2 => Self::Fate { pid: reader.u32()? },
            _ => return Err(WireError::Unknown),
        };
        reader.finish()?;
        Ok(command)
    }
}

// === impl Event ===

impl Event {
    /// As one packet.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer;
        match self {
            Self::Ready { signatures, engine, confinement, rules } => {
                writer = Writer::new(17);
                writer.u64(*signatures);
                writer.u64(*rules);
                writer.u32(confinement.0);
                writer.bytes(engine, MAX_TEXT);
            }
            Self::LoadFailed { message } => {
                writer = Writer::new(18);
                writer.bytes(message, MAX_TEXT);
            }
            Self::Forked { pid } => {
                writer = Writer::new(19);
                writer.u32(*pid);
            }
            Self::ForkFailed { errno } => {
                writer = Writer::new(20);
                writer.u32(*errno);
            }
            Self::Fate { pid, signal } => {
                writer = Writer::new(21);
                writer.u32(*pid);
                writer.u32(*signal);
            }
        }
        writer.finish()
    }

    /// From one packet.
    pub fn decode(record: &[u8]) -> Result<Self, WireError> {
        let (kind, mut reader) = Reader::new(record)?;
        let event = match kind {
            17 => {
                let (signatures, rules) = (reader.u64()?, reader.u64()?);
                let confinement = Confinement(reader.u32()?);
                Self::Ready { signatures, confinement, rules, engine: reader.bytes()?.to_vec() }
            }
            18 => Self::LoadFailed { message: reader.bytes()?.to_vec() },
            19 => Self::Forked { pid: reader.u32()? },
            20 => Self::ForkFailed { errno: reader.u32()? },
            21 => Self::Fate { pid: reader.u32()?, signal: reader.u32()? },
            _ => return Err(WireError::Unknown),
        };
        reader.finish()?;
        Ok(event)
    }
}

// === impl Confinement ===

impl Confinement {
    /// Files: it opens, makes and removes none but in its own temporary folder (Landlock, Linux 5.13).
    pub const FILES: Self = Self(1);
    /// The network: it binds and connects no TCP socket (Landlock, Linux 6.7).
    pub const NETWORK: Self = Self(2);
    /// Other processes: it sends them no signal and reaches none of their abstract sockets (Landlock,
    /// Linux 6.12).
    pub const PROCESSES: Self = Self(4);
    /// System calls: it makes none but those that scanning takes (seccomp). This alone keeps it from the
    /// network and from other processes as well.
    pub const CALLS: Self = Self(8);

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in the set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_record_survives_the_wire() {
        let command = Command::Fork { temp_dir: b"/tmp/w1".to_vec(), memory: 1 << 40 };
        assert_eq!(Command::decode(&command.encode()), Ok(command));
        for event in [
            Event::Ready {
                signatures: 7,
                engine: b"1.4.6".to_vec(),
                confinement: Confinement::FILES.with(Confinement::CALLS),
                rules: 9,
            },
            Event::LoadFailed { message: b"broken.ndb: malformed".to_vec() },
            Event::Forked { pid: 4_000_000 },
            Event::ForkFailed { errno: 11 },
            Event::Fate { pid: 77, signal: 11 },
        ] {
            assert_eq!(Event::decode(&event.encode()), Ok(event));
        }
    }

    #[test]
    fn a_record_cut_anywhere_or_too_long_is_an_error() {
        let confinement = Confinement::default();
        let whole = Event::Ready { signatures: 7, engine: b"1.4.6".to_vec(), confinement, rules: 9 }.encode();
        for end in 0..whole.len() {
            assert!(Event::decode(&whole[..end]).is_err(), "cut at {end}");
        }
        let mut longer = whole;
        longer.push(0);
        assert_eq!(Event::decode(&longer), Err(WireError::Length));
    }
}
