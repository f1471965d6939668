//! Who asks, as ICAP clients tell (draft-stecher-icap-subid-00), and TLS offers.

use crate::common::{ask_respmod, assert_204, assert_still_framed, respmod};

#[test]
fn draft_subid_c141_to_c148_whatever_a_client_says_of_its_user_is_taken() {
    let long = "R".repeat(40 * 1024);
    for (name, value) in [
        ("X-Client-IP", "192.0.2.1"),
        ("X-Client-IP", "2001:db8::1"),
        ("X-Client-IP", "[::1]"),
        ("X-Client-IP", "1.2.3.4:5"),
        ("X-Client-IP", "garbage"),
        ("X-Client-IP", ""),
        ("X-Server-IP", "999.1.1.1"),
        ("X-Authenticated-User", "V2luTlQ6Ly9ET01cdXNlcg=="),
        ("X-Authenticated-User", "!!! no base64 !!!"),
        ("X-Authenticated-Groups", &long),
        ("X-Subscriber-ID", "0123456789"),
        ("X-Client-Username", "user\"><b>"),
        ("X-Transformed-From", "HTTP/2.0"),
        ("X-HTTP-Upgrade", "websocket"),
        ("X-Client-Port", "99999"),
    ] {
        let (response, mut icap) = ask_respmod(&respmod().allow_204().field(name, value).body(b"harmless"));
        assert_204(&response);
        assert_still_framed(&mut icap);
    }
}

#[test]
fn rfc3507_7_2_c149_an_offer_of_tls_is_answered_in_clear() {
    let message = respmod().allow_204().field("Connection", "Upgrade").field("Upgrade", "TLS/1.0");
    let (response, mut icap) = ask_respmod(&message.body(b"harmless"));
    assert_204(&response);
    assert_still_framed(&mut icap);
}
