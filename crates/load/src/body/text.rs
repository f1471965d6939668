//! Lines of English words.

use super::words::WORDS;
use super::{Draft, Random};

/// No paragraph has more sentences.
const SENTENCES: usize = 6;

/// At least `size` bytes.
pub(super) fn write(draft: &mut Draft, size: usize) {
    let mut left = SENTENCES;
    while draft.bytes.len() < size {
        if draft.wants_slot(size) {
            // First, so that the smallest body has one.
            draft.slot();
            draft.push(" is the number of this notice. ");
        }
        sentence(draft);
        left -= 1;
        if left == 0 {
            draft.push("\n\n");
            left = 1 + draft.random.below(SENTENCES);
        } else {
            draft.push(if left.is_multiple_of(2) { "\n" } else { " " });
        }
    }
}

/// From four to fifteen words and a full stop.
pub(super) fn sentence(draft: &mut Draft) {
    let count = 4 + draft.random.below(12);
    for number in 0..count {
        let word = word(&mut draft.random);
        if number == 0 {
            draft.push(&word[..1].to_ascii_uppercase());
            draft.push(&word[1..]);
        } else {
            let comma = draft.random.below(9) == 0;
            draft.push(if comma { ", " } else { " " });
            draft.push(word);
        }
    }
    draft.push(".");
}

pub(super) fn word(random: &mut Random) -> &'static str {
    WORDS[random.below(WORDS.len())]
}
