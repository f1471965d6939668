//! What was found reaches a SIEM: in files and over syslog, whole and inert, and nobody waits for it.

use crate::common::{GET, OK, assert_204, assert_block, assert_refused, respmod};
use crate::worker_faults::Family;
use icapstan_testkit::{
    Authority, EICAR_NAME, IcapClient, Identity, MARKER_NAME, Message, PATIENCE, Standalone, binary,
    clean_bytes, eicar, eventually, hex, marker, sha256_hex, signatures, tempdir,
};
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::thread;

/// A syslog server for datagrams.
fn server() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("there is a port");
    socket.set_read_timeout(Some(PATIENCE)).expect("it can wait");
    socket
}

#[track_caller]
fn datagram(socket: &UdpSocket) -> String {
    let mut buffer = vec![0; 65_536];
    let len = socket.recv(&mut buffer).expect("an event comes");
    String::from_utf8(buffer[..len].to_vec()).expect("it is UTF-8")
}

/// What is in the file, each line an event.
#[track_caller]
fn events(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("each line is a JSON object")).collect()
}

/// The first event of that kind, as soon as it is there.
#[track_caller]
fn event_of(path: &Path, kind: &str) -> Value {
    eventually("the event is in the file", || events(path).into_iter().find(|event| event["kind"] == kind))
}

/// The header of a CEF message and its fields, read by the rules of the format alone.
#[track_caller]
fn cef(record: &str) -> (Vec<String>, HashMap<String, String>) {
    let (mut header, mut rest) = (vec![String::new()], String::new());
    let mut chars = record[record.find("CEF:").expect("it is CEF")..].chars();
    while let Some(c) = chars.next() {
        let count = header.len();
        let field = &mut header[count - 1];
        match c {
            '\\' => field.extend(chars.next()),
            '|' if count == 7 => {
                rest = chars.collect();
                break;
            }
            '|' => header.push(String::new()),
            c => field.push(c),
        }
    }
    let mut fields = HashMap::new();
    let (mut key, mut value) = (String::new(), String::new());
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => value.extend(chars.next()),
            '=' => {
                let (before, next) = value.rsplit_once(' ').unwrap_or(("", &value));
                let (before, next) = (before.to_owned(), next.to_owned());
                let known = fields.insert(std::mem::replace(&mut key, next), before);
                assert!(known.is_none(), "a key comes twice: {record}");
                value.clear();
            }
            c => value.push(c),
        }
    }
    let known = fields.insert(key, value);
    assert!(known.is_none(), "a key comes twice: {record}");
    (header, fields)
}

