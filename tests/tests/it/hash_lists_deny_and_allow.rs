//! Objects whose digests are in lists are blocked, or pass, without a scan; lists change without a lost request.

use crate::common::{assert_204, assert_refused};
use icapstan_hashes::{Algorithm, Hasher};
use icapstan_testkit::{
    IcapClient, IcapResponse, Message, Standalone, TempDir, binary, clean_bytes, clean_text, eicar,
    eventually, gzip, hex, marker, need, skipped, tempdir,
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

fn digest(algorithm: Algorithm, bytes: &[u8]) -> String {
    let mut hasher = Hasher::new([algorithm]);
    hasher.update(bytes);
    hasher.finish().iter().map(ToString::to_string).collect()
}

/// Something that no signature finds.
fn object(seed: u64) -> Vec<u8> {
    clean_bytes(2000 + usize::try_from(seed).unwrap_or(0), seed)
}

/// More than is kept in memory.
fn large() -> Vec<u8> {
    clean_bytes(3 << 20, 8)
}

fn config(folder: &Path) -> String {
    let at = folder.display();
    format!(
        "services:
- {{path: /reqmod, modes: [REQMOD], scan: content}}
- {{path: /respmod, modes: [RESPMOD], scan: content}}
hashLists:
  sources:
  - {{name: fine, kind: allow, format: sha256sum, path: {at}/fine}}
  - {{name: bad, kind: deny, path: {at}/bad}}
  - {{name: clam, kind: deny, format: clamav, path: {at}/clam.hdb}}
  - {{name: bazaar, kind: deny, format: csv, path: {at}/bazaar.csv}}
"
    )
}

fn lists() -> TempDir {
    use Algorithm::{Md5, Sha1, Sha256};
    let folder = tempdir();
    let fine = [eicar(), object(5)].map(|bytes| format!("{}  file\n", digest(Sha256, &bytes))).concat();
    write(folder.path(), "fine", &fine);
    let bad = format!("{}\nno digest\n{}\n", digest(Sha1, &object(1)), digest(Sha1, &object(5)));
    write(folder.path(), "bad", &bad);
    let (right, wrong) = (digest(Md5, &object(2)), digest(Md5, &object(4)));
    write(folder.path(), "clam.hdb", &format!("{right}:2002:Worm.Two\n{wrong}:2003:Worm.Four\n"));
    let (three, large) = (digest(Sha256, &object(3)), digest(Sha256, &large()));
    let table = format!("sha256_hash,signature\n{three},Worm.Three\n{large},Worm.Large\n");
    write(folder.path(), "bazaar.csv", &table);
    folder
}

fn download(status: &str, fields: &str, body: &[u8]) -> Message {
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\n{fields}\r\n");
    let request = "GET http://o.test/x HTTP/1.1\r\nHost: o.test\r\n\r\n";
    Message::respmod("/respmod").request_head(request).response_head(head).allow_204().body(body)
}

fn upload(content_type: &str, body: &[u8]) -> Message {
    let head =
        format!("POST http://o.test/x HTTP/1.1\r\nHost: o.test\r\nContent-Type: {content_type}\r\n\r\n");
    Message::reqmod("/reqmod").request_head(head).allow_204().body(body)
}

fn ask(icap: &mut IcapClient, body: &[u8]) -> IcapResponse {
    icap.send_while(&download("200 OK", "", body).bytes(), |_| ());
    icap.read_respmod()
}

fn threat(response: &IcapResponse) -> String {
    assert_refused(response);
    response.get("X-Virus-ID").unwrap_or_default().to_owned()
}

fn matches(server: &Standalone, kind: &str) -> f64 {
    server.metric("icapstan_scanner_hash_matches_total", &format!("kind=\"{kind}\""))
}

#[test]
fn a_listed_object_is_blocked_by_each_digest_and_however_it_is_packed() {
    let folder = lists();
    let server = Standalone::with().config(&config(folder.path())).start();
    let mut icap = IcapClient::connect(server.icap());
    for (seed, name) in [(1, "Hash.bad"), (2, "Worm.Two"), (3, "Worm.Three")] {
        assert_eq!(threat(&ask(&mut icap, &object(seed))), name);
    }
    assert_204(&ask(&mut icap, &object(4)));
    assert_204(&ask(&mut icap, &object(6)));
    assert!((matches(&server, "deny") - 3.0).abs() < 0.1);
    assert_eq!(threat(&ask(&mut icap, &large())), "Worm.Large");
    // As it came, and as it is read.
    icap.send(download("200 OK", "Content-Encoding: gzip\r\n", &gzip(&object(3))).bytes());
    assert_eq!(threat(&icap.read_respmod()), "Worm.Three");
    // Of what has no name that is known, the bytes as they came are looked up all the same.
    icap.send(download("200 OK", "Content-Encoding: x-other\r\n", &object(3)).bytes());
    assert_eq!(threat(&icap.read_respmod()), "Worm.Three");
    let form = |content: &[u8]| {
        let part = b"--b\r\nContent-Disposition: form-data; name=f; filename=x\r\n\r\n";
        [&part[..], content, b"\r\n--b--\r\n"].concat()
    };
    icap.send(upload("multipart/form-data; boundary=b", &form(&object(2))).bytes());
    assert_eq!(threat(&icap.read_reqmod()), "Worm.Two");
    icap.send(upload("multipart/form-data; boundary=b", &form(&object(6))).bytes());
    assert_204(&icap.read_reqmod());
    let logs = server.process().logs().text();
    assert!(logs.contains("no MD5, SHA-1 or SHA-256"), "the bad line is told: {logs}");
}

/// A zip file with these stored members.
pub(crate) fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let crc = |bytes: &[u8]| {
        !bytes.iter().fold(!0_u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
        })
    };
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in members {
        let at = u32::try_from(file.len()).expect("small");
        let [name_len, len] = [name.len(), bytes.len()].map(|len| u32::try_from(len).expect("small"));
        let mut fields = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        for number in [crc(bytes), len, len] {
            fields.extend(number.to_le_bytes());
        }
        fields.extend(&name_len.to_le_bytes()[..2]);
        fields.extend([0, 0]);
        file.extend([b"PK\x03\x04", &fields[..], name.as_bytes(), bytes].concat());
        let rest = [&[0; 10][..], &at.to_le_bytes(), name.as_bytes()].concat();
        directory.extend([b"PK\x01\x02", &[20, 0][..], &fields, &rest].concat());
    }
    let count = u16::try_from(members.len()).expect("few").to_le_bytes();
    let [len, at] = [directory.len(), file.len()].map(|len| u32::try_from(len).expect("small").to_le_bytes());
    [&file[..], &directory, b"PK\x05\x06\0\0\0\0", &count, &count, &len, &at, &[0, 0]].concat()
}

