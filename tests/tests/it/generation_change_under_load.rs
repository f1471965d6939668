//! New signatures come into force while requests flow, and nobody notices but the ISTag.

use crate::common::{assert_204, assert_block, respmod};
use icapstan_testkit::{
    IcapClient, Message, Standalone, clean_bytes, eicar, eventually, hex, signatures, tempdir,
};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// A body that is clean until the second signature file is there.
pub(crate) const LATER: &str = "this text becomes a threat while the test runs 0123456789";

/// Puts a file into the folder whole, as an updater does.
pub(crate) fn publish(folder: &Path, name: &str, text: &str) {
    let draft = folder.join(format!(".{name}.tmp"));
    std::fs::write(&draft, text).expect("the folder is writable");
    std::fs::rename(draft, folder.join(name)).expect("the folder is writable");
}

fn tag(icap: &mut IcapClient) -> String {
    icap.send(Message::options("/respmod").bytes());
    icap.read_options().istag().to_owned()
}

#[test]
fn generation_change_under_load_fails_no_request_and_moves_the_tag() {
    let folder = tempdir();
    signatures(folder.path());
    let server = Standalone::with().signature_folder(folder.path()).start();
    let mut icap = IcapClient::connect(server.icap());
    let before = tag(&mut icap);
    icap.send(respmod().allow_204().body(LATER).bytes());
    assert_204(&icap.read_respmod());
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let after = thread::scope(|scope| {
        for seed in 0..4_u8 {
            let (server, stop, answered) = (&server, &stop, &answered);
            scope.spawn(move || {
                let mut icap = IcapClient::connect(server.icap());
                let mut turn = 0;
                while !stop.load(Ordering::Relaxed) {
                    turn += 1;
                    // New content each time, so that no cached verdict answers for it.
                    let body = clean_bytes(500 + usize::from(seed), u64::from(seed) << 32 | turn);
                    icap.send(respmod().allow_204().body(body).bytes());
                    assert_204(&icap.read_respmod());
                    icap.send(respmod().allow_204().body(eicar()).bytes());
                    assert_block(&icap.read_respmod(), "eicar");
                    answered.fetch_add(2, Ordering::Relaxed);
                }
            });
        }
        // Whatever panics in here must not leave the others running.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually("load flows", || (answered.load(Ordering::Relaxed) > 50).then_some(()));
            let hex = hex(LATER.as_bytes());
            publish(folder.path(), "later.ndb", &format!("Later.Test:0:*:{hex}\n"));
            let after = eventually("the tag moves", || {
                let now = tag(&mut icap);
                (now != before).then_some(now)
            });
            let so_far = answered.load(Ordering::Relaxed);
            eventually("load flows on", || (answered.load(Ordering::Relaxed) > so_far + 50).then_some(()));
            after
        }));
        stop.store(true, Ordering::Relaxed);
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    icap.send(respmod().allow_204().body(LATER).bytes());
    let response = icap.read_respmod();
    assert_block(&response, "later.test");
    assert_eq!(response.istag(), after, "the verdict and its tag are of one generation");
}

#[test]
fn a_broken_signature_file_changes_nothing() {
    let folder = tempdir();
    signatures(folder.path());
    let server = Standalone::with().signature_folder(folder.path()).start();
    let mut icap = IcapClient::connect(server.icap());
    let before = tag(&mut icap);
    publish(folder.path(), "broken.ndb", "this is no signature\n");
    server.process().wait_for("that a generation was refused", |line| {
        let bad = line.contains("\"level\":\"ERROR\"") || line.contains("\"level\":\"WARN\"");
        bad.then_some(())
    });
    assert_eq!(tag(&mut icap), before);
    icap.send(respmod().allow_204().body(eicar()).bytes());
    assert_block(&icap.read_respmod(), "eicar");
    // Once it is repaired, the next generation comes into force.
    publish(folder.path(), "broken.ndb", "Repaired.Test:0:*:30313233343536373839\n");
    eventually("the tag moves", || (tag(&mut icap) != before).then_some(()));
}
