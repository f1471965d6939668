//! PROXY headers in front of connections.

use icapstan_icap_proto::{ProxyError, ProxyHeader, ProxyStep};

/// Reads a header as a server does, which never reads more than what surely belongs to it.
///
/// - Reading ends, within the bounds of the protocol.
/// - What is a header is one whichever way it was cut; what cannot be one stays so whatever follows.
/// - An address that was read is read again from a plain line with it.
pub fn proxy(data: &[u8]) {
    let mut end = 0;
    let header = loop {
        match ProxyHeader::step(&data[..end]) {
            Ok(ProxyStep::Done(header)) => break header,
            Ok(ProxyStep::Needs(count)) => {
                assert!(count > 0, "it would wait for ever");
                end += count;
                assert!(end <= 16 + ProxyHeader::MAX_LEN, "it wants too much");
                if end > data.len() {
                    return;
                }
            }
            Err(error) => return refused(data, end, error),
        }
    };
    assert!(end <= ProxyHeader::MAX_LINE || data.starts_with(b"\r\n\r\n\0\r\nQUIT\n"));
    for cut in 0..end {
        match ProxyHeader::step(&data[..cut]) {
            Ok(ProxyStep::Needs(count)) => assert!(cut + count <= end, "it would read behind the header"),
            other => panic!("{other:?} after {cut} bytes of a header"),
        }
    }
    if let ProxyHeader::Client(client) = header {
        let word = if client.is_ipv4() { "TCP4" } else { "TCP6" };
        let line = format!("PROXY {word} {0} {0} {1} {1}\r\n", client.ip(), client.port());
        assert_eq!(ProxyHeader::step(line.as_bytes()), Ok(ProxyStep::Done(header)), "{line}");
    }
}

fn refused(data: &[u8], end: usize, error: ProxyError) {
    assert!(!error.to_string().is_empty());
    let longer = data.len().min(end + 64);
    for cut in end..=longer {
        assert!(ProxyHeader::step(&data[..cut]).is_err(), "{cut} bytes are one, and {end} are none");
    }
}
