//! Who a message comes from, as the ICAP client says (draft-stecher-icap-subid-00). For logs and
//! pages; whoever reaches the ICAP port can claim to be anybody.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use icapstan_icap_server::proto::RequestHead;
use icapstan_policy::is_deceptive;
use std::net::IpAddr;

/// No name is kept longer, in characters.
const MAX: usize = 256;

/// The address in `X-Client-IP`, also in brackets; empty values are common.
pub(crate) fn client(head: &RequestHead) -> Option<IpAddr> {
    let value = std::str::from_utf8(head.field("X-Client-IP")?).ok()?;
    let bare = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(value);
    bare.parse().ok()
}

/// The user in `X-Client-Username` (as it stands) or `X-Authenticated-User` (base64 of a URI).
pub(crate) fn user(head: &RequestHead) -> Option<String> {
    let plain = head.field("X-Client-Username").filter(|value| !value.is_empty());
    if let Some(name) = plain {
        return Some(printable(name));
    }
    let encoded = head.field("X-Authenticated-User").filter(|value| (1..=4 * MAX).contains(&value.len()))?;
    STANDARD.decode(encoded).ok().map(|name| printable(&name))
}

/// Without characters that are invisible or change how others are arranged, and cut.
fn printable(name: &[u8]) -> String {
    String::from_utf8_lossy(name)
        .chars()
        .map(|c| if is_deceptive(c) { '\u{fffd}' } else { c })
        .take(MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_icap_server::proto::{Decoder, Event, Limits};

    fn head(fields: &str) -> Box<RequestHead> {
        let wire = format!("OPTIONS icap://h/x ICAP/1.0\r\n{fields}\r\n");
        match Decoder::new(Limits::default()).step(wire.as_bytes()).unwrap().event {
            Some(Event::Head(head)) => head,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn client_addresses_are_read_and_garbage_is_not() {
        for (value, expected) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("::1", Some("::1")),
            ("[::1]", Some("::1")),
            ("", None),
            ("1.2.3.4:5", None),
            ("nobody", None),
        ] {
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(client(&head(&format!("X-Client-IP: {value}\r\n"))), expected, "{value}");
        }
        assert_eq!(client(&head("")), None);
    }

    #[test]
    fn users_are_decoded_bounded_and_free_of_control_characters() {
        assert_eq!(user(&head("X-Client-Username: ann\r\n")).as_deref(), Some("ann"));
        assert_eq!(user(&head("X-Authenticated-User: TG9jYWw6Ly9hbm4=\r\n")).as_deref(), Some("Local://ann"));
        assert_eq!(
            user(&head("X-Authenticated-User: V2luTlQ6Ly8ACg==\r\n")).as_deref(),
            Some("WinNT://\u{fffd}\u{fffd}")
        );
        let deceptive = "X-Client-Username: \u{202e}txt.exe\u{2066}\u{200b}\u{2028}\r\n";
        assert_eq!(user(&head(deceptive)).as_deref(), Some("\u{fffd}txt.exe\u{fffd}\u{fffd}\u{fffd}"));
        assert_eq!(user(&head("X-Authenticated-User: ***\r\n")), None);
        assert_eq!(user(&head(&format!("X-Client-Username: {}\r\n", "a".repeat(9000)))).unwrap().len(), MAX);
    }
}
