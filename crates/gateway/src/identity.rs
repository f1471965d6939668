//! Who a message comes from, as the ICAP client says (draft-stecher-icap-subid-00). Whoever reaches the
//! ICAP port can claim to be anybody; rules believe those only that are trusted.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use icapstan_api::{IdentitySettings, UserEncoding};
use icapstan_icap_server::proto::RequestHead;
use icapstan_model::is_deceptive;
use std::net::IpAddr;

/// Where ICAP clients say it, and who is believed.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    settings: IdentitySettings,
    include: String,
}

/// No name is kept longer, in characters.
const MAX: usize = 256;
/// So many groups are looked at.
const MAX_GROUPS: usize = 256;
/// No list of groups is decoded that is longer, in bytes.
const MAX_LIST: usize = 64 * 1024;

// === impl Identity ===

impl Identity {
    pub(crate) fn new(settings: &IdentitySettings) -> Self {
        let mut fields = vec![settings.address_header.as_str(), &settings.user_header];
        for field in ["X-Authenticated-User", "X-Authenticated-Groups"] {
            if !fields.iter().any(|known| known.eq_ignore_ascii_case(field)) {
                fields.push(field);
            }
        }
        Self { settings: settings.clone(), include: fields.join(", ") }
    }

    /// The same for settings by which users are told in the same way.
    pub(crate) fn hash(&self) -> [u8; 32] {
        // What was read from text of this kind can be written.
        let text = serde_json::to_vec(&self.settings).unwrap_or_default();
        *blake3::hash(&text).as_bytes()
    }

    /// What ICAP clients are asked to tell, for `X-Include` in answers to OPTIONS.
    pub(crate) fn include(&self) -> &str {
        &self.include
    }

    /// Whether rules believe what this ICAP client says of its users.
    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.settings.trusted_peers.iter().any(|network| network.contains(&peer))
    }

    /// The address of the user's machine, also in brackets; empty values are common.
    pub(crate) fn client(&self, head: &RequestHead) -> Option<IpAddr> {
        let value = std::str::from_utf8(head.field(&self.settings.address_header)?).ok()?;
        let bare = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(value);
        bare.parse().ok()
    }

    /// The user in the field that is set up for it, or in `X-Authenticated-User` (base64 of a URI).
    pub(crate) fn user(&self, head: &RequestHead) -> Option<String> {
        if let Some(name) = head.field(&self.settings.user_header).filter(|value| !value.is_empty()) {
            return match self.settings.user_encoding {
                UserEncoding::Plain => Some(printable(name)),
                UserEncoding::Base64 => decoded(name, 4 * MAX).map(|name| printable(&name)),
            };
        }
        decoded(head.field("X-Authenticated-User")?, 4 * MAX).map(|name| printable(&name))
    }
}

/// The groups in `X-Authenticated-Groups` (base64 of a list with commas).
pub(crate) fn groups(head: &RequestHead) -> Vec<String> {
    let list = head.field("X-Authenticated-Groups").and_then(|value| decoded(value, MAX_LIST));
    let list = list.unwrap_or_default();
    let groups = list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|group| !group.is_empty());
    groups.take(MAX_GROUPS).map(printable).collect()
}

fn decoded(value: &[u8], most: usize) -> Option<Vec<u8>> {
    (1..=most).contains(&value.len()).then(|| STANDARD.decode(value).ok()).flatten()
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

    fn identity() -> Identity {
        Identity::new(&IdentitySettings::default())
    }

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
            assert_eq!(identity().client(&head(&format!("X-Client-IP: {value}\r\n"))), expected, "{value}");
        }
        assert_eq!(identity().client(&head("")), None);
    }

    #[test]
    fn users_are_decoded_bounded_and_free_of_control_characters() {
        assert_eq!(identity().user(&head("X-Client-Username: ann\r\n")).as_deref(), Some("ann"));
        assert_eq!(
            identity().user(&head("X-Authenticated-User: TG9jYWw6Ly9hbm4=\r\n")).as_deref(),
            Some("Local://ann")
        );
        assert_eq!(
            identity().user(&head("X-Authenticated-User: V2luTlQ6Ly8ACg==\r\n")).as_deref(),
            Some("WinNT://\u{fffd}\u{fffd}")
        );
        let deceptive = "X-Client-Username: \u{202e}txt.exe\u{2066}\u{200b}\u{2028}\r\n";
        assert_eq!(
            identity().user(&head(deceptive)).as_deref(),
            Some("\u{fffd}txt.exe\u{fffd}\u{fffd}\u{fffd}")
        );
        assert_eq!(identity().user(&head("X-Authenticated-User: ***\r\n")), None);
        assert_eq!(
            identity().user(&head(&format!("X-Client-Username: {}\r\n", "a".repeat(9000)))).unwrap().len(),
            MAX
        );
    }

    #[test]
    fn groups_are_decoded_and_there_are_not_too_many() {
        let two = STANDARD.encode("LDAP://a, LDAP://b,,");
        assert_eq!(groups(&head(&format!("X-Authenticated-Groups: {two}\r\n"))), ["LDAP://a", "LDAP://b"]);
        assert!(groups(&head("X-Authenticated-Groups: ***\r\n")).is_empty());
        let many = STANDARD.encode("g,".repeat(1000));
        assert_eq!(groups(&head(&format!("X-Authenticated-Groups: {many}\r\n"))).len(), MAX_GROUPS);
    }

    #[test]
    fn names_are_read_where_and_as_it_is_set_up() {
        let settings = IdentitySettings {
            trusted_peers: vec!["10.0.0.0/8".parse().unwrap()],
            address_header: "X-Real-IP".to_owned(),
            user_header: "X-User".to_owned(),
            user_encoding: UserEncoding::Base64,
        };
        let identity = Identity::new(&settings);
        let head = head("X-Real-IP: 192.0.2.1\r\nX-User: YW5u\r\nX-Client-IP: 192.0.2.2\r\n");
        assert_eq!(identity.client(&head), Some([192, 0, 2, 1].into()));
        assert_eq!(identity.user(&head).as_deref(), Some("ann"));
        assert!(identity.trusts([10, 1, 2, 3].into()) && identity.trusts("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!identity.trusts([127, 0, 0, 1].into()));
    }
}