#[test]
fn a_detection_is_told_in_each_sink_and_clean_objects_are_not() {
    let dir = tempdir();
    let path = dir.path().join("events.json");
    let socket = server();
    let config = format!(
        "events:
- sink: {{file: {}}}
- sink: {{syslog: {{address: '{}', host: siem-test}}}}
  format: cef
  kinds: [detection]
",
        path.display(),
        socket.local_addr().expect("it is bound")
    );
    let mut server = Standalone::with().in_one_process().config(&config).start();
    let mut icap = IcapClient::connect(server.icap());
    icap.send(respmod().allow_204().body(clean_bytes(500, 1)).bytes());
    assert_204(&icap.read_respmod());
    let head = "GET http://ann:secret@o.test/dir/a.com?q=1#top HTTP/1.1\r\nHost: o.test\r\n\r\n";
    let request = Message::respmod("/respmod")
        .request_head(head)
        .response_head(OK)
        .allow_204()
        .field("X-Client-IP", "192.0.2.9")
        .field("X-Client-Username", "CORP\\ann")
        // "staff, sales"
        .field("X-Authenticated-Groups", "c3RhZmYsIHNhbGVz")
        .body(eicar());
    icap.send(request.bytes());
    let response = icap.read_respmod();
    assert_block(&response, "eicar");
    let threat = response.get("X-Virus-ID").expect("it has a name");
    let record = datagram(&socket);

    let event = event_of(&path, "detection");
    let peer = icap.stream().local_addr().expect("it is connected").to_string();
    let sha256 = sha256_hex(&eicar());
    let generation = server.admin_get("/version").expect("it answers");
    let generation: Value = serde_json::from_slice(&generation.body).expect("it is JSON");
    for (field, expected) in [
        ("severity", "critical"),
        ("service", "respmod"),
        ("mode", "RESPMOD"),
        ("verdict", "detect"),
        ("action", "block"),
        ("url", "http://o.test/dir/a.com?q=1"),
        ("client", "192.0.2.9"),
        ("peer", &peer),
        ("user", "CORP\\ann"),
        ("method", "GET"),
        ("sha256", &sha256),
        ("generation", generation["signatures"]["generation"].as_str().expect("there are signatures")),
        ("istag", response.istag().trim_matches('"')),
    ] {
        assert_eq!(event[field], expected, "{field}: {event}");
    }
    assert_eq!(event["threats"], Value::from(vec![threat]));
    assert_eq!(event["groups"], Value::from(vec!["staff", "sales"]));
    assert_eq!((&event["status"], &event["size"]), (&200.into(), &eicar().len().into()));
    let transaction = event["transaction"].as_str().expect("it has a number");
    let in_log = format!("\"transaction\":\"{transaction}\"");
    eventually("the log has it too", || server.process().logs().text().contains(&in_log).then_some(()));

    assert!(record.starts_with("<162>1 ") && record.contains(" siem-test icapstan "), "{record}");
    let (header, fields) = cef(&record);
    assert_eq!(header[..3], ["CEF:0", "icapstan", "icapstan"]);
    assert_eq!(header[4..], ["detection", "Threat detected", "8"]);
    for (key, expected) in [
        ("act", "block"),
        ("src", "192.0.2.9"),
        ("suser", "CORP\\ann"),
        ("request", "http://o.test/dir/a.com?q=1"),
        ("requestMethod", "GET"),
        ("fname", "a.com"),
        ("cs4", threat),
        ("fileHash", &sha256),
        ("externalId", transaction),
        ("icapstanGroups", "staff;sales"),
    ] {
        assert_eq!(fields.get(key).map(String::as_str), Some(expected), "{key}: {record}");
    }
    server.terminate();
    assert!(server.wait_exit().success());
    let kinds: Vec<_> = events(&path).into_iter().map(|event| event["kind"].clone()).collect();
    assert_eq!(kinds, ["start", "detection", "stop"]);
    assert!(!fs::read_to_string(&path).expect("it is there").contains("secret"));
}

#[test]
fn whatever_peers_and_signatures_say_is_one_inert_record() {
    let dir = tempdir();
    let path = dir.path().join("events.json");
    let folder = dir.path().join("signatures");
    fs::create_dir(&folder).expect("it is writable");
    signatures(&folder);
    let content = b"hostile by its name alone";
    let line = format!("Evil|act=pass\"<b>cs1=CLEAN:0:*:{}\n", hex(content));
    fs::write(folder.join("hostile.ndb"), line).expect("it is writable");
    let socket = server();
    let config = format!(
        "identity: {{userHeader: X-User, userEncoding: base64}}
events:
- sink: {{file: {}}}
  kinds: [detection]
- {{sink: {{syslog: {{address: '{}'}}}}, format: cef, kinds: [detection]}}
",
        path.display(),
        socket.local_addr().expect("it is bound")
    );
    let server = Standalone::with().config(&config).signature_folder(&folder).start();
    let mut icap = IcapClient::connect(server.icap());
    let head = "GET http://o.test/a|b=c\"d\\e\u{1b}[31m%0d%0a<13>1 HTTP/1.1\r\nHost: o.test\r\n\r\n";
    let request = Message::respmod("/respmod")
        .request_head(head)
        .response_head(OK)
        .allow_204()
        // "ann\r\n<13>1 - - - - - - forged|act=pass\" src=1.2.3.4"
        .field("X-User", "YW5uDQo8MTM+MSAtIC0gLSAtIC0gLSBmb3JnZWR8YWN0PXBhc3MiIHNyYz0xLjIuMy40")
        .body(content);
    icap.send(request.bytes());
    assert_refused(&icap.read_respmod());
    icap.send(respmod().allow_204().body(eicar()).bytes());
    assert_block(&icap.read_respmod(), "eicar");

    let record = datagram(&socket);
    assert!(!record.contains(char::is_control) && record.starts_with("<162>1 "), "{record:?}");
    let (header, fields) = cef(&record);
    assert_eq!((header.len(), header[4].as_str(), header[6].as_str()), (7, "detection", "8"));
    let field = |key: &str| fields.get(key).map(String::as_str).unwrap_or_default();
    assert_eq!((field("act"), field("src"), field("cs1")), ("block", "127.0.0.1", "DETECT"), "{record}");
    assert!(field("suser").contains("forged|act=pass\" src=1.2.3.4"), "{record}");
    assert!(field("suser").starts_with("ann") && field("suser").contains("%3C13%3E1 - - -"), "{record}");
    assert_eq!(field("request"), "http://o.test/a|b=c\"d\\e%1B[31m%0d%0a%3C13%3E1");
    assert!(field("cs4").starts_with("Evil|act=pass__b_cs1=CLEAN"), "{record}");
    let (_, next) = cef(&datagram(&socket));
    assert!(next["cs4"].starts_with(EICAR_NAME), "nothing stands between two events");

    let told = eventually("both are in the file", || Some(events(&path)).filter(|told| told.len() == 2));
    let text = fs::read_to_string(&path).expect("it is there");
    assert!(!text.replace('\n', "").contains(char::is_control) && !text.contains('<'), "{text:?}");
    assert_eq!(text.lines().count(), 2);
    assert_eq!((&told[0]["action"], &told[0]["url"]), (&"block".into(), &field("request").into()));
    assert_eq!(told[0]["user"], field("suser"));
}

