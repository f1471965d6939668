//! A changed file is taken up without a lost request or connection; one that cannot be used changes nothing
//! and is told of.

use crate::common::{OK, assert_204, assert_refused};
use icapstan_testkit::{
    IcapClient, IcapResponse, Message, Signal, Standalone, clean_bytes, eventually, tempdir,
};
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// A policy of many rules, of which the last keeps back what a host sends.
fn rules(count: usize, host: &str) -> String {
    let mut text = "policies:\n- name: default\n  rules:\n".to_owned();
    for number in 1..count {
        writeln!(
            text,
            "  - {{name: r{number}, verdict: ANY, when: {{hosts: [h{number}.test], clients: [10.0.0.0/8]}}, action: log}}"
        )
        .expect("text takes all");
    }
    writeln!(text, "  - {{name: last, verdict: ANY, when: {{hosts: [{host}]}}, action: {{block: refused}}}}")
        .expect("text takes all");
    text
}

fn download(url: &str, serial: u64) -> Message {
    let host = url.split('/').nth(2).unwrap_or_default();
    let head = format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let body = clean_bytes(300, serial);
    Message::respmod("/respmod").request_head(head).response_head(OK).allow_204().body(&body)
}

fn ask(icap: &mut IcapClient, url: &str) -> IcapResponse {
    icap.send(download(url, 1).bytes());
    icap.read_respmod()
}

fn readyz(server: &Standalone) -> (u16, String) {
    let response = server.admin_get("/readyz").expect("the admin port answers");
    (response.status, String::from_utf8(response.body).expect("it is text"))
}

/// Whether a metric that counts whole things has this value.
fn is(server: &Standalone, name: &str, labels: &str, value: u32) -> bool {
    (server.metric(name, labels) - f64::from(value)).abs() < 0.5
}

fn options(server: &Standalone, path: &str) -> IcapResponse {
    let mut icap = IcapClient::connect(server.icap());
    icap.send(Message::options(path).bytes());
    icap.read_options()
}

#[test]
fn a_policy_of_1000_rules_changes_under_load_and_no_request_fails() {
    let server = Standalone::with().in_one_process().config(&rules(1000, "a.test")).start();
    let over = AtomicBool::new(false);
    let asked = AtomicUsize::new(0);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    // One connection for all: none may end.
                    let mut icap = IcapClient::connect(server.icap());
                    while !over.load(Ordering::Relaxed) {
                        assert_204(&ask(&mut icap, "http://o.test/"));
                        let [a, b] =
                            ["http://a.test/", "http://b.test/"].map(|url| ask(&mut icap, url).status);
                        assert!(matches!((a, b), (200 | 204, 200 | 204)), "{a} {b}");
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let mut icap = IcapClient::connect(server.icap());
        let mut tags = vec![ask(&mut icap, "http://o.test/").get("ISTag").map(str::to_owned)];
        for host in ["b.test", "a.test", "b.test"] {
            server.replace_config(&rules(1000, host));
            server.process().signal(Signal::HUP);
            eventually("the other rules are in use", || {
                (ask(&mut icap, &format!("http://{host}/")).status == 200).then_some(())
            });
            let before = asked.load(Ordering::Relaxed);
            eventually("requests go on", || {
                let ended = clients.iter().any(thread::ScopedJoinHandle::is_finished);
                (ended || asked.load(Ordering::Relaxed) > before + 10).then_some(())
            });
            tags.push(ask(&mut icap, "http://o.test/").get("ISTag").map(str::to_owned));
        }
        over.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().expect("no request failed");
        }
        assert_ne!(tags[0], tags[1], "other rules are another tag");
        assert_eq!((&tags[0], &tags[1]), (&tags[2], &tags[3]), "the same rules are the same tag");
    });
    eventually("each change was counted", || {
        (is(&server, "icapstan_config_reloads_total", "ok", 3)).then_some(())
    });
}