#[test]
fn a_listed_file_is_found_inside_of_archives() {
    let folder = lists();
    let server = Standalone::with().config(&config(folder.path())).start();
    let mut icap = IcapClient::connect(server.icap());
    let (new, other) = (object(6), object(9));
    for (seed, name) in [(1, "Hash.bad"), (2, "Worm.Two"), (3, "Worm.Three")] {
        let listed = object(seed);
        let archive = zip(&[("one", &new), ("two", &listed), ("three", &other)]);
        assert_eq!(threat(&ask(&mut icap, &archive)), name);
        assert_eq!(threat(&ask(&mut icap, &gzip(&listed))), name);
        assert_eq!(threat(&ask(&mut icap, &zip(&[("inner.zip", &archive)]))), name);
    }
    // Of another size than the list says, and behind more files than one record of the worker holds.
    assert_204(&ask(&mut icap, &zip(&[("one", &new), ("two", &object(4)), ("three", &other)])));
    let many: Vec<Vec<u8>> = (100..400).map(object).collect();
    let mut members: Vec<(&str, &[u8])> = many.iter().map(|bytes| ("x", &bytes[..])).collect();
    assert_204(&ask(&mut icap, &zip(&members)));
    let listed = object(3);
    members.push(("last", &listed));
    assert_eq!(threat(&ask(&mut icap, &zip(&members))), "Worm.Three");
    // What is allowed makes no container clean.
    let infected = zip(&[("fine", &eicar())]);
    assert!(threat(&ask(&mut icap, &infected)).to_lowercase().contains("eicar"));
}

