//! Pages come in the language and the format that the request asks for, shipped ones and those of an operator,
//! and nothing that a stranger chose is more than text in any of them.

use crate::common::{OK, assert_refused};
use icapstan_testkit::http::Request;
use icapstan_testkit::{
    Chromium, IcapClient, IcapResponse, Message, Origin, Reply, Squid, Standalone, binary, eicar, skipped,
    tempdir,
};
use std::path::Path;
use std::process::Command;

/// A download of EICAR, asked for with these fields.
fn download(method: &str, fields: &str) -> Message {
    let head = format!("{method} http://o.test/\"<a'&{{{{user}}}} HTTP/1.1\r\nHost: o.test\r\n{fields}\r\n");
    Message::respmod("/respmod").request_head(head).response_head(OK).allow_204().body(eicar())
}

fn ask(icap: &mut IcapClient, message: &Message) -> IcapResponse {
    icap.send(message.bytes());
    let response = icap.read_respmod();
    assert_eq!(response.get("X-Response-Info"), Some("Blocked"), "{}", response.shown());
    response
}

/// A field of the page's head.
fn field<'r>(response: &'r IcapResponse, name: &str) -> &'r str {
    response.response_head.as_ref().and_then(|head| head.get(name)).unwrap_or_default()
}

fn body(response: &IcapResponse) -> &str {
    std::str::from_utf8(response.body_data()).expect("pages are UTF-8")
}

/// A folder of templates, and the configuration that names it.
fn folder(dir: &Path, files: &[(&str, &str)]) -> String {
    for (name, text) in files {
        std::fs::write(dir.join(name), text).expect("the folder is writable");
    }
    format!("templates: {{folder: {}, language: de}}\n", dir.display())
}

#[test]
fn shipped_pages_follow_accept_and_accept_language() {
    let server = Standalone::start();
    let mut icap = IcapClient::connect(server.icap());
    for (fields, tag, mark) in [
        ("", "en", "Threat blocked"),
        ("Accept-Language: de-CH,de;q=0.9,en;q=0.8\r\n", "de", "Bedrohung blockiert"),
        ("Accept-Language: sv, fr;q=0.3\r\nAccept: text/html,*/*;q=0.8\r\n", "fr", "Menace bloquée"),
        ("Accept-Language: sv\r\nAccept-Language: ar;q=0.1\r\n", "ar", "<html lang=\"ar\" dir=\"rtl\">"),
        ("Accept-Language: zh-CN\r\n", "zh-Hans", "<html lang=\"zh-Hans\">"),
        ("Accept-Language: \u{ff},;q=,en\u{0}\r\n", "en", "Threat blocked"),
    ] {
        let response = ask(&mut icap, &download("GET", fields));
        assert_refused(&response);
        assert_eq!(field(&response, "Content-Language"), tag, "{fields}");
        assert_eq!(field(&response, "Vary"), "Accept, Accept-Language");
        assert!(body(&response).contains(mark), "{fields}: {}", body(&response));
    }
    let text = ask(&mut icap, &download("GET", "Accept: */*\r\nAccept-Language: ja\r\n"));
    assert_eq!(field(&text, "Content-Type"), "text/plain; charset=utf-8");
    assert_eq!(field(&text, "Content-Language"), "ja");
    assert!(body(&text).starts_with("脅威をブロックしました\n") && !body(&text).contains("<html"));
    let json = ask(&mut icap, &download("GET", "Accept: application/json\r\nAccept-Language: pl\r\n"));
    assert_eq!(field(&json, "Content-Type"), "application/problem+json");
    let problem: serde_json::Value = serde_json::from_str(body(&json)).expect("it is JSON");
    assert_eq!((&problem["status"], &problem["what"]), (&403.into(), &"detected".into()));
    assert_eq!(problem["title"], "Zagrożenie zablokowane");
    assert_eq!(problem["url"], "http://o.test/\"<a'&{{user}}");
    assert!(
        problem["threat"].as_str().is_some_and(|name| name.to_lowercase().contains("eicar")),
        "{problem}"
    );
    let told = format!("\"transaction\":{}", problem["transaction"]);
    icapstan_testkit::eventually("the log has its id", || {
        server.process().logs().text().contains(&told).then_some(())
    });
}

