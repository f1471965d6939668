//! Rules may ask for client, user, host, URL, method and size; the first that holds decides, and says so.

use crate::common::{OK, assert_204, assert_refused};
use icapstan_testkit::{IcapClient, IcapResponse, Message, Standalone, clean_bytes, eicar, eventually};

const CONFIG: &str = "
identity: {trustedPeers: [127.0.0.0/8]}
log: {format: json}
policies:
- name: default
  rules:
  - {name: lab, verdict: DETECT, when: {clients: [192.0.2.0/24]}, action: log}
  - name: portal
    verdict: DETECT
    when: {users: ['*/ann']}
    action: {redirect: 'https://portal.test/blocked?u={url}&t={threat}&r={verdict}'}
  - {name: uploads, verdict: ANY, mode: REQ, when: {methods: [PUT], size: {min: 1000}}, action: {block: refused}}
  - {name: programs, verdict: CLEAN, when: {urls: ['*.exe', '*.exe?*']}, action: {block: refused}}
  - {name: friends, verdict: NON_SCANNED, when: {hosts: ['*.friend.test']}, action: none}
";

fn download(url: &str) -> Message {
    let host = url.split('/').nth(2).unwrap_or_default();
    let head = format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    Message::respmod("/respmod").request_head(head).response_head(OK).allow_204()
}

fn ask(icap: &mut IcapClient, message: &Message) -> IcapResponse {
    icap.send(message.bytes());
    icap.read_respmod()
}

#[test]
fn the_first_rule_whose_conditions_hold_decides() {
    let server = Standalone::with().config(CONFIG).start();
    let mut icap = IcapClient::connect(server.icap());
    // Nobody in particular: as shipped.
    assert_refused(&ask(&mut icap, &download("http://o.test/x").body(eicar())));
    // From the laboratory it passes and is logged.
    let lab = download("http://o.test/x").field("X-Client-IP", "192.0.2.9").body(eicar());
    let passed = ask(&mut icap, &lab);
    assert_204(&passed);
    assert_eq!(passed.get("X-Icapstan-Reason"), Some("detect"));
    // Ann is told elsewhere what happened. `Local://ann` in base64.
    let ann = download("http://o.test/a b?c").field("X-Authenticated-User", "TG9jYWw6Ly9hbm4=").body(eicar());
    let sent = ask(&mut icap, &ann);
    assert_eq!(sent.status, 200, "{}", sent.shown());
    let head = sent.response_head.as_ref().expect("a redirect is an HTTP response");
    assert_eq!(head.first_line, "HTTP/1.1 302 Found");
    let location = head.get("Location").expect("it leads somewhere");
    assert!(location.starts_with("https://portal.test/blocked?u=http%3A%2F%2Fo.test%2Fa"), "{location}");
    assert!(location.to_lowercase().contains("eicar") && location.ends_with("&r=detect"), "{location}");
    assert_eq!((sent.get("X-Response-Info"), sent.body_data().len()), (Some("Blocked"), 0));
    // Clean programs are refused, whatever their URL ends in.
    for url in ["http://o.test/setup.exe", "http://o.test/setup.exe?v=1"] {
        let refused = ask(&mut icap, &download(url).body(clean_bytes(300, 1)));
        assert_refused(&refused);
        assert_eq!(refused.get("X-Icapstan-Reason"), Some("rule"));
    }
    assert_204(&ask(&mut icap, &download("http://o.test/setup.txt").body(clean_bytes(300, 1))));
    for rule in ["lab", "portal", "programs"] {
        let told = format!("\"rule\":\"{rule}\"");
        eventually("the log names the rule", || server.process().logs().text().contains(&told).then_some(()));
    }
}

#[test]
fn large_uploads_are_refused_and_small_ones_pass() {
    let server = Standalone::with().config(CONFIG).start();
    let mut icap = IcapClient::connect(server.icap());
    let put = "PUT http://o.test/x HTTP/1.1\r\nHost: o.test\r\n\r\n";
    for (size, refused) in [(999, false), (1000, true)] {
        let body = clean_bytes(size, 2);
        icap.send(Message::reqmod("/reqmod").request_head(put).allow_204().body(body).bytes());
        let response = icap.read_reqmod();
        if refused { assert_refused(&response) } else { assert_204(&response) }
    }
}

#[test]
fn who_is_not_trusted_is_not_believed() {
    let config = CONFIG.replace("127.0.0.0/8", "10.0.0.0/8");
    let server = Standalone::with().config(&config).start();
    let mut icap = IcapClient::connect(server.icap());
    for (field, value) in [("X-Client-IP", "192.0.2.9"), ("X-Authenticated-User", "TG9jYWw6Ly9hbm4=")] {
        assert_refused(&ask(&mut icap, &download("http://o.test/x").field(field, value).body(eicar())));
    }
}
