use super::*;
use crate::{EventFormat, EventKind, Severity, SinkSettings, SyslogFacility, SyslogFraming};

fn parse(text: &str) -> Result<Vec<EventSettings>, String> {
    let reader = serde_yaml::Deserializer::from_str(text);
    serde_path_to_error::deserialize(reader).map_err(|error| error.to_string())
}

#[track_caller]
fn problems(text: &str) -> Vec<String> {
    let problems = EventSettings::check(&parse(text).unwrap()).err().unwrap_or_default();
    problems.iter().map(ToString::to_string).collect()
}

/// Settings of one sink for syslog with `fields` besides its address.
#[track_caller]
fn of_syslog(fields: &str) -> Vec<String> {
    let problems = problems(&format!("[{{sink: {{syslog: {{address: 'h:1', {fields}}}}}}}]"));
    let front = "events[0].sink.syslog.";
    problems.iter().map(|problem| problem.strip_prefix(front).unwrap_or(problem).to_owned()).collect()
}

#[test]
fn little_has_to_be_written() {
    let text = "[{sink: {file: /a}}, {sink: {stdout: {}}}, {sink: {syslog: {address: 'h:514'}}}]";
    let events = parse(text).unwrap();
    assert_eq!(events[0], EventSettings::new(SinkSettings::file("/a")));
    assert_eq!(events[1], EventSettings::new(SinkSettings::stdout()));
    let server = SyslogSettings::new("h:514", SyslogTransport::Udp);
    assert_eq!(server.most(), 2048);
    assert_eq!(events[2], EventSettings::new(SinkSettings::syslog(server)));
    assert_eq!(EventSettings::check(&events), Ok(()));
    assert!(EventKind::ALL.into_iter().all(|kind| events[0].wants(kind) == (kind != EventKind::Pass)));
}

#[test]
fn everything_that_can_be_written_is_understood_and_written_back_the_same() {
    let text = "
- sink:
    syslog:
      address: '[2001:db8::1]:6514'
      transport: tls
      framing: newline
      facility: authpriv
      host: icap-1
      maxSize: 16Ki
      connectTimeout: 1500ms
      writeTimeout: 1m
      tls: {serverName: siem.example, caFile: /ca, certFile: /cert, keyFile: /key}
  format: cef
  kinds: [detection, not-scanned, configuration-change]
  minSeverity: warning
  queue: 10
";
    let events = parse(text).unwrap();
    assert_eq!(EventSettings::check(&events), Ok(()));
    let [one] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((one.format, one.queue), (EventFormat::Cef, 10));
    assert!(one.wants(EventKind::Detection) && one.wants(EventKind::NotScanned));
    assert!(!one.wants(EventKind::ConfigurationChange) && !one.wants(EventKind::Failure));
    assert_eq!(one.min_severity, Severity::Warning);
    let server = one.sink.syslog.as_ref().unwrap();
    assert_eq!((server.facility, server.framing), (SyslogFacility::AuthPriv, Some(SyslogFraming::Newline)));
    assert_eq!((server.most(), server.connect_timeout), (16 << 10, Duration::from_millis(1500)));
    let written = serde_yaml::to_string(&events).unwrap();
    assert_eq!(parse(&written).unwrap(), events);
}

#[test]
fn what_is_not_known_is_refused_where_it_stands() {
    for (text, path, word) in [
        ("[{sink: {fil: /a}}]", "[0].sink", "fil"),
        ("[{sink: {file: /a}, formt: json}]", "[0]", "formt"),
        ("[{sink: {stdout: {x: 1}}}]", "[0].sink.stdout", "x"),
        ("[{sink: {syslog: {address: 'h:1', tls: {ca: /x}}}}]", "[0].sink.syslog", "ca"),
        ("[{sink: {stdout: {}}, kinds: [clean]}]", "[0].kinds[0]", "clean"),
        ("[{sink: {syslog: {address: 'h:1', writeTimeout: 10}}}]", "[0].sink.syslog", "no unit"),
        ("[{format: json}]", "[0]", "sink"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.starts_with(path) && error.contains(word), "{text}: {error}");
    }
}