#[test]
fn a_page_for_head_is_its_head_in_the_same_language() {
    let server = Standalone::start();
    let mut icap = IcapClient::connect(server.icap());
    for accept in ["text/html", "text/plain", "application/json"] {
        let fields = format!("Accept: {accept}\r\nAccept-Language: ru\r\n");
        let whole = ask(&mut icap, &download("GET", &fields));
        let head = ask(&mut icap, &download("HEAD", &fields));
        assert!(head.body.is_none() && whole.body.is_some());
        for name in ["Content-Type", "Content-Language", "Content-Length", "Vary"] {
            assert_eq!(field(&head, name), field(&whole, name), "{accept}: {name}");
        }
        assert_eq!(field(&head, "Content-Language"), "ru");
    }
}

#[test]
fn pages_of_a_folder_stand_before_the_shipped_ones_and_name_the_rule() {
    let dir = tempdir();
    let config = folder(
        dir.path(),
        &[
            (
                "refused.html",
                "<title>{{rule}}</title><p title='{{url}}'>{{verdict}} {{service}} {{user}}</p>",
            ),
            ("hr-policy.html", "{{rule}}: {{threat}}"),
            ("refused.sv.txt", "{{rule}}: {{url}}\n"),
            ("refused.json", "{\"why\": {\"rule\": \"{{rule}}\", \"user\": \"{{user}}\"}}"),
        ],
    );
    let rules = "
policies:
- name: default
  rules:
  - {name: people, verdict: DETECT, when: {users: [hr]}, action: {block: hr-policy}}
  - {name: no <downloads>, verdict: ANY, when: {hosts: [o.test]}, action: {block: refused}}
";
    let server = Standalone::with().config(&format!("{config}{rules}")).start();
    let mut icap = IcapClient::connect(server.icap());
    let mut page = |fields: &str| {
        let message = download("GET", fields).field("X-Client-Username", "\"><b>{{url}}\u{202e}\\");
        ask(&mut icap, &message)
    };
    let html = page("Accept-Language: en\r\n");
    assert_refused(&html);
    assert_eq!(
        body(&html),
        "<title>no &lt;downloads&gt;</title><p title='http://o.test/&quot;&lt;a&#39;&amp;{{user}}'>detect respmod \
         &quot;&gt;&lt;b&gt;{{url}}\u{fffd}\\</p>"
    );
    assert_eq!(field(&html, "Content-Language"), "");
    let text = page("Accept: text/plain\r\nAccept-Language: sv-SE\r\n");
    assert_eq!(body(&text), "no <downloads>: http://o.test/\"<a'&{{user}}\n");
    assert_eq!(field(&text, "Content-Language"), "sv");
    let shipped = page("Accept: text/plain\r\nAccept-Language: fi\r\n");
    assert!(body(&shipped).starts_with("Nicht erlaubt\n"), "the set language: {}", body(&shipped));
    let json: serde_json::Value =
        serde_json::from_str(body(&page("Accept: application/json\r\n"))).expect("it is JSON");
    assert_eq!(json["why"]["user"], "\"><b>{{url}}\u{fffd}\\");
    assert_eq!(json["why"]["rule"], "no <downloads>");
    let own = ask(&mut icap, &download("GET", "").field("X-Client-Username", "hr"));
    assert!(
        body(&own).starts_with("people: ") && body(&own).to_lowercase().contains("eicar"),
        "{}",
        body(&own)
    );
}

