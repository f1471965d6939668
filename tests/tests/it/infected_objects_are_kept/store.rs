//! The same in an object store, over a network that fails in the ways in which networks do.

use super::{Ground, assert_204, assert_block, send, stored, told, upload};
use icapstan_testkit::{
    Authority, IcapClient, S3Server, Signal, Standalone, clean_bytes, eicar, eventually, marker, need,
    skipped, tempdir,
};
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

const BUCKET: &str = "quarantine";

/// Settings of a store at `url`.
fn s3(url: &str, credentials: &Path, more: &str) -> String {
    format!("endpoint: '{url}', bucket: {BUCKET}, credentialsFile: {}{more}", credentials.display())
}

fn kept_at(store: &S3Server, more: &str) -> Ground {
    Ground::in_store(&s3(&store.url(), &store.credentials(), more))
}

/// Objects in the bucket, whole or not; what the store keeps for itself are no objects.
fn files(store: &S3Server, folder: &str) -> Vec<String> {
    let Ok(files) = fs::read_dir(store.bucket(BUCKET).join(folder)) else { return Vec::new() };
    let names = files.map(|file| file.expect("a file").file_name().into_string().expect("text"));
    names.filter(|name| !name.starts_with('.')).collect()
}

fn failed(server: &Standalone, cause: &str) -> f64 {
    server.metric("icapstan_quarantine_failed_total", &format!("cause=\"{cause}\""))
}

fn count(server: &Standalone, name: &str) -> f64 {
    server.metric(&format!("icapstan_quarantine_{name}"), "")
}

/// What the log says of failures, so far.
fn lines(server: &Standalone) -> Vec<String> {
    let lines = server.process().logs().lines();
    lines.into_iter().filter(|line| line.contains("cannot be put into the quarantine")).collect()
}

#[test]
fn what_was_blocked_comes_back_from_a_store_byte_for_byte() {
    let store = S3Server::start(BUCKET);
    let ground = kept_at(&store, ", prefix: own/part-");
    let server = ground.start();
    let mut icap = IcapClient::connect(server.icap());
    let sent = [eicar(), [clean_bytes(3 << 20, 5), marker()].concat()];
    for (number, body) in (1..).zip(&sent) {
        assert_block(
            &send(&mut icap, &upload("/reqmod", body)),
            if number == 1 { "eicar" } else { "marker" },
        );
        stored(&server, number);
    }
    // Somebody else's.
    fs::write(store.bucket(BUCKET).join("own/part-notes"), "x").expect("it can be written");
    let ids = ground.ids();
    assert_eq!(ids.len(), 2, "{ids:?}");
    for (id, body) in ids.iter().zip(&sent) {
        assert!(ground.get(id) == *body);
        let known = ground.show(id);
        assert_eq!((&known["id"], &known["length"]), (&id.as_str().into(), &body.len().into()));
        assert_eq!((&known["user"], &known["complete"]), (&"ann".into(), &true.into()));
    }
    let (key, out) = (ground.at("key"), ground.at("out"));
    let listed = ground.ask("list", &["--identity", &key]);
    assert!(told(&listed).contains(".UNOFFICIAL\t192.0.2.7\tann\thttp://***@o.test/"), "{}", told(&listed));
    let file = store.bucket(BUCKET).join(format!("own/part-{}.age", ids[0]));
    let size = fs::metadata(&file).expect("it is there").len();
    assert!(told(&ground.ask("list", &[])).starts_with(&format!("{}\t{size}\n", ids[0])));
    if !skipped("age") {
        let mut age = Command::new(need("/usr/bin/age", "age", "age"));
        let opened = age.args(["-d", "-i", &key]).arg(&file).output().expect("it can be started");
        assert!(opened.status.success() && opened.stdout.ends_with(&eicar()), "{}", told(&opened));
    }
    // Damaged: nothing is left of it.
    let mut sealed = fs::read(&file).expect("it is there");
    sealed[200] ^= 1;
    fs::write(&file, sealed).expect("it can be written");
    let damaged = ground.ask("get", &[&ids[0], "--identity", &key, "-o", &out]);
    assert!(!damaged.status.success() && !Path::new(&out).exists(), "{}", told(&damaged));
    assert!(ground.ask("remove", &[&ids[0]]).status.success());
    assert_eq!(ground.ids(), ids[1..]);
    for command in [&["remove", &ids[0]][..], &["show", &ids[0], "--identity", &key]] {
        let gone = ground.ask(command[0], &command[1..]);
        assert_eq!(gone.status.code(), Some(1), "{}", told(&gone));
        assert!(told(&gone).contains(&format!("there is no object {}", ids[0])), "{}", told(&gone));
    }
}

#[test]
fn a_list_has_all_objects_of_many_pages() {
    let store = S3Server::start(BUCKET);
    let ground = kept_at(&store, "");
    let mut made: Vec<_> = (0..2345).map(|number| format!("20260131T235959.123456Z-{number:016x}")).collect();
    for id in &made {
        fs::write(store.bucket(BUCKET).join(format!("{id}.age")), "x").expect("it can be written");
    }
    made.sort();
    assert_eq!(ground.ids(), made);
}

