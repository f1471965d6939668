//! `icapstan options`: what a service says of itself.

use crate::client::{Client, ServiceUri, TlsOptions};
use crate::exit::{Exit, chain};
use std::io::{self, Write};
use std::time::Duration;

/// Prints the answer to OPTIONS, and says how to end.
pub(crate) fn run(uri: &ServiceUri, tls: &TlsOptions, patience: Duration) -> Exit {
    match Client::connect(uri, tls, patience).and_then(|mut client| client.options()) {
        Ok(answer) => {
            let mut out = io::stdout().lock();
            let _ = writeln!(out, "Status: {}", answer.head.status());
            for (name, value) in answer.head.fields() {
                let _ = writeln!(out, "{}: {}", printable(name), printable(value));
            }
            if answer.head.status() == 200 { Exit::Success } else { Exit::Failure }
        }
        Err(error) => {
            eprintln!("icapstan: {}", chain(&error));
            Exit::Failure
        }
    }
}

/// A server's bytes as text that cannot steer a terminal.
fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}