#[test]
fn a_folder_with_a_fault_is_told_with_file_and_line_and_nothing_starts() {
    let dir = tempdir();
    let config = folder(
        dir.path(),
        &[
            ("detected.html", "<p>\n<a href='{{url}}'>"),
            ("failed.de.txt", "{{password}}"),
            ("refused.txt", "{{url}}"),
        ],
    );
    let file = dir.path().join(".icapstan.yaml");
    std::fs::write(&file, &config).expect("the folder is writable");
    let run = |args: &[&str]| {
        let output =
            Command::new(binary("icapstan")).args(args).arg(&file).output().expect("it can be started");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = run(&["check-config"]);
    assert_ne!(code, Some(0));
    let folder = dir.path().display();
    for expected in [
        format!("templates: {folder}/detected.html:2: a variable may not stand in the attribute href"),
        format!("templates: {folder}/failed.de.txt:1: the variable {{{{password}}}} is unknown"),
    ] {
        assert!(said.contains(&expected), "{said}");
    }
    assert!(!said.contains("refused.txt"), "{said}");
    let (started, said) =
        run(&["standalone", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--config"]);
    assert_eq!(started, code, "{said}");
    assert!(said.contains("detected.html:2:"), "{said}");
    for name in ["detected.html", "failed.de.txt"] {
        std::fs::remove_file(dir.path().join(name)).expect("it is there");
    }
    assert_eq!(run(&["check-config"]).0, Some(0));
}

#[test]
fn squid_hands_on_what_the_browser_asks_for() {
    if skipped("squid") {
        return;
    }
    let server = Standalone::start();
    let squid = Squid::start(server.icap());
    let origin = Origin::start();
    let url = origin.put("/eicar", Reply::bytes(eicar()));
    let get = |accept: &str, language: &str| {
        Request::get(&url).field("Accept", accept).field("Accept-Language", language).through(squid.proxy())
    };
    for (accept, language, kind, mark) in [
        ("text/html,*/*;q=0.8", "es-MX,es;q=0.9", "text/html", "Amenaza bloqueada"),
        ("*/*", "it", "text/plain", "Minaccia bloccata"),
        ("application/json", "nl", "application/problem+json", "Bedreiging geblokkeerd"),
    ] {
        let page = get(accept, language);
        assert_eq!(page.status, 403);
        assert!(page.head.get("Content-Type").is_some_and(|found| found.starts_with(kind)), "{accept}");
        assert!(String::from_utf8_lossy(&page.body).contains(mark), "{accept}");
    }
}

#[test]
fn chromium_runs_nothing_of_a_stranger_on_a_page_of_a_folder() {
    /// Sets an attribute of the page's root, whose name is put together only when this runs.
    const SCRIPT: &str = "document.documentElement.setAttribute('data-'+'ran','1')";
    if skipped("chromium") {
        return;
    }
    let dir = tempdir();
    let config = folder(
        dir.path(),
        &[(
            "detected.html",
            "<!DOCTYPE html><title>{{user}}</title><p title=\"{{user}}\" data-x='{{user}}'>{{user}}</p>\
             <input value='{{user}}'><textarea>{{user}}</textarea><i>done</i>",
        )],
    );
    let server = Standalone::with().config(&config).start();
    let mut icap = IcapClient::connect(server.icap());
    // Nothing is between: no proxy that encodes, and no policy of the page that forbids scripts.
    let browser = Chromium::behind(server.admin());
    for attack in [
        format!("\"><script>{SCRIPT}</script>"),
        format!("'><img src=x onerror=\"{SCRIPT}\">"),
        format!("</title></textarea><svg onload=\"{SCRIPT}\">"),
        format!("\" autofocus onfocus=\"{SCRIPT}\" x='"),
        format!("--><script>{SCRIPT}//"),
    ] {
        let page = ask(&mut icap, &download("GET", "").field("X-Client-Username", &attack));
        let file = dir.path().join(".page.html");
        std::fs::write(&file, page.body_data()).expect("the folder is writable");
        let dom = browser.dump_dom(&format!("file://{}", file.display()));
        assert!(dom.contains("<i>done</i>"), "{dom}");
        assert!(!dom.contains("data-ran="), "a script of the attacker ran:\n{dom}");
        for element in ["<script", "<svg", "<img"] {
            assert!(!dom.contains(element), "{element} of the attacker is there:\n{dom}");
        }
    }
}
