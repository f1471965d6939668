//! Infected objects go to the quarantine, encrypted, and come back as they came; nobody waits for it.

use crate::common::{assert_204, assert_block};
use icapstan_testkit::{
    IcapClient, IcapResponse, Message, Signal, Standalone, StandaloneBuilder, TempDir, binary, clean_bytes,
    eicar, eventually, gzip, marker, need, sha256_hex, skipped, tempdir,
};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

mod store;

/// A folder with a key for the quarantine in it, and where that is.
struct Ground {
    folder: TempDir,
    config: String,
    /// What the command line is told of where it is.
    place: [String; 2],
}

impl Ground {
    /// In a folder.
    fn new(more: &str) -> Self {
        let folder = tempdir();
        let kept = folder.path().join("kept");
        let place = format!("folder: {{path: {}}}", kept.display());
        Self::at_place(folder, &place, more, ["--folder".to_owned(), path(&kept).to_owned()])
    }

    /// In a bucket.
    fn in_store(s3: &str) -> Self {
        let folder = tempdir();
        let file = folder.path().join("icapstan.yaml");
        let place = ["--config".to_owned(), path(&file).to_owned()];
        let ground = Self::at_place(folder, &format!("s3: {{{s3}}}"), "", place);
        fs::write(file, &ground.config).expect("the folder is writable");
        ground
    }

    fn at_place(folder: TempDir, place: &str, more: &str, args: [String; 2]) -> Self {
        let key = folder.path().join("key");
        let made = run(&["quarantine", "keygen", "-o", path(&key)]);
        assert!(made.status.success(), "{}", told(&made));
        fs::write(folder.path().join("recipients"), &made.stdout).expect("the folder is writable");
        let at = folder.path().display();
        let config = format!(
            "quarantine:
  {place}
  recipientFile: {at}/recipients
policies:
- name: default
- {{name: unkept, quarantine: false}}
- name: lenient
  rules: [{{verdict: DETECT, action: log}}]
services:
- {{path: /reqmod, modes: [REQMOD], scan: content}}
- {{path: /respmod, modes: [RESPMOD], scan: content}}
- {{path: /unkept, modes: [REQMOD], scan: content, policy: unkept}}
- {{path: /lenient, modes: [REQMOD], scan: content, policy: lenient}}
events: [{{sink: {{file: {at}/events}}}}]
{more}"
        );
        Self { folder, config, place: args }
    }

    fn start(&self) -> Standalone {
        self.builder().start()
    }

