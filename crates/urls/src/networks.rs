//! Which lists have an address.
//!
//! Networks may lie within each other, and all that contain an address count, of whatever size: the order of
//! the lists decides, not the longest prefix, since that would let a small network of a list of
//! advertisers hide the large one of a list of malware. They are sorted by prefix length and address; a
//! lookup searches once for each prefix length that occurs: some microseconds, which only URLs with an
//! address for a host cost.

use crate::lists::{ListIds, MAX_IDS};
use std::net::IpAddr;

/// Length of a record: family and prefix length, 16 bytes of address, 2 of who has it.
const RECORD: usize = 20;

/// How many prefix lengths there are, of both families.
const LENGTHS: usize = 33 + 129;

/// Bytes before the records: a bit for each prefix length that occurs, families apart by 64.
const HEAD: usize = 32;

/// Addresses that share their first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Network {
    /// 0 to 32: IPv4; 33 to 161: 33 more than the prefix length of IPv6.
    length: u8,
    /// The first bits; all others are 0.
    address: u128,
}

/// Networks to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Networks<'a> {
    lengths: &'a [u8; HEAD],
    records: &'a [[u8; RECORD]],
}

// === impl Network ===

impl Network {
    /// The network of this prefix length that has the address; [`None`] if there is no such prefix length.
    /// IPv4 in the guise of IPv6 is IPv4.
    pub(crate) fn of(address: IpAddr, prefix: u8) -> Option<Self> {
        match (address, address.to_canonical()) {
            (IpAddr::V6(_), IpAddr::V4(_)) if (96..=128).contains(&prefix) => {
                Self::of(address.to_canonical(), prefix - 96)
            }
            (IpAddr::V4(address), _) if prefix <= 32 => {
                Some(Self { length: prefix, address: masked(u128::from(address.to_bits()) << 96, prefix) })
            }
            (IpAddr::V6(address), _) if prefix <= 128 => {
                Some(Self { length: 33 + prefix, address: masked(address.to_bits(), prefix) })
            }
            _ => None,
        }
    }

    fn record(self, id: u16) -> [u8; RECORD] {
        let mut record = [0; RECORD];
        record[0] = self.length;
        record[1..17].copy_from_slice(&self.address.to_be_bytes());
        record[18..].copy_from_slice(&id.to_be_bytes());
        record
    }
}

// === impl Networks ===

impl<'a> Networks<'a> {
    /// The networks in these bytes, unless there is part of one.
    pub(crate) fn of(bytes: &'a [u8]) -> Option<Self> {
        let (lengths, records) = bytes.split_first_chunk()?;
        let (records, rest) = records.as_chunks();
        rest.is_empty().then_some(Self { lengths, records })
    }

    /// How many records there are.
    pub(crate) const fn len(&self) -> usize {
        self.records.len()
    }

    /// Each network that has the address, the largest first: its prefix length and the lists that have it.
    pub(crate) fn find(self, address: IpAddr) -> impl Iterator<Item = (u8, ListIds<'a>)> {
        let address = address.to_canonical();
        let lengths = if address.is_ipv4() { 0..=32 } else { 0..=128 };
        lengths.filter_map(move |prefix| {
            let network = Network::of(address, prefix)?;
            let occurs = self.lengths[usize::from(network.length) / 8] >> (network.length % 8) & 1 == 1;
            occurs.then(|| (prefix, self.exactly(network)))
        })
    }

    fn exactly(self, network: Network) -> ListIds<'a> {
        let wanted = network.record(0);
        let wanted = &wanted[..18];
        let first = self.records.partition_point(|record| &record[..18] < wanted);
        let records = &self.records[first..];
        let count = records.iter().take(MAX_IDS).take_while(|record| record.starts_with(wanted)).count();
        ListIds::of(&records[..count])
    }
}

/// The bytes of networks, each with the id of who has it, which must be sorted.
pub(crate) fn encode(networks: &[(Network, u16)]) -> Vec<u8> {
    const { assert!(LENGTHS <= HEAD * 8) };
    let mut head = [0; HEAD];
    for (network, _) in networks {
        head[usize::from(network.length) / 8] |= 1 << (network.length % 8);
    }
    let records = networks.iter().flat_map(|(network, id)| network.record(*id));
    head.into_iter().chain(records).collect()
}

/// The first address of the network of this prefix length that has the address.
pub(crate) fn first(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(prefix.into())).unwrap_or_default();
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => IpAddr::V6(masked(address.to_bits(), prefix).into()),
    }
}

/// The first bits of an address.
fn masked(address: u128, prefix: u8) -> u128 {
    let mask = u128::MAX.checked_shl(128_u32.saturating_sub(prefix.into())).unwrap_or_default();
    address & mask
}

#[cfg(test)]
mod tests;