#[test]
fn what_cannot_be_used_changes_nothing_and_is_told_until_it_is_mended() {
    let server = Standalone::with().in_one_process().config(&rules(2, "a.test")).start();
    let mut icap = IcapClient::connect(server.icap());
    assert_refused(&ask(&mut icap, "http://a.test/"));
    assert_eq!(readyz(&server), (200, "ok\n".to_owned()));
    for (text, told) in [
        ("policies: [{name: default, scan: {timeut: 1s}}]", "did you mean \\\"timeout\\\"?"),
        ("services: [{path: /x, policy: nobody}]", "nobody"),
        (
            "hooks: {exec: [{name: new, command: /bin/true}]}\n\
             policies: [{name: default, rules: [{verdict: DETECT, action: log, hooks: [{exec: new}]}]}]",
            "only a restart can take this up: policies[0].rules[0].hooks[0].exec: ",
        ),
        ("urlLists: {file: /nonexistent/lists}\nservices: []", "services"),
        ("urlLists: {file: /nonexistent/lists}", "/nonexistent/lists"),
        ("templates: {folder: /nonexistent/pages}", "/nonexistent/pages"),
        ("\u{7f}\u{0}", "icapstan.yaml"),
    ] {
        let failed = server.metric("icapstan_config_reloads_total", "error");
        server.replace_config(text);
        // Once by itself; and the others at once.
        if failed > 0.0 {
            server.process().signal(Signal::HUP);
        }
        eventually("the file was looked at", || {
            (server.metric("icapstan_config_reloads_total", "error") > failed).then_some(())
        });
        let (status, note) = readyz(&server);
        assert_eq!(status, 200, "it serves by what it has: {note}");
        assert!(note.starts_with("[!] config: ") && note.contains(&told.replace("\\\"", "\"")), "{note}");
        assert!(note.contains("those before stay in use") && note.ends_with("\nok\n"), "{note}");
        assert!(is(&server, "icapstan_config_last_reload_successful", "", 0));
        // The log is written a moment later.
        server.process().wait_for(told, |line| line.contains(told).then_some(()));
        assert_refused(&ask(&mut icap, "http://a.test/"));
    }
    server.replace_config(&rules(2, "b.test"));
    eventually("the mended file is in use", || {
        (is(&server, "icapstan_config_last_reload_successful", "", 1)).then_some(())
    });
    assert_refused(&ask(&mut icap, "http://b.test/"));
    assert_204(&ask(&mut icap, "http://a.test/"));
    assert_eq!(readyz(&server), (200, "ok\n".to_owned()));
}

#[test]
fn services_pages_lists_and_identities_follow_and_what_does_not_says_so() {
    let folder = tempdir();
    let pages = folder.path().join("pages");
    fs::create_dir(&pages).expect("the folder is writable");
    fs::write(folder.path().join("bad"), "evil.test\n").expect("the folder is writable");
    let server = Standalone::with().in_one_process().config("services: [{path: /old}]").start();
    assert_eq!(options(&server, "/old").status, 200);
    let text = |limit: u32| {
        format!(
            "limits: {{sessions: {limit}}}
services: [{{path: /respmod, modes: [RESPMOD], scan: all}}]
identity: {{trustedPeers: [127.0.0.1/32], userHeader: X-Who}}
templates: {{folder: {folder}/pages}}
urlLists: {{sources: [{{name: bad, kind: malware, format: plain, path: {folder}/bad}}]}}
policies: [{{name: default, rules: [{{verdict: ANY, when: {{users: [ann]}}, action: {{block: refused}}}}]}}]
",
            folder = folder.path().display()
        )
    };
    server.replace_config(&text(777));
    eventually("the new service is there", || (options(&server, "/respmod").status == 200).then_some(()));
    assert_eq!(options(&server, "/old").status, 404);
    assert!(options(&server, "/respmod").get("X-Include").is_some_and(|names| names.contains("X-Who")));
    let mut icap = IcapClient::connect(server.icap());
    let listed = eventually("the lists are in use", || {
        let answer = ask(&mut IcapClient::connect(server.icap()), "http://evil.test/");
        (answer.status == 200).then_some(answer)
    });
    assert_eq!(listed.get("X-Virus-ID"), Some("URL.bad"));
    icap.send(download("http://o.test/", 2).field("X-Who", "ann").bytes());
    assert_refused(&icap.read_respmod());
    let (_, note) = readyz(&server);
    assert!(note.contains("limits") && note.contains("next start"), "{note}");
    assert!(is(&server, "icapstan_config_restart_needed", "", 1));
    // A page that is put into the folder is shown.
    fs::write(pages.join("detected.html"), "<p>ours: {{threat}}</p>").expect("the folder is writable");
    eventually("the page is shown", || {
        let answer = ask(&mut IcapClient::connect(server.icap()), "http://evil.test/");
        String::from_utf8_lossy(answer.body_data()).contains("ours: URL.bad").then_some(())
    });
    // An empty list is a note.
    fs::write(folder.path().join("bad"), "# none\n").expect("the folder is writable");
    eventually("the lists are empty", || readyz(&server).1.contains("[!] urlLists: ").then_some(()));
    // And lists that are not named any more are not asked any more.
    server.replace_config("services: [{path: /respmod, modes: [RESPMOD], scan: all}]");
    eventually("the lists are gone", || (readyz(&server) == (200, "ok\n".to_owned())).then_some(()));
    assert_204(&ask(&mut IcapClient::connect(server.icap()), "http://evil.test/"));
}

