//! The PROXY protocol, versions 1 and 2: what a load balancer says of the client whose connection it passes
//! on (<https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use thiserror::Error;

/// What is known of a header of which some bytes are here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyStep {
    /// At least so many more bytes belong to it. Whoever reads no more than these never takes a byte of
    /// what follows.
    Needs(usize),
    /// The bytes are all of it.
    Done(ProxyHeader),
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// The connection is a client's, from this address.
    Client(SocketAddr),
    /// The connection is the load balancer's own, or it knows no address: that of the connection counts.
    Local,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProxyError {
    /// Neither version begins so.
    #[error("the connection does not begin with a PROXY header")]
    Missing,
    /// A line of version 1 that is longer than any can be.
    #[error("the PROXY line is longer than {} bytes", ProxyHeader::MAX_LINE)]
    LineTooLong,
    /// A line of version 1 that says nothing.
    #[error("the PROXY line is malformed")]
    Line,
    /// A version, command, family or protocol that is not one of TCP connections.
    #[error("the PROXY header is of an unknown kind")]
    Kind,
    /// More bytes behind the addresses than anybody needs.
    #[error("the PROXY header is longer than {} bytes", ProxyHeader::MAX_LEN)]
    TooLong,
    /// Fewer bytes than the addresses take.
    #[error("the PROXY header has no room for its addresses")]
    TooShort,
}

/// How every header of version 2 begins.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// How every line of version 1 begins.
const WORD: &[u8; 6] = b"PROXY ";
/// The signature, version and command, family and protocol, and the length of what follows.
const FIXED: usize = 16;

// === impl ProxyHeader ===

impl ProxyHeader {
    /// The longest line of version 1, with its CRLF (section 2.1).
    pub const MAX_LINE: usize = 107;
    /// The most that is read behind the fixed part of version 2: addresses, and fields that are skipped.
    pub const MAX_LEN: usize = 4096;

    /// Looks at the first bytes of a connection. Bytes that cannot begin a header are an error at once.
    pub fn step(bytes: &[u8]) -> Result<ProxyStep, ProxyError> {
        match bytes.first() {
            None => Ok(ProxyStep::Needs(shortest(b""))),
            Some(b'P') => line(bytes),
            Some(_) => binary(bytes),
        }
    }
}

/// The length of the shortest header that begins so.
fn shortest(line: &[u8]) -> usize {
    match line.get(WORD.len()..WORD.len() + 4) {
        Some(b"TCP4") => b"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n".len(),
        Some(b"TCP6") => b"PROXY TCP6 :: :: 0 0\r\n".len(),
        _ => b"PROXY UNKNOWN\r\n".len(),
    }
}

/// Version 1 (section 2.1).
fn line(bytes: &[u8]) -> Result<ProxyStep, ProxyError> {
    let known = bytes.len().min(WORD.len());
    if bytes[..known] != WORD[..known] {
        return Err(ProxyError::Missing);
    }
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        if bytes.len() >= ProxyHeader::MAX_LINE {
            return Err(ProxyError::LineTooLong);
        }
        let last = if bytes.ends_with(b"\r") { 1 } else { 2 };
        let needed = shortest(bytes).saturating_sub(bytes.len()).max(last);
        return Ok(ProxyStep::Needs(needed.min(ProxyHeader::MAX_LINE - bytes.len())));
    };
    // Nobody who heeded `Needs` has read behind the end.
    let line = bytes[..end].strip_suffix(b"\r").filter(|_| end + 1 == bytes.len()).ok_or(ProxyError::Line)?;
    let line = std::str::from_utf8(&line[WORD.len()..]).map_err(|_| ProxyError::Line)?;
    let mut words = line.split(' ');
    let header = match words.next() {
        // What else stands on such a line is to be ignored.
        Some("UNKNOWN") => return Ok(ProxyStep::Done(ProxyHeader::Local)),
        Some("TCP4") => client(&mut words, |word| word.parse::<Ipv4Addr>().ok().map(IpAddr::V4)),
        Some("TCP6") => client(&mut words, |word| word.parse::<Ipv6Addr>().ok().map(IpAddr::V6)),
        _ => None,
    };
    header.filter(|_| words.next().is_none()).map(ProxyStep::Done).ok_or(ProxyError::Line)
}

