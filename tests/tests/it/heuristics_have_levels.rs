//! Each level of heuristics finds what the one before does, and more; what one level found says nothing for another.

use crate::common::{GET, OK, assert_204, assert_block};
use icapstan_testkit::{IcapClient, Message, Standalone};

const LEVELS: [&str; 4] = ["off", "shallow", "medium", "detail"];

/// An animated cursor whose header is longer than the buffer for it (MS05-002).
fn cursor() -> Vec<u8> {
    let mut cursor = b"RIFF\x80\x00\x00\x00ACONanih\x70\x00\x00\x00".to_vec();
    cursor.resize(200, b'A');
    cursor
}

/// A disk whose second partition begins within the first.
fn disk() -> Vec<u8> {
    let mut disk = vec![0; 512 * 512];
    for (at, first) in [(446, 1), (462, 50)] {
        disk[at + 4] = 0x83;
        disk[at + 8] = first;
        disk[at + 12] = 100;
    }
    disk[510..512].copy_from_slice(b"\x55\xaa");
    disk
}

/// A program whose header tells of more than the program has.
fn program() -> Vec<u8> {
    let mut program = b"\x7fELF\x02\x01\x01".to_vec();
    program.resize(16, 0);
    program.extend(b"\x02\x00\x3e\x00\x01\x00\x00\x00");
    program.resize(64, 0);
    program[54..58].copy_from_slice(b"\x38\x00\xff\x00");
    program[32] = 64;
    program
}

#[test]
fn each_level_blocks_what_only_it_and_those_above_find() {
    let service = |level| format!("- {{path: /{level}, modes: [RESPMOD], scan: content, policy: {level}}}\n");
    let policy = |level| format!("- {{name: {level}, scan: {{heuristics: '{level}'}}}}\n");
    let (services, policies) = (LEVELS.map(service).concat(), LEVELS.map(policy).concat());
    let config = format!("services:\n{services}policies:\n- {{name: default}}\n{policies}");
    let server = Standalone::with().config(&config).start();
    let mut icap = IcapClient::connect(server.icap());
    let objects = [
        (1, cursor(), "Exploit.W32.MS05-002"),
        (2, disk(), "MBRPartition"),
        (3, program(), "Broken.Executable"),
    ];
    // Twice, so that each level meets what another one has left behind.
    for level in [3, 2, 1, 0, 1, 2, 3, 0] {
        for (least, object, name) in &objects {
            let path = format!("/{}", LEVELS[level]);
            let message = Message::respmod(&path).request_head(GET).response_head(OK).allow_204();
            icap.send_while(&message.body(object.clone()).bytes(), |_| ());
            let response = icap.read_respmod();
            if level >= *least {
                assert_block(&response, name);
            } else {
                assert_204(&response);
            }
        }
    }
}
