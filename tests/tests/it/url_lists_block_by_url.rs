//! URLs in lists are blocked, or have categories that rules ask for; lists change without a lost request.

use crate::common::{OK, assert_204, assert_refused};
use icapstan_testkit::{
    IcapClient, IcapResponse, Message, Standalone, TempDir, binary, clean_bytes, eicar, eventually, tempdir,
};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

fn write(folder: &Path, name: &str, text: &str) {
    // In one step, as those who fetch lists should do.
    let part = folder.join(format!("{name}.part"));
    fs::write(&part, text).expect("the folder is writable");
    fs::rename(part, folder.join(name)).expect("the folder is writable");
}

fn config(folder: &Path) -> String {
    let at = folder.display();
    format!(
        "services:
- {{path: /reqmod, modes: [REQMOD], scan: url}}
- {{path: /respmod, modes: [RESPMOD], scan: all}}
urlLists:
  sources:
  - {{name: good, kind: allow, path: {at}/good}}
  - {{name: bad, kind: malware, format: plain, path: {at}/bad}}
  - {{name: fake, kind: phishing, format: hosts, path: {at}/fake}}
  - {{name: games, kind: category, category: games, path: {at}/games}}
policies:
- name: default
  rules:
  - {{name: play, verdict: ANY, when: {{categories: [games]}}, action: {{block: refused}}}}
"
    )
}

fn lists() -> TempDir {
    let folder = tempdir();
    write(folder.path(), "good", "http://fine.evil.test/\n");
    write(folder.path(), "bad", "evil.test\n192.0.2.0/24\nhttp://o.test/dir/bad.exe\nno host, no URL\n");
    write(folder.path(), "fake", "0.0.0.0 bank.test\n");
    write(folder.path(), "games", "||games.test^\n");
    folder
}

fn get(url: &str) -> Message {
    let host = url.split('/').nth(2).unwrap_or_default();
    let head = format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    Message::reqmod("/reqmod").request_head(head).allow_204()
}

fn ask(icap: &mut IcapClient, url: &str) -> IcapResponse {
    icap.send(get(url).bytes());
    icap.read_reqmod()
}

#[test]
fn a_listed_url_is_blocked_however_it_is_written() {
    let folder = lists();
    let server = Standalone::with().config(&config(folder.path())).start();
    let mut icap = IcapClient::connect(server.icap());
    for (url, reason, threat) in [
        ("http://evil.test/", "detect", Some("URL.bad")),
        ("http://WWW.Evil.test:8080/x?y", "detect", Some("URL.bad")),
        ("http://evil.test./x", "detect", Some("URL.bad")),
        ("http://192.0.2.7/", "detect", Some("URL.bad")),
        ("http://3221225991/", "detect", Some("URL.bad")),
        ("http://o.test/dir/../dir//%62ad.exe", "detect", Some("URL.bad")),
        ("http://bank.test/login", "phishing", Some("URL.fake")),
        ("http://www.games.test/x", "rule", None),
    ] {
        let refused = ask(&mut icap, url);
        assert_refused(&refused);
        assert_eq!(
            (refused.get("X-Icapstan-Reason"), refused.get("X-Virus-ID")),
            (Some(reason), threat),
            "{url}"
        );
    }
    for url in
        ["http://fine.evil.test/x", "http://www.bank.test/", "http://devil.test/", "http://o.test/dir/"]
    {
        let passed = ask(&mut icap, url);
        assert_204(&passed);
        assert_eq!(passed.get("X-Icapstan-Reason"), None, "{url}");
    }
    let connect = "CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\n\r\n";
    icap.send(Message::reqmod("/reqmod").request_head(connect).allow_204().bytes());
    assert_refused(&icap.read_reqmod());
    // What has no URL was not looked up, and says so.
    icap.send(Message::reqmod("/reqmod").request_head("GET /x HTTP/1.0\r\n\r\n").allow_204().bytes());
    let passed = icap.read_reqmod();
    assert_204(&passed);
    assert_eq!(passed.get("X-Icapstan-Reason"), Some("non-scanned/unsupported"));
    let logs = server.process().logs().text();
    assert!(logs.contains("not a line") || logs.contains("not a host"), "the bad line is told: {logs}");
}

