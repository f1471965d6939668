//! What is found is said, and what is not looked at as well.

use crate::objects::{deflated_zeros, seven_zip_ppmd, stored_zip, zip};
use crate::support::{Folder, MARKER, Worker, Zygote, database, eicar, names, request};
use icapstan_clamav_wire::{Event, Options, Reply, ReplyFlags};
use std::path::Path;

fn is_clean(reply: &Reply) -> bool {
    reply.code == 0 && reply.flags == ReplyFlags::INSPECTED && reply.names.is_empty()
}

#[test]
fn a_test_virus_is_found_and_clean_bytes_are_clean() {
    let (zygote, _database) = Zygote::ready();
    let worker = zygote.fork();
    for _ in 0..3 {
        let reply = worker.scan(&eicar());
        assert_eq!((reply.code, names(&reply)), (1, vec!["Eicar.UNOFFICIAL".to_owned()]));
        assert_eq!((reply.flags, reply.layers), (ReplyFlags::INSPECTED, 1));
        let reply = worker.scan(b"nothing to see here");
        assert!(is_clean(&reply), "{reply:?}");
        assert!(reply.message.is_empty());
    }
}

#[test]
fn every_upstream_test_file_is_detected_or_flagged() {
    let folder = Path::new("/usr/share/clamav-testfiles");
    let (zygote, _database) = Zygote::ready();
    let worker = zygote.fork();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the package clamav-testfiles") {
        let path = entry.unwrap().path();
        let reply = worker.scan(&std::fs::read(&path).unwrap());
        assert!(!is_clean(&reply), "{}: {reply:?}", path.display());
        assert_eq!(names(&reply), ["Clam.UNOFFICIAL"], "{}: {reply:?}", path.display());
        count += 1;
    }
    assert!(count >= 40, "only {count} files in {}", folder.display());
}

#[test]
fn an_object_behind_an_ignored_magic_is_not_called_clean() {
    let (zygote, _database) = Zygote::ready();
    let worker = zygote.fork();
    for magic in [
        &b"ID3"[..],
        b"\xff\xfb\x90",
        b"OggS",
        b".RMF",
        b"SIP-HIT (SIP/H",
        b"SYMC\x01\x00",
        b"SQLite format 3\x00",
        b"\x37\x7f\x06\x82\x00\x2d\xe2\x18",
        b"\x37\x7f\x06\x83\x00\x2d\xe2\x18",
        b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7",
    ] {
        let object = [magic, b"........", MARKER, b"........"].concat();
        for object in [object.clone(), stored_zip(&[("inner", &object)])] {
            let reply = worker.scan(&object);
            assert!(reply.flags.has(ReplyFlags::INSPECTED.with(ReplyFlags::IGNORED)), "{magic:?}: {reply:?}");
        }
    }
}

#[test]
fn formats_that_cannot_be_opened_are_flagged_wherever_they_lie() {
    let (zygote, _database) = Zygote::ready();
    let worker = zygote.fork();
    let mut bzip2 = b"BZh91AY&SY".to_vec();
    bzip2.extend_from_slice(b"........BZh91AY&SY........");
    for object in [
        &b"Rar!\x1a\x07\x01\x00\x33\x92\xb5\xe5\x0a\x01\x05\x06\x00\x05\x01\x01\x80\x80\x00"[..],
        b"\x28\xb5\x2f\xfd\x04\x00\x41\x00\x00....",
        b"\x04\x22\x4d\x18....................",
        b"LZIP\x01....................",
        b"!<arch>\ndebian-binary   ",
        &bzip2,
    ] {
        for object in [object.to_vec(), stored_zip(&[("first", b"harmless text"), ("second", object)])] {
            let reply = worker.scan(&object);
            assert!(reply.flags.has(ReplyFlags::UNSUPPORTED), "{object:?}: {reply:?}");
            assert!(reply.names.is_empty(), "{reply:?}");
        }
    }
}

#[test]
fn members_packed_in_an_unknown_way_or_encrypted_are_flagged() {
    let (zygote, _database) = Zygote::ready();
    let worker = zygote.fork();
    for method in [1, 14, 93, 95, 98] {
        let reply = worker.scan(&zip(&[("a", 0, b"harmless text", 13), ("b", method, b"packed bytes", 40)]));
        assert!(reply.flags.has(ReplyFlags::UNSUPPORTED), "{method}: {reply:?}");
    }
    let mut encrypted = stored_zip(&[("a", b"twelve bytes and what follows")]);
    for (header, flags) in [(&b"PK\x03\x04"[..], 6), (b"PK\x01\x02", 8)] {
        let at = encrypted.windows(4).position(|window| window == header).unwrap();
        encrypted[at + flags] |= 1;
    }
    let reply = worker.scan(&encrypted);
    assert!(reply.flags.has(ReplyFlags::ENCRYPTED), "{reply:?}");
    assert_eq!(names(&reply), ["Heuristics.Encrypted.Zip"]);
}

