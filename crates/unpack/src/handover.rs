//! The records between the scanner and a process that takes containers apart.
//!
//! ```text
//!  scanner ──Open + container──▶ worker
//!          ◀──Member + file───── one at a time; the next one follows once this one is acknowledged
//!          ──More───────────────▶
//!          ◀──Done────────────── with what was left out
//! ```
//!
//! One record is one packet, in little-endian byte order, and each begins with a magic word. Both ends are the
//! same program, so that there is no version.

/// No record is longer, in bytes.
pub const MAX_RECORD: usize = 512;

/// No name of a member is longer, in bytes; it is for the log, and cut.
pub const MAX_NAME: usize = 255;

const MAGIC: u32 = 0x4943_5531; // "ICU1"

/// What a worker is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Take the container apart that comes with the record.
    Open {
        /// Chosen by the scanner; all answers repeat it.
        id: u64,
        /// How much of it.
        limits: MemberLimits,
    },
    /// The member that was handed over last is done with.
    More {
        /// Of the container.
        id: u64,
    },
}

/// How much is taken out of one container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberLimits {
    /// Bytes of each member.
    pub max_member: u64,
    /// Bytes of all members.
    pub max_total: u64,
    /// Members.
    pub max_members: u32,
    /// After this time the rest is left out.
    pub time_ms: u32,
}

/// What a worker answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handed {
    /// A member, whose content comes with the record as a sealed file.
    Member {
        /// Of the container.
        id: u64,
        /// Bytes of its content.
        len: u64,
        /// What the container calls it, in whatever charset; at most [`MAX_NAME`] bytes.
        name: Vec<u8>,
    },
    /// There are no more.
    Done {
        /// Of the container.
        id: u64,
        /// What was left out; nothing if all of it was handed over.
        gaps: Gaps,
    },
}

/// Why something of a container was not handed over, or not wholly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gap {
    /// It is encrypted.
    Encrypted,
    /// It is packed in a way that nothing here undoes, or is a part of something larger.
    Unsupported,
    /// More members than [`MemberLimits::max_members`].
    Count,
    /// A member beyond [`MemberLimits::max_member`], or all beyond [`MemberLimits::max_total`].
    Size,
    /// Damaged or contradictory.
    Malformed,
    /// [`MemberLimits::time_ms`] were over.
    Time,
    /// It takes more memory to unpack than a worker has.
    Memory,
    /// The system refused something that is nobody's fault.
    System,
}

/// A set of [`Gap`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gaps(u32);

/// A record that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRecord;

struct Reader<'a>(&'a [u8]);

// === impl Gap ===

impl Gap {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Encrypted,
        Self::Unsupported,
        Self::Count,
        Self::Size,
        Self::Malformed,
        Self::Time,
        Self::Memory,
        Self::System,
    ];
}

// === impl Gaps ===

impl Gaps {
    /// Whether nothing was left out.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds one.
    pub fn add(&mut self, gap: Gap) {
        self.0 |= 1 << gap as u32;
    }

    /// Whether it is among them.
    pub const fn has(self, gap: Gap) -> bool {
        self.0 & 1 << gap as u32 != 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Gap> {
        Gap::ALL.into_iter().filter(move |gap| self.has(*gap))
    }
}

// === impl Order ===

impl Order {
    /// As one packet.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Open { id, limits } => {
                let mut record = begin(1, *id);
                record.extend_from_slice(&limits.max_member.to_le_bytes());
                record.extend_from_slice(&limits.max_total.to_le_bytes());
                record.extend_from_slice(&limits.max_members.to_le_bytes());
                record.extend_from_slice(&limits.time_ms.to_le_bytes());
                record
            }
            Self::More { id } => begin(2, *id),
        }
    }

    /// From one packet.
    pub fn decode(record: &[u8]) -> Result<Self, NoRecord> {
        let (kind, id, mut reader) = Reader::new(record)?;
        let order = match kind {
            1 => Self::Open {
                id,
                limits: MemberLimits {
                    max_member: reader.u64()?,
                    max_total: reader.u64()?,
                    max_members: reader.u32()?,
                    time_ms: reader.u32()?,
                },
            },
            2 => Self::More { id },
            _ => return Err(NoRecord),
        };
        reader.finish().map(|()| order)
    }
}

// === impl Handed ===

