//! What bodies are told to be.

use icapstan_sniff::{PREFIX, UNKNOWN, is_known, media_type};

/// Tells the type of a body.
///
/// - It is one of those that are known, in lower case, or that of what is not made out.
/// - What lies behind the part that is looked at changes nothing.
/// - What begins as HTML is told to be HTML, whatever follows.
pub fn type_of_body(data: &[u8]) {
    let told = media_type(data);
    assert!(told == UNKNOWN || is_known(told), "{told}");
    assert_eq!(told, told.to_ascii_lowercase());
    assert_eq!(media_type(&data[..data.len().min(PREFIX)]), told);
    let page = [b"<!DOCTYPE html><html>", data].concat();
    assert_eq!(media_type(&page), "text/html");
}