#[test]
fn what_is_mended_in_a_file_that_refused_settings_name_is_taken_up() {
    let folder = tempdir();
    let server = Standalone::with().in_one_process().config(&rules(2, "a.test")).start();
    let list = folder.path().join("bad");
    server.replace_config(&format!(
        "urlLists: {{sources: [{{name: bad, kind: malware, format: plain, path: {}}}]}}",
        list.display()
    ));
    server.process().signal(Signal::HUP);
    eventually("it is refused", || readyz(&server).1.contains("[!] config: ").then_some(()));
    fs::write(&list, "evil.test\n").expect("the folder is writable");
    eventually("it is taken up", || (readyz(&server) == (200, "ok\n".to_owned())).then_some(()));
}

#[test]
fn a_service_that_looks_at_more_and_one_that_believes_others_have_other_tags() {
    let server = Standalone::with().config("services: [{path: /x, scan: none}]").start();
    let tag = || options(&server, "/x").get("ISTag").map(str::to_owned);
    let mut known = vec![tag()];
    for text in [
        "services: [{path: /x, scan: content}]",
        "services: [{path: /x, scan: content}]\nidentity: {trustedPeers: [10.0.0.0/8]}",
        "services: [{path: /x, scan: all}]\nidentity: {trustedPeers: [10.0.0.0/8]}",
    ] {
        server.replace_config(text);
        server.process().signal(Signal::HUP);
        let other = eventually("the tag is another", || Some(tag()).filter(|tag| !known.contains(tag)));
        known.push(other);
    }
}

#[test]
fn files_that_are_swapped_by_a_link_are_followed() {
    // The way in which Kubernetes changes the files of a ConfigMap.
    let folder = tempdir();
    let put = |version: &str, host: &str| {
        let at = folder.path().join(version);
        fs::create_dir(&at).expect("the folder is writable");
        fs::write(at.join("icapstan.yaml"), rules(2, host)).expect("the folder is writable");
        symlink(version, folder.path().join("next")).expect("the folder is writable");
        fs::rename(folder.path().join("next"), folder.path().join("..data")).expect("the folder is writable");
    };
    put("..1", "a.test");
    let file = folder.path().join("icapstan.yaml");
    symlink(Path::new("..data/icapstan.yaml"), &file).expect("the folder is writable");
    let server = Standalone::with().in_one_process().arg("--config").arg(&file.display().to_string()).start();
    let mut icap = IcapClient::connect(server.icap());
    assert_refused(&ask(&mut icap, "http://a.test/"));
    put("..2", "b.test");
    eventually("the other file is in use", || (ask(&mut icap, "http://b.test/").status == 200).then_some(()));
    assert_204(&ask(&mut icap, "http://a.test/"));
}