#[test]
fn a_7z_member_that_is_announced_and_not_opened_is_flagged() {
    let (zygote, _database) = Zygote::ready();
    let worker = zygote.fork();
    let reply = worker.scan(&seven_zip_ppmd());
    assert!(reply.flags.has(ReplyFlags::UNSUPPORTED), "{reply:?}");
}

#[test]
fn a_name_of_a_signature_stands_before_rules_of_thumb() {
    let (zygote, _database) = Zygote::ready();
    let worker = zygote.fork();
    let inner = stored_zip(&[("a", b"twelve bytes and what follows")]);
    let mut object = stored_zip(&[("encrypted.zip", &inner), ("marked", MARKER)]);
    let at = object.windows(4).rposition(|window| window == b"PK\x03\x04").unwrap();
    assert!(at > 0);
    // The flag of the only member of the inner file.
    let at = object.windows(4).skip(1).position(|window| window == b"PK\x03\x04").unwrap() + 1;
    object[at + 6] |= 1;
    let reply = worker.scan(&object);
    assert_eq!(names(&reply)[0], "Marker.UNOFFICIAL", "{reply:?}");
    assert!(reply.flags.has(ReplyFlags::ENCRYPTED), "{reply:?}");
}

#[test]
fn without_its_temporary_folder_a_worker_gives_no_proof_of_looking() {
    let (zygote, _database) = Zygote::ready();
    let temp = Folder::new();
    let own = temp.path().join("own");
    std::fs::create_dir(&own).unwrap();
    let worker: Worker = zygote.fork_at(temp, &own, 0);
    assert!(worker.scan(&eicar()).flags.has(ReplyFlags::INSPECTED));
    std::fs::remove_dir(&own).unwrap();
    let reply = worker.scan(&eicar());
    assert!(!reply.flags.has(ReplyFlags::INSPECTED), "{reply:?}");
    assert!(reply.flags.has(ReplyFlags::WARNED), "{reply:?}");
    assert!(String::from_utf8_lossy(&reply.message).contains("temporary directory"), "{reply:?}");
    // Another one in its place is not the one that it may use.
    std::fs::create_dir(&own).unwrap();
    let reply = worker.scan(&eicar());
    assert!(!reply.flags.has(ReplyFlags::INSPECTED), "{reply:?}");
}

#[test]
fn the_stump_of_a_cut_member_is_not_called_clean() {
    let (zygote, _database) = Zygote::ready();
    let worker = zygote.fork();
    let packed = deflated_zeros(4000);
    let object = zip(&[("zeros", 8, &packed, 4000 * 258 + 1)]);
    assert!(is_clean(&worker.scan(&object)));
    let mut request = request();
    request.limits.file_size = 300_000;
    let reply = worker.scan_with(&object, &request);
    assert!(reply.flags.has(ReplyFlags::SIZE), "{reply:?}");
}

#[test]
fn an_object_that_a_signature_file_calls_fine_is_clean() {
    let database = database();
    // The MD5 of the test file of eicar.org, as its publishers give it.
    database.file("fine.fp", "44d88612fea8a8f36de82e1278abb02f:68:Fine\n");
    let zygote = Zygote::start(&[database.path()]);
    assert!(matches!(zygote.event().0, Event::Ready { .. }));
    let reply = zygote.fork().scan(&eicar());
    assert!(is_clean(&reply), "{reply:?}");
}

#[test]
fn deceptive_links_in_mail_are_reported_when_asked_for() {
    let database = database();
    database.file("links.pdb", "H:example.com\nH:www.example.com\n");
    let zygote = Zygote::start(&[database.path()]);
    assert!(matches!(zygote.event().0, Event::Ready { .. }));
    let worker = zygote.fork();
    let mail = b"From: a@b.test\r\nTo: c@d.test\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n\
        <html><body><a href=\"http://evil.example.net/x\">https://www.example.com/login</a></body></html>\r\n";
    let reply = worker.scan(mail);
    assert_eq!(names(&reply), ["Heuristics.Phishing.Email.SSL-Spoof"], "{reply:?}");
    let mut request = request();
    request.options = Options::MAIL;
    let reply = worker.scan_with(mail, &request);
    assert!(is_clean(&reply), "{reply:?}");
}
