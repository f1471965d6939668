//! `icapstan scan`: one object through an ICAP service.

use crate::cli::Scan;
use crate::client::{Answer, Client, ClientError, ServiceUri, TlsOptions};
use crate::exit::Exit;
use serde_json::json;
use std::fs::File;
use std::io::{self, Read, Write};
use std::time::Duration;

/// What the service said of the object.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Clean,
    /// With the threat's name.
    Infected(String),
    /// With the reason.
    NotScanned(String),
}

/// Scans a path, `-` or `eicar`, prints one line, and says how to end.
pub(crate) fn run(args: &Scan) -> Exit {
    let result = scan(&args.object, &args.server, &args.tls, args.timeout);
    let what = name_of(&args.object);
    let (line, exit) = match &result {
        Ok((Verdict::Clean, _)) => (format!("{what}: OK"), Exit::Success),
        Ok((Verdict::Infected(name), _)) => (format!("{what}: {name} FOUND"), Exit::Found),
        Ok((Verdict::NotScanned(reason), _)) => (format!("{what}: NOT SCANNED ({reason})"), Exit::NotScanned),
        Err(error) => (format!("{what}: ERROR ({})", crate::exit::chain(error)), Exit::NotScanned),
    };
    let line = if args.json { as_json_line(what, &result) } else { line };
    // Whoever closed the pipe does not want the line; the exit code still tells.
    let _ = writeln!(io::stdout(), "{line}");
    exit
}

fn scan(
    what: &str,
    server: &ServiceUri,
    tls: &TlsOptions,
    patience: Duration,
) -> Result<(Verdict, Answer), ClientError> {
    let mut object: Box<dyn Read> = match what {
        "-" => Box::new(io::stdin()),
        "eicar" => Box::new(io::Cursor::new(eicar())),
        path => Box::new(File::open(path).map_err(|error| ClientError::Object(path.to_owned(), error))?),
    };
    let answer = Client::connect(server, tls, patience)?.scan(&mut object, name_of(what))?;
    Ok((judge(&answer), answer))
}

/// What the object is called in the output and in the server's log.
fn name_of(what: &str) -> &str {
    if what == "-" { "stdin" } else { what }
}

/// The EICAR test file, never whole in this program: scanners would remove it.
fn eicar() -> Vec<u8> {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD", "-ANTIVIRUS-TEST-FILE!$H+H*"].concat().into_bytes()
}

/// Reads what icapstan answers, and what other servers do.
fn judge(answer: &Answer) -> Verdict {
    let text = |name: &str| answer.head.field(name).map(|value| String::from_utf8_lossy(value).into_owned());
    let status = answer.head.status();
    if !matches!(status, 200 | 204) {
        let reason = text("X-Icapstan-Reason").map(|reason| format!(", {reason}")).unwrap_or_default();
        return Verdict::NotScanned(format!("ICAP status {status}{reason}"));
    }
    if let Some(name) = text("X-Virus-ID").or_else(|| text("X-Infection-Found")) {
        return Verdict::Infected(name);
    }
    let reason = text("X-Icapstan-Reason");
    let found = reason
        .as_deref()
        .and_then(|reason| reason.split(", ").find(|word| matches!(*word, "detect" | "phishing" | "macro")));
    match (found, reason.as_deref(), answer.head.http().and_then(|head| head.status())) {
        (Some(word), _, _) => Verdict::Infected(word.to_owned()),
        (None, Some(reason), _) => Verdict::NotScanned(reason.to_owned()),
        (None, None, Some(403)) => Verdict::Infected("blocked".to_owned()),
        (None, None, _) => Verdict::Clean,
    }
}

fn as_json_line(what: &str, result: &Result<(Verdict, Answer), ClientError>) -> String {
    let mut line = json!({ "object": what });
    match result {
        Ok((verdict, answer)) => {
            let (word, threat, reason) = match verdict {
                Verdict::Clean => ("clean", None, None),
                Verdict::Infected(name) => ("infected", Some(name), None),
                Verdict::NotScanned(reason) => ("not-scanned", None, Some(reason)),
            };
            let tag = answer.head.field("ISTag").map(String::from_utf8_lossy);
            line["verdict"] = json!(word);
            line["threat"] = json!(threat);
            line["reason"] = json!(reason);
            line["icapStatus"] = json!(answer.head.status());
            line["istag"] = json!(tag.map(|tag| tag.trim_matches('"').to_owned()));
        }
        Err(error) => {
            line["verdict"] = json!("error");
            line["reason"] = json!(crate::exit::chain(error));
        }
    }
    line.to_string()
}
