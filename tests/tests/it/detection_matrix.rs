//! How content may travel, as a table: malware is found in it, or there is a reason why it was not looked at.
//!
//! What is called clean although it is not is a known hole, and stands here as one: when it is mended, or
//! when another one opens, this fails.

pub(crate) mod build;
mod clean;
mod codings;
mod containers;
mod corpus;
mod embedded;
pub(crate) mod encrypted;
mod mail;
mod multipart;
mod rows;

use icapstan_testkit::{IcapClient, PATIENCE, Standalone};
use rows::{Outcome, Row};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

fn all() -> Vec<Row> {
    let mut rows = codings::rows();
    rows.extend(multipart::rows());
    rows.extend(mail::rows());
    rows.extend(embedded::rows());
    rows.extend(containers::rows());
    rows.extend(encrypted::rows());
    rows
}

#[test]
fn malware_is_found_however_it_travels_or_there_is_a_reason() {
    let rows = all();
    assert!(rows.len() >= 90, "{} rows", rows.len());
    check(&rows);
    // No other one is called clean.
    let holes: Vec<_> =
        rows.iter().filter(|row| row.expected == Outcome::Clean).map(|row| row.name).collect();
    assert_eq!(holes, rows::KNOWN_HOLES);
}

#[test]
fn clean_content_is_clean_however_it_travels() {
    let mut rows = clean::rows();
    rows.extend(encrypted::clean().into_iter().map(Row::clean));
    assert!(rows.iter().all(|row| row.expected == Outcome::Clean));
    check(&rows);
}

/// Puts the same table to another server, for comparison: `ICAPSTAN_MATRIX_PEER=127.0.0.1:1344/avscan`.
/// It is to have the signatures that the testkit writes.
#[test]
#[ignore = "needs another server; run it by name"]
fn another_server_is_put_to_the_same_table() {
    let peer = std::env::var("ICAPSTAN_MATRIX_PEER").expect("ICAPSTAN_MATRIX_PEER says where it is");
    let (address, service) = peer.split_once('/').expect("an address, a slash and a service");
    let (mut caught, rows) = (0, all());
    println!("| how it travels | icapstan | the other |\n|---|---|---|");
    for row in &rows {
        let outcome = match icap_head(address, &row.message(&format!("/{service}")).bytes()) {
            Ok(head) if head.contains("X-Infection-Found:") => {
                caught += 1;
                "caught".to_owned()
            }
            Ok(head) => format!("passed: {}", head.lines().next().unwrap_or_default()),
            Err(error) => format!("no answer: {error}"),
        };
        println!("| {} | {} | {outcome} |", row.name, row.expected);
    }
    println!("caught {caught} of {}", rows.len());
}

/// The head of the answer, whatever is wrong with it: other servers take other liberties.
fn icap_head(address: &str, message: &[u8]) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut writer = stream.try_clone()?;
    let (mut head, mut piece) = (Vec::new(), [0; 4096]);
    thread::scope(|scope| {
        // It may answer before it has all.
        scope.spawn(move || drop(writer.write_all(message)));
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read(&mut piece)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                len => head.extend_from_slice(&piece[..len]),
            }
        }
        let _ = stream.shutdown(Shutdown::Both);
        Ok(String::from_utf8_lossy(&head).into_owned())
    })
}

fn check(rows: &[Row]) {
    let server = Standalone::start();
    let mut client = IcapClient::connect(server.icap());
    let mut wrong = Vec::new();
    for row in rows {
        client.send(row.message("/avscan").bytes());
        let response = client.read(row.kind());
        let outcome = Outcome::of(&response);
        println!("{:<60} {outcome}", row.name);
        if outcome != row.expected {
            wrong.push(format!("{}: {outcome}, not {}", row.name, row.expected));
        }
        if response.closes() {
            client = IcapClient::connect(server.icap());
        }
    }
    assert!(wrong.is_empty(), "of {} rows:\n{}", rows.len(), wrong.join("\n"));
}