#[test]
fn what_is_allowed_passes_unscanned_as_a_whole_and_only_then() {
    let folder = lists();
    let server = Standalone::with().config(&config(folder.path())).start();
    let mut icap = IcapClient::connect(server.icap());
    let passed = ask(&mut icap, &eicar());
    assert_204(&passed);
    assert_eq!(passed.get("X-Icapstan-Reason"), None, "it is clean, without a reason");
    icap.send(download("200 OK", "Content-Encoding: gzip\r\n", &gzip(&eicar())).bytes());
    assert_204(&icap.read_respmod());
    assert!((matches(&server, "allow") - 2.0).abs() < 0.1);
    let calls = server.metric("icapstan_scanner_engine_seconds_count", "");
    assert!(calls.abs() < 0.1, "no engine saw it");
    // A part that is allowed says nothing of the whole.
    let part = b"--b\r\nContent-Disposition: form-data; name=f; filename=x\r\n\r\n";
    let form = [&part[..], &eicar(), b"\r\n--b--\r\n"].concat();
    icap.send(upload("multipart/form-data; boundary=b", &form).bytes());
    assert!(threat(&icap.read_reqmod()).to_lowercase().contains("eicar"));
    // Neither does a piece of something larger.
    let piece = format!("Content-Range: bytes 0-{}/9999\r\n", eicar().len() - 1);
    icap.send(download("206 Partial Content", &piece, &eicar()).bytes());
    assert!(threat(&icap.read_respmod()).to_lowercase().contains("eicar"));
    // And what denies wins.
    assert_eq!(threat(&ask(&mut icap, &object(5))), "Hash.bad");
    assert!((matches(&server, "allow") - 2.0).abs() < 0.1);
}

#[test]
fn lists_change_under_load_and_no_request_fails() {
    let folder = lists();
    let server = Standalone::with().config(&config(folder.path())).start();
    let address = server.icap();
    let mut icap = IcapClient::connect(address);
    let later = object(7);
    let first = ask(&mut icap, &later);
    assert_204(&first);
    let tag = first.get("ISTag").map(str::to_owned);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut icap = IcapClient::connect(address);
            let mut asked = 0;
            while !done.load(Ordering::Relaxed) {
                assert_204(&ask(&mut icap, &clean_text(300)));
                assert_eq!(threat(&ask(&mut icap, &object(2))), "Worm.Two");
                asked += 1;
            }
            asked
        });
        write(folder.path(), "bad", &format!("{} Worm.Later\n", digest(Algorithm::Sha256, &later)));
        let listed = eventually("the new list is in use", || {
            let response = ask(&mut icap, &later);
            (response.status == 200).then_some(response)
        });
        assert_eq!(threat(&listed), "Worm.Later");
        assert_ne!(listed.get("ISTag").map(str::to_owned), tag, "another list is another tag");
        // A list that cannot be used keeps the one before.
        write(folder.path(), "bad", "To be, or not to be, that is the question\n");
        eventually("the fault is told", || {
            server.process().logs().text().contains("those before stay in use").then_some(())
        });
        assert_eq!(threat(&ask(&mut icap, &later)), "Worm.Later");
        done.store(true, Ordering::Relaxed);
        assert!(load.join().expect("no request failed") > 0);
    });
    for (name, labels, each) in [
        ("icapstan_hash_list_loads_total", "result=\"error\"", 1.0),
        ("icapstan_hash_list_entries", "kind=\"allow\"", 2.0),
    ] {
        // All processes that scan have them, each in its time.
        let count = f64::from(u32::try_from(server.scanning().len()).expect("there are few"));
        eventually(name, || ((server.metric(name, labels) - each * count).abs() < 0.5).then_some(()));
    }
    // Settings without lists bring back what was before there were any.
    server.replace_config("services: [{path: /respmod, modes: [RESPMOD], scan: content}]");
    eventually("the lists are gone", || (ask(&mut icap, &later).status == 204).then_some(()));
}