    fn builder(&self) -> StandaloneBuilder {
        Standalone::with().in_one_process().config(&self.config)
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn ask(&self, command: &str, more: &[&str]) -> Output {
        let [option, place] = &self.place;
        run(&[&["quarantine", command, option, place], more].concat())
    }

    /// Ids of all that is kept.
    fn ids(&self) -> Vec<String> {
        let listed = self.ask("list", &[]);
        assert!(listed.status.success(), "{}", told(&listed));
        told(&listed).lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
    }

    fn show(&self, id: &str) -> Value {
        let shown = self.ask("show", &[id, "--identity", &self.at("key")]);
        assert!(shown.status.success(), "{}", told(&shown));
        serde_json::from_slice(&shown.stdout).expect("JSON")
    }

    fn get(&self, id: &str) -> Vec<u8> {
        let brought = self.ask("get", &[id, "--identity", &self.at("key"), "-o", "-"]);
        assert!(brought.status.success(), "{}", told(&brought));
        brought.stdout
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(binary("icapstan"));
    command.args(args).stdin(Stdio::null()).env_remove("ICAPSTAN_CONFIG");
    command.output().expect("it can be started")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

fn upload(service: &str, body: &[u8]) -> Message {
    let head = "POST http://ann:secret@o.test/up%0a?q=1 HTTP/1.1\r\nHost: o.test\r\nContent-Type: application/x-a\r\n\r\n";
    let message =
        Message::reqmod(service).field("X-Client-IP", "192.0.2.7").field("X-Client-Username", "ann");
    message.request_head(head).allow_204().body(body)
}

fn send(icap: &mut IcapClient, message: &Message) -> IcapResponse {
    icap.send_while(&message.bytes(), |_| ());
    icap.read_reqmod()
}

#[track_caller]
fn stored(server: &Standalone, count: u32) {
    eventually("objects are stored", || {
        (server.metric("icapstan_quarantine_stored_total", "") >= f64::from(count)).then_some(())
    });
}

#[test]
fn what_was_blocked_comes_back_byte_for_byte() {
    let ground = Ground::new("");
    let server = ground.start();
    let mut icap = IcapClient::connect(server.icap());
    let small = [&marker()[..], b"\r\n0\r\n\r\n\0"].concat();
    // More than is kept in memory.
    let large = [clean_bytes(3 << 20, 5), marker()].concat();
    let sent = [eicar(), small, large];
    for (count, body) in (1..).zip(&sent) {
        let response = send(&mut icap, &upload("/reqmod", body));
        assert_block(&response, if count == 1 { "eicar" } else { "marker" });
        stored(&server, count);
    }
    assert_204(&send(&mut icap, &upload("/reqmod", &clean_bytes(9000, 1))));
    assert_block(&send(&mut icap, &upload("/unkept", &eicar())), "eicar");
    let ids = ground.ids();
    assert_eq!(ids.len(), 3, "{ids:?}");
    let found: Vec<Vec<u8>> = ids.iter().map(|id| ground.get(id)).collect();
    assert!(found == sent);
    for id in &ids {
        let known = ground.show(id);
        let body = ground.get(id);
        assert_eq!(known["url"], "http://***@o.test/up%0a?q=1");
        assert_eq!((&known["client"], &known["user"]), (&"192.0.2.7".into(), &"ann".into()));
        assert_eq!((&known["mode"], &known["verdict"]), (&"REQMOD".into(), &"detect".into()));
        assert_eq!(known["headers"][0], serde_json::json!(["content-type", "application/x-a"]));
        assert_eq!((&known["sha256"], &known["length"]), (&sha256_hex(&body).into(), &body.len().into()));
        assert_eq!((&known["complete"], &known["policy"]), (&true.into(), &"default".into()));
        // The event and the log name it.
        for place in
            [fs::read_to_string(ground.at("events")).expect("events"), server.process().logs().text()]
        {
            let line = place.lines().find(|line| line.contains(id)).expect("it is told");
            assert!(line.contains(known["transaction"].as_str().expect("an id")), "{line}");
            assert!(line.contains("\"quarantine\":"), "{line}");
        }
    }
    eventually("nothing is held any more", || {
        let held = ["queue_bytes", "queue_length"]
            .map(|name| server.metric(&format!("icapstan_quarantine_{name}"), ""));
        (held.iter().sum::<f64>() < 0.5).then_some(())
    });
    eventually("the budget is whole again", || {
        (server.metric("icapstan_gateway_spool_bytes", "") < 0.5).then_some(())
    });
}

#[test]
fn what_passes_by_a_rule_is_kept_too_and_passes_unchanged() {
    let ground = Ground::new("");
    let server = ground.start();
    let mut icap = IcapClient::connect(server.icap());
    let body = [clean_bytes(2 << 20, 9), marker()].concat();
    let message = upload("/lenient", &body).without("Allow");
    let response = send(&mut icap, &message);
    assert_eq!(response.status, 200, "{}", response.shown());
    assert!(response.body_data() == body);
    stored(&server, 1);
    assert!(ground.get(&ground.ids()[0]) == body);
}

#[test]
fn a_download_is_kept_as_it_came_over_the_wire() {
    let ground = Ground::new("");
    let server = ground.start();
    let mut icap = IcapClient::connect(server.icap());
    let body = gzip(&eicar());
    let head = "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Encoding: gzip\r\n\r\n";
    let message =
        Message::respmod("/respmod").request_head(crate::common::GET).response_head(head).allow_204();
    icap.send(message.body(&body).bytes());
    assert_block(&icap.read_respmod(), "eicar");
    stored(&server, 1);
    let id = &ground.ids()[0];
    assert!(ground.get(id) == body);
    let known = ground.show(id);
    assert_eq!(
        (&known["status"], &known["headers"][1]),
        (&200.into(), &serde_json::json!(["content-encoding", "gzip"]))
    );
    if skipped("age") {
        return;
    }
    let file = format!("{}/{id}.age", ground.at("kept"));
    let mut age = Command::new(need("/usr/bin/age", "age", "age"));
    let opened = age.args(["-d", "-i", &ground.at("key"), &file]).output().expect("it can be started");
    assert!(opened.status.success() && opened.stdout.ends_with(&body), "{}", told(&opened));
}

#[test]
fn the_command_line_is_careful_with_what_it_brings_back() {
    let ground = Ground::new("");
    let server = ground.start();
    let mut icap = IcapClient::connect(server.icap());
    send(&mut icap, &upload("/reqmod", &eicar()));
    stored(&server, 1);
    let id = &ground.ids()[0];
    let (key, out, other) = (ground.at("key"), ground.at("out"), ground.at("other"));
    let brought = ground.ask("get", &[id, "--identity", &key, "-o", &out]);
    assert!(brought.status.success(), "{}", told(&brought));
    assert_eq!(fs::read(&out).expect("it is there"), eicar());
    // What is there stays.
    let again = ground.ask("get", &[id, "--identity", &key, "-o", &out]);
    assert_eq!(again.status.code(), Some(1), "{}", told(&again));
    assert!(!run(&["quarantine", "keygen", "-o", &key]).status.success());
    assert_eq!(ground.ask("get", &[id, "--identity", &key]).status.code(), Some(64));
    assert!(run(&["quarantine", "keygen", "-o", &other]).status.success());
    let foreign = ground.ask("get", &[id, "--identity", &other, "-o", &ground.at("none")]);
    assert!(told(&foreign).contains("none of the keys opens it"), "{}", told(&foreign));
    assert!(!Path::new(&ground.at("none")).exists());
    let public = ground.ask("show", &[id, "--identity", &ground.at("recipients")]);
    assert!(told(&public).contains("recipients:1: no secret key of age"), "{}", told(&public));
    let listed = ground.ask("list", &["--identity", &key]);
    assert!(told(&listed).contains("\t68\tdetect\tEicar-Test-Signature"), "{}", told(&listed));
    assert_eq!(ground.ask("get", &["../key", "--identity", &key, "-o", "-"]).status.code(), Some(64));
    // Damaged: nothing is left of it.
    let file = format!("{}/{id}.age", ground.at("kept"));
    let mut sealed = fs::read(&file).expect("it is there");
    sealed.truncate(sealed.len() - 1);
    fs::write(&file, sealed).expect("it can be written");
    let damaged = ground.ask("get", &[id, "--identity", &key, "-o", &ground.at("none")]);
    assert!(!damaged.status.success() && !Path::new(&ground.at("none")).exists(), "{}", told(&damaged));
    assert!(ground.ask("remove", &[id]).status.success());
    assert!(ground.ids().is_empty());
    assert_eq!(ground.ask("remove", &[id]).status.code(), Some(1));
}

#[test]
fn what_is_kept_of_a_download_that_was_not_over_says_so() {
    let partial = "timeouts: {bodyIdle: 30s}";
    let mut ground = Ground::new(partial);
    ground.config = ground.config.replace("- name: default", "- {name: default, partial: {delay: 1s}}");
    let server = ground.start();
    let mut icap = IcapClient::connect(server.icap());
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n";
    let front = [marker(), clean_bytes(40_000, 5)].concat();
    let message = Message::respmod("/respmod").request_head(crate::common::GET).response_head(head);
    let whole = message.body(&front).bytes();
    // Its end never comes.
    icap.send(&whole[..whole.len() - b"0\r\n\r\n".len()]);
    assert_block(&icap.read_respmod(), "marker");
    stored(&server, 1);
    let id = &ground.ids()[0];
    assert_eq!(ground.show(id)["complete"], false);
    let out = ground.at("out");
    let brought = ground.ask("get", &[id, "--identity", &ground.at("key"), "-o", &out]);
    assert!(
        brought.status.success() && told(&brought).contains("the beginning of an object"),
        "{}",
        told(&brought)
    );
    let brought = fs::read(out).expect("it is there");
    assert!(brought.starts_with(&marker()) && front.starts_with(&brought), "{} bytes", brought.len());
}

#[test]
fn malware_is_not_written_to_a_terminal() {
    let ground = Ground::new("");
    let server = ground.start();
    let mut icap = IcapClient::connect(server.icap());
    send(&mut icap, &upload("/reqmod", &eicar()));
    stored(&server, 1);
    let (id, key) = (&ground.ids()[0], ground.at("key"));
    let [option, place] = &ground.place;
    let command = format!(
        "'{}' quarantine get {id} {option} '{place}' --identity '{key}' -o -",
        binary("icapstan").display()
    );
    // Runs it in a terminal of its own.
    let mut script = Command::new(need("/usr/bin/script", "bsdutils", "script"));
    script.args(["--quiet", "--return", "--command", &command, "/dev/null"]).stdin(Stdio::null());
    let output = script.output().expect("it can be started");
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("standard output is a terminal"), "{}", told(&output));
    assert!(!output.stdout.windows(9).any(|window| window == &eicar()[..9]));
    // With the same words, but a pipe.
    assert!(ground.get(id) == eicar());
}

#[test]
fn a_kill_leaves_whole_objects_only() {
    let ground = Ground::new("");
    let body = [clean_bytes(900_000, 3), marker()].concat();
    for round in 0..3 {
        let mut server = ground.start();
        let mut icap = IcapClient::connect(server.icap());
        for _ in 0..6 {
            assert_block(&send(&mut icap, &upload("/reqmod", &body)), "marker");
        }
        stored(&server, 1 + round);
        server.process().signal(Signal::KILL);
        server.wait_exit();
    }
    let server = ground.start();
    let ids = ground.ids();
    assert!(ids.len() >= 6, "{ids:?}");
    for id in &ids {
        assert!(ground.get(id) == body, "{id}");
    }
    let names = fs::read_dir(ground.at("kept")).expect("the folder");
    let names: Vec<_> =
        names.map(|file| file.expect("a file").file_name().into_string().expect("text")).collect();
    assert!(names.iter().all(|name| name == ".lock" || !name.starts_with('.')), "{names:?}");
    assert!(
        (server.metric("icapstan_quarantine_objects", "") - f64::from(u32::try_from(ids.len()).unwrap_or(0)))
            .abs()
            < 0.5
    );
}

#[test]
fn a_folder_that_fails_changes_no_answer() {
    let ground = Ground::new("");
    let server = ground.start();
    fs::remove_dir_all(ground.at("kept")).expect("it can be removed");
    let mut icap = IcapClient::connect(server.icap());
    for _ in 0..3 {
        assert_block(&send(&mut icap, &upload("/reqmod", &eicar())), "eicar");
    }
    eventually("failures are counted", || {
        (server.metric("icapstan_quarantine_failed_total", "cause=\"io\"") > 2.5).then_some(())
    });
    assert!(server.process().logs().text().contains("cannot be put into the quarantine"));
    assert_204(&send(&mut icap, &upload("/reqmod", b"harmless")));
}

#[test]
fn settings_that_cannot_be_used_are_told() {
    let ground = Ground::new("");
    let file = ground.at("icapstan.yaml");
    let check = |config: &str| {
        fs::write(&file, config).expect("the folder is writable");
        run(&["check-config", &file])
    };
    let fine = check(&ground.config);
    assert!(fine.status.success(), "{}", told(&fine));
    fs::copy(ground.at("key"), ground.at("recipients")).expect("it can be written");
    let secret = check(&ground.config);
    assert!(told(&secret).contains("it looks like a secret key"), "{}", told(&secret));
    let key = fs::read_to_string(ground.at("key")).expect("it is there");
    let secret_line = key.lines().find(|line| line.starts_with("AGE-SECRET")).expect("a key");
    assert!(!told(&secret).contains(secret_line));
}
