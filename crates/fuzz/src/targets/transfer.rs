//! Transfer encodings of mail.

use crate::input::Input;
use icapstan_unpack::{Budget, Defect, Transferred, base64, quoted_printable};
use std::time::{Duration, Instant};

/// Decodes base64 and quoted-printable.
///
/// - Both come to what a plain second reading of the rules comes to, byte by byte.
/// - What keeps the rules is not odd, and what is not odd keeps them.
/// - No output is longer than its input, nor than the budget; with less room it is the beginning of what
///   it is with more.
/// - What was encoded comes back.
pub fn transfer(data: &[u8]) {
    let mut input = Input::new(data);
    let room = u64::from(input.byte());
    let text = input.rest();
    for (decode, plain) in [
        (base64 as fn(&[u8], &Budget) -> Transferred, plain_base64 as fn(&[u8]) -> Vec<u8>),
        (quoted_printable, plain_quoted),
    ] {
        let whole = decode(text, &budget(1 << 30));
        assert_eq!(whole.defect, None);
        assert!(whole.output.len() <= text.len());
        assert!(whole.output == plain(text), "{:?}, {:?}", whole.output, plain(text));
        let less = decode(text, &budget(room));
        assert!(less.output.len() as u64 <= room && whole.output.starts_with(&less.output));
        assert_eq!(less.defect, (whole.output.len() as u64 > room).then_some(Defect::OutputLimit));
    }
    let encoded = encode(text);
    let back = base64(&encoded, &budget(1 << 30));
    assert!(back.output == text && !back.odd);
    if let Some(position) = encoded.iter().rposition(|byte| *byte == b'=') {
        let mut wrong = encoded;
        wrong.remove(position);
        let back = base64(&wrong, &budget(1 << 30));
        assert!(back.output == text && back.odd, "padding is missing");
    }
}

fn budget(max_output: u64) -> Budget {
    let deadline = Instant::now() + Duration::from_mins(1);
    Budget { max_output, max_ratio: 1, deadline, max_codings: 0, cancelled: std::sync::Arc::default() }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Digits in groups of four; padding ends a group; all else is passed over.
fn plain_base64(text: &[u8]) -> Vec<u8> {
    let mut output = Vec::new();
    let mut group: Vec<u8> = Vec::new();
    for byte in text.iter().copied().chain(*b"=") {
        match ALPHABET.iter().position(|digit| *digit == byte).and_then(|at| u8::try_from(at).ok()) {
            Some(digit) => group.push(digit),
            None if byte != b'=' => continue,
            None => {}
        }
        if group.len() == 4 || byte == b'=' {
            let bits = group.iter().flat_map(|digit| (0..6).rev().map(move |bit| digit >> bit & 1));
            let bits: Vec<u8> = bits.collect();
            output
                .extend(bits.chunks_exact(8).map(|octet| octet.iter().fold(0, |byte, bit| byte << 1 | bit)));
            group.clear();
        }
    }
    output
}

/// Line by line (RFC 2045 section 6.7): white space at the end goes, then a soft line break.
fn plain_quoted(text: &[u8]) -> Vec<u8> {
    let mut output = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let content = line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
        let ending = &line[content.len()..];
        let mut kept = content;
        while let [front @ .., b' ' | b'\t'] = kept {
            kept = front;
        }
        let soft = kept.ends_with(b"=");
        let kept = if soft { &kept[..kept.len() - 1] } else { kept };
        let mut at = 0;
        while at < kept.len() {
            let code = kept
                .get(at + 1..at + 3)
                .filter(|code| kept[at] == b'=' && code.iter().all(u8::is_ascii_hexdigit));
            if let Some(code) = code {
                let code = std::str::from_utf8(code).expect("hexadecimal");
                output.push(u8::from_str_radix(code, 16).expect("hexadecimal"));
                at += 3;
            } else {
                output.push(kept[at]);
                at += 1;
            }
        }
        if !soft {
            output.extend_from_slice(ending);
        }
    }
    output
}

/// As mail programs write it: lines of 76 digits.
fn encode(bytes: &[u8]) -> Vec<u8> {
    let mut digits = Vec::new();
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for index in 0..4 {
            let digit = usize::try_from(bits >> (18 - 6 * index) & 63).expect("six bits");
            digits.push(if index > group.len() { b'=' } else { ALPHABET[digit] });
        }
    }
    digits.chunks(76).flat_map(|line| line.iter().copied().chain(*b"\r\n")).collect()
}
