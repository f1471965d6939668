//! YARA rules are tried on every layer that libclamav shows.

use crate::objects::stored_zip;
use crate::support::{Folder, MARKER, PROGRAM, Worker, Zygote, database, eicar, names, request};
use icapstan_clamav_wire::{Event, Reply, ReplyFlags};
use std::process::Command;

const RULES: &str = r#"
rule Plain { strings: $a = "the plain needle" condition: $a }
rule Begins { strings: $a = "BEGIN" condition: $a at 0 }
rule Told : log { strings: $a = "the told needle" condition: $a }
import "pe"
rule Program { condition: pe.is_pe }
"#;

fn ready(rules: &Folder, time: &str) -> (Zygote, Folder) {
    let database = database();
    let folder = rules.path().to_str().unwrap();
    let zygote = Zygote::start_with(&[database.path()], &["--rules", folder, "--rule-time", time]);
    match zygote.event().0 {
        Event::Ready { signatures: 3, rules: 1.., .. } => {}
        other => panic!("{other:?}"),
    }
    (zygote, database)
}

fn scan(worker: &Worker, object: &[u8]) -> (Vec<String>, Reply) {
    let reply = worker.scan(object);
    (names(&reply), reply)
}

#[test]
fn rules_find_what_they_are_for_plain_and_inside_and_nothing_else() {
    let rules = Folder::new();
    rules.file("a.yar", RULES);
    let (zygote, _database) = ready(&rules, "5000");
    let worker = zygote.fork();
    let needle = b"text with the plain needle in it";
    assert_eq!(scan(&worker, needle).0, ["YARA.Plain"]);
    let zip = stored_zip(&[("a", b"some text"), ("b", needle)]);
    let nested = stored_zip(&[("inner.zip", &zip)]);
    for object in [&zip, &nested] {
        assert!(scan(&worker, object).0.contains(&"YARA.Plain".to_owned()));
    }
    // At the beginning of a layer, which is not that of the object.
    assert_eq!(scan(&worker, &stored_zip(&[("a", b"BEGINs here")])).0, ["YARA.Begins"]);
    assert!(scan(&worker, b"does not BEGIN here").0.is_empty());
    let (found, reply) = scan(&worker, b"nothing at all");
    assert!(found.is_empty() && reply.code == 0 && reply.flags == ReplyFlags::INSPECTED, "{reply:?}");
    // The signatures are tried as before.
    assert_eq!(scan(&worker, &eicar()).0, ["Eicar.UNOFFICIAL"]);
    assert_eq!(scan(&worker, MARKER).0, ["Marker.UNOFFICIAL"]);
    // What is told of only does not detect, and keeps nothing from being detected.
    let (found, reply) = scan(&worker, b"text with the told needle in it");
    assert!(found.is_empty() && reply.code == 0 && reply.flags == ReplyFlags::INSPECTED, "{reply:?}");
    assert_eq!(reply.noted, [b"YARA.Told"]);
    let (found, reply) = scan(&worker, &[b"the told needle ", MARKER].concat());
    assert_eq!((found, reply.noted.len()), (vec!["Marker.UNOFFICIAL".to_owned()], 1));
    let (found, reply) = scan(&worker, b"text with the plain needle, one again");
    assert_eq!((found.len(), reply.noted.len()), (1, 0), "the last object is forgotten");
}

#[test]
fn rules_that_take_too_long_leave_a_flag_and_no_clean_reply() {
    let rules = Folder::new();
    // Quick on all samples, for none begins with this word.
    let slow = "rule Slow { condition: uint32(0) == 0x776f6c73 and \
        for any i in (0..filesize) : (for any j in (0..filesize) : (uint8(i) + uint8(j) == 1000)) }";
    rules.file("a.yar", slow);
    let (zygote, _database) = ready(&rules, "400");
    let worker = zygote.fork();
    let large = [&b"slow"[..], &vec![b' '; 1 << 20]].concat();
    let reply = worker.scan(&large);
    assert!(reply.flags.has(ReplyFlags::RULES_CUT) && reply.names.is_empty(), "{reply:?}");
    let reply = worker.scan(&stored_zip(&[("a", &large), ("b", MARKER)]));
    assert!(reply.flags.has(ReplyFlags::RULES_CUT), "{reply:?}");
    assert_eq!(names(&reply), ["Marker.UNOFFICIAL"], "signatures are still tried");
    // The scan's own limit counts too.
    let mut request = request();
    request.limits.time_ms = 50;
    let begin = std::time::Instant::now();
    assert!(worker.scan_with(&large, &request).flags.has(ReplyFlags::RULES_CUT));
    assert!(begin.elapsed().as_millis() < 10_000, "{:?}", begin.elapsed());
    assert_eq!(worker.scan(b"quick text").flags, ReplyFlags::INSPECTED);
}

#[test]
fn rules_that_cannot_be_used_are_told_of_and_nothing_is_served() {
    let rules = Folder::new();
    rules.file("a.yar", RULES);
    rules.file("b.yar", "rule Broken {\n condition: nonsense\n}\n");
    let database = database();
    let folder = rules.path().to_str().unwrap();
    let mut zygote = Zygote::start_with(&[database.path()], &["--rules", folder]);
    let Event::LoadFailed { message } = zygote.event().0 else { panic!("it was loaded") };
    let message = String::from_utf8(message).unwrap();
    assert!(
        message.starts_with("YARA rules: b.yar:2:13: error: ") && message.ends_with("(rule Broken)"),
        "{message}"
    );
    assert_eq!(zygote.wait().code(), Some(1));
    let check = || {
        let output = Command::new(PROGRAM).args(["check-rules", "--rules", folder]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, said) = check();
    assert!(code == Some(1) && said.starts_with("b.yar:2:13: error: "), "{said}");
    rules.file("b.yar", "rule Fine { condition: false }");
    assert_eq!(check(), (Some(0), "5 rules\n".to_owned()));
}
