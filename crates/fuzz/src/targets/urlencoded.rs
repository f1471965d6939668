//! Forms as browsers send them by default.

use crate::input::Input;
use icapstan_unpack::Urlencoded;
use std::fmt::Write;

/// Decodes a form: how many texts at most, then the body; and encodes one and decodes it.
///
/// - No more texts than the limit; that there are more is told, and only then.
/// - With a higher limit the first texts are the same.
/// - Texts are no longer than the body together.
/// - What was encoded comes back.
pub fn urlencoded(data: &[u8]) {
    let mut input = Input::new(data);
    let max = usize::from(input.byte());
    let body = input.rest();
    let form = Urlencoded::parse(body, max);
    let all = Urlencoded::parse(body, usize::MAX);
    assert!(!all.truncated && form.texts.len() <= max);
    assert_eq!(form.truncated, all.texts.len() > max);
    assert_eq!(form.texts[..], all.texts[..max.min(all.texts.len())]);
    assert!(all.texts.iter().all(|text| !text.is_empty()));
    assert!(all.texts.iter().map(Vec::len).sum::<usize>() <= body.len());
    let values: Vec<&[u8]> = body.split(|byte| *byte == b'\n').filter(|value| !value.is_empty()).collect();
    let mut wire = String::new();
    for (index, value) in values.iter().enumerate() {
        wire.push_str(if index == 0 { "" } else { "&" });
        for byte in *value {
            match byte {
                b'a'..=b'z' => wire.push(char::from(*byte)),
                b' ' => wire.push('+'),
                other => drop(write!(wire, "%{other:02X}")),
            }
        }
    }
    let back = Urlencoded::parse(wire.as_bytes(), usize::MAX);
    assert!(back.texts == values);
    let _ = Urlencoded::is_urlencoded(&String::from_utf8_lossy(body));
}
