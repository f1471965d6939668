use super::*;
use proptest::prelude::*;

fn compiled(networks: &[(&str, u8, u16)]) -> Vec<u8> {
    let mut networks: Vec<_> = networks
        .iter()
        .map(|(address, prefix, id)| (Network::of(address.parse().unwrap(), *prefix).unwrap(), *id))
        .collect();
    networks.sort_unstable();
    encode(&networks)
}

fn lists(bytes: &[u8], address: &str) -> Vec<(u8, Vec<u16>)> {
    let found = Networks::of(bytes).unwrap().find(address.parse().unwrap());
    found
        .map(|(prefix, ids)| (prefix, ids.collect()))
        .filter(|(_, ids): &(_, Vec<_>)| !ids.is_empty())
        .collect()
}

#[test]
fn a_network_ends_at_its_borders() {
    let bytes = compiled(&[
        ("192.0.2.128", 25, 1),
        ("203.0.113.7", 32, 2),
        ("2001:db8::", 33, 3),
        ("::1", 128, 4),
        ("255.255.255.255", 32, 5),
    ]);
    for (address, expected) in [
        ("192.0.2.127", None),
        ("192.0.2.128", Some((25, 1))),
        ("192.0.2.255", Some((25, 1))),
        ("192.0.3.0", None),
        ("203.0.113.6", None),
        ("203.0.113.7", Some((32, 2))),
        ("203.0.113.8", None),
        ("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", None),
        ("2001:db8::", Some((33, 3))),
        ("2001:db8:7fff:ffff:ffff:ffff:ffff:ffff", Some((33, 3))),
        ("2001:db8:8000::", None),
        ("::", None),
        ("::1", Some((128, 4))),
        ("::2", None),
        ("255.255.255.254", None),
        ("255.255.255.255", Some((32, 5))),
    ] {
        let expected: Vec<_> = expected.map(|(prefix, id)| (prefix, vec![id])).into_iter().collect();
        assert_eq!(lists(&bytes, address), expected, "{address}");
    }
}

#[test]
fn all_networks_around_an_address_count_and_all_lists_that_have_them() {
    let bytes =
        compiled(&[("10.0.0.0", 8, 6), ("10.1.0.0", 16, 2), ("10.1.0.0", 16, 7), ("10.1.2.0", 24, 4)]);
    assert_eq!(lists(&bytes, "10.1.2.3"), [(8, vec![6]), (16, vec![2, 7]), (24, vec![4])]);
    assert_eq!(lists(&bytes, "10.1.3.3"), [(8, vec![6]), (16, vec![2, 7])]);
    assert_eq!(lists(&bytes, "10.2.3.4"), [(8, vec![6])]);
    assert_eq!(lists(&bytes, "11.0.0.0"), []);
}

#[test]
fn the_families_are_apart_and_ipv4_in_the_guise_of_ipv6_is_ipv4() {
    let bytes = compiled(&[("0.0.0.0", 0, 1), ("2001:db8::", 32, 2)]);
    assert_eq!(lists(&bytes, "198.51.100.1"), [(0, vec![1])]);
    assert_eq!(lists(&bytes, "::ffff:198.51.100.1"), [(0, vec![1])]);
    assert_eq!(lists(&bytes, "2001:db8::5"), [(32, vec![2])]);
    assert_eq!(lists(&bytes, "32.1.13.184"), [(0, vec![1])]);
    assert_eq!(lists(&bytes, "fe80::1"), []);
    let bytes = compiled(&[("::", 0, 1), ("::ffff:192.0.2.0", 120, 2)]);
    assert_eq!(lists(&bytes, "192.0.2.9"), [(24, vec![2])]);
    assert_eq!(lists(&bytes, "192.0.3.9"), []);
    assert_eq!(lists(&bytes, "fe80::1"), [(0, vec![1])]);
}

#[test]
fn there_is_no_longer_prefix_than_an_address() {
    assert!(Network::of("192.0.2.1".parse().unwrap(), 33).is_none());
    assert!(Network::of("2001:db8::".parse().unwrap(), 129).is_none());
    assert!(Network::of("::ffff:192.0.2.1".parse().unwrap(), 129).is_none());
    let bytes = compiled(&[("192.0.2.1", 32, 1)]);
    assert!(Networks::of(&bytes[..bytes.len() - 1]).is_none());
    assert!(Networks::of(&bytes[..HEAD - 1]).is_none());
    assert_eq!(lists(&compiled(&[]), "192.0.2.1"), []);
}

fn address() -> impl Strategy<Value = IpAddr> {
    // Few different bits, so that networks meet.
    prop_oneof![
        (0_u32..4, 0_u32..4).prop_map(|(high, low)| IpAddr::V4((high << 30 | low).into())),
        (0_u128..4, 0_u128..4).prop_map(|(high, low)| IpAddr::V6((high << 126 | low).into())),
    ]
}

/// As one would put it who has time.
fn contains(network: (IpAddr, u8), address: IpAddr) -> bool {
    let bits = |address| match address {
        IpAddr::V4(address) => (4, format!("{:032b}", address.to_bits())),
        IpAddr::V6(address) => (6, format!("{:0128b}", address.to_bits())),
    };
    let ((family, network_bits), (other, address_bits)) = (bits(network.0), bits(address));
    let prefix = usize::from(network.1);
    family == other && network_bits[..prefix] == address_bits[..prefix]
}

proptest! {
    #[test]
    fn what_is_found_is_what_a_comparison_bit_by_bit_finds(
        networks in prop::collection::vec((address(), 0_u8..=128, 0_u16..20), 0..40),
        address in address(),
    ) {
        let networks: Vec<_> = networks
            .into_iter()
            .map(|(address, prefix, id)| (address, if address.is_ipv4() { prefix / 4 } else { prefix }, id))
            .collect();
        let mut sorted: Vec<_> = networks
            .iter()
            .map(|(address, prefix, id)| (Network::of(*address, *prefix).unwrap(), *id))
            .collect();
        sorted.sort_unstable();
        let bytes = encode(&sorted);
        let mut found: Vec<u16> =
            Networks::of(&bytes).unwrap().find(address).flat_map(|(_, ids)| ids).collect();
        let mut expected: Vec<u16> = networks
            .iter()
            .filter(|(network, prefix, _)| contains((*network, *prefix), address))
            .map(|(.., id)| *id)
            .collect();
        found.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(found, expected);
    }
}
