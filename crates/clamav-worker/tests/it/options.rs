//! What is not opened because its option is off is not called clean.

use crate::objects::stored_zip;
use crate::support::{MARKER, Worker, Zygote, request};
use icapstan_clamav_wire::{Options, Reply, ReplyFlags};

const TEXT: &[u8] = b"some harmless text";
const MAIL: &[u8] = b"Received: from a.test by b.test; Mon, 1 Jan 2024 00:00:00 +0000\r\nFrom: a@b.test\r\nTo: c@d.test\r\n\
    Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\
    \r\nhello\r\n--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\
    Content-Disposition: attachment; filename=\"a.bin\"\r\n\r\nSUNBUFNUQU4tTUFSS0VS\r\n--b--\r\n";

fn scan(worker: &Worker, object: &[u8], options: Options) -> Reply {
    let mut request = request();
    request.options = options;
    worker.scan_with(object, &request)
}

/// A compressed Flash file, as far as its header goes.
fn flash() -> Vec<u8> {
    let mut bytes = b"CWS\x06\x40\x00\x00\x00\x78\x01\x01\x38\x00\xc7\xff".to_vec();
    bytes.resize(71, 0);
    bytes.extend([0, 56, 0, 1]);
    bytes
}

/// The smallest program for Linux, as far as its header goes.
fn elf() -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    bytes.extend(b"\x02\x00\x3e\x00\x01\x00\x00\x00");
    bytes.resize(64, 0);
    bytes.extend(TEXT);
    bytes
}

#[test]
fn what_an_option_keeps_closed_is_flagged_at_every_layer() {
    let (zygote, _database) = Zygote::ready();
    let worker = zygote.fork();
    let (packed, archives, mail) = (Options::PACKED, Options::ARCHIVES, Options::MAIL);
    let zip = stored_zip(&[("a.txt", TEXT)]);
    for (what, object, off) in [
        ("zip", zip.clone(), archives),
        ("one byte and zip", [b"x", &zip[..]].concat(), archives),
        ("much text and zip", [&TEXT.repeat(1000), &zip[..]].concat(), archives),
        ("Flash", flash(), archives),
        ("PDF", b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n".to_vec(), archives),
        ("RTF", b"{\\rtf1\\ansi hello}".to_vec(), archives),
        ("mail", MAIL.to_vec(), mail),
        ("a line and mail", [b"\r\n", MAIL].concat(), mail),
        ("program", elf(), packed),
    ] {
        let rest = [packed, archives, mail].into_iter().filter(|&option| option != off);
        let rest = rest.fold(Options::default(), Options::with);
        let reply = scan(&worker, &object, rest);
        assert!(reply.flags.has(ReplyFlags::SKIPPED), "{what}: {reply:?}");
        let all = rest.with(off);
        let reply = scan(&worker, &object, all);
        assert!(!reply.flags.has(ReplyFlags::SKIPPED), "{what}, opened: {reply:?}");
        if off != archives {
            let reply = scan(&worker, &stored_zip(&[("inner", &object)]), rest);
            assert!(reply.flags.has(ReplyFlags::SKIPPED), "{what}, inside: {reply:?}");
        }
        if off != packed {
            let reply = scan(&worker, &[MAIL, b"\r\n", &object[..]].concat(), rest);
            assert!(reply.flags.has(ReplyFlags::SKIPPED), "{what}, behind a mail: {reply:?}");
        }
    }
}

#[test]
fn with_every_option_off_a_text_is_still_clean_and_is_looked_at() {
    let (zygote, _database) = Zygote::ready();
    let worker = zygote.fork();
    let reply = scan(&worker, TEXT, Options::default());
    assert_eq!((reply.code, reply.flags), (0, ReplyFlags::INSPECTED), "{reply:?}");
    assert_eq!(scan(&worker, MARKER, Options::default()).code, 1);
}