#[test]
fn keys_that_a_store_does_not_believe_are_told_once_and_may_be_changed() {
    let store = S3Server::start(BUCKET);
    let foreign = store.foreign_credentials();
    let ground = Ground::in_store(&s3(&store.url(), &foreign, ""));
    let server = ground.start();
    let mut icap = IcapClient::connect(server.icap());
    let large = [clean_bytes(3 << 20, 5), marker()].concat();
    for body in [eicar(), eicar(), large] {
        let name = if body.len() < 100 { "eicar" } else { "marker" };
        assert_block(&send(&mut icap, &upload("/reqmod", &body)), name);
    }
    eventually("failures are counted", || (failed(&server, "refused") > 2.5).then_some(()));
    assert!(count(&server, "retries_total") < 0.5);
    let lines = lines(&server);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("answered 403: SignatureDoesNotMatch"), "{lines:?}");
    assert!(lines[0].contains("\"cause\":\"refused\""), "{lines:?}");
    let listed = ground.ask("list", &[]);
    assert_eq!(listed.status.code(), Some(1), "{}", told(&listed));
    assert!(told(&listed).contains("SignatureDoesNotMatch"), "{}", told(&listed));
    // The keys are read again for each object.
    fs::copy(store.credentials(), &foreign).expect("it can be written");
    assert_block(&send(&mut icap, &upload("/reqmod", &eicar())), "eicar");
    stored(&server, 1);
    assert!(server.process().logs().text().contains("put into the quarantine again"));
    assert!(ground.get(&ground.ids()[0]) == eicar());
}

#[test]
fn a_bucket_that_is_missing_is_told() {
    let store = S3Server::start("another");
    let ground = kept_at(&store, "");
    let server = ground.start();
    let mut icap = IcapClient::connect(server.icap());
    assert_block(&send(&mut icap, &upload("/reqmod", &eicar())), "eicar");
    eventually("the failure is counted", || (failed(&server, "refused") > 0.5).then_some(()));
    assert!(count(&server, "retries_total") < 0.5);
    assert!(lines(&server)[0].contains("NoSuchBucket"), "{:?}", lines(&server));
    let listed = ground.ask("list", &[]);
    assert!(!listed.status.success() && told(&listed).contains("NoSuchBucket"), "{}", told(&listed));
    let id = "20260131T235959.123456Z-0123456789abcdef";
    let shown = ground.ask("show", &[id, "--identity", &ground.at("key")]);
    assert!(!shown.status.success(), "{}", told(&shown));
}

#[test]
fn a_store_that_comes_back_in_time_gets_what_was_waiting() {
    let mut store = S3Server::start(BUCKET);
    let ground = kept_at(&store, "");
    let server = ground.start();
    store.kill();
    let mut icap = IcapClient::connect(server.icap());
    let bodies = [eicar(), [clean_bytes(100_000, 5), marker()].concat()];
    assert_block(&send(&mut icap, &upload("/reqmod", &bodies[0])), "eicar");
    assert_block(&send(&mut icap, &upload("/reqmod", &bodies[1])), "marker");
    eventually("it is tried again", || (count(&server, "retries_total") > 1.5).then_some(()));
    assert!((count(&server, "queue_length") - 2.0).abs() < 0.5);
    store.restart();
    stored(&server, 2);
    let ids = ground.ids();
    assert!(ids.iter().map(|id| ground.get(id)).eq(bodies));
    assert!(count(&server, "failed_total") < 0.5 && lines(&server).is_empty());
}

#[test]
fn a_store_with_a_private_authority_is_believed_by_its_file_and_not_without() {
    let (authority, other, folder) = (Authority::new(), Authority::new(), tempdir());
    let store = S3Server::secured(BUCKET, authority.issue(folder.path(), "store.test"));
    let own = format!(", caFile: {}", authority.ca_file().display());
    let ground = kept_at(&store, &own);
    let server = ground.start();
    let mut icap = IcapClient::connect(server.icap());
    let body = [clean_bytes(1 << 20, 5), marker()].concat();
    assert_block(&send(&mut icap, &upload("/reqmod", &body)), "marker");
    stored(&server, 1);
    assert!(ground.get(&ground.ids()[0]) == body);
    let stranger = kept_at(&store, &format!(", caFile: {}", other.ca_file().display()));
    let server = stranger.start();
    let mut icap = IcapClient::connect(server.icap());
    assert_block(&send(&mut icap, &upload("/reqmod", &eicar())), "eicar");
    eventually("the failure is counted", || (failed(&server, "unreachable") > 0.5).then_some(()));
    assert!(lines(&server)[0].contains("cannot be secured"), "{:?}", lines(&server));
    assert!(count(&server, "retries_total") < 0.5);
    assert!(told(&stranger.ask("list", &[])).contains("cannot be secured"));
    assert_eq!(files(&store, "").len(), 1);
}

