//! Where sources may lead.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses may be connected to. Those of the public internet may; all others only where `allow` has them: this
/// machine, links, private networks, shared and reserved ones. Addresses where clouds tell machines their secrets are
/// allowed by themselves only, not as a part of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressRules {
    /// Networks that may be connected to all the same.
    pub allow: Vec<IpNet>,
    /// Addresses that never may, such as the API server's, also if `allow` has them.
    pub deny: Vec<IpAddr>,
}

/// AWS and most others, Azure, Alibaba; AWS by IPv6.
const METADATA: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254)),
];

// === impl AddressRules ===

impl AddressRules {
    /// Whether `address` may be connected to.
    pub fn permits(&self, address: IpAddr) -> bool {
        // An address of IPv4 in the clothes of IPv6 is judged by what it leads to.
        let address = inner(address);
        if self.deny.iter().any(|denied| inner(*denied) == address) {
            return false;
        }
        let mut allowed = self.allow.iter().filter(|net| net.contains(&address));
        if METADATA.contains(&address) {
            return allowed.any(|net| net.prefix_len() == net.max_prefix_len());
        }
        allowed.next().is_some() || is_public(address)
    }
}

/// What an address leads to: mapped, translated (RFC 6052) and 6to4 ones (RFC 3056) to one of IPv4.
fn inner(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return v4.into();
    }
    let segments = v6.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::from([a, b, c, d])
    };
    match segments {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => v4(high, low),
        _ => address,
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            !(a == 0
                || a >= 240
                || v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_multicast()
                // Shared by carriers, and by clusters (RFC 6598); protocols (RFC 6890); benchmarks (RFC 2544).
                || (a == 100 && b & 0xc0 == 64)
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && b & 0xfe == 18))
        }
        IpAddr::V6(v6) => {
            let first = v6.segments()[0];
            // 2000::/3 is all that is given out; of it, Teredo leads anywhere.
            first & 0xe000 == 0x2000 && !(first == 0x2001 && v6.segments()[1] == 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(rules: &AddressRules, address: &str) -> bool {
        rules.permits(address.parse().unwrap())
    }

    #[test]
    fn only_the_public_internet_may_be_connected_to() {
        let rules = AddressRules::default();
        for public in ["1.1.1.1", "193.99.144.80", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"] {
            assert!(permits(&rules, public), "{public}");
        }
        for other in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "169.254.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "fec0::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "2001:0:4136:e378::1",
            "64:ff9b:1::1",
        ] {
            assert!(!permits(&rules, other), "{other}");
        }
    }

    #[test]
    fn what_is_allowed_may_be_connected_to_but_for_what_is_denied() {
        let rules = AddressRules {
            allow: vec!["10.0.0.0/8".parse().unwrap(), "169.254.0.0/16".parse().unwrap()],
            deny: vec!["10.96.0.1".parse().unwrap()],
        };
        assert!(permits(&rules, "10.1.2.3") && permits(&rules, "::ffff:10.1.2.3"));
        assert!(!permits(&rules, "10.96.0.1") && !permits(&rules, "::ffff:10.96.0.1"));
        assert!(!permits(&rules, "169.254.169.254"), "not as a part of a network");
        assert!(!permits(&rules, "127.0.0.1"));
        let exact = AddressRules { allow: vec!["169.254.169.254/32".parse().unwrap()], deny: vec![] };
        assert!(permits(&exact, "169.254.169.254"));
    }
}
