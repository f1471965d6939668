//! Settings of another product.

use crate::input::Input;
use icapstan_api::Config;
use icapstan_kse::{ImportError, MAX_NOTES, import};
use icapstan_policy::Policy;

/// Takes over `kavicapd.xml` and a rules file: whether there is one, the rules, NUL, the document; or, by
/// another choice, what stands in its sections.
///
/// - What comes out can be used, and its text reads as the same.
/// - Notes and errors are short lines that no terminal minds, and there are not too many.
/// - What comes out is never called a fault of the program.
pub fn kse(data: &[u8]) {
    let mut input = Input::new(data);
    let choice = input.byte();
    let rules = String::from_utf8_lossy(input.text()).into_owned();
    let rules = (choice & 1 == 0).then_some(&*rules);
    let rest = input.rest();
    let document = match choice >> 1 & 3 {
        0 => rest.to_vec(),
        1 => within("ICAPSettings", rest),
        2 => within("SDKSettings", rest),
        _ => within("UpdateSettings", rest),
    };
    let imported = match import(&document, rules) {
        Ok(imported) => imported,
        Err(error) => {
            assert!(!matches!(error, ImportError::Inexpressible(_)), "{error}");
            line(&error.to_string());
            return;
        }
    };
    let text = imported.to_yaml();
    let again = Config::parse(&text, "again").unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(again, imported.config, "{text}");
    for policy in &imported.config.policies {
        Policy::compile(policy).expect("was checked");
    }
    assert!(imported.notes.len() <= MAX_NOTES);
    imported.notes.iter().for_each(|note| line(&note.to_string()));
    assert_eq!(import(&document, rules), Ok(imported), "the same again");
}

fn within(section: &str, inner: &[u8]) -> Vec<u8> {
    let (start, end) = (format!("<Configuration><{section}>"), format!("</{section}></Configuration>"));
    [start.as_bytes(), inner, end.as_bytes()].concat()
}

fn line(text: &str) {
    assert!(text.chars().count() < 4000, "{text}");
    let odd = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!text.contains(odd), "{text:?}");
}