fn client<'l>(
    words: &mut impl Iterator<Item = &'l str>,
    address: impl Fn(&str) -> Option<IpAddr>,
) -> Option<ProxyHeader> {
    let source = address(words.next()?)?;
    address(words.next()?)?;
    let port = port(words.next()?)?;
    self::port(words.next()?)?;
    Some(ProxyHeader::Client((source, port).into()))
}

/// Digits only, without zeros in front.
fn port(word: &str) -> Option<u16> {
    let is_plain = word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    is_plain.then(|| word.parse().ok()).flatten()
}

/// Version 2 (section 2.2).
fn binary(bytes: &[u8]) -> Result<ProxyStep, ProxyError> {
    let known = bytes.len().min(SIGNATURE.len());
    if bytes[..known] != SIGNATURE[..known] {
        return Err(ProxyError::Missing);
    }
    let Some((fixed, rest)) = bytes.split_at_checked(FIXED) else {
        return Ok(ProxyStep::Needs(FIXED - bytes.len()));
    };
    let len = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    let is_local = match fixed[12] {
        0x20 => true,
        0x21 => false,
        _ => return Err(ProxyError::Kind),
    };
    // The addresses of both ends, of which the first is the client's, and the ports.
    let (address, addresses) = match (is_local, fixed[13]) {
        (true, _) | (false, 0x00) => (0, 0),
        (false, 0x11) => (4, 12),
        (false, 0x21) => (16, 36),
        (false, _) => return Err(ProxyError::Kind),
    };
    if len > ProxyHeader::MAX_LEN {
        return Err(ProxyError::TooLong);
    }
    if len < addresses {
        return Err(ProxyError::TooShort);
    }
    if rest.len() < len {
        return Ok(ProxyStep::Needs(len - rest.len()));
    }
    let source = match address {
        4 => rest.first_chunk::<4>().map(|bytes| IpAddr::from(*bytes)),
        16 => rest.first_chunk::<16>().map(|bytes| IpAddr::from(*bytes)),
        _ => None,
    };
    let port = rest.get(2 * address..).and_then(<[u8]>::first_chunk).map(|bytes| u16::from_be_bytes(*bytes));
    Ok(ProxyStep::Done(match (source, port) {
        (Some(source), Some(port)) => ProxyHeader::Client((source, port).into()),
        _ => ProxyHeader::Local,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads as a server does: never more than what is said to be needed, and what is there of that.
    fn read(mut wire: &[u8]) -> Result<(ProxyHeader, usize), ProxyError> {
        let (mut here, all) = (Vec::new(), wire.len());
        loop {
            match ProxyHeader::step(&here)? {
                ProxyStep::Done(header) => return Ok((header, all - wire.len())),
                ProxyStep::Needs(count) => {
                    assert!(count > 0 && here.len() + count <= FIXED + ProxyHeader::MAX_LEN);
                    assert!(!wire.is_empty(), "the header is whole");
                    let (more, rest) = wire.split_at(count.min(wire.len()));
                    here.extend_from_slice(more);
                    wire = rest;
                }
            }
        }
    }

    fn v2(kind: [u8; 2], rest: &[u8]) -> Vec<u8> {
        let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE.as_slice(), &kind, &len, rest].concat()
    }

    fn client(text: &str) -> ProxyHeader {
        ProxyHeader::Client(text.parse().unwrap())
    }

    #[test]
    fn headers_are_read_and_nothing_behind_them() {
        let longest = "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n";
        let four = [&[192, 0, 2, 7, 10, 0, 0, 1][..], &[0xc3, 0x50, 5, 64]].concat();
        let six = [&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7][..], &[1; 16], &[0, 80, 5, 64]]
            .concat();
        let with_fields = [&four[..], &[4, 0, 3, 1, 2, 3]].concat();
        for (wire, expected) in [
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 1344\r\n".to_vec(), client("192.0.2.7:50000")),
            (b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n".to_vec(), client("1.1.1.1:1")),
            (b"PROXY TCP6 2001:db8::7 ::1 80 1344\r\n".to_vec(), client("[2001:db8::7]:80")),
            (b"PROXY TCP6 :: :: 0 0\r\n".to_vec(), client("[::]:0")),
            (b"PROXY UNKNOWN\r\n".to_vec(), ProxyHeader::Local),
            (longest.as_bytes().to_vec(), ProxyHeader::Local),
            (v2([0x21, 0x11], &four), client("192.0.2.7:50000")),
            (v2([0x21, 0x11], &with_fields), client("192.0.2.7:50000")),
            (v2([0x21, 0x21], &six), client("[2001:db8::7]:80")),
            (v2([0x20, 0x00], &[]), ProxyHeader::Local),
            (v2([0x20, 0x11], &four), ProxyHeader::Local),
            (v2([0x21, 0x00], &[9; 30]), ProxyHeader::Local),
            (v2([0x21, 0x11], &[&four[..], &[0; 4084]].concat()), client("192.0.2.7:50000")),
        ] {
            let behind = [&wire[..], b"OPTIONS icap://h/x ICAP/1.0\r\n\r\n"].concat();
            assert_eq!(read(&behind), Ok((expected, wire.len())), "{:?}", String::from_utf8_lossy(&wire));
        }
    }

    #[test]
    fn what_is_none_is_refused_as_soon_as_that_is_seen() {
        for (wire, expected) in [
            (b"O".to_vec(), ProxyError::Missing),
            (b"\x16\x03\x01".to_vec(), ProxyError::Missing),
            (b"PUT".to_vec(), ProxyError::Missing),
            (b"\r\n\r\nO".to_vec(), ProxyError::Missing),
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 1344\nO".to_vec(), ProxyError::Line),
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 50000\r\n".to_vec(), ProxyError::Line),
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 1344 5\r\n".to_vec(), ProxyError::Line),
            (b"PROXY TCP4 192.0.2.7  10.0.0.1 50000 1344\r\n".to_vec(), ProxyError::Line),
            (b"PROXY TCP4 192.0.2.700 10.0.0.1 50000 1344\r\n".to_vec(), ProxyError::Line),
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 65536 1344\r\n".to_vec(), ProxyError::Line),
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 +5 1344\r\n".to_vec(), ProxyError::Line),
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 05 1344\r\n".to_vec(), ProxyError::Line),
            (b"PROXY TCP4 ::1 ::1 5 1344\r\n".to_vec(), ProxyError::Line),
            (b"PROXY TCP6 192.0.2.7 10.0.0.1 5 1344\r\n".to_vec(), ProxyError::Line),
            (b"PROXY UDP4 192.0.2.7 10.0.0.1 5 1344\r\n".to_vec(), ProxyError::Line),
            ([&b"PROXY UNKNOWN "[..], &[b'x'; 93]].concat(), ProxyError::LineTooLong),
            (v2([0x11, 0x11], &[0; 12]), ProxyError::Kind),
            (v2([0x22, 0x11], &[0; 12]), ProxyError::Kind),
            (v2([0x21, 0x12], &[0; 12]), ProxyError::Kind),
            (v2([0x21, 0x31], &[0; 216]), ProxyError::Kind),
            (v2([0x21, 0x11], &[0; 11]), ProxyError::TooShort),
            (v2([0x21, 0x21], &[0; 35]), ProxyError::TooShort),
            (v2([0x20, 0x00], &[0; 4097])[..FIXED].to_vec(), ProxyError::TooLong),
        ] {
            assert_eq!(read(&wire), Err(expected), "{:?}", String::from_utf8_lossy(&wire));
        }
    }

    proptest! {
        #[test]
        fn a_line_is_the_address_that_was_written(v4: u32, v6: u128, source: u16, own: u16, is_six: bool) {
            let (word, address): (_, IpAddr) =
                if is_six { ("TCP6", Ipv6Addr::from(v6).into()) } else { ("TCP4", Ipv4Addr::from(v4).into()) };
            let wire = format!("PROXY {word} {address} {address} {source} {own}\r\n");
            let expected = ProxyHeader::Client((address, source).into());
            prop_assert_eq!(read(wire.as_bytes()), Ok((expected, wire.len())));
        }

        #[test]
        fn no_bytes_make_it_panic_or_want_too_much(
            front in prop_oneof![Just(&b""[..]), Just(&b"PROXY TCP4 "[..]), Just(&SIGNATURE[..]), Just(&b"\r\n\r\n\0\r\nQUIT\n\x21\x11"[..])],
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let wire = [front, &bytes].concat();
            for end in 0..=wire.len() {
                if let Ok(ProxyStep::Needs(count)) = ProxyHeader::step(&wire[..end]) {
                    prop_assert!(count > 0 && end + count <= FIXED + ProxyHeader::MAX_LEN);
                }
            }
        }
    }
}