impl Handed {
    /// As one packet.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Member { id, len, name } => {
                let mut record = begin(3, *id);
                record.extend_from_slice(&len.to_le_bytes());
                record.extend_from_slice(&name[..name.len().min(MAX_NAME)]);
                record
            }
            Self::Done { id, gaps } => {
                let mut record = begin(4, *id);
                record.extend_from_slice(&gaps.0.to_le_bytes());
                record
            }
        }
    }

    /// Of the container that this is an answer to.
    pub const fn id(&self) -> u64 {
        match self {
            Self::Member { id, .. } | Self::Done { id, .. } => *id,
        }
    }

    /// From one packet.
    pub fn decode(record: &[u8]) -> Result<Self, NoRecord> {
        let (kind, id, mut reader) = Reader::new(record)?;
        match kind {
            3 => {
                let (len, name) = (reader.u64()?, reader.0);
                if name.len() > MAX_NAME {
                    Err(NoRecord)
                } else {
                    Ok(Self::Member { id, len, name: name.to_vec() })
                }
            }
            4 => {
                let gaps = Gaps(reader.u32()?);
                // A gap that this code does not know cannot be left unsaid.
                let is_known = gaps.0 >> Gap::ALL.len() == 0;
                reader.finish()?;
                if is_known { Ok(Self::Done { id, gaps }) } else { Err(NoRecord) }
            }
            _ => Err(NoRecord),
        }
    }
}

fn begin(kind: u8, id: u64) -> Vec<u8> {
    let mut record = Vec::with_capacity(64);
    record.extend_from_slice(&MAGIC.to_le_bytes());
    record.push(kind);
    record.extend_from_slice(&id.to_le_bytes());
    record
}

// === impl Reader ===

impl<'a> Reader<'a> {
    fn new(record: &'a [u8]) -> Result<(u8, u64, Self), NoRecord> {
        let mut reader = Self(record);
        if reader.u32()? != MAGIC {
            return Err(NoRecord);
        }
        let [kind] = reader.take()?;
        Ok((kind, reader.u64()?, reader))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], NoRecord> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(NoRecord)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u32(&mut self) -> Result<u32, NoRecord> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, NoRecord> {
        self.take().map(u64::from_le_bytes)
    }

    fn finish(self) -> Result<(), NoRecord> {
        if self.0.is_empty() { Ok(()) } else { Err(NoRecord) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders() -> [Order; 2] {
        let limits = MemberLimits { max_member: 1, max_total: 1 << 40, max_members: 3, time_ms: 4 };
        [Order::Open { id: 7, limits }, Order::More { id: u64::MAX }]
    }

    fn answers() -> [Handed; 2] {
        let mut gaps = Gaps::default();
        gaps.add(Gap::Encrypted);
        gaps.add(Gap::System);
        [Handed::Member { id: 7, len: 1 << 33, name: vec![0xff; MAX_NAME] }, Handed::Done { id: 7, gaps }]
    }

    #[test]
    fn records_survive_the_wire_and_fit() {
        for order in orders() {
            assert_eq!(Order::decode(&order.encode()), Ok(order));
            assert!(Handed::decode(&order.encode()).is_err());
        }
        for handed in answers() {
            let record = handed.encode();
            assert!(record.len() <= MAX_RECORD);
            assert!(Order::decode(&record).is_err());
            assert_eq!(Handed::decode(&record), Ok(handed));
        }
        let long = Handed::Member { id: 1, len: 2, name: vec![b'n'; 1000] };
        let Ok(Handed::Member { name, .. }) = Handed::decode(&long.encode()) else { panic!("it is one") };
        assert_eq!(name.len(), MAX_NAME);
    }

    #[test]
    fn a_record_that_was_cut_is_none_and_an_unknown_gap_is_not_passed_over() {
        for order in orders() {
            let record = order.encode();
            for end in 0..record.len() {
                assert_eq!(Order::decode(&record[..end]), Err(NoRecord));
            }
            assert_eq!(Order::decode(&[record.as_slice(), b"x"].concat()), Err(NoRecord));
        }
        let mut record = Handed::Done { id: 1, gaps: Gaps::default() }.encode();
        for end in 0..record.len() {
            assert_eq!(Handed::decode(&record[..end]), Err(NoRecord));
        }
        let last = record.len() - 1;
        record[last] = 1;
        assert_eq!(Handed::decode(&record), Err(NoRecord));
    }

    #[test]
    fn gaps_are_a_set() {
        let mut gaps = Gaps::default();
        assert!(gaps.is_empty());
        for gap in Gap::ALL {
            assert!(!gaps.has(gap));
            gaps.add(gap);
            assert!(gaps.has(gap));
        }
        assert!(gaps.iter().eq(Gap::ALL));
    }
}
