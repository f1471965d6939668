//! YARA rules find what they name wherever it is, and change without a lost request; what cannot be used is named.

use crate::common::{assert_204, assert_block, reqmod, respmod};
use crate::generation_change_under_load::publish;
use crate::hash_lists_deny_and_allow::zip;
use icapstan_testkit::{
    IcapClient, IcapResponse, Message, Standalone, TempDir, binary, clean_bytes, eicar, eventually, gzip,
    tempdir,
};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const RULES: &str = "
rule Begins { strings: $a = \"the needle\" condition: $a at 0 }
rule Told : log { strings: $a = \"what is told\" condition: $a }
";

const SLOW: &str = "rule Fine { condition: false }

rule Slow_One {
  condition: for any i in (0..filesize) : (for any j in (0..filesize) : (uint8(i) + uint8(j) == 1000))
}
";

fn rules() -> TempDir {
    let folder = tempdir();
    publish(folder.path(), "first.yar", RULES);
    folder
}

fn config(folder: &Path) -> String {
    format!("scanner: {{yaraRules: {{path: {}}}}}\n", folder.display())
}

fn ask(icap: &mut IcapClient, body: impl Into<Vec<u8>>) -> IcapResponse {
    icap.send_while(&respmod().allow_204().body(body.into()).bytes(), |_| ());
    icap.read_respmod()
}

fn tag(icap: &mut IcapClient) -> String {
    icap.send(Message::options("/respmod").bytes());
    icap.read_options().istag().to_owned()
}

fn ready(server: &Standalone) -> String {
    let response = server.admin_get("/readyz").expect("the admin port answers");
    assert_eq!(response.status, 200, "it goes on serving");
    String::from_utf8_lossy(&response.body).into_owned()
}

#[test]
fn a_rule_finds_its_text_plain_packed_coded_and_in_forms() {
    let folder = rules();
    let server = Standalone::with().config(&config(folder.path())).start();
    let mut icap = IcapClient::connect(server.icap());
    let needle = b"the needle in a text".to_vec();
    assert_block(&ask(&mut icap, needle.clone()), "YARA.Begins");
    assert_204(&ask(&mut icap, "not at the beginning: the needle"));
    assert_block(&ask(&mut icap, gzip(&needle)), "YARA.Begins");
    let inner = zip(&[("x", b"some text"), ("y", &needle)]);
    assert_block(&ask(&mut icap, zip(&[("inner.zip", &inner)])), "YARA.Begins");
    assert_204(&ask(&mut icap, zip(&[("x", b"some text")])));
    let coded = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n\r\n";
    icap.send(respmod().response_head(coded).allow_204().body(gzip(&needle)).bytes());
    assert_block(&icap.read_respmod(), "YARA.Begins");
    let head = "POST http://o.test/x HTTP/1.1\r\nHost: o.test\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n";
    let part = b"--b\r\nContent-Disposition: form-data; name=f; filename=x\r\n\r\n";
    let form = [&part[..], &needle.repeat(5), b"\r\n--b--\r\n"].concat();
    icap.send(reqmod().request_head(head).allow_204().body(form).bytes());
    assert_block(&icap.read_reqmod(), "YARA.Begins");
    // Signatures find what they did.
    assert_block(&ask(&mut icap, eicar()), "eicar");
    // A rule with the tag `log` is told of.
    assert_204(&ask(&mut icap, "what is told is no threat"));
    server.process().wait_for("that a rule is told of", |line| line.contains("YARA.Told").then_some(()));
    let matches =
        |action: &str| server.metric("icapstan_scanner_yara_matches_total", &format!("action=\"{action}\""));
    assert!(matches("detect") >= 5.0 && (matches("log") - 1.0).abs() < 0.1);
    // All processes that scan have them.
    let scanning = f64::from(u32::try_from(server.scanning().len()).expect("there are few"));
    assert!((server.metric("icapstan_scanner_yara_rules", "") - 2.0 * scanning).abs() < 0.1);
}

#[test]
fn rules_change_under_load_and_broken_or_slow_ones_are_named_and_change_nothing() {
    let folder = rules();
    let server = Standalone::with().in_one_process().config(&config(folder.path())).start();
    let address = server.icap();
    let mut icap = IcapClient::connect(address);
    let before = tag(&mut icap);
    let later = "a text that a later rule finds";
    assert_204(&ask(&mut icap, later));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut icap = IcapClient::connect(address);
            let mut asked = 0_u64;
            while !done.load(Ordering::Relaxed) {
                asked += 1;
                assert_204(&ask(&mut icap, clean_bytes(400, asked)));
                assert_block(&ask(&mut icap, "the needle"), "YARA.Begins");
            }
            asked
        });
        // Whatever panics in here must not leave the other running.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let rule = "rule Later { strings: $a = \"later rule\" condition: $a }";
            publish(folder.path(), "second.yar", rule);
            let after = eventually("the tag moves", || {
                let now = tag(&mut icap);
                (now != before).then_some(now)
            });
            let found = ask(&mut icap, later);
            assert_block(&found, "YARA.Later");
            assert_eq!(found.istag(), after);
            publish(folder.path(), "bad.yar", "rule Odd {\n  condition: missing\n}\n");
            let note = eventually("the fault is told", || {
                Some(ready(&server)).filter(|text| text.contains("bad.yar"))
            });
            assert!(
                note.contains("bad.yar:2:") && note.contains("rule Odd") && note.contains("stay"),
                "{note}"
            );
            server.process().wait_for("that rules are refused", |line| {
                (line.contains("\"level\":\"ERROR\"") && line.contains("bad.yar:2:")).then_some(())
            });
            assert!(server.metric("icapstan_scanner_reloads_total", "result=\"failed\"") > 0.5);
            assert_eq!(tag(&mut icap), after);
            assert_block(&ask(&mut icap, later), "YARA.Later");
            publish(folder.path(), "bad.yar", SLOW);
            let note = eventually("the slow rule is named", || {
                Some(ready(&server)).filter(|text| text.contains("Slow_One"))
            });
            assert!(note.contains("bad.yar:3: the rule Slow_One is too slow"), "{note}");
            assert_eq!(tag(&mut icap), after);
            std::fs::remove_file(folder.path().join("bad.yar")).expect("it is there");
            eventually("the note is gone", || (!ready(&server).contains("signatures")).then_some(()));
            assert_eq!(tag(&mut icap), after, "it is what was in use");
        }));
        done.store(true, Ordering::Relaxed);
        let asked = load.join().expect("no request failed");
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        assert!(asked > 0);
    });
}

#[test]
fn rules_are_checked_with_the_configuration_and_without_them_nothing_differs() {
    let folder = rules();
    let file = folder.path().join("icapstan.yaml");
    std::fs::write(&file, config(folder.path())).expect("the folder is writable");
    let check = || {
        let output = Command::new(binary("icapstan")).arg("check-config").arg(&file).output();
        let output = output.expect("it can be started");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).expect("it speaks UTF-8"))
    };
    let (code, told) = check();
    assert_eq!(code, Some(0), "{told}");
    publish(folder.path(), "bad.yar", "rule Odd { strings: $a = /(/ condition: $a }");
    let (code, told) = check();
    assert!(code == Some(64) && told.contains("scanner.yaraRules: bad.yar:1:"), "{told}");
    let tag_of = |config: &str| {
        let server = Standalone::with().in_one_process().config(config).start();
        assert!(server.metric("icapstan_scanner_yara_rules", "") < 0.5);
        tag(&mut IcapClient::connect(server.icap()))
    };
    assert_eq!(tag_of("{}"), tag_of("scanner: {yaraRules: {timeout: 2s}}"));
}
