//! What rsyslog, the syslog server of most Linux systems, makes of our records.
//!
//! Needs its program: `rsyslogd` in `/usr/sbin`, or the one that `ICAPSTAN_TEST_RSYSLOGD` names, with its
//! modules in the folder that `ICAPSTAN_TEST_RSYSLOGD_MODULES` names, and for TLS the module of GnuTLS.
//! What is not there is not tried, and the test says so.

use crate::server::any;
use crate::setup::{LONG, Setup, event, spawn, wait_until};
use crate::tls::Authority;
use icapstan_events::{
    Event, EventFormat, EventKind, EventSettings, Few, Framing, SinkSettings, SyslogSettings, Text, Transport,
};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Ends with the test.
struct Rsyslog {
    child: Child,
    tcp: SocketAddr,
    tls: SocketAddr,
    udp: SocketAddr,
    authority: Authority,
    messages: PathBuf,
}

impl Rsyslog {
    fn start(dir: &Path) -> Option<Self> {
        let program = path_of("ICAPSTAN_TEST_RSYSLOGD", "/usr/sbin/rsyslogd");
        if !program.exists() {
            eprintln!("not tried: there is no {}", program.display());
            return None;
        }
        let [tcp, tls] = [(); 2].map(|()| TcpListener::bind(any()).unwrap().local_addr().unwrap());
        let udp = UdpSocket::bind(any()).unwrap().local_addr().unwrap();
        let (messages, file, authority) = (dir.join("messages"), dir.join("rsyslog.conf"), Authority::new());
        let (cert, key) = authority.sign("siem.test");
        let mut settings = vec![
            format!("global(workDirectory=\"{}\")", dir.display()),
            "module(load=\"imudp\")".to_owned(),
            "module(load=\"imtcp\")".to_owned(),
            format!("input(type=\"imudp\" address=\"{}\" port=\"{}\")", udp.ip(), udp.port()),
            format!("input(type=\"imtcp\" address=\"{}\" port=\"{}\")", tcp.ip(), tcp.port()),
            "template(name=\"all\" type=\"string\" string=\"%jsonmesg%\\n\")".to_owned(),
            format!("action(type=\"omfile\" file=\"{}\" template=\"all\")", messages.display()),
        ];
        if has_tls() {
            settings.push(format!(
                "global(defaultNetstreamDriverCAFile=\"{}\" defaultNetstreamDriverCertFile=\"{}\" \
                 defaultNetstreamDriverKeyFile=\"{}\")",
                authority.ca_file().display(),
                cert.display(),
                key.display()
            ));
            settings.push(format!(
                "input(type=\"imtcp\" address=\"{}\" port=\"{}\" streamDriver.name=\"gtls\" \
                 streamDriver.mode=\"1\" streamDriver.authMode=\"anon\")",
                tls.ip(),
                tls.port()
            ));
        }
        std::fs::write(&file, settings.join("\n") + "\n").unwrap();
        let mut command = Command::new(program);
        command.args(["-n", "-iNONE", "-f"]).arg(file).stdout(Stdio::null());
        command.arg("-M").arg(modules());
        let server = Self { child: spawn(&mut command), tcp, tls, udp, authority, messages };
        wait_until("rsyslog listens", || TcpStream::connect(tcp).is_ok() && UdpSocket::bind(udp).is_err());
        Some(server)
    }

    /// All messages so far.
    fn messages(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(&self.messages).unwrap_or_default();
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn path_of(variable: &str, default: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| default.into(), PathBuf::from)
}

fn modules() -> PathBuf {
    path_of("ICAPSTAN_TEST_RSYSLOGD_MODULES", "/usr/lib/x86_64-linux-gnu/rsyslog")
}

fn has_tls() -> bool {
    modules().join("lmnsd_gtls.so").exists()
}

fn large() -> Event {
    let hostile = "\u{44f}\"]\\|=\n".repeat(5000);
    let mut event = Event::new(EventKind::Block, Text::message(&hostile));
    event.transaction = Some(99);
    event.url = Some(Text::url(&hostile));
    event.groups = std::iter::repeat_n(Text::name(&hostile), Few::<Text>::MAX + 1).collect();
    event
}

#[test]
fn rsyslog_takes_each_record_for_one_message_and_finds_its_parts() {
    let ways = [
        (Transport::Udp, None),
        (Transport::Tcp, Some(Framing::OctetCounting)),
        (Transport::Tcp, Some(Framing::Newline)),
        (Transport::Tls, None),
    ];
    for (transport, framing) in ways {
        if transport == Transport::Tls && !has_tls() {
            eprintln!("not tried with TLS: there is no lmnsd_gtls.so");
            continue;
        }
        for format in [EventFormat::Json, EventFormat::Cef, EventFormat::Text] {
            let dir = tempfile::tempdir().unwrap();
            let Some(rsyslog) = Rsyslog::start(dir.path()) else { return };
            let (address, tls) = match transport {
                Transport::Udp => (rsyslog.udp, None),
                Transport::Tcp => (rsyslog.tcp, None),
                Transport::Tls => (rsyslog.tls, Some(rsyslog.authority.believed())),
            };
            let host = Some("icap-1.test".to_owned());
            let server =
                SyslogSettings { framing, host, tls, ..SyslogSettings::new(address.to_string(), transport) };
            let setup =
                Setup::of(&[EventSettings { format, ..EventSettings::new(SinkSettings::syslog(server)) }]);
            setup.send(0..20);
            setup.events.send(large());
            setup.events.send(event(20));
            assert!(setup.events.flush(LONG));
            wait_until("all messages arrive", || rsyslog.messages().len() >= 22);
            let messages = rsyslog.messages();
            assert_eq!(messages.len(), 22);
            for (index, message) in messages.iter().enumerate() {
                check(message, index, format);
            }
        }
    }
}

#[track_caller]
fn check(message: &serde_json::Value, index: usize, format: EventFormat) {
    let part = |name: &str| message[name].as_str().unwrap_or_default();
    let (kind, priority) = if index == 20 { ("block", "164") } else { ("detection", "162") };
    assert_eq!((part("pri"), part("protocol-version")), (priority, "1"), "{message}");
    assert_eq!(
        (part("hostname"), part("app-name"), part("msgid")),
        ("icap-1.test", "icapstan", kind),
        "{message}"
    );
    assert_eq!(part("procid"), std::process::id().to_string());
    let number = match index {
        20 => 99,
        21 => 20,
        index => index,
    };
    let transaction = format!("{number:016x}");
    let text = part("msg").trim_start();
    match format {
        EventFormat::Json => {
            let object: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(object["transaction"].as_str(), Some(transaction.as_str()));
        }
        EventFormat::Cef => {
            assert!(text.starts_with("CEF:0|icapstan|icapstan|"), "{text}");
            assert!(text.contains(&format!(" externalId={transaction} ")), "{text}");
        }
        EventFormat::Text => {
            let data = part("structured-data");
            assert!(data.starts_with("[icapstan@32473 ") && data.ends_with("\"]"), "{data}");
            assert!(data.contains(&format!(" transaction=\"{transaction}\"")), "{data}");
            let expected = if index == 20 { "\u{44f}\"]\\|=%0A" } else { "Found \u{44f}.%0D%0A" };
            assert!(text.trim_start_matches('\u{feff}').starts_with(expected), "{text}");
        }
    }
}
