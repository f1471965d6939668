//! What a person sees, and that nothing of an attacker's runs on the page.

use icapstan_testkit::http::Request;
use icapstan_testkit::{Chromium, Origin, Reply, Squid, Standalone, eicar, skipped, tempdir};

/// Sets an attribute of the page's root, whose name is put together only when this runs.
const ATTACK: &str = "\"><script>document.documentElement.setAttribute('data-'+'ran','1')</script>";

struct Desk {
    origin: Origin,
    squid: Squid,
    _server: Standalone,
}

fn desk() -> Option<Desk> {
    if skipped("chromium") || skipped("squid") {
        return None;
    }
    let server = Standalone::start();
    let squid = Squid::start(server.icap());
    Some(Desk { origin: Origin::start(), squid, _server: server })
}

#[track_caller]
fn assert_page(dom: &str) {
    assert!(dom.to_lowercase().contains("eicar"), "the page names the threat:\n{dom}");
    assert!(dom.contains("<html") && dom.contains("</body>"), "{dom}");
    assert!(!dom.contains("data-ran="), "a script of the attacker ran:\n{dom}");
}

#[test]
fn chromium_shows_the_page_and_it_can_be_pictured() {
    let Some(desk) = desk() else { return };
    let browser = Chromium::behind(desk.squid.proxy());
    let url = desk.origin.put("/eicar.html", Reply::bytes(eicar()).field("Content-Type", "text/html"));
    assert_page(&browser.dump_dom(&url));
    let dir = tempdir();
    let picture = dir.path().join("block-page.png");
    browser.screenshot(&url, &picture);
    let bytes = std::fs::read(&picture).expect("it was written");
    assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 5000, "{} bytes", bytes.len());
    if let Some(keep) = std::env::var_os("ICAPSTAN_KEEP_PICTURES") {
        std::fs::copy(&picture, std::path::Path::new(&keep).join("block-page.png"))
            .expect("the folder is writable");
    }
    let clean = desk.origin.put(
        "/clean.html",
        Reply::bytes(*b"<html><body>welcome</body></html>").field("Content-Type", "text/html"),
    );
    assert!(browser.dump_dom(&clean).contains("welcome"));
}

#[test]
fn chromium_runs_no_script_from_a_url() {
    let Some(desk) = desk() else { return };
    let browser = Chromium::behind(desk.squid.proxy());
    // As the browser sends it: it encodes part of this by itself.
    desk.origin.put("*", Reply::bytes(eicar()).field("Content-Type", "text/html"));
    for path in [format!("/x?{ATTACK}"), format!("/{ATTACK}"), format!("/x?a='-alert(1)-'{ATTACK}#{ATTACK}")]
    {
        assert_page(&browser.dump_dom(&desk.origin.url(&path)));
    }
    // As nobody but an attacker would: raw in the request line. What the proxy returns is opened as a file.
    let path = format!("/raw?{ATTACK}");
    let response = Request::get(&desk.origin.url(&path)).through(desk.squid.proxy());
    assert_eq!(response.status, 403);
    let dir = tempdir();
    let file = dir.path().join("page.html");
    std::fs::write(&file, &response.body).expect("the folder is writable");
    assert_page(&browser.dump_dom(&format!("file://{}", file.display())));
}

#[test]
fn chromium_runs_no_script_from_the_names_in_an_infected_form() {
    let Some(desk) = desk() else { return };
    let browser = Chromium::behind(desk.squid.proxy());
    // A page that uploads EICAR from its own script, put together there as it is here.
    let page = r#"<html><body><form id="f" method="post" enctype="multipart/form-data" action="/echo">
<input type="file" id="i"></form><script>
const attack = ATTACK;
const parts = ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-', 'STANDARD-ANTIVIRUS-TEST-FILE!$H+H*'];
const files = new DataTransfer();
files.items.add(new File([parts.join('')], attack + '.com', {type: 'application/octet-stream'}));
const input = document.getElementById('i');
input.name = attack;
input.files = files.files;
document.getElementById('f').submit();
</script></body></html>"#;
    let literal = ATTACK.replace('\'', "\\'").replace("</script>", "<\\/script>");
    let page = page.replace("ATTACK", &format!("'{literal}'"));
    let url = desk.origin.put("/form.html", Reply::bytes(page).field("Content-Type", "text/html"));
    let dom = browser.dump_dom(&url);
    assert!(desk.origin.seen("/echo").is_empty(), "the infected form reached the origin");
    assert_page(&dom);
    assert!(!dom.contains("DataTransfer"), "this is the block page, not the form:\n{dom}");
}
