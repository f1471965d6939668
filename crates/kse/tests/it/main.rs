//! What whoever moves from the reference product can rely on.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod any;
mod mapped;
mod notes;
mod page;
mod rules;
mod wrong;

use icapstan_api::Config;
use icapstan_kse::{Imported, Note, Severity, import};
use serde_yaml::Value;

/// All that the reference's documentation knows, with values of every kind.
const WHOLE: &str = include_str!("kavicapd.xml");

/// A document with these elements in `ICAPSettings`.
fn icap(inner: &str) -> String {
    format!("<Configuration><ICAPSettings>{inner}</ICAPSettings></Configuration>")
}

/// A document with these elements in `SDKSettings`.
fn sdk(inner: &str) -> String {
    format!("<Configuration><SDKSettings>{inner}</SDKSettings></Configuration>")
}

#[track_caller]
fn imported(xml: &str, rules: Option<&str>) -> Imported {
    let imported = import(xml.as_bytes(), rules).unwrap_or_else(|error| panic!("{xml}: {error}"));
    assert_can_be_used(&imported);
    imported
}

/// Its text is a configuration, and the same one.
#[track_caller]
fn assert_can_be_used(imported: &Imported) {
    assert_eq!(imported.config.check(), Ok(()));
    let text = imported.to_yaml();
    let read = Config::parse(&text, "icapstan.yaml").unwrap_or_else(|error| panic!("{error} in:\n{text}"));
    assert_eq!(read, imported.config, "{text}");
}

/// A field such as `services.0.path`, as it is written.
fn field(text: &str, path: &str) -> Option<String> {
    let mut value: Value = serde_yaml::from_str(text).unwrap();
    for name in path.split('.') {
        value = match name.parse::<usize>() {
            Ok(index) => value.get(index)?.clone(),
            Err(_) => value.get(name)?.clone(),
        };
    }
    Some(serde_yaml::to_string(&value).unwrap().trim_end().replace("- ", "").replace('\n', ","))
}

fn notes_on<'a>(imported: &'a Imported, element: &str) -> Vec<&'a Note> {
    imported.notes.iter().filter(|note| note.element == element).collect()
}

/// The heaviest of the notes on an element.
fn severity_on(imported: &Imported, element: &str) -> Option<Severity> {
    notes_on(imported, element).iter().map(|note| note.severity).max()
}
