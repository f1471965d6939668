//! Content codings, there and back.

use crate::input::Input;
use icapstan_testkit::{brotli, deflate, gzip, zstd};
use icapstan_unpack::{Budget, Coding, Codings, Decoded, Input as Body, Output, Spill, decode, sniff};
use std::time::{Duration, Instant};

/// Encodes a text by up to three codings.
///
/// - Undone, it is the text again, and whole.
/// - The end cut off, it is not whole. A byte more at the end is told, unless it is padding.
/// - Codings that have a signature are known by it.
pub fn recoded(data: &[u8]) {
    let mut input = Input::new(data);
    let chain: Vec<Coding> = (0..=input.byte() % 3)
        .map(|_| input.pick(&[Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd]))
        .collect();
    let (cut, extra) = (usize::from(input.word()), input.byte());
    let text = input.rest();
    let mut wire = text.to_vec();
    for coding in &chain {
        wire = match coding {
            Coding::Gzip => gzip(&wire),
            Coding::Deflate => deflate(&wire),
            Coding::Brotli => brotli(&wire),
            _ => zstd(&wire),
        };
    }
    let outermost = chain.last().copied();
    assert!(outermost == Some(Coding::Brotli) || sniff(&wire) == outermost);
    let codings = Codings::new(&chain);
    let (output, whole) = undo(&wire, &codings);
    assert!(whole, "{chain:?}");
    assert!(output == text, "{chain:?}");
    // Nothing at all is a whole body, whatever it is said to be.
    if wire.len() > 1 {
        let shorter = &wire[..=cut % (wire.len() - 1)];
        let (output, whole) = undo(shorter, &codings);
        assert!(!whole, "{chain:?} cut at {}", shorter.len());
        assert!(chain.len() > 1 || output.is_empty() || text.starts_with(&output) || output == shorter);
    }
    wire.push(extra | 1);
    assert!(!undo(&wire, &codings).1, "{chain:?} with a byte more");
}

fn undo(wire: &[u8], codings: &Codings) -> (Vec<u8>, bool) {
    let budget = Budget {
        max_output: 1 << 30,
        max_ratio: 1 << 20,
        deadline: Instant::now() + Duration::from_mins(1),
        max_codings: 5,
        cancelled: std::sync::Arc::default(),
    };
    let mut refuse = || Err(std::io::ErrorKind::StorageFull.into());
    let mut spill = Spill { threshold: usize::MAX, create: &mut refuse };
    let decoded = decode(Body::Memory(wire), codings, &budget, &mut spill).expect("memory is enough");
    let whole = matches!(decoded, Decoded::Complete { first_len: None, .. });
    match decoded.into_parts().0 {
        Output::Memory(bytes) => (bytes, whole),
        Output::Same => (wire.to_vec(), whole),
        Output::File { .. } => panic!("memory is enough"),
    }
}