#[test]
fn a_dead_server_changes_no_answer_and_what_it_loses_is_counted() {
    // The kernel gives nobody the first port, so that nobody is there.
    let config = "events:
- sink: {syslog: {address: '127.0.0.1:1', transport: tcp}}
  kinds: [detection]
  queue: 2
";
    let mut server = Standalone::with().config(config).start();
    let mut icap = IcapClient::connect(server.icap());
    for _ in 0..8 {
        icap.send(respmod().allow_204().body(eicar()).bytes());
        assert_block(&icap.read_respmod(), "eicar");
        icap.send(respmod().allow_204().body(b"harmless").bytes());
        assert_204(&icap.read_respmod());
    }
    // Two wait, and one may be in the hand of the writer.
    eventually("what is lost is counted", || {
        (server.metric("icapstan_events_dropped_total", "sink=\"0\"") >= 5.0).then_some(())
    });
    assert!(server.metric("icapstan_events_sent_total", "sink=\"0\"") < 0.5);
    assert!(server.metric("icapstan_events_sinks_connected", "type=\"tcp\"") < 0.5);
    server.terminate();
    assert!(server.wait_exit().success());
    eventually("what is lost at the end is told", || {
        server.process().logs().text().contains("did not reach their sinks in time").then_some(())
    });
}

#[test]
fn a_stop_sends_what_waits() {
    const DETECTIONS: usize = 50;
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = listener.local_addr().expect("it is bound");
    // Takes all that comes until the program closes.
    let reader = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the program connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("it can wait");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("the program closes in order");
        text
    });
    let config = format!(
        "events: [{{sink: {{syslog: {{address: '{address}', transport: tcp, framing: newline}}}}, format: text}}]"
    );
    let mut server = Standalone::with().in_one_process().config(&config).start();
    let mut icap = IcapClient::connect(server.icap());
    for _ in 0..DETECTIONS {
        icap.send(respmod().allow_204().body(eicar()).bytes());
        assert_block(&icap.read_respmod(), "eicar");
    }
    server.terminate();
    assert!(server.wait_exit().success());
    let text = reader.join().expect("it read all");
    let kinds: Vec<_> = text.lines().map(|line| line.split(' ').nth(5).unwrap_or_default()).collect();
    assert_eq!(kinds.len(), DETECTIONS + 2, "{text}");
    assert_eq!((kinds[0], kinds[DETECTIONS], kinds[DETECTIONS + 1]), ("start", "detection", "stop"));
}