#[test]
fn lists_are_compiled_and_asked_on_the_command_line() {
    let folder = lists();
    let file = folder.path().join("icapstan.yaml");
    fs::write(&file, config(folder.path())).expect("the folder is writable");
    let (compiled, sample) = (folder.path().join("compiled"), folder.path().join("sample"));
    fs::write(&sample, object(2)).expect("the folder is writable");
    let run = |args: &[&str]| {
        let output = Command::new(binary("icapstan")).args(args).output().expect("it can be started");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).expect("it speaks UTF-8"))
    };
    let [file, compiled, sample] = [file, compiled, sample].map(|path| path.display().to_string());
    let (code, told) = run(&["check-config", &file]);
    assert_eq!(code, Some(0), "{told}");
    let (code, told) = run(&["hashes", "compile", "--config", &file, &compiled]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("bad: 3 lines, 2 entries, 1 left out") && told.contains("/bad:2: "), "{told}");
    for source in [["--config", &file], ["--file", &compiled]] {
        let ask = |asked: &[&str]| run(&[&["hashes", "lookup"], &source[..], asked].concat());
        let unknown = digest(Algorithm::Sha256, b"unknown");
        assert_eq!(ask(&[&unknown]), (Some(0), format!("{unknown}\tnot listed\n")));
        let (code, told) = ask(&[&digest(Algorithm::Sha256, &eicar())]);
        assert!(code == Some(0) && told.contains("\tallow\tfine\t"), "{told}");
        let (code, told) = ask(&[&sample, &digest(Algorithm::Sha1, &object(1))]);
        assert_eq!(code, Some(1), "{told}");
        assert!(
            told.contains("\tdeny\tclam\tWorm.Two\t") && told.contains("\tdeny\tbad\tHash.bad\t"),
            "{told}"
        );
        assert_eq!(ask(&["/nowhere"]).0, Some(2));
    }
    // And served from the compiled file.
    let server = Standalone::with().config(&format!("hashLists: {{file: {compiled}}}")).start();
    let mut icap = IcapClient::connect(server.icap());
    assert_eq!(threat(&ask(&mut icap, &object(2))), "Worm.Two");
    let (code, told) = run(&["hashes", "lookup", "--file", "/proc/version", "x"]);
    assert_eq!(code, Some(64), "{told}");
    // What cannot be used is told before anything is started, and where.
    fs::remove_file(folder.path().join("bazaar.csv")).expect("it is there");
    let (code, told) = run(&["check-config", &file]);
    assert!(code == Some(64) && told.contains("hashLists: ") && told.contains("the list bazaar"), "{told}");
    let (code, told) =
        run(&["standalone", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--config", &file]);
    assert!(code != Some(0) && told.contains("the list bazaar"), "{told}");
}

#[test]
fn lists_change_nothing_about_what_they_do_not_have() {
    if skipped("clamav-testfiles") {
        return;
    }
    let files = need("/usr/share/clamav-testfiles", "clamav-testfiles", "clamav-testfiles");
    let folder = lists();
    let [with, without] =
        [config(folder.path()), String::new()].map(|config| Standalone::with().config(&config).start());
    let mut files: Vec<_> =
        fs::read_dir(files).expect("it exists").flatten().map(|entry| entry.path()).collect();
    files.sort();
    assert!(files.len() > 30, "the package has {} files only", files.len());
    // Without its detections, more of each file is opened.
    let unknown =
        Standalone::with().signature_folder(&marker_only(folder.path())).config(&config(folder.path()));
    let unknown = unknown.start();
    let unlisted = Standalone::with().signature_folder(&marker_only(folder.path())).start();
    for [one, two] in [[&with, &without], [&unknown, &unlisted]] {
        for path in &files {
            let body = fs::read(path).expect("readable");
            let said = [one, two].map(|server| {
                let response = ask(&mut IcapClient::connect(server.icap()), &body);
                let field = |name| response.get(name).map(str::to_owned);
                (response.status, field("X-Virus-ID"), field("X-Icapstan-Reason"))
            });
            assert_eq!(said[0], said[1], "{}", path.display());
        }
    }
}

/// A folder with one signature, which finds nothing here.
fn marker_only(folder: &Path) -> std::path::PathBuf {
    let signatures = folder.join("signatures");
    fs::create_dir_all(&signatures).expect("the folder is writable");
    let marker = hex(&marker());
    fs::write(signatures.join("marker.ndb"), format!("Marker:0:*:{marker}\n"))
        .expect("the folder is writable");
    signatures
}