#[test]
fn body_and_url_are_both_looked_at() {
    let folder = lists();
    let server = Standalone::with().config(&config(folder.path())).start();
    let mut icap = IcapClient::connect(server.icap());
    let download = |url: &str, body: &[u8]| {
        let host = url.split('/').nth(2).unwrap_or_default();
        let head = format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        Message::respmod("/respmod").request_head(head).response_head(OK).allow_204().body(body)
    };
    for (url, body, threat) in [
        ("http://o.test/x", eicar(), Some("eicar")),
        ("http://evil.test/x", clean_bytes(500, 1), Some("url.bad")),
        ("http://fine.evil.test/x", eicar(), Some("eicar")),
        ("http://o.test/x", clean_bytes(500, 2), None),
    ] {
        icap.send_while(&download(url, &body).bytes(), |_| ());
        let response = icap.read_respmod();
        match threat {
            Some(threat) => {
                assert_refused(&response);
                let name = response.get("X-Virus-ID").unwrap_or_default().to_lowercase();
                assert!(name.contains(threat), "{url}: {name}");
                // What was blocked by its URL may end the connection: the body was not read.
                icap = IcapClient::connect(server.icap());
            }
            None => assert_204(&response),
        }
    }
}

#[test]
fn lists_change_under_load_and_no_request_fails() {
    let folder = lists();
    let server = Standalone::with().in_one_process().config(&config(folder.path())).start();
    let address = server.icap();
    let mut icap = IcapClient::connect(address);
    assert_204(&ask(&mut icap, "http://later.test/"));
    let tag = ask(&mut icap, "http://o.test/").get("ISTag").map(str::to_owned);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut icap = IcapClient::connect(address);
            let mut asked = 0;
            while !done.load(Ordering::Relaxed) {
                assert_204(&ask(&mut icap, "http://o.test/x"));
                assert_refused(&ask(&mut icap, "http://evil.test/x"));
                asked += 1;
            }
            asked
        });
        write(folder.path(), "bad", "evil.test\nlater.test\n");
        eventually("the new list is in use", || {
            (ask(&mut icap, "http://later.test/").status == 200).then_some(())
        });
        let changed = ask(&mut icap, "http://o.test/").get("ISTag").map(str::to_owned);
        assert_ne!(changed, tag, "another list is another tag");
        // A list that cannot be used keeps the one before.
        write(folder.path(), "bad", "To be, or not to be, that is the question\n");
        eventually("the fault is told", || {
            let logs = server.process().logs().text();
            logs.contains("those before stay in use").then_some(())
        });
        assert_refused(&ask(&mut icap, "http://later.test/"));
        done.store(true, Ordering::Relaxed);
        assert!(load.join().expect("no request failed") > 0);
    });
    let metrics = server.metrics();
    assert!(metrics.contains("icapstan_url_list_loads_total{result=\"error\"} 1"), "{metrics}");
    assert!(metrics.contains("icapstan_url_list_entries{kind=\"malware\"} 2"), "{metrics}");
}

#[test]
fn lists_are_compiled_and_asked_on_the_command_line() {
    let folder = lists();
    let file = folder.path().join("icapstan.yaml");
    fs::write(&file, config(folder.path())).expect("the folder is writable");
    let compiled = folder.path().join("compiled");
    let run = |args: &[&str]| {
        let output =
            Command::new(binary("icapstan")).arg("lists").args(args).output().expect("it can be started");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).expect("it speaks UTF-8"))
    };
    let (file, compiled) = (file.display().to_string(), compiled.display().to_string());
    let (file, compiled) = (file.as_str(), compiled.as_str());
    let (code, told) = run(&["compile", "--config", file, compiled]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("bad: 4 lines, 3 entries, 1 left out") && told.contains("/bad:4: "), "{told}");
    for source in [["--config", file], ["--file", compiled]] {
        let ask = |urls: &[&str]| run(&[&["lookup"], &source[..], urls].concat());
        assert_eq!(ask(&["http://o.test/"]), (Some(0), "http://o.test/\tnot listed\n".to_owned()));
        let (code, told) = ask(&["http://www.evil.test/x", "http://bank.test/"]);
        assert_eq!(code, Some(1), "{told}");
        assert!(
            told.contains("malware\tbad\tevil.test/") && told.contains("phishing\tfake\t=bank.test"),
            "{told}"
        );
        assert_eq!(ask(&["http://"]).0, Some(2));
    }
    // And served from the compiled file.
    let served = format!("services: [{{path: /reqmod, scan: url}}]\nurlLists: {{file: {compiled}}}");
    let server = Standalone::with().config(&served).start();
    assert_refused(&ask(&mut IcapClient::connect(server.icap()), "http://evil.test/"));
    let (code, told) = run(&["lookup", "--file", "/proc/version", "http://o.test/"]);
    assert_eq!(code, Some(64), "{told}");
}

#[test]
fn a_list_that_cannot_be_used_at_the_start_is_an_error() {
    let folder = lists();
    fs::remove_file(folder.path().join("fake")).expect("it is there");
    let file = folder.path().join("icapstan.yaml");
    fs::write(&file, config(folder.path())).expect("the folder is writable");
    let output = Command::new(binary("icapstan"))
        .args(["standalone", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--config"])
        .arg(file)
        .output()
        .expect("it can be started");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("the list fake"), "{told}");
}