#[test]
fn lists_rules_and_changes_are_told() {
    let dir = tempdir();
    let (path, bad) = (dir.path().join("events.json"), dir.path().join("bad"));
    let folder = dir.path().join("signatures");
    fs::create_dir(&folder).expect("it is writable");
    signatures(&folder);
    fs::write(&bad, "evil.test\n").expect("it is writable");
    fs::write(dir.path().join("games"), "games.test\n").expect("it is writable");
    let at = dir.path().display();
    let config = format!(
        "services: [{{path: /reqmod, modes: [REQMOD], scan: url}}, {{path: /respmod, modes: [RESPMOD]}}]
urlLists:
  sources:
  - {{name: bad, kind: malware, format: plain, path: {at}/bad}}
  - {{name: games, kind: category, category: play, path: {at}/games}}
policies:
- name: default
  scan: {{maxObjectSize: 100Ki}}
  rules:
  - {{name: no-games, verdict: CLEAN, when: {{categories: [play]}}, action: {{block: refused}}}}
  - {{name: noted, verdict: CLEAN, when: {{hosts: [noted.test]}}, action: log}}
events: [{{sink: {{file: {at}/events.json}}}}]
"
    );
    let server = Standalone::with().in_one_process().config(&config).signature_folder(&folder).start();
    let mut icap = IcapClient::connect(server.icap());
    let mut ask = |url: &str| {
        let host = url.split('/').nth(2).unwrap_or_default();
        let head = format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        icap.send(Message::reqmod("/reqmod").request_head(head).allow_204().bytes());
        icap.read_reqmod()
    };
    assert_204(&ask("http://noted.test/"));
    assert_refused(&ask("http://www.games.test/x"));
    let blocked = event_of(&path, "block");
    for (field, expected) in [
        ("verdict", "clean"),
        ("action", "block"),
        ("rule", "no-games"),
        ("list", "games"),
        ("category", "play"),
        ("url", "http://www.games.test/x"),
        ("mode", "REQMOD"),
    ] {
        assert_eq!(blocked[field], expected, "{field}: {blocked}");
    }
    assert_refused(&ask("http://evil.test/"));
    let found = event_of(&path, "detection");
    assert_eq!((&found["list"], &found["threats"][0]), (&"bad".into(), &"URL.bad".into()), "{found}");
    let mut large = IcapClient::connect(server.icap());
    large.send(respmod().request_head(GET).allow_204().body(clean_bytes(200_000, 7)).bytes());
    large.read_respmod();
    let passed = event_of(&path, "not-scanned");
    assert_eq!((&passed["reason"], &passed["action"]), (&"size".into(), &"pass".into()), "{passed}");

    let changes = || -> Vec<Value> {
        events(&path).into_iter().filter(|event| event["kind"] == "list-change").collect()
    };
    assert_eq!(changes().len(), 0, "the first ones are no change");
    let replace = |text: &str| {
        let part = dir.path().join("bad.part");
        fs::write(&part, text).expect("it is writable");
        fs::rename(part, &bad).expect("it is writable");
    };
    replace("evil.test\nlater.test\n");
    let lists = eventually("other lists are told", || changes().into_iter().next());
    assert_eq!(lists["message"], "Other URL lists are in use: 3 entries in 2 lists.");
    replace("To be, or not to be, that is the question\n");
    let failure = event_of(&path, "failure");
    assert!(failure["message"].as_str().is_some_and(|text| text.contains("the list bad")), "{failure}");
    let line = format!("Another:0:*:{}\n", hex(b"another signature of the test"));
    fs::write(folder.join("more.ndb"), line).expect("it is writable");
    let signatures = eventually("other signatures are told", || changes().into_iter().nth(1));
    let start = event_of(&path, "start");
    assert!(signatures["generation"].is_string() && start["generation"].is_string());
    assert_ne!(signatures["generation"], start["generation"]);
}

