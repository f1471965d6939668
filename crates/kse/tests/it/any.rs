//! Whatever the files hold, what comes out can be used.

use crate::{WHOLE, assert_can_be_used};
use icapstan_kse::{MAX_NOTES, import};
use proptest::prelude::*;

/// Names that mean something, and one that does not.
fn name() -> impl Strategy<Value = &'static str> {
    let names: Vec<&'static str> = WHOLE
        .split('<')
        .filter_map(|piece| piece.split(['>', ' ', '/', '?']).next())
        .filter(|name| !name.is_empty() && *name != "Configuration" && *name != "xml")
        .chain(["Odd", "KAVScanningSettings", "Flags"])
        .collect();
    proptest::sample::select(names)
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => any::<u64>().prop_map(|number| number.to_string()),
        3 => (0u64..70_000).prop_map(|number| number.to_string()),
        2 => proptest::sample::select(vec![
            "0", "1", "", "URL", "Content", "All", "req", "resp", "9344", "1344", "65535", "512", "/tmp", "X-Virus-ID",
            "KAV_O_M_PACKED | KAV_O_M_PHISHING", "yes", "-1",
        ]).prop_map(str::to_owned),
        2 => "[ -~\u{a0}-\u{2ff}\u{202e}\n\t]{0,40}".prop_map(|text| escape(&text)),
    ]
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// An element with values, attributes and elements.
fn element() -> impl Strategy<Value = String> {
    let attributes = proptest::collection::btree_map(
        proptest::sample::select(vec![
            "Delay",
            "ChunkSize",
            "Enabled",
            "TimeoutMs",
            "MaxRequests",
            "UseAlways",
            "odd",
        ]),
        value(),
        0..3,
    );
    let leaf = (name(), attributes, value()).prop_map(|(name, attributes, value)| {
        let attributes: Vec<String> =
            attributes.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        format!("<{name} {}>{value}</{name}>", attributes.join(" "))
    });
    leaf.prop_recursive(2, 12, 4, |inner| {
        (name(), proptest::collection::vec(inner, 0..4))
            .prop_map(|(name, inner)| format!("<{name}>{}</{name}>", inner.concat()))
    })
}

fn rule_line() -> impl Strategy<Value = String> {
    let words = |words: &'static [&'static str]| proptest::sample::select(words);
    let rule = (
        words(&["REQ", "RESP", "ANY", "any", "BOTH"]),
        words(&["NON_SCANNED", "FAILED", "PHISHING", "DETECT", "DETECTED", "MACRO", "CLEAN", "Any", "NEW"]),
        words(&[
            "",
            "NONE",
            "SET_RESP=detect_req",
            "SET_RESP=own page",
            "EXEC_CMD=x",
            "SET_RESP=a EXEC_CMD=b",
            "SET_RESP",
        ]),
    );
    prop_oneof![
        6 => rule.prop_map(|(mode, result, action)| format!("{mode} {result} {action}")),
        1 => "[ -~\u{85}\u{2028}]{0,60}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn every_document_becomes_a_configuration_that_can_be_used(
        sdk in proptest::collection::vec(element(), 0..12),
        icap in proptest::collection::vec(element(), 0..24),
        update in proptest::collection::vec(element(), 0..4),
        rest in proptest::collection::vec(element(), 0..3),
        rules in proptest::option::of(proptest::collection::vec(rule_line(), 0..30)),
    ) {
        let xml = format!(
            "<Configuration><SDKSettings>{}</SDKSettings><ICAPSettings>{}</ICAPSettings>\
             <UpdateSettings>{}</UpdateSettings>{}</Configuration>",
            sdk.concat(), icap.concat(), update.concat(), rest.concat()
        );
        let rules = rules.map(|lines| lines.join("\n"));
        let imported = import(xml.as_bytes(), rules.as_deref()).map_err(|error| TestCaseError::fail(format!("{error}: {xml}")))?;
        assert_can_be_used(&imported);
        prop_assert!(imported.notes.len() <= MAX_NOTES);
        for note in &imported.notes {
            let line = note.to_string();
            prop_assert!(!line.chars().any(char::is_control), "{:?}", line);
            prop_assert!(line.chars().count() < 2000);
        }
    }

    #[test]
    fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..400), rules in "\\PC{0,200}") {
        let _ = import(&bytes, Some(&rules));
    }

    #[test]
    fn a_good_file_with_some_bytes_changed_is_read_or_refused(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut bytes = WHOLE.as_bytes().to_vec();
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(imported) = import(&bytes, None) {
            assert_can_be_used(&imported);
        }
    }
}