#[test]
fn each_thing_that_does_not_fit_is_reported_with_its_field() {
    for (text, expected) in [
        ("[{sink: {}}]", "events[0].sink: name exactly one of file, stdout and syslog"),
        ("[{sink: {file: /a, stdout: {}}}]", "events[0].sink: name exactly one of file, stdout and syslog"),
        ("[{sink: {file: a}}]", "events[0].sink.file: is not an absolute path"),
        ("[{sink: {file: /a}}, {sink: {file: /a}}]", "events[1].sink.file: is already taken by events[0]"),
        (
            "[{sink: {stdout: {}}}, {sink: {stdout: {}}}]",
            "events[1].sink.stdout: is already taken by events[0]",
        ),
        ("[{sink: {stdout: {}}, kinds: []}]", "events[0].kinds: is empty; leave it out for all kinds"),
        ("[{sink: {stdout: {}}, kinds: [start, start]}]", "events[0].kinds: names a kind twice"),
        (
            "[{sink: {stdout: {}}, kinds: [start], minSeverity: error}]",
            "events[0].minSeverity: leaves nothing over: all kinds matter less",
        ),
        ("[{sink: {stdout: {}}, queue: 0}]", "events[0].queue: 0 is not within 1 to 65536"),
    ] {
        assert_eq!(problems(text), [expected], "{text}");
    }
    let many = format!("[{}]", "{sink: {syslog: {address: 'h:1'}}},".repeat(9));
    assert_eq!(problems(&many), ["events: has a length of 9; allowed is 0 to 8"]);
}

#[test]
fn each_thing_that_does_not_fit_a_syslog_server_is_reported_with_its_field() {
    for (fields, expected) in [
        ("framing: newline", "framing: says nothing for udp: each record has a datagram of its own"),
        ("host: 'a b'", "host: is made of 1 to 255 printable ASCII characters without blanks"),
        ("maxSize: 64Ki", "maxSize: 64Ki is not within 2Ki to 65507"),
        ("maxSize: 2047", "maxSize: 2047 is not within 2Ki to 65507"),
        ("transport: tcp, maxSize: 65Ki", "maxSize: 65Ki is not within 2Ki to 64Ki"),
        ("connectTimeout: 1ms", "connectTimeout: 1ms is not within 100ms to 1m"),
        ("writeTimeout: 61s", "writeTimeout: 1m1s is not within 100ms to 1m"),
        ("transport: tcp, tls: {}", "tls: says nothing unless transport is tls"),
        ("transport: tls, tls: {certFile: /c}", "tls.keyFile: is missing: certFile needs its key"),
        ("transport: tls, tls: {keyFile: /c}", "tls.certFile: is missing: keyFile needs its certificate"),
        ("transport: tls, tls: {caFile: c}", "tls.caFile: is not an absolute path"),
        (
            "transport: tls, tls: {serverName: 'a b'}",
            "tls.serverName: is neither a host's name nor an IP address",
        ),
    ] {
        assert_eq!(of_syslog(fields), [expected], "{fields}");
    }
    assert_eq!(
        problems("[{sink: {syslog: {address: h}}}]"),
        ["events[0].sink.syslog.address: is no name or IP address with a port, such as siem.example:6514"]
    );
}

#[test]
fn addresses_are_names_or_numbers_with_a_port() {
    for (text, host, port) in
        [("h:1", "h", 1), ("10.0.0.1:514", "10.0.0.1", 514), ("[::1]:65535", "::1", 65535)]
    {
        assert_eq!(SyslogPeer::parse(text), Some(SyslogPeer { host: host.into(), port }));
    }
    for text in ["", "h", "h:", "h:0", "h:65536", "::1:514", "[h]:1", "[::1", ":1", "a b:1", "h/x:1", "[]:1"]
    {
        assert_eq!(SyslogPeer::parse(text), None, "{text}");
    }
    assert_eq!(SyslogPeer::parse(&format!("{}:1", "h".repeat(254))), None);
}