/// How a store of this test goes wrong.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// It takes all and says nothing.
    Mute,
    /// It takes a byte a second.
    Reads,
    /// It takes all, and says a byte a second.
    Answers,
}

/// A store that is none. Its threads end with the test.
fn wrong_store(manner: Manner) -> SocketAddr {
    const PACE: Duration = Duration::from_secs(1);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    let serve = move |mut stream: TcpStream| -> std::io::Result<()> {
        if let Manner::Reads = manner {
            while stream.read(&mut [0])? > 0 {
                thread::sleep(PACE);
            }
            return Ok(());
        }
        // Nobody answers before a request.
        stream.read_exact(&mut [0; 64])?;
        let mut answer = stream.try_clone()?;
        if let Manner::Answers = manner {
            thread::spawn(move || -> std::io::Result<()> {
                for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" {
                    answer.write_all(&[*byte])?;
                    thread::sleep(PACE);
                }
                Ok(())
            });
        }
        std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
    };
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    address
}

#[test]
fn a_store_that_is_mute_or_slow_costs_its_deadline_and_nobody_else() {
    let folder = tempdir();
    let own = folder.path().join("credentials");
    fs::write(&own, "aws_access_key_id = K\naws_secret_access_key = s").expect("it can be written");
    for manner in [Manner::Mute, Manner::Reads, Manner::Answers] {
        let url = format!("http://{}", wrong_store(manner));
        let ground = Ground::in_store(&s3(&url, &own, ", timeout: 5s, retryFor: 0s"));
        let server = ground.start();
        let mut icap = IcapClient::connect(server.icap());
        let large = [clean_bytes(8 << 20, 5), marker()].concat();
        assert_block(&send(&mut icap, &upload("/reqmod", &large)), "marker");
        for _ in 0..20 {
            assert_204(&send(&mut icap, &upload("/reqmod", b"harmless")));
        }
        assert_block(&send(&mut icap, &upload("/reqmod", &eicar())), "eicar");
        // All that was answered while the store had the first.
        assert!(count(&server, "failed_total") < 0.5, "{manner:?}");
        assert!((count(&server, "queue_length") - 2.0).abs() < 0.5, "{manner:?}");
        eventually("the deadline ends it", || (count(&server, "failed_total") > 1.5).then_some(()));
        assert!((failed(&server, "timeout") - 2.0).abs() < 0.5, "{manner:?}: {}", server.metrics());
        assert!(lines(&server)[0].contains("took longer than 5s"), "{:?}", lines(&server));
        eventually("nothing is held any more", || {
            let held = count(&server, "queue_bytes") + server.metric("icapstan_gateway_spool_bytes", "");
            (held < 0.5).then_some(())
        });
    }
}

/// In front of a store: passes so many bytes on, and swallows the rest until the client is gone.
fn half_way(store: SocketAddr, passed: u64) -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    let swallowed = Arc::new(AtomicU64::new(0));
    let meter = Arc::clone(&swallowed);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let meter = Arc::clone(&meter);
            thread::spawn(move || -> std::io::Result<()> {
                let mut client = client;
                let mut store = TcpStream::connect(store)?;
                std::io::copy(&mut (&mut client).take(passed), &mut store)?;
                let mut block = [0; 4096];
                loop {
                    match client.read(&mut block) {
                        Ok(count @ 1..) => meter.fetch_add(count as u64, Ordering::Relaxed),
                        _ => return Ok(()),
                    };
                }
            });
        }
    });
    (address, swallowed)
}

#[test]
fn a_kill_in_the_midst_leaves_nothing_in_the_store() {
    let store = S3Server::start(BUCKET);
    let (half, swallowed) = half_way(store.address(), 1 << 20);
    let through = s3(&format!("http://{half}"), &store.credentials(), "");
    let ground = Ground::in_store(&through);
    let mut server = ground.start();
    let mut icap = IcapClient::connect(server.icap());
    let body = [clean_bytes(3 << 20, 3), marker()].concat();
    assert_block(&send(&mut icap, &upload("/reqmod", &body)), "marker");
    eventually("it is on its way", || (swallowed.load(Ordering::Relaxed) > 0).then_some(()));
    server.process().signal(Signal::KILL);
    server.wait_exit();
    let whole = kept_at(&store, "");
    assert!(whole.ids().is_empty() && files(&store, "").is_empty());
    // Nor later, once the store has seen the end of the connection.
    let server = whole.start();
    let mut icap = IcapClient::connect(server.icap());
    assert_block(&send(&mut icap, &upload("/reqmod", &body)), "marker");
    stored(&server, 1);
    let ids = whole.ids();
    assert_eq!((ids.len(), files(&store, "").len()), (1, 1));
    assert!(whole.get(&ids[0]) == body);
}
