//! A database is served wholly or not at all.

use crate::support::{Folder, PROGRAM, Zygote, database, hex, names};
use icapstan_clamav_wire::Event;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

/// What the supervisor is told about a folder that cannot be used.
fn refusal(folder: &Folder) -> String {
    let mut zygote = Zygote::start(&[folder.path()]);
    let (event, fds) = zygote.event();
    assert!(fds.is_empty());
    let Event::LoadFailed { message } = event else { panic!("{event:?}") };
    assert_eq!(zygote.wait().code(), Some(1));
    String::from_utf8(message).unwrap()
}

#[test]
fn one_broken_file_discards_the_generation_and_is_named() {
    let cases: [(&str, &[u8], &str); 14] = [
        ("lines.ndb", b"Good:0:*:414243444546\nBroken:0\n", "Malformed database"),
        ("hex.ndb", b"Broken:0:*:zz11223344\n", "Malformed database"),
        ("odd.ndb", b"Cut:0:*:41424344454", "Malformed database"),
        ("blank.ndb", b"Good:0:*:414243444546\n\n", "Malformed database"),
        ("logic.ldb", b"Broken;Engine:51-255,Target:0;(0&1);414243444546\n", "Malformed database"),
        ("empty.ldb", b"", "empty"),
        ("empty.ndb", b"", "empty"),
        ("empty.cvd", b"", "empty"),
        ("short.hdb", b"aa15bcf478d165efd2065190eb473bc:544:Short\n", "Malformed hash"),
        ("size.hsb", b"aa15bcf478d165efd2065190eb473bcc:abc:Size\n", "size field"),
        ("links.wdb", b"garbage\n", "Malformed"),
        ("rules.crb", b"garbage\n", "Invalid number of tokens"),
        ("unsigned.cbc", b"garbage\n", "unsigned bytecode"),
        ("main.cvd", &[0; 2000], "Not a CVD file"),
    ];
    for (name, content, said) in cases {
        let folder = database();
        folder.file(name, content);
        let message = refusal(&folder);
        assert!(message.contains(name) && message.contains(said), "{name}: {message}");
    }
}

#[test]
fn what_libclamav_would_skip_in_silence_or_read_for_ever_is_refused() {
    let folder = database();
    symlink("/nonexistent", folder.path().join("link.ndb")).unwrap();
    let message = refusal(&folder);
    assert!(message.contains("link.ndb: No such file"), "{message}");

    let folder = database();
    std::fs::create_dir(folder.path().join("folder.NDB")).unwrap();
    let message = refusal(&folder);
    assert!(message.contains("folder.NDB: not a regular file"), "{message}");
}

#[test]
fn a_container_with_a_false_signature_is_refused() {
    let folder = database();
    let mut container =
        b"ClamAV-VDB:07 Jan 2020 00-00 +0000:59:10:60:00000000000000000000000000000000:x:me:1".to_vec();
    container.resize(512, b' ');
    folder.file("main.cvd", container);
    let message = refusal(&folder);
    assert!(message.contains("main.cvd"), "{message}");
}

#[test]
fn no_folder_no_file_and_no_signature_are_refused() {
    let folder = Folder::new();
    assert!(refusal(&folder).contains("No supported database files"), "nothing there");
    folder.file("readme.txt", "hello");
    assert!(refusal(&folder).contains("No supported database files"), "nothing of use there");
    folder.file("x.ign2", "Nothing\n");
    assert_eq!(refusal(&folder), "the folders hold no signature");
    let gone = Folder::new();
    std::fs::remove_dir(gone.path()).unwrap();
    assert!(refusal(&gone).contains("No such file"), "no folder");
}

#[test]
fn signatures_that_are_rightly_left_out_do_not_stop_the_rest() {
    // Rightly left out: for another engine, ignored, potentially unwanted, YARA.
    for (name, content, expected) in [
        ("future.ldb", "Later;Engine:900-999,Target:0;0;414243444546\n", 3),
        ("future.ndb", "Later:0:*:414243444546:900:999\n", 3),
        ("x.ign2", "Marker\n", 2),
        ("x.hdu", "aa15bcf478d165efd2065190eb473bcb:545:PUA.Test\n", 3),
        ("x.yar", "rule a { strings: $a = \"ABCDEFG\" condition: $a }\n", 3),
        ("broken.yara", "rule nonsense", 3),
        ("x.fp", "44d88612fea8a8f36de82e1278abb02f:68:Fine\n", 4),
        ("x.pdb", "H:example.com\n", 4),
        ("crlf.ndb", "Good:0:*:414243444546\r\n", 4),
        ("noeol.ndb", "Good:0:*:414243444546", 4),
        ("comment.ndb", "#comment\nGood:0:*:414243444546\n", 4),
        ("image.ldb", "Image;Engine:150-255,Target:0;0;fuzzy_img#af2ad01ed42993c7#0\n", 4),
    ] {
        let folder = database();
        folder.file(name, content);
        let zygote = Zygote::start(&[folder.path()]);
        match zygote.event().0 {
            Event::Ready { signatures, .. } => assert_eq!(signatures, expected, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn several_folders_make_one_engine() {
    let (first, second) = (database(), Folder::new());
    second.file("more.ndb", format!("More:0:*:{}\n", hex(b"ANOTHER-MARKER")));
    let zygote = Zygote::start(&[first.path(), second.path()]);
    assert!(matches!(zygote.event().0, Event::Ready { signatures: 4, .. }));
    let worker = zygote.fork();
    let reply = worker.scan(b"....ANOTHER-MARKER....");
    assert_eq!(names(&reply), ["More.UNOFFICIAL"]);
}

#[test]
fn without_a_control_socket_or_with_wrong_words_it_says_how_it_is_started() {
    for (words, said) in [
        (&["zygote", "--database", "/x"][..], "descriptor 3"),
        (&["zygote"], "at least one --database"),
        (&["scan"], "unknown command"),
        (&[], "a command is needed"),
    ] {
        let output = Command::new(PROGRAM).args(words).stdin(Stdio::null()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{words:?}");
        assert!(error.contains(said) && error.contains("usage:"), "{error}");
    }
    let version = Command::new(PROGRAM).arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    assert!(version.contains("libclamav 1.") && version.contains("GPL-2.0-only"), "{version}");
}

#[test]
fn a_container_is_looked_into_and_loaded() {
    let source = Folder::new();
    source.file("box.ndb", format!("Boxed:0:*:{}\n", hex(b"BOXED-MARKER")));
    source.file("box.ldb", "Image;Engine:150-255,Target:0;0;fuzzy_img#af2ad01ed42993c7#0\n");
    source.file("COPYING", "test\n");
    // `--unsigned` makes a container that needs no signature; sigtool asks for the builder's name.
    let mut sigtool = Command::new("sigtool")
        .args(["--build=box.cud", "--unsigned", "--cvd-version=1"])
        .current_dir(source.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sigtool of the package clamav");
    sigtool.stdin.take().unwrap().write_all(b"builder\n").unwrap();
    assert!(sigtool.wait().unwrap().success());

    let folder = Folder::new();
    std::fs::copy(source.path().join("box.cud"), folder.path().join("box.cud")).unwrap();
    let zygote = Zygote::start(&[folder.path()]);
    assert!(matches!(zygote.event().0, Event::Ready { signatures: 2, .. }));
    let reply = zygote.fork().scan(b"....BOXED-MARKER....");
    assert_eq!(names(&reply).len(), 1, "{reply:?}");
}