#[test]
fn sinks_that_cannot_be_used_are_told_at_the_start() {
    let dir = tempdir();
    let file = dir.path().join("icapstan.yaml");
    let run = |config: &str, args: &[&str]| {
        fs::write(&file, config).expect("it is writable");
        let output =
            Command::new(binary("icapstan")).args(args).arg(&file).output().expect("it can be started");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let start = ["standalone", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--config"];
    let (code, told) = run("events: [{sink: {file: /proc/nothing/events}}]", &start);
    assert!(
        code == Some(1) && told.contains("events[0].sink cannot be used: cannot open the file"),
        "{told}"
    );
    let tls = "events: [{sink: {syslog: {address: 'h:1', transport: tls, tls: {caFile: /proc/version}}}}]";
    let (code, told) = run(tls, &start);
    assert!(code == Some(1) && told.contains("events[0].sink cannot be used"), "{told}");
    let wrong = "events: [{sink: {file: events.json}, queue: 0}]";
    for args in [&start[..], &["check-config"]] {
        let (code, told) = run(wrong, args);
        assert_eq!(code, Some(64), "{told}");
        assert!(told.contains("events[0].sink.file: ") && told.contains("events[0].queue: "), "{told}");
    }
}

/// The events of that kind and cause, and how many things they stand for.
fn counted(path: &Path, kind: &str, cause: &str) -> (usize, u64) {
    let told = events(path);
    let told = told.iter().filter(|event| event["kind"] == kind && event["cause"] == cause);
    let counts: Vec<_> = told.map(|event| event["count"].as_u64().expect("it has a number")).collect();
    (counts.len(), counts.iter().sum())
}

#[test]
fn a_flood_of_refusals_makes_few_events_that_count_them_all() {
    const FLOOD: u64 = 100;
    let dir = tempdir();
    let path = dir.path().join("events.json");
    let socket = server();
    let config = format!(
        "limits: {{sessions: 4}}
events:
- sink: {{file: {}}}
- sink: {{syslog: {{address: '{}'}}}}
  format: cef
  kinds: [refusal]
",
        path.display(),
        socket.local_addr().expect("it is bound")
    );
    let mut server = Standalone::with().config(&config).start();
    for _ in 0..FLOOD {
        let mut stranger = IcapClient::connect(server.icap());
        stranger.send("GET / HTTP/1.1\r\nHost: o.test\r\n\r\n");
        assert_eq!(stranger.read_options().status, 400);
    }
    let (header, fields) = cef(&datagram(&socket));
    assert_eq!(header[4..], ["refusal", "Requests refused", "6"]);
    assert!(fields["cnt"].parse::<u64>().is_ok_and(|count| (1..=FLOOD).contains(&count)), "{fields:?}");
    assert!(fields["msg"].contains("400") && fields["outcome"] == "failure", "{fields:?}");
    let mut icap = IcapClient::connect(server.icap());
    icap.send(Message::respmod("/none-such").request_head(GET).response_head(OK).bytes());
    assert_eq!(icap.read_respmod().status, 404);
    drop(icap);
    let mut held = Vec::new();
    eventually("one is refused", || {
        let mut one = IcapClient::connect(server.icap());
        one.send(respmod().allow_204().body(b"x").bytes());
        let status = one.read_respmod().status;
        // What is served keeps its session.
        held.push(one);
        (status == 429).then_some(())
    });
    for cause in ["malformed", "no-such-service", "sessions"] {
        eventually(cause, || (counted(&path, "refusal", cause).0 > 0).then_some(()));
    }
    drop(held);
    server.terminate();
    assert!(server.wait_exit().success());
    let (told, count) = counted(&path, "refusal", "malformed");
    assert_eq!(count, FLOOD, "each is counted once");
    // At once, once a minute, and at the end.
    assert!(told <= 4, "{told} events");
    assert_eq!(counted(&path, "refusal", "no-such-service"), (1, 1));
    assert_eq!(events(&path).last().expect("there are some")["kind"], "stop");
}

#[test]
fn dead_workers_and_signatures_that_cannot_be_loaded_are_told() {
    let dir = tempdir();
    let path = dir.path().join("events.json");
    let folder = dir.path().join("signatures");
    fs::create_dir(&folder).expect("it is writable");
    signatures(&folder);
    let config = format!("events: [{{sink: {{file: {}}}, kinds: [failure]}}]", path.display());
    let server = Standalone::with().config(&config).signature_folder(&folder).start();
    let failures = |cause: &'static str| {
        eventually(cause, || events(&path).into_iter().find(|event| event["cause"] == cause))
    };
    let worker = Family::of(&server).workers[0].to_string();
    assert!(Command::new("kill").args(["-KILL", &worker]).status().expect("it runs").success());
    let dead = failures("worker-death");
    assert_eq!((&dead["kind"], &dead["severity"]), (&"failure".into(), &"error".into()), "{dead}");
    assert!(dead["count"].as_u64().is_some_and(|count| count >= 1), "{dead}");
    fs::write(folder.join("broken.ndb"), "no signature\n").expect("it is writable");
    let load = failures("signatures");
    assert!(
        load["message"].as_str().is_some_and(|text| text.contains("signatures cannot be loaded:")),
        "{load}"
    );
}

/// A download of which part is out before it is found to be infected, and its answer so far.
fn begun_and_infected(icap: &mut IcapClient) {
    let rest = [clean_bytes(5000, 8), marker()].concat();
    // As much as Squid's pipe holds: then a silence means that it waits.
    let first = clean_bytes(65_535, 7);
    icap.send(respmod().framed_body([&b"ffff\r\n"[..], &first, b"\r\n"].concat()).bytes());
    let mut begun = [0; 12];
    icap.stream().read_exact(&mut begun).expect("the answer begins");
    assert_eq!(&begun, b"ICAP/1.0 200");
    icap.send([format!("{:x}\r\n", rest.len()).as_bytes(), &rest, b"\r\n0\r\n\r\n"].concat());
    assert!(!icap.read_to_end().ends_with(b"0\r\n\r\n"), "what is cut never looks whole");
}

#[test]
fn what_is_cut_after_it_had_begun_is_told_as_an_abort() {
    let dir = tempdir();
    let path = dir.path().join("events.json");
    let socket = server();
    let config = format!(
        "events:
- sink: {{file: {}}}
- sink: {{syslog: {{address: '{}'}}}}
  format: text
  kinds: [detection]
",
        path.display(),
        socket.local_addr().expect("it is bound")
    );
    let server = Standalone::with().config(&config).start();
    let mut icap = IcapClient::connect(server.icap());
    begun_and_infected(&mut icap);
    let event = event_of(&path, "detection");
    for (field, expected) in
        [("action", "abort"), ("verdict", "detect"), ("url", "http://o.test/x"), ("severity", "critical")]
    {
        assert_eq!(event[field], expected, "{field}: {event}");
    }
    assert!(event["threats"][0].as_str().is_some_and(|name| name.contains(MARKER_NAME)), "{event}");
    assert!(datagram(&socket).contains(" action=\"abort\" "));
    let abort = event_of(&path, "abort");
    assert_eq!((&abort["cause"], &abort["count"]), (&"aborted".into(), &1.into()), "{abort}");
    // One that leaves in the midst of a request, for another URL: this one is remembered.
    let other = GET.replace("/x", "/y");
    let mut icap = IcapClient::connect(server.icap());
    icap.send(respmod().request_head(other).framed_body(b"5\r\nab").bytes());
    drop(icap);
    let gone = eventually("it is told", || {
        events(&path).into_iter().find(|event| event["kind"] == "abort" && event["cause"] == "gone")
    });
    assert_eq!((&gone["severity"], &gone["count"]), (&"notice".into(), &1.into()), "{gone}");
}

#[test]
fn events_arrive_over_a_secured_connection_and_at_no_impostor() {
    let (authority, other) = (Authority::new(), Authority::new());
    let serve = |identity: Identity| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let address = listener.local_addr().expect("it is bound");
        let reader = thread::spawn(move || {
            let (stream, _) = listener.accept().expect("the program connects");
            stream.set_read_timeout(Some(PATIENCE)).expect("it can wait");
            let mut text = String::new();
            let read = identity.secure(stream).read_to_string(&mut text);
            (read.is_ok(), text)
        });
        (address, reader)
    };
    let (right, reader) = serve(authority.identity("siem.test"));
    let (wrong, impostor) = serve(other.identity("siem.test"));
    let sink = |address| {
        format!(
            "- sink:
    syslog:
      address: '{address}'
      transport: tls
      tls: {{serverName: siem.test, caFile: {}}}
  format: json
",
            authority.ca_file().display()
        )
    };
    let config = format!("events:\n{}{}", sink(right), sink(wrong));
    let mut server = Standalone::with().in_one_process().config(&config).start();
    let mut icap = IcapClient::connect(server.icap());
    icap.send(respmod().allow_204().body(eicar()).bytes());
    assert_block(&icap.read_respmod(), "eicar");
    eventually("it is sent", || {
        (server.metric("icapstan_events_sent_total", "sink=\"0\"") >= 2.0).then_some(())
    });
    assert!(server.metric("icapstan_events_sent_total", "sink=\"1\"") < 0.5);
    server.terminate();
    assert!(server.wait_exit().success());
    let (ended, text) = reader.join().expect("it read all");
    assert!(ended, "the connection ends in order");
    // Each behind its length (RFC 5425 section 4.3).
    let mut rest = text.as_str();
    let mut kinds = Vec::new();
    while let Some((len, tail)) = rest.split_once(' ') {
        let (record, tail) = tail.split_at(len.parse().expect("it is a length"));
        let json = &record[record.find('{').expect("it is JSON")..];
        let event: Value = serde_json::from_str(json).expect("it is JSON");
        kinds.push(event["kind"].clone());
        rest = tail;
    }
    assert_eq!(kinds, ["start", "detection", "stop"], "{text}");
    let (_, text) = impostor.join().expect("it read all");
    assert_eq!(text, "", "who is not known learns nothing");
}
